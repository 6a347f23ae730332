//! The panic handler, the allocator, and C library functions: provided by `std` and a C library in ordinary programs.
//!
//! # Safety
//!
//! `KeBugCheckEx` may be called in any state. The symbols `memcpy`, `memmove`, `memset` and `memcmp` are the kernel's, with
//! C's semantics; `_fltused` is only defined, never used.

#![expect(unsafe_code, reason = "calls KeBugCheckEx, and defines symbols for the linker")]

use core::panic::PanicInfo;

use wsk_sys::KeBugCheckEx;
use wsk_sys::ctypes::{c_int, c_void};

use crate::log;

/// For dependencies that use `alloc`. The drivers themselves need no allocator.
#[global_allocator]
static ALLOCATOR: wsk::pool::NonPaged = wsk::pool::NonPaged;

/// The bug check code of a Rust panic: `Rust` in ASCII with its top four bits set to 0xE, a range that Windows leaves to drivers.
const BUG_CHECK_CODE: u32 = 0xE275_7374;

/// Logs the panic and brings the system down. A panic is a bug in the driver or in one of its dependencies.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    log(c"panic", format_args!("{info}"));
    let line = info.location().map_or(0, |location| location.line() as usize);
    let file = info.location().map_or(0, |location| location.file().as_ptr().addr());
    // SAFETY: KeBugCheckEx may be called at any IRQL, in any state.
    unsafe { KeBugCheckEx(BUG_CHECK_CODE, file, line, 0, 0) }
}

#[expect(dead_code, reason = "called by compiler-generated code; exported by the kernel")]
#[link(name = "ntoskrnl.exe", kind = "raw-dylib", modifiers = "+verbatim")]
unsafe extern "C" {
    fn memcmp(left: *const c_void, right: *const c_void, count: usize) -> c_int;
    fn memcpy(to: *mut c_void, from: *const c_void, count: usize) -> *mut c_void;
    fn memmove(to: *mut c_void, from: *const c_void, count: usize) -> *mut c_void;
    fn memset(memory: *mut c_void, value: c_int, count: usize) -> *mut c_void;
}

/// Defined by C compilers in programs that use floating-point numbers. The prebuilt `core` refers to it.
#[unsafe(no_mangle)]
static _fltused: c_int = 0;
