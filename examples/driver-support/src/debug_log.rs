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
    let line = Line::new(message);
    // SAFETY: the format takes two NUL-terminated strings: a CStr, and a buffer whose last byte stays zero (the
    // invariant of Line). The IRQL is at most DISPATCH_LEVEL, and the format has no UTF-16 strings.
    unsafe { DbgPrint(c"%s: %s\n".as_ptr().cast(), driver.as_ptr(), line.text().as_ptr()) };
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

/// A message, truncated to the buffer and terminated by a NUL.
///
/// # Invariants
///
/// The last byte of `text` is zero.
pub(crate) struct Line {
    text: [u8; Self::SIZE],
    length: usize,
}

impl Line {
    /// The debugger accepts 512 bytes per message, including the driver's name.
    const SIZE: usize = 480;

    pub(crate) fn new(message: fmt::Arguments<'_>) -> Self {
        // INVARIANT: every byte is zero.
        let mut line = Self { text: [0; Self::SIZE], length: 0 };
        // The only error is truncation.
        let _ = line.write_fmt(message);
        line
    }

    /// The message, and at least one NUL after it.
    pub(crate) const fn text(&self) -> &[u8] {
        &self.text
    }
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
