//! Messages to the kernel debugger.

use core::ffi::CStr;
use core::fmt::{self, Write as _};

use wsk_sys::DbgPrint;

/// Writes one line of a driver's, cut at the size of its buffer, which is on the stack: this needs no memory.
///
/// IRQL: <= `DISPATCH_LEVEL`.
pub fn log(driver: &CStr, message: fmt::Arguments<'_>) {
    let mut line = Line { text: [0; Line::SIZE], length: 0 };
    // A message that is too long is cut; the error says no more.
    let _ = line.write_fmt(message);
    // SAFETY: the format takes two strings, which these are: the last byte of the buffer is never written.
    unsafe { DbgPrint(c"%s: %s\n".as_ptr().cast(), driver.as_ptr(), line.text.as_ptr()) };
}

/// Writes what a driver has had of the pool, when nothing of it is running any more.
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

struct Line {
    text: [u8; Self::SIZE],
    length: usize,
}

impl Line {
    /// The debugger takes 512 bytes at once, with the driver's name.
    const SIZE: usize = 480;
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Without an index: what could panic would write here.
        let room = self.text.get_mut(self.length..Self::SIZE - 1).unwrap_or_default();
        let count = text.len().min(room.len());
        for (to, byte) in room.iter_mut().zip(text.bytes()) {
            *to = byte;
        }
        self.length += count;
        if count == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}
