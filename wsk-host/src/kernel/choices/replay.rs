//! The line that replays a run: a base, and the choices that differ from it.
//!
//! `1:pct3-7` is the run of the seed 7 under PCT of depth 3. `1:plain:p12=1,t40=2:512-9f3a` is the plainest run, but for the
//! 13th preemption and the 41st turn; it failed after 512 choices with these kinds and bounds.

use std::collections::BTreeMap;
use std::fmt;

use super::{Choice, ChoiceKind, Schedule};

/// The version of the format, and of the meaning of choices. A line of another version is refused.
const VERSION: &str = "1";

/// A choice by its kind and the number of choices of that kind before it: so a change of one kind does not move the others.
pub(crate) type ChoiceId = (ChoiceKind, u64);

/// The choices that differ from a base, and their values.
pub(crate) type Differences = BTreeMap<ChoiceId, u64>;

/// The run that a line starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    /// The plainest run.
    Plain,
    /// The run of a seed.
    Seed(Schedule, u64),
    /// The run whose choices are read from bytes.
    Bytes(Vec<u8>),
}

/// A run, as a line of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Replay {
    pub(crate) base: Base,
    pub(crate) differences: Differences,
    /// The run's choices until it failed, if it was recorded.
    pub(crate) end: Option<RunEnd>,
}

/// The number of a run's choices, and a hash of their kinds and bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunEnd {
    pub(crate) count: usize,
    pub(crate) hash: u16,
}

impl RunEnd {
    pub(crate) fn of(record: &[Choice]) -> Self {
        // FNV-1a.
        let add = |hash: u64, part: u64| (hash ^ part).wrapping_mul(0x100_0000_01B3);
        let both = |hash, choice: &Choice| add(add(hash, choice.kind as u64), choice.bound);
        let hash = record.iter().fold(0xCBF2_9CE4_8422_2325, both);
        Self { count: record.len(), hash: u16::try_from(hash >> 48).unwrap_or(0) }
    }
}

impl Replay {
    /// The run of a base alone.
    pub(crate) fn of(base: Base) -> Self {
        Self { base, differences: Differences::new(), end: None }
    }

    /// The plainest run with these choices instead.
    pub(crate) fn plain(differences: Differences) -> Self {
        Self { base: Base::Plain, differences, end: None }
    }

    /// Reads a line.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words.
    pub(crate) fn parse(line: &str) -> Result<Self, String> {
        let mut parts = line.trim().split(':');
        match parts.next() {
            Some(VERSION) => {}
            Some(version) if version.parse::<u64>().is_ok() => {
                return Err(format!(
                    "it is of version {version}, and this wsk-host reads version {VERSION}: run the test again for a new line"
                ));
            }
            _ => return Err(format!("it does not begin with `{VERSION}:`")),
        }
        let base = parse_base(parts.next().unwrap_or_default())?;
        let differences = parts.next().unwrap_or_default();
        let differences = differences.split(',').filter(|text| !text.is_empty());
        let differences = differences
            .map(|text| parse_difference(text).ok_or(format!("`{text}` is no choice and value")))
            .collect::<Result<_, _>>()?;
        let end = parts.next().map(|text| parse_end(text).ok_or(format!("`{text}` is no end")));
        match parts.next() {
            None => Ok(Self { base, differences, end: end.transpose()? }),
            Some(rest) => Err(format!("`{rest}` is one part too many")),
        }
    }
}

fn parse_base(text: &str) -> Result<Base, String> {
    let wrong = || format!("`{text}` is no base, as `plain`, `uniform-7` or `pct3-7` are");
    if text == "plain" {
        return Ok(Base::Plain);
    }
    let (name, value) = text.split_once('-').ok_or_else(wrong)?;
    if name == "bytes" {
        return parse_hex(value).map(Base::Bytes).ok_or_else(wrong);
    }
    let seed = value.parse().map_err(|_| wrong())?;
    let schedule = match name.strip_prefix("pct") {
        _ if name == "uniform" => Schedule::Uniform,
        Some(depth) => Schedule::Pct { depth: depth.parse().map_err(|_| wrong())? },
        None => return Err(wrong()),
    };
    Ok(Base::Seed(schedule, seed))
}

fn parse_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

fn parse_difference(text: &str) -> Option<(ChoiceId, u64)> {
    let letter = text.chars().next()?;
    let kind = *ChoiceKind::ALL.iter().find(|kind| kind.letter() == letter)?;
    let (place, value) = text.strip_prefix(letter)?.split_once('=')?;
    Some(((kind, place.parse().ok()?), value.parse().ok()?))
}

fn parse_end(text: &str) -> Option<RunEnd> {
    let (count, hash) = text.split_once('-')?;
    Some(RunEnd { count: count.parse().ok()?, hash: u16::from_str_radix(hash, 16).ok()? })
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seed(Schedule::Pct { depth }, seed) => write!(f, "pct{depth}-{seed}"),
            Self::Seed(_, seed) => write!(f, "uniform-{seed}"),
            Self::Plain => f.write_str("plain"),
            Self::Bytes(bytes) => {
                f.write_str("bytes-")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

impl fmt::Display for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{VERSION}:{}", self.base)?;
        if self.differences.is_empty() && self.end.is_none() {
            return Ok(());
        }
        let mut separator = ':';
        if self.differences.is_empty() {
            write!(f, ":")?;
        }
        for ((kind, place), value) in &self.differences {
            write!(f, "{separator}{}{place}={value}", kind.letter())?;
            separator = ',';
        }
        match self.end {
            Some(RunEnd { count, hash }) => write!(f, ":{count}-{hash:04x}"),
            None => Ok(()),
        }
    }
}

/// The choices of a record that are not the plainest.
pub(crate) fn differences(record: &[Choice]) -> Differences {
    let mut counts = BTreeMap::<ChoiceKind, u64>::new();
    let mut found = Differences::new();
    for choice in record {
        let count = counts.entry(choice.kind).or_default();
        if choice.value != 0 {
            found.insert((choice.kind, *count), choice.value);
        }
        *count += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_back_as_what_it_was_written_for() {
        let differences =
            Differences::from([((ChoiceKind::Turn, 40), 2), ((ChoiceKind::Preemption, 12), 1)]);
        let end = Some(RunEnd { count: 512, hash: 0x9F3A });
        let bases = [
            (Base::Plain, "1:plain:t40=2,p12=1:512-9f3a"),
            (Base::Seed(Schedule::Uniform, 7), "1:uniform-7:t40=2,p12=1:512-9f3a"),
            (
                Base::Seed(Schedule::Pct { depth: 3 }, u64::MAX),
                "1:pct3-18446744073709551615:t40=2,p12=1:512-9f3a",
            ),
            (Base::Bytes(vec![0, 255]), "1:bytes-00ff:t40=2,p12=1:512-9f3a"),
        ];
        for (base, line) in bases {
            let replay = Replay { base: base.clone(), differences: differences.clone(), end };
            assert_eq!(replay.to_string(), line);
            assert_eq!(Replay::parse(line), Ok(replay));
            let alone = Replay::of(base);
            assert_eq!(Replay::parse(&alone.to_string()), Ok(alone));
        }
        let only_end = Replay { base: Base::Plain, differences: Differences::new(), end };
        assert_eq!(Replay::parse(&only_end.to_string()), Ok(only_end));
    }

    #[test]
    fn a_wrong_line_is_refused_in_words() {
        for (line, reason) in [
            ("", "does not begin with `1:`"),
            ("7", "is of version 7"),
            ("1:", "`` is no base"),
            ("1:uniform", "`uniform` is no base"),
            ("1:uniform-x", "`uniform-x` is no base"),
            ("1:pct-7", "`pct-7` is no base"),
            ("1:bytes-0", "`bytes-0` is no base"),
            ("1:plain:q3=1", "`q3=1` is no choice and value"),
            ("1:plain:t3", "`t3` is no choice and value"),
            ("1:plain:t3=1:x", "`x` is no end"),
            ("1:plain:t3=1:5-0:6", "`6` is one part too many"),
        ] {
            let error = Replay::parse(line).unwrap_err();
            assert!(error.contains(reason), "{line}: {error}");
        }
    }
}
