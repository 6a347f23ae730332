//! The errors that ICMP messages report for datagrams of a socket. Linux keeps them in a queue of the socket.
//!
//! # Safety
//!
//! The C library is called with an open socket and with memory of this file's own. Control messages are read within the
//! bytes that the machine has written.

#![cfg_attr(
    any(target_os = "linux", target_os = "android"),
    expect(unsafe_code, reason = "the functions and objects are those of a C interface")
)]

use std::io;
use std::net::SocketAddr;

use socket2::Socket;

use crate::wsk::network::IcmpError;

/// A datagram of the socket that caused an error.
pub(super) struct Undelivered {
    /// The number of its bytes in the room.
    pub(super) length: usize,
    pub(super) to: SocketAddr,
    pub(super) error: IcmpError,
}

/// Takes the next error of a socket, and the datagram that met it. Errors of the machine itself are skipped.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn next(socket: &Socket, room: &mut [u8]) -> io::Result<Option<Undelivered>> {
    loop {
        match linux::receive(socket, room) {
            Ok(Some(undelivered)) => return Ok(Some(undelivered)),
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn next(_socket: &Socket, _room: &mut [u8]) -> io::Result<Option<Undelivered>> {
    Ok(None)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux {
    use std::mem::{self, MaybeUninit};
    use std::os::fd::AsRawFd;
    use std::ptr;

    use socket2::SockAddr;

    use super::{IcmpError, Socket, Undelivered, io};

    /// Room for an error with the address of the machine that reported it, and for other messages.
    const CONTROL: usize = 512;

    /// Receives from the queue of errors: none if the error was not reported by ICMP.
    pub(super) fn receive(socket: &Socket, room: &mut [u8]) -> io::Result<Option<Undelivered>> {
        // The alignment of a header's length.
        let mut control = [0_u64; CONTROL / 8];
        let mut part = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
        // SAFETY: all members of the structure are numbers and pointers, for which zeroes are values.
        let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = mem::size_of_val(&control) as _;
        // SAFETY: the function writes an address and its length, if it returns successfully.
        let ((length, error), to) = unsafe {
            SockAddr::try_init(|address, size| {
                message.msg_name = address.cast();
                message.msg_namelen = *size;
                let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
                // SAFETY: the socket is open, and the message has the memory of `room`, `control` and the address.
                let length = libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags);
                let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
                *size = message.msg_namelen;
                Ok((length, find(&message)))
            })
        }?;
        let to = to.as_socket();
        Ok(error.zip(to).map(|(error, to)| Undelivered { length, to, error }))
    }

    /// Finds the error among the control messages.
    ///
    /// # Safety
    ///
    /// The control messages were written by `recvmsg`.
    unsafe fn find(message: &libc::msghdr) -> Option<IcmpError> {
        // SAFETY: the message is as `recvmsg` has left it, as the caller ensures.
        let mut header = unsafe { libc::CMSG_FIRSTHDR(message) };
        while !header.is_null() {
            // SAFETY: a header that is found lies within the messages.
            let (level, kind) = unsafe { ((*header).cmsg_level, (*header).cmsg_type) };
            if matches!(
                (level, kind),
                (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
            ) {
                // SAFETY: the data follows the header.
                let data = unsafe { libc::CMSG_DATA(header) };
                // SAFETY: a message of this kind begins with this structure, which may not be aligned.
                let error: libc::sock_extended_err = unsafe { ptr::read_unaligned(data.cast()) };
                if matches!(error.ee_origin, libc::SO_EE_ORIGIN_ICMP | libc::SO_EE_ORIGIN_ICMP6) {
                    let (kind, code, info) = (error.ee_type, error.ee_code, error.ee_info);
                    return Some(IcmpError { kind, code, info });
                }
            }
            // SAFETY: the header is one of the message's.
            header = unsafe { libc::CMSG_NXTHDR(message, header) };
        }
        None
    }
}
