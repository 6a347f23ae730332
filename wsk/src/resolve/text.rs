//! Text for the system: UTF-16 with a NUL after it, as WSK requires ([INV-66](crate::rules#inv-66)).
//!
//! # Safety
//!
//! Text is written to room of the length that was measured before.

#![expect(unsafe_code, reason = "see Safety")]

use wsk_sys::{UNICODE_STRING, USHORT};

use super::hints::Service;
use crate::status::{Result, known};

/// The maximum number of characters in a name. DNS allows 255 bytes, and a character takes at least one; other name
/// spaces have shorter names.
pub(super) const MAX_CHARACTERS: usize = 255;

/// A valid name and its length.
#[derive(Clone, Copy)]
pub(super) struct MeasuredName<'a> {
    text: &'a str,
    /// In UTF-16, without a NUL.
    units: usize,
}

impl<'a> MeasuredName<'a> {
    /// # Errors
    ///
    /// - `STATUS_INVALID_PARAMETER` if it is empty or contains a NUL, where the system would truncate it.
    /// - `STATUS_NAME_TOO_LONG` if it is too long for any name.
    pub(super) fn new(text: &'a str) -> Result<Self> {
        // A character has at most four bytes, so a longer text needs no counting.
        if text.len() > 4 * MAX_CHARACTERS {
            return Err(known::STATUS_NAME_TOO_LONG);
        }
        let (mut characters, mut units) = (0, 0);
        for character in text.chars() {
            if character == '\0' {
                return Err(known::STATUS_INVALID_PARAMETER);
            }
            characters += 1;
            units += character.len_utf16();
        }
        match characters {
            0 => Err(known::STATUS_INVALID_PARAMETER),
            1..=MAX_CHARACTERS => Ok(Self { text, units }),
            _ => Err(known::STATUS_NAME_TOO_LONG),
        }
    }

    /// The room it takes in code units, with the NUL.
    pub(super) const fn room(self) -> usize {
        self.units + 1
    }

    /// Writes the text and a NUL.
    ///
    /// # Safety
    ///
    /// `place` has room for [`room`](Self::room) units, valid as long as the string is used.
    pub(super) unsafe fn write(self, place: *mut u16) -> UNICODE_STRING {
        for (index, unit) in self.text.encode_utf16().chain([0]).enumerate() {
            // SAFETY: there is room for every unit and the NUL (this function's contract).
            let place = unsafe { place.add(index) };
            // SAFETY: there is room for every unit and the NUL (this function's contract).
            unsafe { place.write(unit) };
        }
        let bytes = |units: usize| USHORT::try_from(units * 2).unwrap_or(0);
        UNICODE_STRING {
            // Neither is more than 1022.
            Length: bytes(self.units),
            MaximumLength: bytes(self.room()),
            Buffer: place,
        }
    }
}

/// The decimal digits of a port.
pub(super) struct Digits([u8; 5]);

impl Digits {
    pub(super) const fn new() -> Self {
        Self([b'0'; 5])
    }

    /// The service's name, if any.
    pub(super) fn text<'a>(&'a mut self, service: Service<'a>) -> Result<Option<MeasuredName<'a>>> {
        match service {
            Service::None => Ok(None),
            Service::Port(port) => MeasuredName::new(self.write(port)).map(Some),
            Service::Name(name) => MeasuredName::new(name).map(Some),
        }
    }

    fn write(&mut self, port: u16) -> &str {
        let mut left = port;
        let mut start = self.0.len();
        // From the last digit; a port of zero has one digit.
        for (index, digit) in self.0.iter_mut().enumerate().rev() {
            // NO-OVERFLOW: a digit is at most 9.
            *digit = b'0' + (left % 10).to_le_bytes()[0];
            start = index;
            left /= 10;
            if left == 0 {
                break;
            }
        }
        core::str::from_utf8(self.0.get(start..).unwrap_or_default()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::string::{String, ToString};
    use std::vec;

    use super::*;

    fn written(text: &str) -> Result<String> {
        let text = MeasuredName::new(text)?;
        let mut place = vec![0xFFFF; text.room()];
        // SAFETY: the array has room for the text.
        let string = unsafe { text.write(place.as_mut_ptr()) };
        assert_eq!(place.pop(), Some(0));
        assert_eq!(usize::from(string.Length), place.len() * 2);
        assert_eq!(string.MaximumLength, string.Length + 2);
        Ok(String::from_utf16(&place).unwrap())
    }

    #[test]
    fn names_become_utf_16_as_they_are() {
        for name in ["a", "example.org.", "bücher.example", "例え.テスト", "🦀.example"] {
            assert_eq!(written(name).as_deref(), Ok(name));
        }
    }

    #[test]
    fn impossible_names_are_refused() {
        for name in ["", "\0", "a\0b", "example.org\0"] {
            assert_eq!(written(name), Err(known::STATUS_INVALID_PARAMETER), "{name:?}");
        }
        for character in ["a", "ü", "例", "🦀"] {
            let (longest, longer) = (character.repeat(255), character.repeat(256));
            assert_eq!(written(&longest), Ok(longest));
            assert_eq!(written(&longer), Err(known::STATUS_NAME_TOO_LONG));
            let longest = character.repeat(if cfg!(miri) { 1000 } else { 100_000 });
            assert_eq!(written(&longest), Err(known::STATUS_NAME_TOO_LONG));
        }
    }

    #[test]
    fn ports_become_digits() {
        for port in [0, 7, 80, 443, 8080, 10_000, u16::MAX] {
            assert_eq!(Digits::new().write(port), port.to_string());
        }
        assert!(Digits::new().text(Service::None).unwrap().is_none());
        assert!(Digits::new().text(Service::Name("")).is_err());
    }
}
