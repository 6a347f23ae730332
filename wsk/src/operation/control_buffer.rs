//! Room in a request for control data, and for the values of options and ioctls.
//!
//! # Safety
//!
//! The buffer is read and written as bytes, all of which are initialized.

#![expect(unsafe_code, reason = "see Safety")]

use wsk_sys::{CMSGHDR, GROUP_SOURCE_REQ, PCMSGHDR, PULONG, PVOID, ULONG};

/// The control data of a datagram, or the value that an option or an ioctl takes or returns. It is part of the
/// request, since WSK uses it until the request completes ([INV-26](crate::rules#inv-26),
/// [INV-27](crate::rules#inv-27)).
pub(crate) struct ControlBuffer {
    /// Numbers, for the alignment of a header.
    bytes: [u64; Self::SIZE / 8],
    /// The number of used bytes: first as passed to WSK, then as returned by WSK.
    pub(crate) length: ULONG,
    /// The flags that WSK returns for a received datagram; [`SENT`](Self::SENT) for one that is sent.
    pub(crate) flags: ULONG,
}

const _: () = assert!(align_of::<CMSGHDR>() <= align_of::<ControlBuffer>());
const _: () = assert!(ControlBuffer::SIZE % 8 == 0 && ControlBuffer::HALF % 8 == 0);

impl ControlBuffer {
    /// The size in bytes, which is that of the longest value of an option: several times the total size of all control
    /// messages that this crate knows.
    pub(crate) const SIZE: usize = size_of::<GROUP_SOURCE_REQ>();

    /// The size in bytes of the input half, which the output half follows.
    pub(crate) const HALF: usize = 128;

    /// The flags of a datagram that is sent, which WSK does not use.
    pub(crate) const SENT: ULONG = ULONG::MAX;

    pub(crate) const EMPTY: Self = Self { bytes: [0; Self::SIZE / 8], length: 0, flags: 0 };

    /// All bytes.
    pub(crate) const fn bytes(&self) -> &[u8; Self::SIZE] {
        // SAFETY: the numbers are `SIZE` bytes long, and each byte is initialized.
        unsafe { &*self.bytes.as_ptr().cast() }
    }

    /// All bytes.
    pub(crate) const fn bytes_mut(&mut self) -> &mut [u8; Self::SIZE] {
        // SAFETY: the numbers are `SIZE` bytes long, and any byte is part of a number.
        unsafe { &mut *self.bytes.as_mut_ptr().cast() }
    }

    /// The output half.
    pub(crate) fn output_mut(&mut self) -> &mut [u8] {
        self.bytes_mut().split_at_mut(Self::HALF).1
    }

    /// The output half.
    pub(crate) fn output(&self) -> &[u8] {
        self.bytes().split_at(Self::HALF).1
    }

    /// The first byte, as WSK takes it.
    ///
    /// # Safety
    ///
    /// `this` points to a control buffer.
    pub(crate) const unsafe fn start(this: *mut Self) -> PVOID {
        // SAFETY: `this` points to a control buffer, by this function's contract.
        unsafe { &raw mut (*this).bytes }.cast()
    }

    /// The first header of control data.
    ///
    /// # Safety
    ///
    /// `this` points to a control buffer.
    pub(crate) const unsafe fn header(this: *mut Self) -> PCMSGHDR {
        // SAFETY: `this` points to a control buffer, by this function's contract.
        unsafe { Self::start(this) }.cast()
    }

    /// The field that WSK writes the length to.
    ///
    /// # Safety
    ///
    /// `this` points to a control buffer.
    pub(crate) const unsafe fn length(this: *mut Self) -> PULONG {
        // SAFETY: `this` points to a control buffer, by this function's contract.
        unsafe { &raw mut (*this).length }
    }

    /// The field that WSK writes a datagram's flags to.
    ///
    /// # Safety
    ///
    /// `this` points to a control buffer.
    pub(crate) const unsafe fn flags(this: *mut Self) -> PULONG {
        // SAFETY: `this` points to a control buffer, by this function's contract.
        unsafe { &raw mut (*this).flags }
    }
}
