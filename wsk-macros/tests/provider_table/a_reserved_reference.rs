//! Zero is no value of the parameter.

use wsk_macros::provider_table;
use wsk_sys::*;

#[repr(C)]
struct TABLE {
    Ping: Option<unsafe extern "C" fn(irp: &'static IRP) -> NTSTATUS>,
}

#[provider_table(TABLE)]
struct Table {
    Ping: fn(#[reserved] irp: &'static IRP),
}

fn main() {}
