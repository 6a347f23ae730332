//! A wrapper without a table, made by safe code.

use wsk::sys::USHORT;

#[repr(C)]
pub struct TABLE {
    pub Version: USHORT,
}

#[wsk::provider_table(TABLE)]
#[derive(Default)]
pub struct Derived {
    Version: USHORT,
}

#[wsk::provider_table(TABLE)]
pub struct Literal {
    Version: USHORT,
}

fn main() {
    let _ = Literal(core::ptr::null());
}
