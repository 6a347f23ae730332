//! What ws2def.h has as macros for control messages, and the options that only Winsock's headers name.

use core::ptr;

use crate::fields::length;
use crate::{CMSGHDR, MAX_NATURAL_ALIGNMENT, PCMSGHDR, UCHAR, ULONG};

/// Option at [`IPPROTO_UDP`](crate::IPPROTO_UDP), for IPv4 only: send datagrams without a checksum. 0,
/// the default, or 1.
///
/// In C it is in ws2tcpip.h, which is not for drivers. Minimum Windows: Windows Vista.
/// [Microsoft's page](https://learn.microsoft.com/windows/win32/winsock/ipproto-udp-socket-options).
pub const UDP_NOCHECKSUM: ULONG = 1;

/// Option at [`IPPROTO_UDP`](crate::IPPROTO_UDP): send datagrams with a checksum. 0 or 1.
///
/// In C it is in ws2tcpip.h, which is not for drivers. Minimum Windows: Windows Vista.
/// [Microsoft's page](https://learn.microsoft.com/windows/win32/winsock/ipproto-udp-socket-options).
pub const UDP_CHECKSUM_COVERAGE: ULONG = 0x14;

/// Where the data of a control message begin.
const DATA: usize = WSA_CMSGDATA_ALIGN(size_of::<CMSGHDR>());

/// Rounds up to a multiple of a power of two, but not beyond the greatest one.
const fn round_up(size: usize, multiple: usize) -> usize {
    size.saturating_add(multiple - 1) & !(multiple - 1)
}

/// Rounds a length up to where the header of a control message can begin.
///
/// Minimum Windows: Windows Vista.
/// [Microsoft's page](https://learn.microsoft.com/windows/win32/api/ws2def/ns-ws2def-wsacmsghdr).
#[must_use]
pub const fn WSA_CMSGHDR_ALIGN(Length: usize) -> usize {
    round_up(Length, align_of::<CMSGHDR>())
}

/// Rounds a length up to where the data of a control message can begin.
///
/// Minimum Windows: Windows Vista.
/// [Microsoft's page](https://learn.microsoft.com/windows/win32/api/ws2def/ns-ws2def-wsacmsghdr).
#[must_use]
pub const fn WSA_CMSGDATA_ALIGN(Length: usize) -> usize {
    round_up(Length, length(MAX_NATURAL_ALIGNMENT))
}

/// `CMSGHDR.cmsg_len` of a control message with `Length` bytes of data.
///
/// Where the macro of C overflows, this gives the greatest length there is, which fits no buffer.
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

/// The room, in bytes, that a control message with `Length` bytes of data takes.
///
/// Where the macro of C overflows, this gives the greatest room there is, which no buffer has.
///
/// Minimum Windows: Windows Vista.
/// [Microsoft's page](https://learn.microsoft.com/windows/win32/api/ws2def/ns-ws2def-wsacmsghdr).
#[must_use]
pub const fn WSA_CMSG_SPACE(Length: usize) -> usize {
    WSA_CMSGDATA_ALIGN(size_of::<CMSGHDR>().saturating_add(WSA_CMSGHDR_ALIGN(Length)))
}

/// The data of a control message. There are `cmsg_len` bytes less [`WSA_CMSG_LEN`]`(0)` of them.
///
/// Minimum Windows: Windows Vista.
/// [Microsoft's page](https://learn.microsoft.com/windows/win32/api/ws2def/ns-ws2def-wsacmsghdr).
#[must_use]
pub const fn WSA_CMSG_DATA(Cmsg: PCMSGHDR) -> *mut UCHAR {
    Cmsg.wrapping_byte_add(DATA).cast()
}

/// The first of the control messages in `Length` bytes at `Control`, or null if there is none.
///
/// WSK hands control data over as a pointer and a length, where Winsock has the structure that
/// `WSA_CMSG_FIRSTHDR` of C takes. Other than that macro, this gives no message that is not whole: the
/// bytes that its `cmsg_len` counts are within `Length`, and its header is among them.
///
/// IRQL: any at which the memory may be read.
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
/// // SAFETY: `start` points to `length` bytes that are aligned as `TypeOfService` is.
/// let first = unsafe { first_cmsg(start, length) };
/// // SAFETY: the message is whole, and its `cmsg_len` says that an INT follows its header.
/// assert_eq!(unsafe { WSA_CMSG_DATA(first).cast::<INT>().read() }, 0x20);
/// // SAFETY: as before; the message is of this control data.
/// assert!(unsafe { next_cmsg(start, length, first) }.is_null());
/// ```
///
/// # Safety
///
/// `Control` is null, or aligned for a [`CMSGHDR`] and valid for reads of `Length` bytes, which are
/// initialised.
#[inline]
#[must_use]
pub unsafe fn first_cmsg(Control: PCMSGHDR, Length: usize) -> PCMSGHDR {
    // SAFETY: the caller's promise is what the function asks for.
    unsafe { whole_cmsg(Control, Length, 0) }
}

/// The control message after `Cmsg`, or null if that is the last; the first one if `Cmsg` is null. As
/// `WSA_CMSG_NXTHDR` of C, but for what [`first_cmsg`] says.
///
/// IRQL: any at which the memory may be read.
///
/// # Safety
///
/// - `Control` is null, or aligned for a [`CMSGHDR`] and valid for reads of `Length` bytes, which are
///   initialised.
/// - `Cmsg` is null, or what [`first_cmsg`] or this function returned for the same control data, which
///   has not been changed since.
#[inline]
#[must_use]
pub unsafe fn next_cmsg(Control: PCMSGHDR, Length: usize, Cmsg: PCMSGHDR) -> PCMSGHDR {
    let offset = if Cmsg.is_null() {
        0
    } else {
        // SAFETY: the caller promises that the message was found in the control data.
        let claimed = length(unsafe { (*Cmsg).cmsg_len });
        // A message that was found is within the data, so only rounding up can pass the end.
        (Cmsg.addr() - Control.addr()).saturating_add(WSA_CMSGHDR_ALIGN(claimed))
    };
    // SAFETY: the caller's promise is what the function asks for; both summands are multiples of the
    // alignment.
    unsafe { whole_cmsg(Control, Length, offset) }
}

/// The control message `offset` bytes into the control data, if it is whole, or null.
///
/// # Safety
///
/// - `control` is null, or aligned for a [`CMSGHDR`] and valid for reads of `room` bytes, which are
///   initialised.
/// - `offset` is a multiple of that alignment.
#[inline]
unsafe fn whole_cmsg(control: PCMSGHDR, room: usize, offset: usize) -> PCMSGHDR {
    let Some(rest) = room.checked_sub(offset) else {
        return ptr::null_mut();
    };
    if control.is_null() || rest < size_of::<CMSGHDR>() {
        return ptr::null_mut();
    }
    // SAFETY: the offset is within the memory that the caller promises.
    let cmsg = unsafe { control.byte_add(offset) };
    // SAFETY: a header fits into the rest of that memory, and the offset keeps its alignment.
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

    /// Control data, aligned as headers are. The first is at the beginning.
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
            // SAFETY: the words are aligned, initialised and at least so many bytes.
            let mut cmsg = unsafe { first_cmsg(start, length) };
            while !cmsg.is_null() {
                // SAFETY: the message is whole.
                types.push(unsafe { (*cmsg).cmsg_type });
                // SAFETY: as before; the message is of this control data.
                cmsg = unsafe { next_cmsg(start, length, cmsg) };
            }
            types
        }
    }

    #[test]
    fn sizes_are_those_of_c() {
        // Data, cmsg_len and room, as clang evaluates the macros of WDK 10.0.26100.
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
    fn a_length_that_does_not_fit_does_not_become_a_small_one() {
        for length in [usize::MAX, usize::MAX - 7, usize::MAX - 15, usize::MAX - 16] {
            assert!(WSA_CMSG_LEN(length) >= usize::MAX - 7, "{length:#X}");
            assert!(WSA_CMSG_SPACE(length) >= usize::MAX - 7, "{length:#X}");
        }
    }

    #[test]
    fn data_follow_the_header() {
        let mut control = Control::new(WSA_CMSG_SPACE(4));
        let start = control.start();
        assert_eq!(WSA_CMSG_DATA(start).addr() - start.addr(), WSA_CMSG_LEN(0));
    }

    #[test]
    fn messages_are_found_in_order() {
        let mut control = Control::new(24 + 16 + 40);
        control.put(0, WSA_CMSG_LEN(4), 1).put(24, WSA_CMSG_LEN(0), 2).put(40, WSA_CMSG_LEN(20), 3);
        assert_eq!(control.types(), [1, 2, 3]);
        // The padding behind the last one need not be there, its data must.
        control.length = 40 + 36;
        assert_eq!(control.types(), [1, 2, 3]);
        control.length = 40 + 35;
        assert_eq!(control.types(), [1, 2]);
        // Too short for a header, and ended within the padding of the first.
        control.length = 24 + 15;
        assert_eq!(control.types(), [1]);
        control.length = 21;
        assert_eq!(control.types(), [1]);
    }

    #[test]
    fn nothing_is_found_in_nothing() {
        for length in [0, 100] {
            // SAFETY: null is allowed.
            assert!(unsafe { first_cmsg(ptr::null_mut(), length) }.is_null());
            // SAFETY: as before.
            assert!(unsafe { next_cmsg(ptr::null_mut(), length, ptr::null_mut()) }.is_null());
        }
        let mut control = Control::new(16);
        control.put(0, 16, 1).length = 15;
        assert_eq!(control.types(), []);
        control.length = 0;
        assert_eq!(control.types(), []);
    }

    #[test]
    fn a_length_that_cannot_be_ends_the_search() {
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
        // SAFETY: the words are aligned, initialised and 16 bytes.
        assert_eq!(unsafe { next_cmsg(start, 16, ptr::null_mut()) }, start);
    }
}
