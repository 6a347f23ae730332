//! `BCryptGenRandom`, of the kernel's cryptography driver `cng.sys`.
//!
//! The numbers come from the seed, so a run can be repeated. **They are no secret.**
//!
//! # Safety
//!
//! The exported function has the contract that `wsk-sys` documents. It writes to the client's memory during the call only.

#![expect(unsafe_code, reason = "the function is C's, and so is the memory that it fills")]

use std::slice;

use wsk_sys::{
    BCRYPT_USE_SYSTEM_PREFERRED_RNG, NTSTATUS, PASSIVE_LEVEL, PVOID, STATUS_INVALID_HANDLE,
    STATUS_INVALID_PARAMETER, STATUS_SUCCESS, UCHAR, ULONG,
};

use crate::kernel::Kernel;
use crate::kernel::ke::irql::require_at_most;

#[wsk_host_macros::export]
unsafe extern "C" fn BCryptGenRandom(
    algorithm: PVOID,
    buffer: *mut UCHAR,
    size: ULONG,
    flags: ULONG,
) -> NTSTATUS {
    // The system's generator needs this level. Others need an algorithm handle, which the host has no function for.
    require_at_most(PASSIVE_LEVEL, "BCryptGenRandom");
    if !algorithm.is_null() {
        return STATUS_INVALID_HANDLE;
    }
    if flags != BCRYPT_USE_SYSTEM_PREFERRED_RNG || (buffer.is_null() && size != 0) {
        return STATUS_INVALID_PARAMETER;
    }
    if size == 0 {
        return STATUS_SUCCESS;
    }
    // SAFETY: the caller passes memory of this size, which is not null.
    let bytes = unsafe { slice::from_raw_parts_mut(buffer, size as usize) };
    Kernel::current().by_chance(|random| {
        for part in bytes.chunks_mut(8) {
            let drawn = random.next().to_ne_bytes();
            part.iter_mut().zip(drawn).for_each(|(to, from)| *to = from);
        }
    });
    STATUS_SUCCESS
}
