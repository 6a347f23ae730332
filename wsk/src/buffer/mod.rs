//! Buffers that requests own.
//!
//! The kernel accesses a request's memory until the request completes, even after it was cancelled or its future was
//! dropped. A request therefore borrows nothing: a [`Buffer`] moves into it and returns with the result
//! ([`BufResult`]). If the future is dropped, the request keeps the buffer ([INV-21](crate::rules#inv-21),
//! [INV-24](crate::rules#inv-24)).
//!
//! # Safety
//!
//! A buffer owns its memory and the MDL that describes it. It moves into a request, so neither is shared while the
//! system uses them.

#![expect(unsafe_code, reason = "see Safety")]

mod buffer_pool;
mod chain;
mod lent;
mod lent_memory;
mod mdl_chain;
mod pended_irp;
#[cfg(all(test, not(loom)))]
mod tests;

use core::fmt;
use core::mem::ManuallyDrop;
use core::ops::{Bound, Deref, DerefMut, RangeBounds};
use core::ptr::NonNull;
use core::slice;

use wsk_sys::WSK_BUF;

pub(crate) use self::buffer_pool::BufferPool;
pub use self::chain::{Chain, ChainIntoIter, ChainIter, ChainIterMut};
pub use self::lent::{Lent, LentAccess, NonPagedBytes};
use self::mdl_chain::BufferHeader;
pub(crate) use self::mdl_chain::MdlChain;
pub use self::pended_irp::PendedIrp;
use crate::status::{Error, Result, known};

/// Bytes in nonpaged memory, with the MDL that describes them.
///
/// A buffer is one zeroed allocation of fixed size.
///
/// ```
/// use wsk::Buffer;
///
/// let mut buffer = Buffer::new(4)?;
/// buffer.copy_from_slice(b"ping");
/// assert_eq!(buffer[1..], Buffer::try_from(b"ing")?[..]);
/// # extern crate wsk_host;
/// # Ok::<(), wsk::Error>(())
/// ```
///
/// # Invariants
///
/// The chain has no memory, or one allocation, whose MDL describes the whole of its data.
#[repr(transparent)]
pub struct Buffer(MdlChain);

impl Buffer {
    /// The maximum size of a buffer in bytes: just below 16 MiB, since an MDL stores its own size in 15 bits.
    pub const MAX_SIZE: usize = MdlChain::MAX_SIZE;

    /// Allocates a buffer of `size` bytes.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_BUFFER_SIZE` if `size` exceeds [`Buffer::MAX_SIZE`].
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    pub fn new(size: usize) -> Result<Self> {
        // INVARIANT: it is one allocation.
        MdlChain::allocate(size).map(Self)
    }

    /// Returns an empty buffer, without allocating.
    #[must_use]
    pub const fn empty() -> Self {
        Self(MdlChain::empty())
    }

    const fn size(&self) -> usize {
        self.0.first_size()
    }

    /// Returns a part of the buffer, for sending or receiving.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_BUFFER_SIZE` if the range exceeds the buffer, which is then dropped.
    ///
    /// ```
    /// use wsk::Buffer;
    ///
    /// let slice = Buffer::new(8)?.slice(2..5)?;
    /// assert_eq!(slice.len(), 3);
    /// assert!(Buffer::new(8)?.slice(2..9).is_err());
    /// # extern crate wsk_host;
    /// # Ok::<(), wsk::Error>(())
    /// ```
    pub fn slice(self, range: impl RangeBounds<usize>) -> Result<Slice> {
        let (start, end) = resolve(range, self.size())?;
        Ok(Slice { buffer: self, start, end })
    }
}

/// Copies the bytes, with the errors of [`Buffer::new`].
impl TryFrom<&[u8]> for Buffer {
    type Error = Error;

    fn try_from(bytes: &[u8]) -> Result<Self> {
        let mut buffer = Self::new(bytes.len())?;
        // There are as many, which the compiler does not see in the allocation.
        buffer.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        Ok(buffer)
    }
}

/// Copies the bytes, with the errors of [`Buffer::new`].
impl<const N: usize> TryFrom<&[u8; N]> for Buffer {
    type Error = Error;

    fn try_from(bytes: &[u8; N]) -> Result<Self> {
        Self::try_from(bytes.as_slice())
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the buffer owns this many initialized bytes from there on, and no request has them.
        unsafe { slice::from_raw_parts(self.0.at(0), self.size()) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: the buffer owns this many initialized bytes from there on, no request has them, and the buffer is borrowed
        // mutably.
        unsafe { slice::from_raw_parts_mut(self.0.at(0), self.size()) }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("size", &self.size()).finish_non_exhaustive()
    }
}

/// An owned part of a [`Buffer`]. From [`Buffer::slice`].
///
/// ```
/// use wsk::Buffer;
///
/// let mut hello = Buffer::new(16)?;
/// hello[..5].copy_from_slice(b"hello");
/// let hello = hello.slice(..5)?;
/// assert_eq!(&hello[..], b"hello");
/// assert_eq!(hello.into_inner().len(), 16);
/// # extern crate wsk_host;
/// # Ok::<(), wsk::Error>(())
/// ```
#[derive(Debug)]
pub struct Slice {
    buffer: Buffer,
    // A range within the buffer: `start` is at most `end`.
    start: usize,
    end: usize,
}

impl Slice {
    /// Returns a part of the slice; the range is relative to the slice.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_BUFFER_SIZE` if the range exceeds the slice, which is then dropped.
    pub fn slice(self, range: impl RangeBounds<usize>) -> Result<Self> {
        let (start, end) = resolve(range, self.end - self.start)?;
        Ok(Self { start: self.start + start, end: self.start + end, buffer: self.buffer })
    }

    /// Returns the whole buffer.
    #[must_use]
    pub fn into_inner(self) -> Buffer {
        self.buffer
    }
}

impl Deref for Slice {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the range is within the buffer, by construction.
        unsafe { self.buffer.get_unchecked(self.start..self.end) }
    }
}

impl DerefMut for Slice {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: the range is within the buffer, by construction.
        unsafe { self.buffer.get_unchecked_mut(self.start..self.end) }
    }
}

/// A range as two numbers in order, within `size`.
fn resolve(range: impl RangeBounds<usize>, size: usize) -> Result<(usize, usize)> {
    let start = match range.start_bound() {
        Bound::Included(&start) => Some(start),
        Bound::Excluded(&start) => start.checked_add(1),
        Bound::Unbounded => Some(0),
    };
    let end = match range.end_bound() {
        Bound::Included(&end) => end.checked_add(1),
        Bound::Excluded(&end) => Some(end),
        Bound::Unbounded => Some(size),
    };
    match (start, end) {
        (Some(start), Some(end)) if start <= end && end <= size => Ok((start, end)),
        _ => Err(known::STATUS_INVALID_BUFFER_SIZE),
    }
}

/// Memory that a request can own while it is in flight: a [`Buffer`], a [`Slice`] or a [`Chain`].
///
/// Sealed: requests rely on the location of the bytes. The methods of the sealed trait cannot make one type of another:
///
/// ```compile_fail,E0133
/// fn forged<B: wsk::IoBuf, C: wsk::IoBuf>(buffer: B) -> C {
///     let (memory, start, end) = buffer.into_parts();
///     C::from_parts(memory, start, end)
/// }
/// ```
pub trait IoBuf: sealed::Sealed + Send + 'static {}

impl IoBuf for Buffer {}
impl IoBuf for Slice {}
impl IoBuf for Chain {}

/// Memory that a request can own, at one address: a [`Buffer`] or a [`Slice`].
pub trait ContiguousIoBuf: IoBuf + Into<Slice> {}

impl ContiguousIoBuf for Buffer {}
impl ContiguousIoBuf for Slice {}

impl From<Buffer> for Slice {
    fn from(buffer: Buffer) -> Self {
        let end = buffer.size();
        Self { buffer, start: 0, end }
    }
}

pub(crate) mod sealed {
    use wsk_sys::WSK_BUF;

    use super::{Buffer, MdlChain, Slice};

    /// The memory and the range in it.
    pub trait Sealed: Sized {
        #[doc(hidden)]
        fn into_parts(self) -> (MdlChain, usize, usize);

        /// # Safety
        ///
        /// The chain is from [`into_parts`](Self::into_parts) of the same type, with the same range, or without memory.
        #[doc(hidden)]
        unsafe fn from_parts(chain: MdlChain, start: usize, end: usize) -> Self;

        /// The range as WSK takes it ([INV-22](crate::rules#inv-22)). The chain is from [`into_parts`](Self::into_parts) of the
        /// same type, and the range within it.
        #[doc(hidden)]
        fn describe(chain: &MdlChain, start: usize, end: usize) -> WSK_BUF;

        /// The length of the range in bytes.
        #[doc(hidden)]
        fn size(&self) -> usize;

        /// Whether a request may receive into it.
        #[doc(hidden)]
        #[inline]
        fn is_writable(&self) -> bool {
            true
        }
    }

    impl Sealed for Buffer {
        fn into_parts(self) -> (MdlChain, usize, usize) {
            let size = self.size();
            (self.0, 0, size)
        }

        unsafe fn from_parts(chain: MdlChain, _start: usize, _end: usize) -> Self {
            // INVARIANT: the chain came from a buffer, or has no memory (this function's contract).
            Self(chain)
        }

        #[inline]
        fn describe(chain: &MdlChain, start: usize, end: usize) -> WSK_BUF {
            chain.describe_first(start, end)
        }

        fn size(&self) -> usize {
            self.size()
        }
    }

    impl Sealed for Slice {
        fn into_parts(self) -> (MdlChain, usize, usize) {
            (self.buffer.0, self.start, self.end)
        }

        unsafe fn from_parts(chain: MdlChain, start: usize, end: usize) -> Self {
            let buffer = Buffer(chain);
            // A chain without memory is returned when the system has kept the real one.
            let end = end.min(buffer.size());
            Slice { buffer, start: start.min(end), end }
        }

        #[inline]
        fn describe(chain: &MdlChain, start: usize, end: usize) -> WSK_BUF {
            chain.describe_first(start, end)
        }

        fn size(&self) -> usize {
            self.end - self.start
        }
    }
}

impl Buffer {
    /// The address of the byte at `start`, for calls that take no `WSK_BUF`. It stays the same when the buffer moves.
    ///
    /// `start` is within the buffer.
    pub(crate) const fn at(&self, start: usize) -> *mut u8 {
        self.0.at(start)
    }

    /// Converts the buffer into a pointer for [`Buffer::from_raw`].
    fn into_raw(self) -> NonNull<BufferHeader> {
        ManuallyDrop::new(self).0.0
    }

    /// # Safety
    ///
    /// The header came from [`Buffer::into_raw`], and no other code takes it back.
    const unsafe fn from_raw(header: NonNull<BufferHeader>) -> Self {
        // INVARIANT: the header belongs to a buffer.
        Self(MdlChain(header))
    }
}

impl Slice {
    /// The slice as WSK takes it ([INV-22](crate::rules#inv-22)).
    pub(crate) fn describe(&self) -> WSK_BUF {
        self.buffer.0.describe_first(self.start, self.end)
    }
}

/// The result of an operation with a buffer, and the buffer, which is returned in every case.
///
/// ```
/// use wsk::{Buffer, BufResult};
///
/// # fn example(result: BufResult<usize, Buffer>) -> wsk::Result<()> {
/// // If the buffer is not needed after an error:
/// let (received, buffer) = result.into_result()?;
/// assert!(received <= buffer.len());
/// # Ok(())
/// # }
/// # extern crate wsk_host;
/// # example(BufResult(Ok(1), Buffer::new(1)?))?;
/// # Ok::<(), wsk::Error>(())
/// ```
#[must_use = "the operation may have failed, and the buffer comes back here"]
#[derive(Debug)]
pub struct BufResult<T, B>(pub Result<T>, pub B);

impl<T, B> BufResult<T, B> {
    /// Returns the result and the buffer, or the error alone.
    ///
    /// # Errors
    ///
    /// The error of the operation; the buffer is dropped.
    pub fn into_result(self) -> core::result::Result<(T, B), Error> {
        let Self(result, buffer) = self;
        result.map(|value| (value, buffer))
    }
}

/// Copies as many bytes as fit, and returns their number.
pub(crate) fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let count = from.len().min(to.len());
    // Both ranges are in bounds. Written this way, the code contains no panic.
    if let (Some(from), Some(to)) = (from.get(..count), to.get_mut(..count)) {
        to.copy_from_slice(from);
    }
    count
}
