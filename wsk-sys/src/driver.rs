//! What a driver's entry point meets.

use crate::{UNICODE_STRING, USHORT, WCHAR};

/// Makes a counted string of UTF-16 code units that are not copied, as `RtlInitUnicodeString` does of
/// a string that ends with a NUL. None if it is longer than a counted string can be.
///
/// ```
/// use wsk_sys::unicode_string;
///
/// let text: Vec<u16> = "wsk".encode_utf16().collect();
/// assert_eq!(unicode_string(&text).unwrap().Length, 6);
/// assert!(unicode_string(&[0; 0x8000]).is_none());
/// ```
#[must_use]
pub const fn unicode_string(text: &[WCHAR]) -> Option<UNICODE_STRING> {
    let bytes = text.len() * 2;
    if bytes > USHORT::MAX as usize {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "checked above")]
    let length = bytes as USHORT;
    Some(UNICODE_STRING { Length: length, MaximumLength: length, Buffer: text.as_ptr().cast_mut() })
}
