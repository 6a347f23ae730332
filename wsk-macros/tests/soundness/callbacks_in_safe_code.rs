use wsk::events::*;
use wsk::socket::Basic;
use wsk::sys::ctypes::c_void;

struct Nothing;

impl Callbacks<Basic> for Nothing {
    const RAW_TABLE: *const c_void = core::ptr::null();
    const WHEN_BOUND: EventMask = EventMask::all();
    const WHEN_CONNECTED: EventMask = EventMask::all();
    const INSPECTS: bool = false;
}

fn main() {}
