//! Bug checks.
//!
//! # Safety
//!
//! The exported functions have the contracts that `wsk-sys` documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![allow(unsafe_code, reason = "the functions are C's; there are none on some systems")]

use wsk_sys::{ULONG, ULONG_PTR};

use crate::verifier::kernel_violation;

#[wsk_host_macros::export]
extern "C" fn KeBugCheckEx(
    code: ULONG,
    first: ULONG_PTR,
    second: ULONG_PTR,
    third: ULONG_PTR,
    fourth: ULONG_PTR,
) -> ! {
    kernel_violation(&format!(
        "bug check 0x{code:08X} ({first:#x}, {second:#x}, {third:#x}, {fourth:#x})"
    ))
}
