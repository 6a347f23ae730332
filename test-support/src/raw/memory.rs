//! Memory of requests, in nonpaged pool.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::ptr;

use wsk_sys::*;

use super::TAG;

/// Bytes in nonpaged pool, with an MDL and a `WSK_BUF`. Dropping it frees all three.
///
/// # Invariants
///
/// The value owns the `size` bytes, and the `WSK_BUF`, whose MDL describes exactly these bytes.
pub struct PoolBuffer {
    /// The memory.
    pub bytes: *mut u8,
    /// Its size in bytes.
    pub size: usize,
    /// A description of all of it.
    pub buffer: PWSK_BUF,
}

// SAFETY: the value owns its memory (Invariants), and pool, MDLs and `WSK_BUF`s may be used and freed on any thread.
unsafe impl Send for PoolBuffer {}

impl PoolBuffer {
    /// A buffer of `size` bytes, as pool has them.
    pub fn new(size: usize) -> Self {
        // SAFETY: each call takes the objects that the calls before it returned.
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

    /// A buffer with a copy of these bytes.
    pub fn with(bytes: &[u8]) -> Self {
        let buffer = Self::new(bytes.len());
        // SAFETY: the buffer has this size.
        unsafe { buffer.bytes.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        buffer
    }

    /// The first `count` bytes.
    pub fn read(&self, count: usize) -> Vec<u8> {
        assert!(count <= self.size);
        // SAFETY: `count` is within the memory, which the host fills when it is allocated.
        unsafe { std::slice::from_raw_parts(self.bytes, count) }.to_vec()
    }
}

impl Drop for PoolBuffer {
    fn drop(&mut self) {
        // SAFETY: `new` made the three, and no request uses them any more.
        unsafe {
            IoFreeMdl((*self.buffer).Mdl);
            ExFreePoolWithTag(self.buffer.cast(), TAG);
            ExFreePoolWithTag(self.bytes.cast(), TAG);
        }
    }
}

/// An address in nonpaged pool, of either family.
///
/// # Invariants
///
/// The pointer is to memory of the pool with room for an address of either family, which this value owns.
pub struct PoolAddress(pub PSOCKADDR);

impl PoolAddress {
    /// Zeroed memory for an address of either family.
    pub fn empty() -> Self {
        // SAFETY: `size` bytes were allocated, and zeroes are a valid address.
        unsafe {
            let size = size_of::<SOCKADDR_STORAGE>();
            let memory = ExAllocatePoolWithTag(NonPagedPoolNx, size, TAG);
            memory.cast::<u8>().write_bytes(0, size);
            Self(memory.cast())
        }
    }

    /// An address of either family.
    pub fn new(address: impl Into<SocketAddr>) -> Self {
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
                    (*to).Anonymous.sin6_scope_id = address.scope_id();
                }
            }
        }
        new
    }

    /// Reads the address.
    pub fn get(&self) -> SocketAddr {
        // SAFETY: `empty` zeroed the address; whatever wrote it since wrote an address of the family it begins with.
        unsafe { read_address(self.0) }
    }
}

impl Drop for PoolAddress {
    fn drop(&mut self) {
        // SAFETY: `empty` allocated it, and no request uses it any more.
        unsafe { ExFreePoolWithTag(self.0.cast(), TAG) };
    }
}

/// Reads an address, such as a callback's argument.
///
/// # Safety
///
/// The pointer is to an address of the family it begins with.
pub unsafe fn read_address(address: PSOCKADDR) -> SocketAddr {
    // SAFETY: the pointer is to an address of the family it begins with: the caller's contract.
    unsafe {
        if (*address).sa_family == AF_INET {
            let address = address.cast::<SOCKADDR_IN>().read_unaligned();
            let ip = Ipv4Addr::from(address.sin_addr.S_un.S_addr.to_ne_bytes());
            (ip, u16::from_be(address.sin_port)).into()
        } else {
            let address = address.cast::<SOCKADDR_IN6>().read_unaligned();
            let ip = Ipv6Addr::from(address.sin6_addr.u.Byte);
            let scope = address.Anonymous.sin6_scope_id;
            SocketAddrV6::new(ip, u16::from_be(address.sin6_port), 0, scope).into()
        }
    }
}
