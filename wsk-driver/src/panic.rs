//! The end of a panic: a bug check, since a kernel cannot unwind.
//!
//! # Safety
//!
//! `KeBugCheckEx` may be called in any state.

#![expect(unsafe_code, reason = "calls KeBugCheckEx")]

use core::fmt;
use core::panic::{Location, PanicInfo};

use wsk_sys::KeBugCheckEx;

use crate::message::MessageText;

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
pub const BUG_CHECK_CODE: u32 = 0xE275_7374;

/// Logs the panic and brings the system down, as a panic handler must. A panic is a bug in the driver or in one of its
/// dependencies.
// Inlined into the panic handler: an audit of the driver recognizes panics by the handler's name.
#[inline(always)]
#[expect(clippy::inline_always, reason = "the audit looks for KeBugCheckEx in the panic handler")]
pub fn stop(info: &PanicInfo<'_>) -> ! {
    bug_check(format_args!("{}", info.message()), info.location())
}

/// Logs a message and brings the system down with it, as a panic does.
#[inline(always)]
#[expect(clippy::inline_always, reason = "the audit looks for KeBugCheckEx in the panic handler")]
pub fn bug_check(message: fmt::Arguments<'_>, location: Option<&Location<'_>>) -> ! {
    match location {
        Some(location) => crate::println!("panic at {location}: {message}"),
        None => crate::println!("panic: {message}"),
    }
    let message = MessageText::<481>::new(message);
    let message = message.as_c_str().as_ptr().expose_provenance();
    let (file, length, line) = location.map_or((0, 0, 0), |location| {
        let file = location.file();
        (file.as_ptr().expose_provenance(), file.len(), location.line() as usize)
    });
    // Of the type ULONG_PTR, which is SIZE_T with and without the feature `wdk-sys`.
    let [message, file, length, line] = [message, file, length, line].map(wsk_sys::fields::size_t);
    // SAFETY: KeBugCheckEx may be called at any IRQL, in any state.
    unsafe { KeBugCheckEx(BUG_CHECK_CODE, message, file, length, line) }
}

/// Defines the driver's panic handler, which is [`panic::stop`](crate::panic::stop). [`driver!`](crate::driver) does
/// this with the feature `panic-handler`; a driver with its own entry point may use this macro. Nothing in tests, and
/// on other systems than Windows.
#[macro_export]
macro_rules! panic_handler {
    () => {
        #[cfg(all(windows, not(test)))]
        const _: () = {
            // By its name, the audit of a driver finds the end of every panic: it stays a function.
            #[inline(never)]
            #[panic_handler]
            fn panic(info: &::core::panic::PanicInfo<'_>) -> ! {
                $crate::panic::stop(info)
            }
        };
    };
}

/// [`panic_handler!`], with the feature of this name.
#[cfg(feature = "panic-handler")]
#[doc(hidden)]
#[macro_export]
macro_rules! __panic_handler {
    () => {
        $crate::panic_handler!();
    };
}

/// Nothing, without the feature `panic-handler`.
#[cfg(not(feature = "panic-handler"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __panic_handler {
    () => {};
}
