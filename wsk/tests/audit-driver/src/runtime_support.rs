//! The functions that `std` and a C library provide for ordinary programs.

use core::ffi::{c_int, c_void};
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

#[expect(dead_code, reason = "the compiler calls them; the kernel exports them")]
#[link(name = "ntoskrnl.exe", kind = "raw-dylib", modifiers = "+verbatim")]
unsafe extern "C" {
    fn memcmp(left: *const c_void, right: *const c_void, count: usize) -> c_int;
    fn memcpy(to: *mut c_void, from: *const c_void, count: usize) -> *mut c_void;
    fn memmove(to: *mut c_void, from: *const c_void, count: usize) -> *mut c_void;
    fn memset(memory: *mut c_void, value: c_int, count: usize) -> *mut c_void;
}

/// Set by C compilers when a program uses floating-point numbers; the prebuilt `core` refers to it.
#[unsafe(no_mangle)]
static _fltused: c_int = 0;
