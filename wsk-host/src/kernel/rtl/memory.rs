//! `RtlCompareMemory`.
//!
//! # Safety
//!
//! The exported functions have the contracts that Microsoft documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use wsk_sys::{SIZE_T, fields};

/// Returns the number of equal bytes before the first difference.
#[wsk_host_macros::export]
unsafe extern "C" fn RtlCompareMemory(left: *const u8, right: *const u8, length: SIZE_T) -> SIZE_T {
    let mut equal = 0;
    while equal < fields::length(length) {
        // SAFETY: the caller passes two blocks of this length.
        let (left, right) = unsafe { (left.add(equal).read(), right.add(equal).read()) };
        if left != right {
            break;
        }
        equal += 1;
    }
    fields::size_t(equal)
}
