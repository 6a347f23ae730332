//! Received datagrams, as WSK indicates them.
//!
//! # Safety
//!
//! Indicated datagrams are valid during the call, and retained ones until they are released, once.

#![expect(unsafe_code, reason = "see Safety")]

use core::cell::Cell;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::net::SocketAddr;
use core::ptr::NonNull;

use wsk_sys::fields::length;
use wsk_sys::{MSG_BCAST, MSG_MCAST, ULONG, WSK_DATAGRAM_INDICATION};

use super::CallbackIrql;
use super::data::{Chunks, copy};
use crate::address;
use crate::cmsg::ControlMessages;
use crate::dispatch::DatagramDispatch;
use crate::socket::{OpenGuard, SocketState};
use crate::status::Result;

/// One datagram of an indication.
#[derive(Clone, Copy, Debug)]
pub struct IndicatedDatagram<'a>(&'a WSK_DATAGRAM_INDICATION);

impl<'a> IndicatedDatagram<'a> {
    /// Returns the number of bytes.
    #[must_use]
    pub const fn len(self) -> usize {
        length(self.0.Buffer.Length)
    }

    /// Returns whether the datagram is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Returns the sender's address, if it is of IPv4 or IPv6.
    #[must_use]
    pub fn peer_addr(self) -> Option<SocketAddr> {
        // SAFETY: WSK's address is of the family that it begins with, or null.
        unsafe { address::read(self.0.RemoteAddress) }
    }

    /// Iterates over the bytes in contiguous pieces.
    ///
    /// # Errors
    ///
    /// A piece that cannot be mapped yields `STATUS_INSUFFICIENT_RESOURCES` and ends the iteration.
    #[must_use]
    pub fn chunks(self) -> Chunks<'a> {
        // SAFETY: the buffer stays while the datagram does.
        unsafe { Chunks::new(&self.0.Buffer) }
    }

    /// Copies as many bytes from the start as fit, and returns their number.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if a piece cannot be mapped.
    pub fn copy_to(self, buffer: &mut [u8]) -> Result<usize> {
        copy(self.chunks(), buffer)
    }

    /// Returns the control messages that the socket's options enabled.
    #[must_use]
    pub fn control_messages(self) -> ControlMessages<'a> {
        let (control, length) = (self.0.ControlInfo, self.0.ControlInfoLength as usize);
        if control.is_null() {
            return ControlMessages::new(&[]);
        }
        // SAFETY: WSK's control data has this length, and stays while the datagram does.
        ControlMessages::new(unsafe { core::slice::from_raw_parts(control.cast(), length) })
    }
}

/// The datagrams of an indication.
///
/// # Invariants
///
/// `next` is null, or an entry of WSK's list. The entry and those after it are valid for `'a`.
#[derive(Clone, Debug)]
pub struct DatagramIter<'a> {
    next: *const WSK_DATAGRAM_INDICATION,
    /// Covariant: a shorter borrow of the list.
    of_the_list: PhantomData<&'a WSK_DATAGRAM_INDICATION>,
}

impl<'a> Iterator for DatagramIter<'a> {
    type Item = IndicatedDatagram<'a>;

    fn next(&mut self) -> Option<IndicatedDatagram<'a>> {
        // SAFETY: `next` is null, or an entry that is valid for `'a` (Invariants).
        let datagram = unsafe { self.next.as_ref() }?;
        self.next = datagram.Next;
        Some(IndicatedDatagram(datagram))
    }
}

/// Received datagrams, valid during the call unless they are [retained](Self::retain).
///
/// # Invariants
///
/// `list` is WSK's list, valid for `'a`: the event callback does not return before this value ends.
#[derive(Debug)]
pub struct Datagrams<'a> {
    list: NonNull<WSK_DATAGRAM_INDICATION>,
    flags: ULONG,
    state: &'a SocketState,
    /// Whether the client keeps the list after the call.
    is_retained: &'a Cell<bool>,
}

impl<'a> Datagrams<'a> {
    pub(super) const fn new(
        list: NonNull<WSK_DATAGRAM_INDICATION>,
        flags: ULONG,
        state: &'a SocketState,
        is_retained: &'a Cell<bool>,
    ) -> Self {
        Self { list, flags, state, is_retained }
    }

    /// Iterates over the datagrams in order.
    #[must_use]
    pub const fn iter(&self) -> DatagramIter<'_> {
        DatagramIter { next: self.list.as_ptr(), of_the_list: PhantomData }
    }

    /// Returns whether they were broadcast.
    #[must_use]
    pub const fn is_broadcast(&self) -> bool {
        self.flags & MSG_BCAST != 0
    }

    /// Returns whether they were sent to a multicast group.
    #[must_use]
    pub const fn is_multicast(&self) -> bool {
        self.flags & MSG_MCAST != 0
    }

    /// Returns the IRQL of the call, as far as WSK reports it.
    #[must_use]
    pub const fn level(&self) -> CallbackIrql {
        CallbackIrql::from_flags(self.flags)
    }

    /// Retains the datagrams beyond the call, whatever the callback returns.
    ///
    /// Release retained datagrams soon: they occupy the network adapter's memory ([INV-57](crate::rules#inv-57)). The socket
    /// stays open until they are released ([INV-47](crate::rules#inv-47)). If its own handler stores them, other code must
    /// remove them, or the registration waits forever.
    ///
    /// # Errors
    ///
    /// Returns the datagrams if their socket is being closed, or is not known yet, which is possible with static events
    /// ([INV-53](crate::rules#inv-53)).
    pub fn retain(self) -> core::result::Result<RetainedDatagrams, Self> {
        let Some(socket) = OpenGuard::try_new(self.state) else {
            return Err(self);
        };
        self.is_retained.set(true);
        // INVARIANT: the callback returns `STATUS_PENDING`, which transfers the list to this value, and the guard keeps
        // the socket open.
        Ok(RetainedDatagrams { list: self.list, socket: ManuallyDrop::new(socket) })
    }
}

impl<'a> IntoIterator for &'a Datagrams<'_> {
    type Item = IndicatedDatagram<'a>;
    type IntoIter = DatagramIter<'a>;

    fn into_iter(self) -> DatagramIter<'a> {
        self.iter()
    }
}

/// Retained datagrams. Dropping them releases the datagrams.
///
/// # Invariants
///
/// `list` is a list of WSK that was retained and not released. Its socket is open until it is released.
#[derive(Debug)]
pub struct RetainedDatagrams {
    list: NonNull<WSK_DATAGRAM_INDICATION>,
    /// Dropped after the release.
    socket: ManuallyDrop<OpenGuard>,
}

// SAFETY: the value owns the retained list (Invariants), which any thread may use. It is not `Sync`, because a read may
// map the list's memory.
unsafe impl Send for RetainedDatagrams {}

impl RetainedDatagrams {
    /// Iterates over the datagrams in order.
    #[must_use]
    pub const fn iter(&self) -> DatagramIter<'_> {
        DatagramIter { next: self.list.as_ptr(), of_the_list: PhantomData }
    }
}

impl<'a> IntoIterator for &'a RetainedDatagrams {
    type Item = IndicatedDatagram<'a>;
    type IntoIter = DatagramIter<'a>;

    fn into_iter(self) -> DatagramIter<'a> {
        self.iter()
    }
}

impl Drop for RetainedDatagrams {
    fn drop(&mut self) {
        // SAFETY: the guard is not used any more.
        let socket = unsafe { ManuallyDrop::take(&mut self.socket) };
        socket.call_outside_routines(RetainedDatagramList(self.list), |(socket, list)| {
            release(&socket, &list);
        });
    }
}

/// A retained list on its way to WSK.
///
/// # Invariants
///
/// It was retained and not released.
struct RetainedDatagramList(NonNull<WSK_DATAGRAM_INDICATION>);

// SAFETY: this value owns the list, and WSK accepts its release in any thread.
unsafe impl Send for RetainedDatagramList {}

/// Returns a list to WSK, before the guard of its socket is dropped.
fn release(socket: &OpenGuard, &RetainedDatagramList(list): &RetainedDatagramList) {
    // SAFETY: the socket is open, and a datagram socket: only those receive datagrams.
    let dispatch = unsafe { DatagramDispatch::of(socket.socket()) };
    // SAFETY: the list was retained, and is released once, with its socket (INV-57). A failure is ignored: none is
    // documented.
    unsafe { dispatch.release(list.as_ptr()) };
}
