//! Flags without bits, and an output without a value for a missing function.

use wsk::sys::ULONG;

pub struct Status;

#[repr(C)]
pub struct TABLE {
    pub ExPing: Option<unsafe extern "C" fn(ULONG) -> Status>,
}

#[wsk::provider_table(TABLE)]
pub struct Table {
    ExPing: fn(#[flags] flags: ULONG) -> Status,
}

fn main() {}
