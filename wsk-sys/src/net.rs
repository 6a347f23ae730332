//! Control message macros of ws2def.h, and options that only Winsock's headers define.
//!
//! # Safety
//!
//! The functions that search control data read through raw pointers, and only within the length that the caller vouches
//! for: every `cmsg_len` found there is checked against the remaining length.

#![expect(unsafe_code, reason = "control data behind raw pointers; see Safety")]

use core::ptr;

use crate::fields::length;
use crate::{CMSGHDR, MAX_NATURAL_ALIGNMENT, PCMSGHDR, UCHAR, ULONG};

/// Option, level [`IPPROTO_UDP`](crate::IPPROTO_UDP), IPv4 only: send datagrams without a checksum. Value: 0
/// (default) or 1.
///
/// C defines it in ws2tcpip.h, which drivers cannot include. Minimum Windows: Windows Vista.
/// [Microsoft's page](https://learn.microsoft.com/windows/win32/winsock/ipproto-udp-socket-options).
pub const UDP_NOCHECKSUM: ULONG = 1;

/// Option, level [`IPPROTO_UDP`](crate::IPPROTO_UDP): send datagrams with a checksum. Value: 0 or 1.
///
/// C defines it in ws2tcpip.h, which drivers cannot include. Minimum Windows: Windows Vista.
/// [Microsoft's page](https://learn.microsoft.com/windows/win32/winsock/ipproto-udp-socket-options).
pub const UDP_CHECKSUM_COVERAGE: ULONG = 0x14;

/// The offset of the data in a control message.
const DATA: usize = WSA_CMSGDATA_ALIGN(size_of::<CMSGHDR>());

/// Rounds up to a multiple of a power of two, saturating at the largest one.
const fn round_up(size: usize, multiple: usize) -> usize {
    size.saturating_add(multiple - 1) & !(multiple - 1)
}

/// Rounds a length up to the alignment of a control message header.
///
/// Minimum Windows: Windows Vista.
/// [Microsoft's page](https://learn.microsoft.com/windows/win32/api/ws2def/ns-ws2def-wsacmsghdr).
#[must_use]
pub const fn WSA_CMSGHDR_ALIGN(Length: usize) -> usize {
    round_up(Length, align_of::<CMSGHDR>())
}

/// Rounds a length up to the alignment of control message data.
///
/// Minimum Windows: Windows Vista.
/// [Microsoft's page](https://learn.microsoft.com/windows/win32/api/ws2def/ns-ws2def-wsacmsghdr).
#[must_use]
pub const fn WSA_CMSGDATA_ALIGN(Length: usize) -> usize {
    round_up(Length, length(MAX_NATURAL_ALIGNMENT))
}

/// Returns `CMSGHDR.cmsg_len` for a control message with `Length` bytes of data.
///
/// Where the C macro overflows, this function saturates: the result fits no buffer.
///
/// Minimum Windows: Windows Vista.
/// [Microsoft's page](https://learn.microsoft.com/windows/win32/api/ws2def/ns-ws2def-wsacmsghdr).
///
/// ```
/// use wsk_sys::{WSA_CMSG_LEN, WSA_CMSG_SPACE};
///
/// assert_eq!((WSA_CMSG_LEN(4), WSA_CMSG_SPACE(4)), (20, 24));
/// ```
#[must_use]
pub const fn WSA_CMSG_LEN(Length: usize) -> usize {
    DATA.saturating_add(Length)
}

/// Returns the size in bytes of a control message with `Length` bytes of data, including padding.
///
/// Where the C macro overflows, this function saturates: the result fits no buffer.
///
/// Minimum Windows: Windows Vista.
/// [Microsoft's page](https://learn.microsoft.com/windows/win32/api/ws2def/ns-ws2def-wsacmsghdr).
#[must_use]
pub const fn WSA_CMSG_SPACE(Length: usize) -> usize {
    WSA_CMSGDATA_ALIGN(size_of::<CMSGHDR>().saturating_add(WSA_CMSGHDR_ALIGN(Length)))
}

/// Returns a pointer to the data of a control message: `cmsg_len` minus [`WSA_CMSG_LEN`]`(0)` bytes.
///
/// Minimum Windows: Windows Vista.
/// [Microsoft's page](https://learn.microsoft.com/windows/win32/api/ws2def/ns-ws2def-wsacmsghdr).
#[must_use]
pub const fn WSA_CMSG_DATA(Cmsg: PCMSGHDR) -> *mut UCHAR {
    Cmsg.wrapping_byte_add(DATA).cast()
}

/// Returns the first control message in `Length` bytes at `Control`, or null if there is none.
///
/// WSK passes control data as a pointer and a length; the C macro `WSA_CMSG_FIRSTHDR` takes a structure of Winsock.
/// Unlike that macro, this function returns only complete messages: `cmsg_len` covers at least the header, and at
/// most the bytes that are left.
///
/// IRQL: any at which the memory is accessible.
///
/// ```
/// use wsk_sys::{CMSGHDR, INT, IP_TOS, IPPROTO_IP, WSA_CMSG_DATA, WSA_CMSG_LEN, first_cmsg, next_cmsg};
///
/// #[repr(C)]
/// struct TypeOfService {
///     header: CMSGHDR,
///     value: INT,
/// }
/// let mut control = TypeOfService {
///     header: CMSGHDR {
///         cmsg_len: WSA_CMSG_LEN(4),
///         cmsg_level: IPPROTO_IP as INT,
///         cmsg_type: IP_TOS as INT,
///     },
///     value: 0x20,
/// };
/// let (start, length) = ((&raw mut control).cast(), size_of_val(&control));
/// // SAFETY: `start` points to `length` initialized bytes, aligned for a CMSGHDR.
/// let first = unsafe { first_cmsg(start, length) };
/// // SAFETY: the message is complete, and by its `cmsg_len` an INT follows the header.
/// assert_eq!(unsafe { WSA_CMSG_DATA(first).cast::<INT>().read() }, 0x20);
/// // SAFETY: `start` points to `length` initialized bytes; `first` was found in them.
/// assert!(unsafe { next_cmsg(start, length, first) }.is_null());
/// ```
///
/// # Safety
///
/// `Control` is null; or it is aligned for a [`CMSGHDR`] and valid for reads of `Length` initialized bytes.
#[inline]
#[must_use]
pub unsafe fn first_cmsg(Control: PCMSGHDR, Length: usize) -> PCMSGHDR {
    // SAFETY: this function's contract is that of `complete_cmsg`; zero is a multiple of every alignment.
    unsafe { complete_cmsg(Control, Length, 0) }
}

/// Returns the control message after `Cmsg`, or null after the last one. If `Cmsg` is null, returns the first one.
///
/// Like the C macro `WSA_CMSG_NXTHDR`, but returns only complete messages, as [`first_cmsg`] does.
///
/// IRQL: any at which the memory is accessible.
///
/// # Safety
///
/// - `Control` is null; or it is aligned for a [`CMSGHDR`] and valid for reads of `Length` initialized bytes.
/// - `Cmsg` is null; or [`first_cmsg`] or this function returned it for the same control data, which has not been
///   modified since.
#[inline]
#[must_use]
pub unsafe fn next_cmsg(Control: PCMSGHDR, Length: usize, Cmsg: PCMSGHDR) -> PCMSGHDR {
    let offset = if Cmsg.is_null() {
        0
    } else {
        // SAFETY: a message that was found in the control data is a complete, aligned CMSGHDR in it (contract).
        let claimed = length(unsafe { (*Cmsg).cmsg_len });
        // The message lies within the control data, so only rounding up can exceed it.
        (Cmsg.addr() - Control.addr()).saturating_add(WSA_CMSGHDR_ALIGN(claimed))
    };
    // SAFETY: `Control` and `Length` are as `complete_cmsg` requires (this function's contract). `offset` is a sum
    // of two multiples of the alignment.
    unsafe { complete_cmsg(Control, Length, offset) }
}

/// Returns the control message at `offset` in the control data if it is complete, or null.
///
/// # Safety
///
/// - `control` is null; or it is aligned for a [`CMSGHDR`] and valid for reads of `total` initialized bytes.
/// - `offset` is a multiple of that alignment.
#[inline]
unsafe fn complete_cmsg(control: PCMSGHDR, total: usize, offset: usize) -> PCMSGHDR {
    let Some(rest) = total.checked_sub(offset) else {
        return ptr::null_mut();
    };
    if control.is_null() || rest < size_of::<CMSGHDR>() {
        return ptr::null_mut();
    }
    // SAFETY: `offset` is at most `total`, the size of the memory at `control` (contract).
    let cmsg = unsafe { control.byte_add(offset) };
    // SAFETY: `rest` bytes hold a header, the bytes are initialized, and `offset` preserves the alignment.
    let claimed = length(unsafe { (*cmsg).cmsg_len });
    if claimed < DATA || claimed > rest {
        return ptr::null_mut();
    }
    cmsg
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec;
    use std::vec::Vec;

    use super::*;
    use crate::INT;
    use crate::fields::size_t;

    /// Control data, with the alignment of headers. The first header is at the start.
    struct Control {
        words: Vec<u64>,
        length: usize,
    }

    impl Control {
        fn new(length: usize) -> Self {
            Self { words: vec![0; length.div_ceil(8)], length }
        }

        fn start(&mut self) -> PCMSGHDR {
            self.words.as_mut_ptr().cast()
        }

        fn put(&mut self, at: usize, cmsg_len: usize, cmsg_type: INT) -> &mut Self {
            assert!(at % 8 == 0 && at + size_of::<CMSGHDR>() <= self.words.len() * 8);
            let header = CMSGHDR { cmsg_len: size_t(cmsg_len), cmsg_level: 0, cmsg_type };
            let at = self.start().wrapping_byte_add(at);
            // SAFETY: within the words, as checked above, and aligned as they are.
            unsafe { at.write(header) };
            self
        }

        /// The types of all messages.
        fn types(&mut self) -> Vec<INT> {
            let (start, length) = (self.start(), self.length);
            let mut types = Vec::new();
            // SAFETY: `start` points to `length` initialized bytes, aligned for a CMSGHDR.
            let mut cmsg = unsafe { first_cmsg(start, length) };
            while !cmsg.is_null() {
                // SAFETY: the message is whole.
                types.push(unsafe { (*cmsg).cmsg_type });
                // SAFETY: `start` points to `length` initialized, aligned bytes, in which `cmsg` was found.
                cmsg = unsafe { next_cmsg(start, length, cmsg) };
            }
            types
        }
    }

    #[test]
    fn sizes_match_c() {
        // Data, cmsg_len and size, as clang evaluates the macros of WDK 10.0.26100.
        for (data, length, space) in
            [(0, 16, 16), (1, 17, 24), (4, 20, 24), (8, 24, 24), (9, 25, 32), (20, 36, 40)]
        {
            assert_eq!(WSA_CMSG_LEN(data), length);
            assert_eq!(WSA_CMSG_SPACE(data), space);
        }
        assert_eq!([0, 1, 7, 8, 9].map(WSA_CMSGHDR_ALIGN), [0, 8, 8, 8, 16]);
        assert_eq!([0, 1, 7, 8, 9].map(WSA_CMSGDATA_ALIGN), [0, 8, 8, 8, 16]);
    }

    #[test]
    fn lengths_saturate_instead_of_wrapping() {
        for length in [usize::MAX, usize::MAX - 7, usize::MAX - 15, usize::MAX - 16] {
            assert!(WSA_CMSG_LEN(length) >= usize::MAX - 7, "{length:#X}");
            assert!(WSA_CMSG_SPACE(length) >= usize::MAX - 7, "{length:#X}");
        }
    }

    #[test]
    fn data_follows_the_header() {
        let mut control = Control::new(WSA_CMSG_SPACE(4));
        let start = control.start();
        assert_eq!(WSA_CMSG_DATA(start).addr() - start.addr(), WSA_CMSG_LEN(0));
    }

    #[test]
    fn messages_are_found_in_order() {
        let mut control = Control::new(24 + 16 + 40);
        control.put(0, WSA_CMSG_LEN(4), 1).put(24, WSA_CMSG_LEN(0), 2).put(40, WSA_CMSG_LEN(20), 3);
        assert_eq!(control.types(), [1, 2, 3]);
        // The padding after the last message is optional, its data is not.
        control.length = 40 + 36;
        assert_eq!(control.types(), [1, 2, 3]);
        control.length = 40 + 35;
        assert_eq!(control.types(), [1, 2]);
        // Too short for a second header; then cut within the padding of the first message.
        control.length = 24 + 15;
        assert_eq!(control.types(), [1]);
        control.length = 21;
        assert_eq!(control.types(), [1]);
    }

    #[test]
    fn empty_control_data_has_no_message() {
        for length in [0, 100] {
            // SAFETY: `Control` is null.
            assert!(unsafe { first_cmsg(ptr::null_mut(), length) }.is_null());
            // SAFETY: `Control` and `Cmsg` are null.
            assert!(unsafe { next_cmsg(ptr::null_mut(), length, ptr::null_mut()) }.is_null());
        }
        let mut control = Control::new(16);
        control.put(0, 16, 1).length = 15;
        assert_eq!(control.types(), []);
        control.length = 0;
        assert_eq!(control.types(), []);
    }

    #[test]
    fn an_impossible_length_ends_the_search() {
        for length in [0, 1, 15, 41, usize::MAX, usize::MAX - 7, usize::MAX - 39] {
            let mut control = Control::new(40);
            control.put(0, 16, 1).put(16, length, 2);
            assert_eq!(control.types(), [1], "{length:#X}");
            control.put(0, length, 1);
            assert_eq!(control.types(), [], "{length:#X}");
        }
    }

    #[test]
    fn the_message_after_null_is_the_first() {
        let mut control = Control::new(16);
        let start = control.put(0, 16, 1).start();
        // SAFETY: `start` points to 16 initialized bytes, aligned for a CMSGHDR.
        assert_eq!(unsafe { next_cmsg(start, 16, ptr::null_mut()) }, start);
    }
}
