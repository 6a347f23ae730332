//! Attributes that make what the macro makes, and a condition that it cannot see.

use wsk::sys::{NTSTATUS, PVOID};

#[repr(C)]
pub struct TABLE {
    pub ExPing: Option<unsafe extern "C" fn(PVOID) -> NTSTATUS>,
}

#[wsk::provider_table(TABLE)]
#[derive(Clone, PartialEq)]
#[derive(core::fmt::Debug, Copy)]
pub struct Derived {
    ExPing: fn(context: PVOID),
}

#[wsk::provider_table(TABLE)]
#[wsk::provider_table(TABLE)]
pub struct Twice {
    ExPing: fn(context: PVOID),
}

#[wsk::provider_table(TABLE)]
pub struct Conditional {
    #[cfg_attr(all(), cfg(any()))]
    ExPing: fn(context: PVOID),
}

fn main() {}
