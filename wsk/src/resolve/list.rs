//! Lists of addresses.
//!
//! # Safety
//!
//! The system's list stays until the [`AddressList`] is dropped, and is only read.

#![expect(unsafe_code, reason = "see Safety")]

use core::fmt;
use core::marker::PhantomData;
use core::net::SocketAddr;
use core::ptr;

use wsk_sys::{ADDRINFOEXW, PADDRINFOEXW, PWSTR, ULONG, USHORT};

use super::hints::SocketType;
use super::name::Name;
use super::query::Query;
use crate::address::{self, DisplayAddress};
use crate::flags::AddressInfoFlags;
use crate::transport::{Family, Protocol};

/// The addresses of a name, in the system's order of preference.
///
/// The list is memory of the system. It keeps the [provider](crate::Provider) captured, so the registration cannot end
/// before it is dropped; a [forgotten](core::mem::forget) list blocks that indefinitely. It may be dropped at up to
/// `DISPATCH_LEVEL`, in any routine: a thread of the registration frees it at `PASSIVE_LEVEL` ([INV-66](crate::rules#inv-66)).
///
/// Its entries borrow it:
///
/// ```compile_fail,E0505
/// fn name_of(list: wsk::resolve::AddressList) {
///     let name = list.canonical_name();
///     drop(list);
///     println!("{name:?}");
/// }
/// ```
pub struct AddressList(Query);

impl AddressList {
    /// `None` if the system returned no list.
    pub(super) fn new(query: Query) -> Option<Self> {
        (!query.list().is_null()).then_some(Self(query))
    }

    /// Returns the entries, except those of families other than IPv4 and IPv6.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    #[must_use]
    pub fn iter(&self) -> Addresses<'_> {
        // INVARIANT: the query owns the list, and is borrowed for the lifetime of the result.
        Addresses { next: self.0.list(), list: PhantomData }
    }

    /// Returns the addresses.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> + Clone + '_ {
        self.iter().map(|entry| entry.address)
    }

    /// Returns the canonical name of the host, if it was requested and is known.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    #[must_use]
    pub fn canonical_name(&self) -> Option<Name<'_>> {
        self.iter().find_map(|entry| entry.canonical_name)
    }
}

impl<'a> IntoIterator for &'a AddressList {
    type Item = AddressInfo<'a>;
    type IntoIter = Addresses<'a>;

    fn into_iter(self) -> Addresses<'a> {
        self.iter()
    }
}

impl fmt::Debug for AddressList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// An entry of an [`AddressList`].
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AddressInfo<'a> {
    /// The address, with the port of the service.
    pub address: SocketAddr,
    /// The socket type that the address is for.
    pub socket_type: SocketType,
    /// The protocol that the address is for.
    pub protocol: Protocol,
    /// The canonical name of the host, if it was requested and is known. Only in the first entry.
    pub canonical_name: Option<Name<'a>>,
    /// The flags of the entry.
    pub flags: AddressInfoFlags,
}

impl AddressInfo<'_> {
    /// The family of the address.
    #[must_use]
    pub const fn family(&self) -> Family {
        Family::of(self.address)
    }
}

impl fmt::Debug for AddressInfo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AddressInfo")
            .field("address", &DisplayAddress(self.address))
            .field("socket_type", &self.socket_type)
            .field("protocol", &self.protocol)
            .field("canonical_name", &self.canonical_name)
            .field("flags", &self.flags)
            .finish()
    }
}

/// The entries of an [`AddressList`].
///
/// # Invariants
///
/// `next` is null, or an entry of a list of the system that is valid and unchanged for `'a`.
#[derive(Clone)]
pub struct Addresses<'a> {
    next: PADDRINFOEXW,
    /// Covariant: a shorter borrow of the list.
    list: PhantomData<&'a AddressList>,
}

// SAFETY: the entries are only read, and are valid and unchanged for the lifetime (Invariants).
unsafe impl Send for Addresses<'_> {}
// SAFETY: the entries are only read, and are valid and unchanged for the lifetime (Invariants).
unsafe impl Sync for Addresses<'_> {}

impl<'a> Iterator for Addresses<'a> {
    type Item = AddressInfo<'a>;

    fn next(&mut self) -> Option<AddressInfo<'a>> {
        loop {
            // SAFETY: `next` is null, or an entry that is valid for `'a` (Invariants).
            let entry: &'a ADDRINFOEXW = unsafe { self.next.as_ref() }?;
            self.next = entry.ai_next;
            // SAFETY: the entry and the memory that it points to are valid for `'a` (Invariants).
            if let Some(info) = unsafe { address_info(entry) } {
                return Some(info);
            }
        }
    }
}

impl core::iter::FusedIterator for Addresses<'_> {}

impl fmt::Debug for Addresses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

/// Reads an entry. `None` if its address is of an unknown family.
///
/// # Safety
///
/// The entry is from the system's list, which is valid while it is borrowed.
unsafe fn address_info(entry: &ADDRINFOEXW) -> Option<AddressInfo<'_>> {
    // SAFETY: the entry's address has `ai_addrlen` bytes, valid while the entry is.
    let address = unsafe { address::read_sized(entry.ai_addr, entry.ai_addrlen) }?;
    Some(AddressInfo {
        address,
        socket_type: SocketType::from_raw(USHORT::try_from(entry.ai_socktype).unwrap_or(0)),
        protocol: Protocol::from_raw(ULONG::try_from(entry.ai_protocol).unwrap_or(0)),
        // SAFETY: the name ends with a NUL, or is null.
        canonical_name: unsafe { name(entry.ai_canonname) },
        flags: AddressInfoFlags::from_bits_retain(entry.ai_flags),
    })
}

/// Reads a name in the system's list.
///
/// # Safety
///
/// The pointer is null, or to code units that end with a NUL and are valid for `'a`.
unsafe fn name<'a>(start: PWSTR) -> Option<Name<'a>> {
    if start.is_null() {
        return None;
    }
    let (mut end, mut length) = (start, 0);
    // SAFETY: the units end with a NUL, where this loop ends.
    while unsafe { end.read() } != 0 {
        // SAFETY: there is at least one more.
        end = unsafe { end.add(1) };
        length += 1;
    }
    let units = ptr::slice_from_raw_parts(start.cast_const(), length);
    // SAFETY: `length` units precede the NUL, valid for `'a` (this function's contract).
    Some(Name::new(unsafe { &*units }))
}
