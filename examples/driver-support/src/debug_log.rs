//! Messages to the kernel debugger.
//!
//! # Safety
//!
//! `DbgPrint` is variadic: its format must match its arguments.

#![expect(unsafe_code, reason = "calls DbgPrint")]

use core::ffi::CStr;
use core::fmt::{self, Write as _};

use wsk_sys::DbgPrint;

/// Sends a one-line message to the kernel debugger. Does not allocate; a message longer than the buffer on the stack is
/// truncated.
///
/// IRQL: <= `DISPATCH_LEVEL`.
pub fn log(driver: &CStr, message: fmt::Arguments<'_>) {
    let mut line = Line { text: [0; Line::SIZE], length: 0 };
    // The only error is truncation.
    let _ = line.write_fmt(message);
    // SAFETY: the format takes two NUL-terminated strings: a CStr, and a buffer whose last byte stays zero (the
    // invariant of Line). The IRQL is at most DISPATCH_LEVEL, and the format has no UTF-16 strings.
    unsafe { DbgPrint(c"%s: %s\n".as_ptr().cast(), driver.as_ptr(), line.text.as_ptr()) };
}

/// Logs the driver's pool usage. Call it last, when none of the driver's code is running any more.
///
/// IRQL: <= `DISPATCH_LEVEL`.
pub fn log_unloaded(driver: &CStr) {
    let usage = wsk::pool::usage();
    log(
        driver,
        format_args!(
            "unloaded; pool: {} allocations, {} frees, {} outstanding, {} at most",
            usage.allocations,
            usage.frees,
            usage.outstanding(),
            usage.peak,
        ),
    );
}

/// A message under construction.
///
/// # Invariants
///
/// The last byte of `text` is zero.
/// A message under construction.
///
/// # Invariants
///
/// The last byte of `text` is zero.
struct Line {
    text: [u8; Self::SIZE],
    length: usize,
}

impl Line {
    /// The debugger accepts 512 bytes per message, including the driver's name.
    const SIZE: usize = 480;
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Without indexing, which can panic: the panic handler itself logs.
        // INVARIANT: the slice ends before the last byte.
        let room = self.text.get_mut(self.length..Self::SIZE - 1).unwrap_or_default();
        let count = text.len().min(room.len());
        for (to, byte) in room.iter_mut().zip(text.bytes()) {
            *to = byte;
        }
        self.length += count;
        if count == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}
