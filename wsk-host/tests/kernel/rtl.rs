//! Counted strings and the version of the system.

use std::mem::MaybeUninit;

use wsk_sys::*;

use crate::host;

#[test]
fn strings_are_counted_and_the_version_is_reported() {
    let (_host, _entered) = host();
    let text: Vec<u16> = "wsk\0more".encode_utf16().collect();
    let mut string = MaybeUninit::<UNICODE_STRING>::uninit();
    let mut version = MaybeUninit::<RTL_OSVERSIONINFOW>::zeroed();
    // SAFETY: the text ends with a NUL, and there is memory for both results.
    unsafe {
        RtlInitUnicodeString(string.as_mut_ptr(), text.as_ptr());
        let string = string.assume_init();
        assert_eq!((string.Length, string.MaximumLength), (6, 8));
        assert_eq!(string.Buffer.cast_const(), text.as_ptr());
        RtlGetVersion(version.as_mut_ptr());
        assert_eq!(version.assume_init().dwMajorVersion, 10);
    }
}
