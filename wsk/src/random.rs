//! Random bytes from the system's generator, for keys, nonces and identifiers.
//!
//! ```
//! use wsk::random;
//!
//! # extern crate wsk_host;
//! let mut key = [0; 32];
//! random::fill(&mut key)?;
//! assert_ne!(key, [0; 32]);
//! # Ok::<(), wsk::Error>(())
//! ```
//!
//! The generator is that of the kernel's cryptography driver, `cng.sys`: a driver that calls [`fill`] imports
//! `BCryptGenRandom` from it, and others do not. Windows loads it at boot. Wine 8 also has it, and passes the call to
//! its `bcrypt.dll`.
//!
//! **On `wsk-host` the bytes come from the seed**, so a run can be repeated. They are not secret there.
//!
//! # getrandom
//!
//! Crates such as `rand` and `rustls` get their randomness from [getrandom](https://docs.rs/getrandom), which has no backend
//! for drivers. Version 0.3 or 0.4 takes one from the program. In `.cargo/config.toml`, for the driver's target only:
//!
//! ```toml
//! [target.x86_64-pc-windows-msvc]
//! rustflags = ["--cfg", 'getrandom_backend="custom"']
//! ```
//!
//! and in the driver, with `getrandom` as a dependency without default features:
//!
//! ```
//! /// Fills memory for getrandom.
//! #[unsafe(no_mangle)]
//! unsafe extern "Rust" fn __getrandom_v03_custom(
//!     to: *mut u8,
//!     size: usize,
//! ) -> Result<(), getrandom::Error> {
//!     // SAFETY: getrandom passes memory of this size, which may be uninitialized.
//!     unsafe { to.write_bytes(0, size) };
//!     // SAFETY: it is initialized now.
//!     let bytes = unsafe { core::slice::from_raw_parts_mut(to, size) };
//!     wsk::random::fill(bytes).map_err(|_| getrandom::Error::UNEXPECTED)
//! }
//! # extern crate wsk_host;
//! # let mut bytes = [0; 16];
//! # unsafe { __getrandom_v03_custom(bytes.as_mut_ptr(), bytes.len()) }.unwrap();
//! # assert_ne!(bytes, [0; 16]);
//! ```
//!
//! Version 0.2 has a custom backend for unsupported targets only, which this one is not.
//!
//! Code that needs random numbers above `PASSIVE_LEVEL` must draw them before.
//!
//! # Safety
//!
//! The call writes to a borrowed slice, and to no memory after it has returned.

#![expect(unsafe_code, reason = "see Safety")]

use core::ptr;

use wsk_sys::{BCRYPT_USE_SYSTEM_PREFERRED_RNG, BCryptGenRandom, ULONG};

use crate::irql;
use crate::status::{Result, check, known};

/// Fills a slice with random bytes that are fit for keys. It does not wait for entropy.
///
/// IRQL: `PASSIVE_LEVEL`. Minimum Windows: Windows 7.
/// [Microsoft's page](https://learn.microsoft.com/windows/win32/api/bcrypt/nf-bcrypt-bcryptgenrandom).
///
/// # Errors
///
/// After an error, the contents of the slice are unspecified.
///
/// - `STATUS_INVALID_DEVICE_REQUEST` at any other IRQL, where the system's generator cannot be called.
/// - Any other status of `BCryptGenRandom`.
pub fn fill(to: &mut [u8]) -> Result<()> {
    /// The maximum number of bytes for each call.
    const PART: usize = 1 << 30;

    if !irql::is_passive() {
        return Err(known::STATUS_INVALID_DEVICE_REQUEST);
    }
    for part in to.chunks_mut(PART) {
        // NO-OVERFLOW: a part is smaller than 4 GiB.
        #[expect(clippy::cast_possible_truncation, reason = "a part is smaller than 4 GiB")]
        let size = part.len() as ULONG;
        let (none, bytes) = (ptr::null_mut(), part.as_mut_ptr());
        // SAFETY: the level is PASSIVE_LEVEL, the generator is the system's, and the slice has this size.
        check(unsafe { BCryptGenRandom(none, bytes, size, BCRYPT_USE_SYSTEM_PREFERRED_RNG) })?;
    }
    Ok(())
}
