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

use core::fmt;
use core::ops::{Bound, Deref, DerefMut, RangeBounds};
use core::ptr::{self, NonNull};
use core::slice;

use wsk_sys::fields::size_t;
use wsk_sys::{MmBuildMdlForNonPagedPool, MmInitializeMdl, PMDL, WSK_BUF, size_of_mdl};

pub(crate) use self::buffer_pool::BufferPool;
use crate::pool;
use crate::status::{Error, Result, known};

/// The alignment of the data in bytes.
const ALIGNMENT: usize = 16;

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
/// The pointer is to `NOTHING`, or to an allocation that this value owns: a header, an MDL, and `size` bytes of data.
/// The MDL describes exactly these bytes. No request uses them while this value is accessible.
pub struct Buffer(NonNull<BufferHeader>);

/// The header of the allocation; the MDL follows, and then the data. A buffer is a single pointer to it, since buffers
/// often move into requests and futures and out again.
///
/// # Invariants
///
/// `mdl` and `data` point into the allocation that this header begins; in [`NOTHING`], `mdl` is null and `size` is 0.
/// The fields do not change after their creation.
#[repr(C, align(16))]
struct BufferHeader {
    /// Null for a buffer without memory, whose header is static.
    mdl: PMDL,
    data: NonNull<u8>,
    size: usize,
}

// SAFETY: the fields do not change after their creation (Invariants), and only the owner of the buffer follows the
// pointers.
unsafe impl Sync for BufferHeader {}

/// The header of every buffer without memory.
static NOTHING: BufferHeader =
    BufferHeader { mdl: ptr::null_mut(), data: NonNull::dangling(), size: 0 };

// SAFETY: it owns its bytes, as `Box<[u8]>` does, and its MDL, which no thread uses meanwhile (Invariants).
unsafe impl Send for Buffer {}
// SAFETY: a shared buffer only reads its bytes, as `Box<[u8]>` does, and no request uses its MDL (Invariants).
unsafe impl Sync for Buffer {}

impl Buffer {
    /// The maximum size of a buffer in bytes: just below 16 MiB, since an MDL stores its own size in 15 bits.
    pub const MAX_SIZE: usize = 4088 * wsk_sys::PAGE_SIZE;

    /// Allocates a buffer of `size` bytes.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_BUFFER_SIZE` if `size` exceeds [`Buffer::MAX_SIZE`].
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    pub fn new(size: usize) -> Result<Self> {
        if size == 0 {
            // WSK takes a null MDL for zero bytes; an MDL of zero bytes could not be built.
            return Ok(Self::empty());
        }
        if size > Self::MAX_SIZE {
            return Err(known::STATUS_INVALID_BUFFER_SIZE);
        }
        let mdl_size = size_of_mdl(size).next_multiple_of(ALIGNMENT);
        let header: NonNull<BufferHeader> =
            pool::allocate_zeroed(size_of::<BufferHeader>() + mdl_size + size)?.cast();
        // SAFETY: the allocation continues with room for an MDL.
        let behind: NonNull<u8> = unsafe { header.add(1) }.cast();
        let mdl: PMDL = behind.as_ptr().cast();
        // SAFETY: the offset is within the allocation.
        let data = unsafe { behind.add(mdl_size) };
        // SAFETY: there is room for such an MDL, whose size MAX_SIZE bounds.
        unsafe { MmInitializeMdl(mdl, data.as_ptr().cast(), size_t(size)) };
        // SAFETY: the MDL was initialized, and describes memory of the nonpaged pool (INV-23).
        unsafe { MmBuildMdlForNonPagedPool(mdl) };
        // INVARIANT: the allocation has a header, an MDL of the data, and the data.
        // SAFETY: the allocation begins with room for a header.
        unsafe { header.write(BufferHeader { mdl, data, size }) };
        Ok(Self(header))
    }

    /// Returns an empty buffer, without allocating.
    #[must_use]
    pub const fn empty() -> Self {
        // SAFETY: the address of a static is not null.
        Self(unsafe { NonNull::new_unchecked((&raw const NOTHING).cast_mut()) })
    }

    /// Only the size: the contents may be long, and secret.
    #[inline]
    const fn header(&self) -> &BufferHeader {
        // SAFETY: the buffer owns it, or it is static.
        unsafe { self.0.as_ref() }
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
        let (start, end) = resolve(range, self.header().size)?;
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
        let BufferHeader { data, size, .. } = *self.header();
        // SAFETY: the buffer owns this many initialized bytes, and no request has them.
        unsafe { slice::from_raw_parts(data.as_ptr(), size) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        let BufferHeader { data, size, .. } = *self.header();
        // SAFETY: the buffer owns this many initialized bytes, and no request has them, and the buffer is borrowed for
        // writing.
        unsafe { slice::from_raw_parts_mut(data.as_ptr(), size) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if !self.header().mdl.is_null() {
            // An MDL of nonpaged pool has no mapping or locked pages to undo.
            // SAFETY: the allocation begins with the header, and no request owns it.
            unsafe { pool::free(self.0.cast()) };
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("size", &self.header().size).finish_non_exhaustive()
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

/// Memory that a request can own while it is in flight: a [`Buffer`] or a [`Slice`].
///
/// Sealed: requests rely on the location of the bytes.
pub trait IoBuf: sealed::Sealed + Send + 'static {}

impl IoBuf for Buffer {}
impl IoBuf for Slice {}

pub(crate) mod sealed {
    use super::{Buffer, Slice};

    /// The buffer and the range in it.
    pub trait Sealed: Sized {
        #[doc(hidden)]
        fn into_parts(self) -> (Buffer, usize, usize);
        #[doc(hidden)]
        fn from_parts(buffer: Buffer, start: usize, end: usize) -> Self;
        /// The length of the range in bytes.
        #[doc(hidden)]
        fn size(&self) -> usize;
    }

    impl Sealed for Buffer {
        fn into_parts(self) -> (Buffer, usize, usize) {
            let size = self.header().size;
            (self, 0, size)
        }

        fn from_parts(buffer: Buffer, _start: usize, _end: usize) -> Self {
            buffer
        }

        fn size(&self) -> usize {
            self.header().size
        }
    }

    impl Sealed for Slice {
        fn into_parts(self) -> (Buffer, usize, usize) {
            (self.buffer, self.start, self.end)
        }

        fn from_parts(buffer: Buffer, start: usize, end: usize) -> Self {
            // An empty buffer comes back when the system kept the real one. Callers may also use this trait by a bound.
            let end = end.min(buffer.header().size);
            Slice { buffer, start: start.min(end), end }
        }

        fn size(&self) -> usize {
            self.end - self.start
        }
    }
}

impl Buffer {
    /// The range as WSK takes it ([INV-22](crate::rules#inv-22)).
    ///
    /// The range is within the buffer.
    pub(crate) fn describe(&self, start: usize, end: usize) -> WSK_BUF {
        let length = end - start;
        // An empty range may start at the end of the buffer, where the MDL describes no byte.
        let start = if length == 0 { 0 } else { start };
        // NO-OVERFLOW: a buffer is smaller than 4 GiB.
        #[expect(clippy::cast_possible_truncation, reason = "a buffer is smaller than 4 GiB")]
        let offset = start as u32;
        WSK_BUF { Mdl: self.header().mdl, Offset: offset, Length: size_t(length) }
    }

    /// The address of the byte at `start`, for calls that take no `WSK_BUF`. It stays the same when the buffer moves.
    ///
    /// `start` is within the buffer.
    pub(crate) const fn at(&self, start: usize) -> *mut u8 {
        self.header().data.as_ptr().wrapping_add(start)
    }

    /// Converts the buffer into a pointer for [`Buffer::from_raw`].
    fn into_raw(self) -> NonNull<BufferHeader> {
        let header = self.0;
        core::mem::forget(self);
        header
    }

    /// # Safety
    ///
    /// The header came from [`Buffer::into_raw`], and no other code takes it back.
    const unsafe fn from_raw(header: NonNull<BufferHeader>) -> Self {
        Self(header)
    }
}

impl Slice {
    /// The slice as WSK takes it ([INV-22](crate::rules#inv-22)).
    pub(crate) fn describe(&self) -> WSK_BUF {
        self.buffer.describe(self.start, self.end)
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
    // Both ranges are in bounds; written so that the compiler emits no panic.
    if let (Some(from), Some(to)) = (from.get(..count), to.get_mut(..count)) {
        to.copy_from_slice(from);
    }
    count
}
