//! `Rtl…`: strings, and the version of Windows.
//!
//! # Safety
//!
//! The exported functions require of their callers what `wsk-sys` documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use wsk_sys::{
    NTSTATUS, PASSIVE_LEVEL, PCWSTR, PRTL_OSVERSIONINFOW, PUNICODE_STRING, STATUS_SUCCESS,
    UNICODE_STRING, USHORT,
};

use crate::kernel::Kernel;
use crate::kernel::ke::irql::require_at_most;

#[unsafe(no_mangle)]
unsafe extern "C" fn RtlGetVersion(information: PRTL_OSVERSIONINFOW) -> NTSTATUS {
    require_at_most(PASSIVE_LEVEL, "RtlGetVersion");
    // SAFETY: the caller passes room for the version.
    let information = unsafe { &mut *information };
    let windows = Kernel::current().config().windows;
    information.dwMajorVersion = windows.major;
    information.dwMinorVersion = windows.minor;
    information.dwBuildNumber = windows.build;
    information.dwPlatformId = 2;
    information.szCSDVersion.fill(0);
    STATUS_SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn RtlInitUnicodeString(string: PUNICODE_STRING, source: PCWSTR) {
    /// The longest string, in bytes, with room for the NUL.
    const LONGEST: usize = USHORT::MAX as usize & !1;
    let mut bytes = 0;
    if !source.is_null() {
        // SAFETY: the caller passes a string that ends with a NUL.
        while bytes < LONGEST - 2 && unsafe { source.byte_add(bytes).read() } != 0 {
            bytes += 2;
        }
    }
    let room = if source.is_null() { 0 } else { bytes + 2 };
    let size = |bytes: usize| USHORT::try_from(bytes).unwrap_or(USHORT::MAX);
    let initialised = UNICODE_STRING {
        Length: size(bytes),
        MaximumLength: size(room),
        Buffer: source.cast_mut(),
    };
    // SAFETY: the caller passes room for a counted string.
    unsafe { string.write(initialised) };
}
