//! A message, and its form in a datagram (RFC 5424).

use core::fmt::{self, Write as _};

/// The severity of a message, by its number in the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// 3: a failure.
    Error = 3,
    /// 4: a condition that may become a failure.
    Warning = 4,
    /// 6: an event of normal operation.
    Informational = 6,
}

/// The facility `local0`, times eight.
const FACILITY: u8 = 16 * 8;

/// A message with inline storage, so a queue of messages needs no allocation per message. The text has up to 200 bytes;
/// a longer text is truncated at a character boundary.
#[derive(Clone, Copy, Debug)]
pub struct Message {
    severity: Severity,
    text: [u8; Self::SIZE],
    length: usize,
}

impl Message {
    /// The maximum size of the text in bytes.
    pub const SIZE: usize = 200;

    /// Creates a message.
    ///
    /// IRQL: any.
    #[must_use]
    pub fn new(severity: Severity, text: fmt::Arguments<'_>) -> Self {
        let mut message = Self { severity, text: [0; Self::SIZE], length: 0 };
        // The only error is a truncated text.
        let _ = message.write_fmt(text);
        message
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        let text = self.text.get(..self.length).unwrap_or_default();
        core::str::from_utf8(text).unwrap_or_default()
    }
}

impl fmt::Write for Message {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.text.get_mut(self.length..).unwrap_or_default();
        let mut count = text.len().min(room.len());
        while !text.is_char_boundary(count) {
            count -= 1;
        }
        for (to, byte) in room.iter_mut().zip(text.bytes()).take(count) {
            *to = byte;
        }
        self.length += count;
        if count == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

/// Formats the message for a datagram: version 1, without a time and a host, which a driver cannot determine cheaply.
/// The server adds its own. The text is UTF-8, marked by a byte order mark.
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let priority = FACILITY + self.severity as u8;
        write!(f, "<{priority}>1 - - wsk-syslog - - - \u{feff}{}", self.text())
    }
}

/// Writes text into a byte buffer.
pub(crate) struct Cursor<'a> {
    bytes: &'a mut [u8],
    length: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, length: 0 }
    }

    /// The text so far.
    pub(crate) fn written(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl fmt::Write for Cursor<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.get_mut(self.length..).and_then(|room| room.get_mut(..text.len()));
        let Some(room) = room else {
            return Err(fmt::Error);
        };
        room.copy_from_slice(text.as_bytes());
        self.length += text.len();
        Ok(())
    }
}
