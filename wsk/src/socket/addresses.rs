//! The machine's local addresses, and their changes.
//!
//! # Safety
//!
//! The list is read from a buffer that WSK has filled, within its size.

#![expect(unsafe_code, reason = "see Safety")]

use core::fmt;
use core::future::Future;
use core::mem::offset_of;
use core::net::SocketAddr;

use wsk_sys::{
    INT, PSOCKADDR, SIO_ADDRESS_LIST_CHANGE, SIO_ADDRESS_LIST_QUERY, SOCKET_ADDRESS,
    SOCKET_ADDRESS_LIST, WskIoctl,
};

use super::Socket;
use super::control::ControlTarget;
use super::state::State;
use crate::address;
use crate::buffer::Buffer;
use crate::category::Category;
use crate::growing_buffer::query_with_growing_buffer;
use crate::irql;
use crate::options::{AllSockets, AppliesTo};
use crate::status::{Result, known};

impl<C: Category, S: State, H> Socket<C, S, H>
where
    AllSockets: AppliesTo<C, S>,
{
    /// Returns the machine's addresses that sockets of this family can be bound to. A [basic socket](super::BasicSocket)
    /// is sufficient.
    ///
    /// IRQL: `PASSIVE_LEVEL`; at another level, the call fails. It does not wait. Minimum Windows: Windows Vista.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/network/sio-address-list-query).
    ///
    /// ```
    /// use wsk::socket::{BasicSocket, Family};
    ///
    /// # extern crate wsk_host;
    /// # let passive = unsafe { wsk::irql::Passive::assume() };
    /// # let registration = wsk::Registration::register(passive)?;
    /// # let wsk = registration.try_capture()?;
    /// # wsk::rt::block_on(passive, async move {
    /// let socket = BasicSocket::builder(&wsk, Family::INET).create().await?;
    /// for address in &socket.local_addresses()? {
    ///     println!("{}", address.ip());
    /// }
    /// # Ok::<(), wsk::Error>(())
    /// # })??;
    /// # Ok::<(), wsk::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_DEVICE_REQUEST` if the IRQL is not `PASSIVE_LEVEL`, or in a
    ///   [foreign waker](crate::guide::executors#foreign-wakers) in a completion routine.
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket is no longer functional.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any other status of `WskControlSocket`. Wine does not implement it.
    pub fn local_addresses(&self) -> Result<LocalAddresses> {
        require_passive()?;
        let state = self.handle.state();
        state.check_alive()?;
        state.client().check_outside_routines()?;
        let list = query_with_growing_buffer(|output, size, returned| {
            // SAFETY: the code takes no IRP, and writes to this room, and its size; the level is passive.
            unsafe { self.handle.control_now(SIO_ADDRESS_LIST_QUERY, (output, size), returned) }
        });
        let (buffer, size) = list.map_err(|error| state.note_error(error))?;
        Ok(LocalAddresses { buffer, size })
    }

    /// Waits until the list of [`local_addresses`](Self::local_addresses) changes. The call itself issues the request,
    /// before the future is polled, so no later change is missed.
    ///
    /// IRQL: `PASSIVE_LEVEL`; at another level, no request is issued. Minimum Windows: Windows Vista.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/network/sio-address-list-change).
    ///
    /// ```
    /// # use wsk::socket::BasicSocket;
    /// /// Prints the addresses, now and after each change.
    /// async fn watch(socket: &BasicSocket) -> wsk::Result<()> {
    ///     loop {
    ///         let change = socket.local_addresses_changed();
    ///         for address in &socket.local_addresses()? {
    ///             println!("{}", address.ip());
    ///         }
    ///         change.await?;
    ///     }
    /// }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Dropping the future cancels the request.
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_DEVICE_REQUEST` if the IRQL was not `PASSIVE_LEVEL`, or in a
    ///   [foreign waker](crate::guide::executors#foreign-wakers) in a completion routine.
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket is no longer functional.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any other status of `WskControlSocket`. Wine does not implement it.
    pub fn local_addresses_changed(
        &self,
    ) -> impl Future<Output = Result<()>> + Send + use<'_, C, S, H> {
        let request = require_passive().map(|()| {
            let control = ControlTarget { kind: WskIoctl, code: SIO_ADDRESS_LIST_CHANGE, level: 0 };
            // SAFETY: the code takes an IRP and no values; the level is passive.
            unsafe { self.handle.control(control, &[], 0, |_| ()) }
        });
        async move { request?.await }
    }
}

fn require_passive() -> Result<()> {
    if irql::is_passive() { Ok(()) } else { Err(known::STATUS_INVALID_DEVICE_REQUEST) }
}

/// The machine's addresses, from [`Socket::local_addresses`]. Their ports are zero.
pub struct LocalAddresses {
    /// WSK's list. Its pointers are into the same memory.
    buffer: Buffer,
    size: usize,
}

impl LocalAddresses {
    /// Iterates over the addresses.
    #[must_use]
    pub fn iter(&self) -> LocalAddressIter<'_> {
        let count = self.number(offset_of!(SOCKET_ADDRESS_LIST, iAddressCount)).unwrap_or(0);
        // No more than the buffer has room for.
        let end = count.min(self.size / size_of::<SOCKET_ADDRESS>());
        LocalAddressIter { list: self, next: 0, end }
    }

    /// The count is a C `INT`.
    fn number(&self, at: usize) -> Option<usize> {
        let bytes = self.bytes().get(at..)?.first_chunk()?;
        usize::try_from(INT::from_ne_bytes(*bytes)).ok()
    }

    /// The address of an entry. `None` if its family is neither IPv4 nor IPv6, or if it is outside the list's memory.
    fn address(&self, index: usize) -> Option<SocketAddr> {
        let at = offset_of!(SOCKET_ADDRESS_LIST, Address) + index * size_of::<SOCKET_ADDRESS>();
        let pointer = at + offset_of!(SOCKET_ADDRESS, lpSockaddr);
        let pointer = usize::from_ne_bytes(*self.bytes().get(pointer..)?.first_chunk()?);
        let length = self.number(at + offset_of!(SOCKET_ADDRESS, iSockaddrLength))?;
        // Not through the entry's pointer: its offset is checked, and the buffer is accessed.
        let offset = pointer.checked_sub(self.bytes().as_ptr().addr())?;
        let bytes = self.bytes().get(offset..)?.get(..length)?;
        let address: PSOCKADDR = bytes.as_ptr().cast_mut().cast();
        // SAFETY: that many bytes are initialized, and are read without regard to alignment.
        unsafe { address::read_sized(address, length) }
    }

    fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.size).unwrap_or_default()
    }
}

impl<'a> IntoIterator for &'a LocalAddresses {
    type Item = SocketAddr;
    type IntoIter = LocalAddressIter<'a>;

    fn into_iter(self) -> LocalAddressIter<'a> {
        self.iter()
    }
}

impl fmt::Debug for LocalAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().fmt(f)
    }
}

/// An iterator over [`LocalAddresses`].
#[derive(Clone)]
pub struct LocalAddressIter<'a> {
    list: &'a LocalAddresses,
    next: usize,
    end: usize,
}

impl Iterator for LocalAddressIter<'_> {
    type Item = SocketAddr;

    fn next(&mut self) -> Option<SocketAddr> {
        while self.next < self.end {
            let index = self.next;
            self.next += 1;
            if let Some(address) = self.list.address(index) {
                return Some(address);
            }
        }
        None
    }
}

impl core::iter::FusedIterator for LocalAddressIter<'_> {}

impl fmt::Debug for LocalAddressIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone().map(address::DisplayAddress)).finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::vec::Vec;

    use wsk_sys::{AF_INET, AF_INET6};

    use super::*;

    // Defines the pool.
    extern crate wsk_host as _;

    /// An entry: the bytes of the address, their offset in the list, and their size according to the entry.
    type Entry<'a> = (&'a [u8], usize, i32);

    /// A list in a buffer of `size` bytes, with these contents.
    fn list(count: i32, entries: &[Entry<'_>], size: usize) -> LocalAddresses {
        let mut buffer = Buffer::new(size).expect("memory");
        let start = buffer.as_ptr().addr();
        buffer[..4].copy_from_slice(&count.to_ne_bytes());
        for (index, (bytes, offset, length)) in entries.iter().enumerate() {
            let entry = &mut buffer[8 + 16 * index..][..16];
            entry[..8].copy_from_slice(&start.wrapping_add(*offset).to_ne_bytes());
            entry[8..12].copy_from_slice(&length.to_ne_bytes());
            if let Some(place) = buffer.get_mut(*offset..offset.saturating_add(bytes.len())) {
                place.copy_from_slice(bytes);
            }
        }
        LocalAddresses { size: buffer.len(), buffer }
    }

    fn addresses(list: &LocalAddresses) -> Vec<std::string::String> {
        list.iter().map(|address| std::format!("{}", address.ip())).collect()
    }

    /// An IPv4 address in C's representation.
    fn v4(last: u8) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..2].copy_from_slice(&AF_INET.to_ne_bytes());
        bytes[4..8].copy_from_slice(&[192, 0, 2, last]);
        bytes
    }

    #[test]
    fn addresses_are_read_from_the_list() {
        let mut v6 = [0; 28];
        v6[..2].copy_from_slice(&AF_INET6.to_ne_bytes());
        v6[23] = 1;
        // The second is not aligned.
        let entries: [Entry<'_>; 3] = [(&v4(1), 64, 16), (&v6, 81, 28), (&v4(2), 112, 16)];
        let list = list(3, &entries, 128);
        assert_eq!(addresses(&list), ["192.0.2.1", "::1", "192.0.2.2"]);
        assert_eq!(std::format!("{list:?}"), "[192.0.2.1:0, [0:0:0:0:0:0:0:1]:0, 192.0.2.2:0]");
    }

    #[test]
    fn nothing_beyond_the_list_is_read() {
        let unknown = [7; 16];
        for bad in [
            // Before it, behind it, and partly behind it.
            (&v4(9)[..], usize::MAX - 15, 16),
            (&v4(9), 128, 16),
            (&v4(9), 113, 16),
            (&v4(9), 96, 33),
            // Too short, of no length, and of another family.
            (&v4(9), 96, 15),
            (&v4(9), 96, 0),
            (&v4(9), 96, -1),
            (&unknown, 96, 16),
        ] {
            let list = list(2, &[bad, (&v4(1), 64, 16)], 128);
            assert_eq!(addresses(&list), ["192.0.2.1"], "{bad:?}");
        }
    }

    #[test]
    fn an_impossible_count_is_bounded() {
        let entry: [Entry<'_>; 1] = [(&v4(1), 32, 16)];
        for (count, expected) in [(-1, 0), (0, 0), (1, 1), (2, 1), (i32::MAX, 1)] {
            assert_eq!(list(count, &entry, 48).iter().count(), expected, "{count}");
        }
        let empty = LocalAddresses { buffer: Buffer::empty(), size: 0 };
        assert_eq!(empty.iter().count(), 0);
        let short = LocalAddresses { buffer: Buffer::new(3).expect("memory"), size: 3 };
        assert_eq!(short.iter().count(), 0);
    }
}
