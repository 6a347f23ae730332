//! Names returned by the system.

use core::fmt::{self, Write as _};

use crate::status::{Result, known};

/// A name returned by the system: UTF-16, possibly invalid.
///
/// [`units`](Self::units) returns the unchanged name. Everything else replaces invalid units with U+FFFD. An
/// internationalized name may be returned as Punycode (`xn--…`).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Name<'a>(&'a [u16]);

impl<'a> Name<'a> {
    pub(super) const fn new(units: &'a [u16]) -> Self {
        Self(units)
    }

    /// Returns the UTF-16 code units of the name.
    #[must_use]
    pub const fn units(self) -> &'a [u16] {
        self.0
    }

    /// Returns the characters of the name.
    pub fn chars(self) -> impl Iterator<Item = char> + Clone + 'a {
        char::decode_utf16(self.0.iter().copied())
            .map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    /// Writes the name as UTF-8 to the start of a buffer, and returns the written text.
    ///
    /// # Errors
    ///
    /// `STATUS_BUFFER_TOO_SMALL` if it does not fit. The contents of the buffer are then unspecified.
    pub fn to_utf8(self, buffer: &mut [u8]) -> Result<&mut str> {
        let mut length = 0;
        for character in self.chars() {
            let rest = buffer.get_mut(length..).unwrap_or_default();
            if rest.len() < character.len_utf8() {
                return Err(known::STATUS_BUFFER_TOO_SMALL);
            }
            length += character.encode_utf8(rest).len();
        }
        let written = buffer.get_mut(..length).unwrap_or_default();
        // The first `length` bytes are written, and each piece is valid UTF-8.
        core::str::from_utf8_mut(written).map_err(|_| known::STATUS_INTERNAL_ERROR)
    }
}

impl PartialEq<str> for Name<'_> {
    /// Whether the name equals `other`, with regard to case.
    fn eq(&self, other: &str) -> bool {
        self.0.iter().copied().eq(other.encode_utf16())
    }
}

impl PartialEq<&str> for Name<'_> {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.chars().try_for_each(|character| f.write_char(character))
    }
}

impl fmt::Debug for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_text(self.chars(), f)
    }
}

/// Shows the text in quotes, without the parts of `core` that have a panic path.
pub(super) fn show_text(
    text: impl Iterator<Item = char>,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    f.write_char('"')?;
    for character in text {
        if character.is_ascii() {
            character.escape_default().try_for_each(|shown| f.write_char(shown))?;
        } else {
            f.write_char(character)?;
        }
    }
    f.write_char('"')
}

#[cfg(test)]
mod tests {
    use std::string::ToString;
    use std::vec::Vec;
    use std::{assert_eq, format};

    use super::*;

    #[test]
    fn invalid_utf_16_is_kept_and_shown_as_replacement() {
        let mut units: Vec<u16> = "bücher".encode_utf16().collect();
        assert_eq!(Name::new(&units), "bücher");
        units.push(0xD800);
        let name = Name::new(&units);
        assert_eq!(name.units(), units);
        assert_ne!(name, "bücher\u{FFFD}");
        assert_eq!(name.to_string(), "bücher\u{FFFD}");
        assert_eq!(format!("{:?}", Name::new(&[34, 0, 252])), r#""\"\u{0}ü""#);
    }

    #[test]
    fn utf_8_is_written_where_it_fits() {
        let units: Vec<u16> = "🦀ü".encode_utf16().collect();
        let mut buffer = [0xFF; 8];
        assert_eq!(Name::new(&units).to_utf8(&mut buffer).unwrap(), "🦀ü");
        assert_eq!(buffer[6..], [0xFF; 2]);
        for size in 0..6 {
            let error = Name::new(&units).to_utf8(&mut buffer[..size]).unwrap_err();
            assert_eq!(error, known::STATUS_BUFFER_TOO_SMALL);
        }
        assert_eq!(Name::new(&[]).to_utf8(&mut []).unwrap(), "");
    }
}
