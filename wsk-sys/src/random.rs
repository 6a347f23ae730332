//! Random numbers of the kernel's cryptography driver, `cng.sys`.
//!
//! # Safety
//!
//! The function has the contract of Microsoft's page.

#![expect(unsafe_code, reason = "the kernel's function")]

use crate::{NTSTATUS, PVOID, UCHAR, ULONG};

/// For [`BCryptGenRandom`]: uses the system's generator, without an algorithm handle.
///
/// [Microsoft's page](https://learn.microsoft.com/windows/win32/api/bcrypt/nf-bcrypt-bcryptgenrandom).
pub const BCRYPT_USE_SYSTEM_PREFERRED_RNG: ULONG = 0x0000_0002;

#[cfg_attr(
    all(windows, not(feature = "host")),
    link(name = "cng.sys", kind = "raw-dylib", modifiers = "+verbatim")
)]
unsafe extern "C" {
    /// Fills memory with random bytes, for keys as well.
    ///
    /// IRQL: `PASSIVE_LEVEL` with [`BCRYPT_USE_SYSTEM_PREFERRED_RNG`] and a null algorithm. Minimum Windows: Windows 7.
    /// [Microsoft's page](https://learn.microsoft.com/windows/win32/api/bcrypt/nf-bcrypt-bcryptgenrandom).
    pub fn BCryptGenRandom(
        hAlgorithm: PVOID,
        pbBuffer: *mut UCHAR,
        cbBuffer: ULONG,
        dwFlags: ULONG,
    ) -> NTSTATUS;
}
