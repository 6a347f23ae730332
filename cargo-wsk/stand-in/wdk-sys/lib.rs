//! A stand-in for wdk-sys on machines without a WDK.
//!
//! `cargo xtask wdk-sys` writes `types.rs` and `ntddk.rs` from the output of the real wdk-sys for a real WDK. The items of the
//! driver framework are written by hand, with the names, types and layouts of the framework's headers (1.33), as far as
//! `examples/wdk` and the projects of `cargo wsk new --kind kmdf` use them. A driver is checked against them, and not linked.

#![no_std]
#![allow(missing_docs, non_camel_case_types, non_snake_case, non_upper_case_globals)]

#[rustfmt::skip]
pub mod ntddk;
#[rustfmt::skip]
mod types;
mod wdf_types;
#[doc(hidden)]
pub mod wdf;

pub use types::*;
pub use wdf_types::*;

pub type PCUNICODE_STRING = *const UNICODE_STRING;

pub const STATUS_SUCCESS: NTSTATUS = 0;
pub const STATUS_BUFFER_TOO_SMALL: NTSTATUS = 0xC000_0023_u32.cast_signed();
pub const STATUS_INVALID_DEVICE_REQUEST: NTSTATUS = 0xC000_0010_u32.cast_signed();

#[must_use]
pub const fn NT_SUCCESS(nt_status: NTSTATUS) -> bool {
    nt_status >= 0
}

/// Calls a function of the driver framework. The real macro takes it from the framework's table.
#[macro_export]
macro_rules! call_unsafe_wdf_function_binding {
    ($name:ident $(, $argument:expr)* $(,)?) => { $crate::wdf::$name($($argument),*) };
}
