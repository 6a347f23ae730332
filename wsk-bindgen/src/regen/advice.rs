//! The advice at the end of a message, which depends on the age of the headers.

/// The age of headers relative to the bindings.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Age<'a> {
    /// The headers are of the same release as the bindings, or of a later one.
    Current,
    /// The headers are older than the bindings, which are of this release.
    Older(&'a str),
}

impl Age<'_> {
    /// This advice for current headers. The bindings do not follow older ones.
    pub(crate) fn advice(self, for_current: &str) -> String {
        match self {
            Self::Current => for_current.to_owned(),
            Self::Older(release) => format!(
                "These headers are older than the bindings, which are of WDK {release}. Change nothing: bindings \
                 are generated from that release or a later one."
            ),
        }
    }
}
