//! Messages to the kernel debugger.
//!
//! # Safety
//!
//! The driver's name is a pointer to a static, which is valid as long as the driver is loaded.

#![expect(unsafe_code, reason = "a static pointer to the driver's name")]

use core::ffi::CStr;
use core::fmt::{self, Write as _};
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use wsk_sys::image::{DPFLTR_ERROR_LEVEL, DPFLTR_IHVNETWORK_ID, debug_print, image_static};

/// The name of this driver; null until it is set. Every pointer stored here is to a static.
static NAME: AtomicPtr<&'static str> = AtomicPtr::new(ptr::null_mut());

fn stored_name() -> &'static AtomicPtr<&'static str> {
    // SAFETY: a null pointer is zeroes, and this is the only call for this static.
    unsafe { image_static(&NAME) }
}

/// Sets the prefix of the driver's messages, which is `wsk-driver` until then. For a driver with its own entry point;
/// [`driver!`](crate::driver) does it.
///
/// IRQL: any.
///
/// ```
/// wsk_driver::set_name(&"hello");
/// wsk_driver::println!("starting"); // hello: starting
/// # extern crate wsk_host;
/// ```
pub fn set_name(name: &'static &'static str) {
    stored_name().store(ptr::from_ref(name).cast_mut(), Ordering::Release);
}

fn name() -> &'static str {
    let name = stored_name().load(Ordering::Acquire);
    // SAFETY: the pointer is null, or to a static, since `set_name` stores no other.
    unsafe { name.as_ref() }.map_or("wsk-driver", |name| name)
}

/// Sends a one-line message to the kernel debugger, with the name of the driver before it. Does not allocate; a message
/// longer than 480 bytes is truncated.
///
/// It takes the arguments of `format!`. IRQL: <= `DISPATCH_LEVEL`.
///
/// ```
/// wsk_driver::println!("serving on port {}", 7);
/// # extern crate wsk_host;
/// ```
#[macro_export]
macro_rules! println {
    ($($argument:tt)*) => { $crate::print(::core::format_args!($($argument)*)) };
}

/// Sends a one-line message to the kernel debugger, as [`println!`] does: for code that takes a function which logs.
///
/// IRQL: <= `DISPATCH_LEVEL`.
pub fn print(message: fmt::Arguments<'_>) {
    let name = name();
    // The debugger accepts 512 bytes per message.
    let mut line = MessageText::<482>::new(format_args!("{name}: {message}"));
    line.end_line();
    debug_print(DPFLTR_IHVNETWORK_ID, DPFLTR_ERROR_LEVEL, line.as_c_str());
}

/// Text of up to `N - 2` bytes, and the end of a line; what exceeds them is cut off, at the end of a character.
///
/// # Invariants
///
/// `length` is less than `N`, the first `length` bytes are UTF-8, and the others are zero.
pub(crate) struct MessageText<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> MessageText<N> {
    pub(crate) fn new(message: fmt::Arguments<'_>) -> Self {
        const { assert!(N > 1) };
        let mut bytes = [0; N];
        // INVARIANT: the writer appends whole characters, of which none is in the last two bytes.
        let mut writer = TextWriter { room: bytes.get_mut(..N - 2).unwrap_or_default(), length: 0 };
        // The only error is truncation.
        let _ = writer.write_fmt(message);
        let length = writer.length;
        Self { bytes, length }
    }

    /// Appends the end of a line. There is always space for it.
    fn end_line(&mut self) {
        // INVARIANT: `write_str` leaves two bytes, and this function is called once.
        if let Some(end @ 0) = self.bytes.get_mut(self.length) {
            *end = b'\n';
            self.length += 1;
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }

    /// The text up to its first NUL. The last byte is one (Invariants).
    pub(crate) fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or_default()
    }
}

/// Writes into a text, for every size: the formatting machinery has it once.
struct TextWriter<'a> {
    room: &'a mut [u8],
    length: usize,
}

impl fmt::Write for TextWriter<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Without indexing, which can panic: the panic handler itself logs.
        let room = self.room.get_mut(self.length..).unwrap_or_default();
        let mut count = text.len().min(room.len());
        while !text.is_char_boundary(count) {
            count -= 1;
        }
        for (to, byte) in room.iter_mut().zip(text.bytes()).take(count) {
            *to = byte;
        }
        self.length += count;
        if count == text.len() {
            return Ok(());
        }
        Err(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use wsk_host as _;

    use super::MessageText;

    #[test]
    fn a_text_is_cut_off_at_the_end_of_a_character() {
        assert_eq!(MessageText::<9>::new(format_args!("{}{}", "abc", 4)).as_str(), "abc4");
        assert_eq!(MessageText::<5>::new(format_args!("abcdef")).as_str(), "abc");
        assert_eq!(MessageText::<5>::new(format_args!("abé")).as_str(), "ab");
        assert_eq!(MessageText::<2>::new(format_args!("a")).as_str(), "");
        let mut line = MessageText::<5>::new(format_args!("abcdef"));
        line.end_line();
        assert_eq!(line.as_c_str(), c"abc\n");
    }
}
