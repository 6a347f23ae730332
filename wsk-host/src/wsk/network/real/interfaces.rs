//! The machine's interfaces.
//!
//! # Safety
//!
//! One function of the C library is called, with room of this file's own.

#![cfg_attr(
    unix,
    expect(unsafe_code, reason = "the functions and objects are those of a C interface")
)]

/// Whether an interface with this index exists.
#[cfg(unix)]
pub(super) fn exists(index: u32) -> bool {
    let mut name = [0; libc::IF_NAMESIZE];
    // SAFETY: the array has room for a name.
    !unsafe { libc::if_indextoname(index, name.as_mut_ptr()) }.is_null()
}

/// The system is asked when the datagram is sent.
#[cfg(not(unix))]
pub(super) fn exists(_index: u32) -> bool {
    true
}
