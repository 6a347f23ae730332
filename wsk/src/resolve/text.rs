//! Text on its way to the system: UTF-16 with a NUL after it, as WSK wants it ([INV-66](crate::rules#inv-66)).
//!
//! # Safety
//!
//! Text is written to room that its length was asked for before.

#![expect(unsafe_code, reason = "see Safety")]

use wsk_sys::{UNICODE_STRING, USHORT};

use super::hints::Service;
use crate::status::{Result, known};

/// A name has at most so many characters. The domain name system allows 255 bytes, and each character takes one
/// there at least; other name spaces have shorter names.
pub(super) const MAX_CHARACTERS: usize = 255;

/// A string that can be a name, measured.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    text: &'a str,
    /// In UTF-16, without a NUL.
    units: usize,
}

impl<'a> Text<'a> {
    /// # Errors
    ///
    /// - `STATUS_INVALID_PARAMETER` if it is empty or has a NUL in it: the system would see another name.
    /// - `STATUS_NAME_TOO_LONG` if it is too long for any name.
    pub(super) fn new(text: &'a str) -> Result<Self> {
        // A character has at most four bytes: what is longer than that needs no count.
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

    /// How much room it takes, with a NUL.
    pub(super) const fn room(self) -> usize {
        self.units + 1
    }

    /// Writes it, and a NUL after it.
    ///
    /// # Safety
    ///
    /// There is [`room`](Self::room) for so many units, which may be written, and read as long as the string is
    /// used.
    pub(super) unsafe fn write(self, place: *mut u16) -> UNICODE_STRING {
        for (index, unit) in self.text.encode_utf16().chain([0]).enumerate() {
            // SAFETY: there is room for every unit and the NUL, as the caller promises.
            let place = unsafe { place.add(index) };
            // SAFETY: there is room for every unit and the NUL, as the caller promises.
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

/// Room for a port in digits.
pub(super) struct Digits([u8; 5]);

impl Digits {
    pub(super) const fn new() -> Self {
        Self([b'0'; 5])
    }

    /// What is asked for as a service, if anything is.
    pub(super) fn text<'a>(&'a mut self, service: Service<'a>) -> Result<Option<Text<'a>>> {
        match service {
            Service::None => Ok(None),
            Service::Port(port) => Text::new(self.write(port)).map(Some),
            Service::Name(name) => Text::new(name).map(Some),
        }
    }

    fn write(&mut self, port: u16) -> &str {
        let mut left = port;
        let mut start = self.0.len();
        // The last digit first, and one if the port is zero.
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
        let text = Text::new(text)?;
        let mut place = vec![0xFFFF; text.room()];
        // SAFETY: there is so much room.
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
    fn what_can_be_no_name_is_refused() {
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
