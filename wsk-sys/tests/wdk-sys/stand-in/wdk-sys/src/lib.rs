//! A stand-in for wdk-sys on machines without a WDK.
//!
//! `cargo xtask wdk-sys` writes `types.rs` and `ntddk.rs` from the output of the real wdk-sys for a real WDK. The other
//! items are those that the crate `wdk` and `examples/wdk` use.

#![no_std]
#![allow(missing_docs, non_camel_case_types, non_snake_case, non_upper_case_globals)]

#[rustfmt::skip]
pub mod ntddk;
#[rustfmt::skip]
mod types;

pub use types::*;

pub type PCUNICODE_STRING = *const UNICODE_STRING;

pub const APC_LEVEL: u32 = 1;
pub const STATUS_SUCCESS: NTSTATUS = 0;

#[must_use]
pub const fn NT_SUCCESS(nt_status: NTSTATUS) -> bool {
    nt_status >= 0
}

#[macro_export]
macro_rules! PAGED_CODE {
    () => {};
}
