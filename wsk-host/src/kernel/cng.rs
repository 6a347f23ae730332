//! `BCryptGenRandom` and the handles of random number generators, of the kernel's cryptography driver `cng.sys`.
//!
//! The numbers come from the seed, so a run can be repeated. **They are not secret.**
//!
//! # Safety
//!
//! The exported function has the contract that `wsk-sys` documents. It writes to the client's memory during the call only.

#![expect(unsafe_code, reason = "the function is C's, and so is the memory that it fills")]

use std::slice;

use wsk_sys::{
    BCRYPT_USE_SYSTEM_PREFERRED_RNG, DISPATCH_LEVEL, NTSTATUS, PASSIVE_LEVEL, PVOID,
    STATUS_INVALID_HANDLE, STATUS_INVALID_PARAMETER, STATUS_NOT_FOUND, STATUS_SUCCESS, UCHAR,
    ULONG,
};

use crate::kernel::Kernel;
use crate::kernel::choices::ChoiceKind;
use crate::kernel::ke::irql::require_at_most;

/// Without effect: the seed decides the numbers.
const BCRYPT_RNG_USE_ENTROPY_IN_BUFFER: ULONG = 1;

/// The handles of generators: of one for `PASSIVE_LEVEL`, and of one for `DISPATCH_LEVEL`. They are not counted, and open
/// once they were asked for.
static GENERATORS: [u8; 2] = [0; 2];

/// Opens a generator for `DISPATCH_LEVEL`.
const BCRYPT_PROV_DISPATCH: ULONG = 1;

fn generator(is_for_dispatch: bool) -> PVOID {
    (&raw const GENERATORS[usize::from(is_for_dispatch)]).cast_mut().cast()
}

fn is_generator(handle: PVOID) -> bool {
    [false, true].map(generator).contains(&handle)
}

/// The names of generators: `BCRYPT_RNG_ALGORITHM` and two of its kinds.
const NAMES: [&str; 3] = ["RNG", "DUALECRNG", "FIPS186DSARNG"];

/// Opens a random number generator; the host has no other algorithms.
#[wsk_host_macros::export]
unsafe extern "C" fn BCryptOpenAlgorithmProvider(
    algorithm: *mut PVOID,
    name: *const u16,
    _implementation: *const u16,
    flags: ULONG,
) -> NTSTATUS {
    require_at_most(PASSIVE_LEVEL, "BCryptOpenAlgorithmProvider");
    if algorithm.is_null() || name.is_null() {
        return STATUS_INVALID_PARAMETER;
    }
    let is_known = NAMES.iter().any(|known| {
        // SAFETY: the caller passes a string that ends with a NUL; it is read until a unit differs, or the NUL.
        known
            .encode_utf16()
            .chain([0])
            .enumerate()
            .all(|(index, unit)| unsafe { name.add(index).read() == unit })
    });
    if !is_known {
        return STATUS_NOT_FOUND;
    }
    // SAFETY: the caller passes room for a handle.
    unsafe { algorithm.write(generator(flags & BCRYPT_PROV_DISPATCH != 0)) };
    STATUS_SUCCESS
}

#[wsk_host_macros::export]
extern "C" fn BCryptCloseAlgorithmProvider(algorithm: PVOID, flags: ULONG) -> NTSTATUS {
    require_at_most(PASSIVE_LEVEL, "BCryptCloseAlgorithmProvider");
    if !is_generator(algorithm) {
        return STATUS_INVALID_HANDLE;
    }
    if flags == 0 { STATUS_SUCCESS } else { STATUS_INVALID_PARAMETER }
}

#[wsk_host_macros::export]
unsafe extern "C" fn BCryptGenRandom(
    algorithm: PVOID,
    buffer: *mut UCHAR,
    size: ULONG,
    flags: ULONG,
) -> NTSTATUS {
    let is_for_dispatch = algorithm == generator(true);
    let level = if is_for_dispatch { DISPATCH_LEVEL } else { PASSIVE_LEVEL };
    require_at_most(level, "BCryptGenRandom");
    let is_system = flags & BCRYPT_USE_SYSTEM_PREFERRED_RNG != 0;
    if (is_system && !algorithm.is_null()) || (!is_system && !is_generator(algorithm)) {
        return STATUS_INVALID_HANDLE;
    }
    let known = BCRYPT_USE_SYSTEM_PREFERRED_RNG | BCRYPT_RNG_USE_ENTROPY_IN_BUFFER;
    if flags & !known != 0 || (buffer.is_null() && size != 0) {
        return STATUS_INVALID_PARAMETER;
    }
    if size == 0 {
        return STATUS_SUCCESS;
    }
    // SAFETY: the caller passes memory of this size, which is not null.
    let bytes = unsafe { slice::from_raw_parts_mut(buffer, size as usize) };
    Kernel::current().by_chance(|choices| {
        for part in bytes.chunks_mut(8) {
            let drawn = choices.number(ChoiceKind::Number).to_ne_bytes();
            part.iter_mut().zip(drawn).for_each(|(to, from)| *to = from);
        }
    });
    STATUS_SUCCESS
}
