//! Memory that requests use, of nonpaged pool.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ptr;

use wsk_sys::*;

use super::TAG;

/// Bytes of nonpaged pool, with an MDL and a `WSK_BUF`, all freed when it is dropped.
pub(crate) struct PoolBuffer {
    pub(crate) bytes: *mut u8,
    pub(crate) size: usize,
    pub(crate) buffer: PWSK_BUF,
}

// SAFETY: pool may be used in any thread.
unsafe impl Send for PoolBuffer {}

impl PoolBuffer {
    pub(crate) fn new(size: usize) -> Self {
        // SAFETY: each call gets what the one before has made.
        unsafe {
            let bytes: *mut u8 = ExAllocatePoolWithTag(NonPagedPoolNx, size.max(1), TAG).cast();
            let mdl_size = size.max(1).try_into().unwrap();
            let mdl = IoAllocateMdl(bytes.cast(), mdl_size, FALSE, FALSE, ptr::null_mut());
            MmBuildMdlForNonPagedPool(mdl);
            let buffer: PWSK_BUF =
                ExAllocatePoolWithTag(NonPagedPoolNx, size_of::<WSK_BUF>(), TAG).cast();
            buffer.write(WSK_BUF { Mdl: mdl, Offset: 0, Length: size });
            Self { bytes, size, buffer }
        }
    }

    pub(crate) fn with(bytes: &[u8]) -> Self {
        let buffer = Self::new(bytes.len());
        // SAFETY: the buffer has this size.
        unsafe { buffer.bytes.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        buffer
    }

    /// The first so many bytes.
    pub(crate) fn read(&self, count: usize) -> Vec<u8> {
        assert!(count <= self.size);
        // SAFETY: pool is filled when it is allocated.
        unsafe { std::slice::from_raw_parts(self.bytes, count) }.to_vec()
    }
}

impl Drop for PoolBuffer {
    fn drop(&mut self) {
        // SAFETY: `new` made them.
        unsafe {
            IoFreeMdl((*self.buffer).Mdl);
            ExFreePoolWithTag(self.buffer.cast(), TAG);
            ExFreePoolWithTag(self.bytes.cast(), TAG);
        }
    }
}

/// An address in nonpaged pool, of either family.
pub(crate) struct PoolAddress(pub(crate) PSOCKADDR);

impl PoolAddress {
    pub(crate) fn empty() -> Self {
        // SAFETY: zeroes are an address.
        unsafe {
            let size = size_of::<SOCKADDR_STORAGE>();
            let memory = ExAllocatePoolWithTag(NonPagedPoolNx, size, TAG);
            memory.cast::<u8>().write_bytes(0, size);
            Self(memory.cast())
        }
    }

    pub(crate) fn new(address: impl Into<SocketAddr>) -> Self {
        let new = Self::empty();
        // SAFETY: there is room for an address of either family.
        unsafe {
            match address.into() {
                SocketAddr::V4(address) => {
                    let to = new.0.cast::<SOCKADDR_IN>();
                    (*to).sin_family = AF_INET;
                    (*to).sin_port = address.port().to_be();
                    (*to).sin_addr.S_un.S_addr = u32::from_ne_bytes(address.ip().octets());
                }
                SocketAddr::V6(address) => {
                    let to = new.0.cast::<SOCKADDR_IN6>();
                    (*to).sin6_family = AF_INET6;
                    (*to).sin6_port = address.port().to_be();
                    (*to).sin6_addr.u.Byte = address.ip().octets();
                }
            }
        }
        new
    }

    pub(crate) fn get(&self) -> SocketAddr {
        // SAFETY: the address is initialised, and its family says what it is.
        unsafe { read_address(self.0) }
    }
}

impl Drop for PoolAddress {
    fn drop(&mut self) {
        // SAFETY: `empty` made it.
        unsafe { ExFreePoolWithTag(self.0.cast(), TAG) };
    }
}

/// Reads an address, for instance one that a callback gets.
///
/// # Safety
///
/// The pointer is to an address of the family that it begins with.
pub(crate) unsafe fn read_address(address: PSOCKADDR) -> SocketAddr {
    // SAFETY: the caller promises it.
    unsafe {
        if (*address).sa_family == AF_INET {
            let address = address.cast::<SOCKADDR_IN>().read_unaligned();
            let ip = Ipv4Addr::from(address.sin_addr.S_un.S_addr.to_ne_bytes());
            (ip, u16::from_be(address.sin_port)).into()
        } else {
            let address = address.cast::<SOCKADDR_IN6>().read_unaligned();
            let ip = Ipv6Addr::from(address.sin6_addr.u.Byte);
            (ip, u16::from_be(address.sin6_port)).into()
        }
    }
}
