//! Messages about a wait that takes long.

use core::ffi::CStr;
use core::fmt::{self, Write as _};

use wsk_sys::image::report_unload_waits;

use super::Rundown;

impl Rundown {
    /// Sends a message to the kernel debugger that a function of this crate waits for the remaining objects.
    pub(crate) fn report(&self, function: &str) {
        let mut message = ReportText { text: [0; ReportText::SIZE], length: 0 };
        // The only possible error is that the message is truncated.
        let _ = write!(message, "wsk: {function} waits, since these are left: {self}");
        if let Ok(message) = CStr::from_bytes_until_nul(&message.text) {
            report_unload_waits(message);
        }
    }
}

/// A message under construction. The last byte of `text` stays zero.
struct ReportText {
    text: [u8; Self::SIZE],
    length: usize,
}

impl ReportText {
    const SIZE: usize = 200;
}

impl fmt::Write for ReportText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.text.get_mut(self.length..Self::SIZE - 1).unwrap_or_default();
        if text.len() > room.len() {
            return Err(fmt::Error);
        }
        for (to, byte) in room.iter_mut().zip(text.bytes()) {
            *to = byte;
        }
        self.length += text.len();
        Ok(())
    }
}
