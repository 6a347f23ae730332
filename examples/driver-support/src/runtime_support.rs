//! The panic handler, the allocator, and C library functions: provided by `std` and a C library in ordinary programs.
//!
//! # Safety
//!
//! `KeBugCheckEx` may be called in any state. The symbols `memcpy`, `memmove`, `memset`, `memcmp` and `strlen` are the
//! kernel's, with C's semantics, and so is `__chkstk`, which has a convention of its own and is called by compiled code
//! only. `__CxxFrameHandler3` reads none of its arguments. `_fltused` is only defined, never used.

#![expect(unsafe_code, reason = "calls KeBugCheckEx, and defines symbols for the linker")]

use core::panic::PanicInfo;

use wsk_sys::KeBugCheckEx;
use wsk_sys::ctypes::{c_char, c_int, c_void};

use crate::debug_log::{Line, log};

/// The memory of `alloc`: the driver's pool. The feature is for drivers that use `alloc`, or depend on a crate that does.
/// An allocation that fails panics; `wsk` itself uses no allocator.
#[cfg(feature = "alloc")]
#[global_allocator]
static ALLOCATOR: wsk::pool::NonPaged = wsk::pool::NonPaged;

/// The bug check code of a Rust panic: `Rust` in ASCII with its top four bits set to 0xE, a range that Windows leaves to
/// drivers. The parameters of the bug check:
///
/// | parameter | value | in `WinDbg` |
/// |---|---|---|
/// | 1 | address of the panic's message, truncated to 479 bytes and terminated by a NUL | `da PARAMETER1` |
/// | 2 | address of the source file's name, without a NUL, or 0 | `da PARAMETER2 LPARAMETER3` |
/// | 3 | length of this name in bytes | |
/// | 4 | line | |
///
/// The message is on the stack of the thread that panicked.
const BUG_CHECK_CODE: u32 = 0xE275_7374;

/// Logs the panic and brings the system down. A panic is a bug in the driver or in one of its dependencies.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    log(c"panic", format_args!("{info}"));
    let message = Line::new(format_args!("{}", info.message()));
    let message = message.text().as_ptr().expose_provenance();
    let (file, length, line) = info.location().map_or((0, 0, 0), |location| {
        let file = location.file();
        (file.as_ptr().expose_provenance(), file.len(), location.line() as usize)
    });
    // SAFETY: KeBugCheckEx may be called at any IRQL, in any state.
    unsafe { KeBugCheckEx(BUG_CHECK_CODE, message, file, length, line) }
}

/// The handler of exceptions that the precompiled `core` and `alloc` name in their unwind information. Link-time optimization
/// removes the references; without it, the linker needs the symbol. It returns `ExceptionContinueSearch`: no Rust frame
/// of a driver handles an exception, and the system stops as it does for one that is not handled.
#[unsafe(no_mangle)]
extern "C" fn __CxxFrameHandler3() -> c_int {
    1
}

#[expect(dead_code, reason = "called by compiler-generated code; exported by the kernel")]
#[link(name = "ntoskrnl.exe", kind = "raw-dylib", modifiers = "+verbatim")]
unsafe extern "C" {
    fn memcmp(left: *const c_void, right: *const c_void, count: usize) -> c_int;
    fn memcpy(to: *mut c_void, from: *const c_void, count: usize) -> *mut c_void;
    fn memmove(to: *mut c_void, from: *const c_void, count: usize) -> *mut c_void;
    fn memset(memory: *mut c_void, value: c_int, count: usize) -> *mut c_void;
    fn strlen(text: *const c_char) -> usize;
    /// Touches the pages of a large frame.
    fn __chkstk();
}

/// Defined by C compilers in programs that use floating-point numbers. The prebuilt `core` refers to it.
#[unsafe(no_mangle)]
static _fltused: c_int = 0;
