//! A difference between two items, and its effect on users.

use serde::Serialize;

/// The part of a version that a change raises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Semver {
    None,
    Minor,
    Major,
}

impl Semver {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "no change",
            Self::Minor => "minor",
            Self::Major => "major",
        }
    }
}

/// The effect of a change on drivers that were compiled with the old header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Abi {
    /// The drivers and WSK still agree on sizes, offsets, values and calls.
    Kept,
    /// The drivers disagree with a WSK of the new header.
    Break,
}

impl Abi {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kept => "ABI kept",
            Self::Break => "ABI break",
        }
    }
}

/// The aspect of an item that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Aspect {
    Kind,
    Gate,
    Layout,
    Member,
    Signature,
    Value,
}

/// The effect of a difference.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Effect {
    /// The effect on code that is compiled with the new bindings.
    pub(crate) semver: Semver,
    pub(crate) abi: Abi,
    /// The reason.
    pub(crate) because: &'static str,
}

impl Effect {
    pub(super) const fn minor(because: &'static str) -> Self {
        Self { semver: Semver::Minor, abi: Abi::Kept, because }
    }

    pub(super) const fn major(because: &'static str) -> Self {
        Self { semver: Semver::Major, abi: Abi::Kept, because }
    }

    pub(super) const fn abi_break(because: &'static str) -> Self {
        Self { semver: Semver::Major, abi: Abi::Break, because }
    }
}

/// One difference between two items of a name.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Difference {
    pub(crate) aspect: Aspect,
    /// The member or enumerator that differs, if the difference is in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) member: Option<String>,
    /// The old name of a renamed member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) was: Option<String>,
    pub(crate) text: String,
    #[serde(flatten)]
    pub(crate) effect: Effect,
}
