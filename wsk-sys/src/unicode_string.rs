//! Counted UTF-16 strings.

use crate::{UNICODE_STRING, USHORT, WCHAR};

/// Returns a counted string that points to `text`, or `None` if `text` is longer than 65,535 bytes.
///
/// The code units are not copied: the string is valid as long as `text` is. `RtlInitUnicodeString` does the
/// same with a NUL-terminated string.
///
/// IRQL: any.
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
