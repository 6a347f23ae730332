//! The functions that `std` and a C library provide for ordinary programs.

use core::panic::PanicInfo;

use wsk::sys::KeBugCheckEx;

/// A function of its own, whose callers are looked for. It uses its argument, since otherwise all panics would
/// be the same to the compiler, and one function.
#[inline(never)]
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let info = core::ptr::from_ref(info).addr();
    // SAFETY: the system may be stopped at any time, in any state.
    unsafe { KeBugCheckEx(0xE275_7374, info, 0, 0, 0) }
}

wsk_driver::runtime_symbols!();
