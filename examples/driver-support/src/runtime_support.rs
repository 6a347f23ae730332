//! What `std` and a C library do for ordinary programs.

use core::panic::PanicInfo;

use wsk_sys::KeBugCheckEx;
use wsk_sys::ctypes::{c_int, c_void};

use crate::log;

/// For crates that use `alloc`. The drivers themselves need no allocator.
#[global_allocator]
static ALLOCATOR: wsk::pool::NonPaged = wsk::pool::NonPaged;

/// The bug check of a Rust panic: `Rust` as a number, in the range that is free for drivers.
const BUG_CHECK_CODE: u32 = 0xE275_7374;

/// A panic is a bug of the driver, or of a crate in it, and there is no way on: stop the system, with the place.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    log(c"panic", format_args!("{info}"));
    let line = info.location().map_or(0, |location| location.line() as usize);
    let file = info.location().map_or(0, |location| location.file().as_ptr().addr());
    // SAFETY: the system may be stopped at any time, in any state.
    unsafe { KeBugCheckEx(BUG_CHECK_CODE, file, line, 0, 0) }
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
