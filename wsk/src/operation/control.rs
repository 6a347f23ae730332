//! Room in a request for control data and for the values of options and ioctls.

use wsk_sys::{CMSGHDR, PCMSGHDR, PULONG, PVOID, ULONG};

/// The control data of a datagram, or a value that an option or an ioctl takes or gives: in the request, since
/// WSK uses it until the request completes (INV-26, INV-27).
pub(crate) struct ControlArea {
    /// Numbers, for the alignment of a header.
    bytes: [u64; Self::SIZE / 8],
    /// How much of it there is: what WSK is given, and then what WSK says.
    pub(crate) length: ULONG,
    /// What WSK says of a received datagram.
    pub(crate) flags: ULONG,
}

const _: () = assert!(align_of::<CMSGHDR>() <= align_of::<ControlArea>());

impl ControlArea {
    /// How many bytes there is room for: several times the control messages that this crate knows.
    pub(crate) const SIZE: usize = 256;

    /// Of two values, one that is given and one that is taken, each has a half, so that they do not overlap.
    pub(crate) const HALF: usize = Self::SIZE / 2;

    pub(crate) const EMPTY: Self = Self { bytes: [0; Self::SIZE / 8], length: 0, flags: 0 };

    /// The whole room.
    pub(crate) const fn bytes(&self) -> &[u8; Self::SIZE] {
        // SAFETY: so many bytes are there, and each is initialised.
        unsafe { &*self.bytes.as_ptr().cast() }
    }

    /// The whole room.
    pub(crate) const fn bytes_mut(&mut self) -> &mut [u8; Self::SIZE] {
        // SAFETY: so many bytes are there, and each value of a byte is one.
        unsafe { &mut *self.bytes.as_mut_ptr().cast() }
    }

    /// The room of a value that is given, and of one that is taken.
    pub(crate) fn halves_mut(&mut self) -> (&mut [u8], &mut [u8]) {
        self.bytes_mut().split_at_mut(Self::HALF)
    }

    /// The room of a value that is taken.
    pub(crate) fn output(&self) -> &[u8] {
        self.bytes().split_at(Self::HALF).1
    }

    /// The room as WSK takes it.
    ///
    /// # Safety
    ///
    /// The pointer is to an area.
    pub(crate) const unsafe fn start(this: *mut Self) -> PVOID {
        // SAFETY: the caller's promise.
        unsafe { &raw mut (*this).bytes }.cast()
    }

    /// As [`ControlArea::start`], for control data.
    ///
    /// # Safety
    ///
    /// The pointer is to an area.
    pub(crate) const unsafe fn header(this: *mut Self) -> PCMSGHDR {
        // SAFETY: the caller's promise.
        unsafe { Self::start(this) }.cast()
    }

    /// Where WSK says how much there is.
    ///
    /// # Safety
    ///
    /// The pointer is to an area.
    pub(crate) const unsafe fn length(this: *mut Self) -> PULONG {
        // SAFETY: the caller's promise.
        unsafe { &raw mut (*this).length }
    }

    /// Where WSK says what there is to say of a datagram.
    ///
    /// # Safety
    ///
    /// The pointer is to an area.
    pub(crate) const unsafe fn flags(this: *mut Self) -> PULONG {
        // SAFETY: the caller's promise.
        unsafe { &raw mut (*this).flags }
    }
}
