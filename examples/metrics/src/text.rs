//! Prometheus' text format, and bounded text.

use core::fmt::{self, Write};

/// The media type of the format.
pub(crate) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How a value changes.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// It only grows, until the driver is reloaded.
    Counter,
    /// It grows and shrinks.
    Gauge,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

/// Writes a metric that has one value: its help text, its kind and the value, each on a line.
///
/// Names consist of ASCII letters and underscores, and help texts have no line breaks or backslashes, so nothing is
/// escaped.
pub(crate) fn write_metric(
    to: &mut fmt::Formatter<'_>,
    (name, kind, help): (&str, Kind, &str),
    value: u64,
) -> fmt::Result {
    let kind = kind.name();
    write!(to, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n")
}

/// The length of a text in bytes.
pub(crate) fn length(text: &dyn fmt::Display) -> Result<usize, fmt::Error> {
    struct Length(usize);

    impl Write for Length {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 += text.len();
            Ok(())
        }
    }

    let mut length = Length(0);
    write!(length, "{text}")?;
    Ok(length.0)
}

/// Text in a buffer of a fixed size. Text that does not fit is an error.
pub(crate) struct Text<'a> {
    bytes: &'a mut [u8],
    length: usize,
}

impl<'a> Text<'a> {
    pub(crate) const fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, length: 0 }
    }

    /// The number of bytes so far.
    pub(crate) const fn length(&self) -> usize {
        self.length
    }
}

impl Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.get_mut(self.length..).and_then(|room| room.get_mut(..text.len()));
        room.ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length += text.len();
        Ok(())
    }
}
