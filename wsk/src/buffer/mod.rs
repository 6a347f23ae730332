//! Buffers that WSK can read and write while nobody else does.
//!
//! A request that was cancelled, or whose future was dropped, is still the system's until it
//! completes. So nothing is borrowed: a [`Buffer`] moves into the request and comes back with the
//! result ([`BufResult`]), and if the future is dropped, the request keeps it (INV-21, INV-24).

mod kept;

use core::fmt;
use core::ops::{Bound, Deref, DerefMut, RangeBounds};
use core::ptr::{self, NonNull};
use core::slice;

use wsk_sys::members::size_t;
use wsk_sys::{MmBuildMdlForNonPagedPool, MmInitializeMdl, PMDL, WSK_BUF, size_of_mdl};

pub(crate) use self::kept::Kept;
use crate::pool;
use crate::status::{Error, Result, known};

/// What the data are aligned to, in bytes.
const ALIGNMENT: usize = 16;

/// Bytes in nonpaged memory, together with the MDL that describes them.
///
/// One allocation; its size does not change. New buffers are zeroed.
///
/// ```
/// use wsk::Buffer;
///
/// let mut buffer = Buffer::new(4)?;
/// buffer.copy_from_slice(b"ping");
/// assert_eq!(buffer[1..], Buffer::try_from(&b"ing"[..])?[..]);
/// # extern crate wsk_host;
/// # Ok::<(), wsk::Error>(())
/// ```
pub struct Buffer {
    /// Null for a buffer without memory. The MDL is the beginning of the allocation.
    mdl: PMDL,
    data: NonNull<u8>,
    size: usize,
}

// SAFETY: it owns its bytes, as `Box<[u8]>` does; the MDL describes them wherever it is used.
unsafe impl Send for Buffer {}
// SAFETY: as above; a shared buffer can only be read.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// The size of the largest buffer, in bytes: just below 16 MiB, since an MDL counts its own size in
    /// 15 bits.
    pub const MAX_SIZE: usize = 4088 * wsk_sys::PAGE_SIZE;

    /// Allocates a buffer of `size` bytes.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_BUFFER_SIZE` if `size` is more than [`Buffer::MAX_SIZE`].
    /// - `STATUS_INSUFFICIENT_RESOURCES` if there is no memory.
    pub fn new(size: usize) -> Result<Self> {
        if size > Self::MAX_SIZE {
            return Err(known::STATUS_INVALID_BUFFER_SIZE);
        }
        let mdl_size = size_of_mdl(size).next_multiple_of(ALIGNMENT);
        let memory = pool::allocate_zeroed(mdl_size + size)?;
        let mdl: PMDL = memory.as_ptr().cast();
        // SAFETY: the allocation goes beyond this offset, or to it if the buffer has no bytes.
        let data = unsafe { memory.add(mdl_size) };
        // SAFETY: the allocation begins with room for such an MDL, whose size MAX_SIZE bounds.
        unsafe { MmInitializeMdl(mdl, data.as_ptr().cast(), size_t(size)) };
        if size > 0 {
            // SAFETY: the MDL was initialised, and describes memory of the nonpaged pool (INV-23).
            unsafe { MmBuildMdlForNonPagedPool(mdl) };
        }
        Ok(Self { mdl, data, size })
    }

    /// A buffer without bytes, and without memory.
    #[must_use]
    pub const fn empty() -> Self {
        Self { mdl: ptr::null_mut(), data: NonNull::dangling(), size: 0 }
    }

    /// A part of the buffer, to send it or to receive into it.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_BUFFER_SIZE` if the range is not within the buffer, which is then dropped.
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
        let (start, end) = resolve(range, self.size)?;
        Ok(Slice { buffer: self, start, end })
    }
}

/// Copies the bytes, with the errors of [`Buffer::new`].
impl TryFrom<&[u8]> for Buffer {
    type Error = Error;

    fn try_from(bytes: &[u8]) -> Result<Self> {
        let mut buffer = Self::new(bytes.len())?;
        buffer.copy_from_slice(bytes);
        Ok(buffer)
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the buffer owns this many initialised bytes, and no request has them.
        unsafe { slice::from_raw_parts(self.data.as_ptr(), self.size) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and the buffer is borrowed for writing.
        unsafe { slice::from_raw_parts_mut(self.data.as_ptr(), self.size) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(memory) = NonNull::new(self.mdl) {
            // An MDL of nonpaged pool maps and locks nothing that would have to be undone.
            // SAFETY: the allocation begins with the MDL, and nobody uses it: a request would own it.
            unsafe { pool::free(memory.cast()) };
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("size", &self.size).finish_non_exhaustive()
    }
}

/// A part of a [`Buffer`], which it owns. From [`Buffer::slice`].
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
    // Within the buffer, and in this order.
    start: usize,
    end: usize,
}

impl Slice {
    /// A part of the slice; the range counts from the slice's beginning.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_BUFFER_SIZE` if the range is not within the slice, which is then dropped.
    pub fn slice(self, range: impl RangeBounds<usize>) -> Result<Self> {
        let (start, end) = resolve(range, self.end - self.start)?;
        Ok(Self { start: self.start + start, end: self.start + end, buffer: self.buffer })
    }

    /// The whole buffer.
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

/// What a request can own while it is in flight: a [`Buffer`] or a [`Slice`] of one.
///
/// Sealed: the request relies on where the bytes are.
pub trait IoBuf: sealed::Sealed + Send + 'static {}

impl IoBuf for Buffer {}
impl IoBuf for Slice {}

pub(crate) mod sealed {
    use super::{Buffer, Slice};

    /// The buffer and the range of it that is meant.
    pub trait Sealed: Sized {
        #[doc(hidden)]
        fn into_parts(self) -> (Buffer, usize, usize);
        #[doc(hidden)]
        fn from_parts(buffer: Buffer, start: usize, end: usize) -> Self;
    }

    impl Sealed for Buffer {
        fn into_parts(self) -> (Buffer, usize, usize) {
            let size = self.size;
            (self, 0, size)
        }

        fn from_parts(buffer: Buffer, _start: usize, _end: usize) -> Self {
            buffer
        }
    }

    impl Sealed for Slice {
        fn into_parts(self) -> (Buffer, usize, usize) {
            (self.buffer, self.start, self.end)
        }

        fn from_parts(buffer: Buffer, start: usize, end: usize) -> Self {
            // An empty buffer comes back when the system kept the real one.
            let size = buffer.size;
            Slice { buffer, start: start.min(size), end: end.min(size) }
        }
    }
}

impl Buffer {
    /// The range as WSK takes it (INV-22).
    ///
    /// The range is within the buffer.
    pub(crate) fn describe(&self, start: usize, end: usize) -> WSK_BUF {
        // NO-OVERFLOW: a buffer is smaller than 4 GiB.
        #[expect(clippy::cast_possible_truncation, reason = "a buffer is smaller than 4 GiB")]
        let offset = start as u32;
        WSK_BUF { Mdl: self.mdl, Offset: offset, Length: size_t(end - start) }
    }

    /// Where the bytes from `start` on are, for calls that take no `WSK_BUF`. They stay there when the buffer
    /// moves.
    ///
    /// `start` is within the buffer.
    pub(crate) const fn at(&self, start: usize) -> *mut u8 {
        self.data.as_ptr().wrapping_add(start)
    }

    /// Gives the buffer away as a pointer; [`Buffer::from_raw`] takes it back. Null for one without memory.
    fn into_raw(self) -> PMDL {
        let mdl = self.mdl;
        core::mem::forget(self);
        mdl
    }

    /// # Safety
    ///
    /// `mdl` came from [`Buffer::into_raw`], is not null, and nobody else takes it back.
    unsafe fn from_raw(mdl: PMDL) -> Self {
        // CAST: a buffer is smaller than 4 GiB, and this is its size.
        // SAFETY: the allocation begins with its MDL.
        let size = unsafe { (*mdl).ByteCount } as usize;
        let mdl_size = size_of_mdl(size).next_multiple_of(ALIGNMENT);
        // SAFETY: the data are behind the MDL.
        let data = unsafe { mdl.byte_add(mdl_size) }.cast();
        // SAFETY: derived from a pointer that is not null.
        Self { mdl, data: unsafe { NonNull::new_unchecked(data) }, size }
    }
}

impl Slice {
    /// The slice as WSK takes it (INV-22).
    pub(crate) fn describe(&self) -> WSK_BUF {
        self.buffer.describe(self.start, self.end)
    }
}

/// The result of an operation that had a buffer, and the buffer, which comes back in every case.
///
/// ```
/// use wsk::{Buffer, BufResult};
///
/// # fn example(result: BufResult<usize, Buffer>) -> wsk::Result<()> {
/// // When an error ends it all, the buffer may go with it:
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
    /// The result and the buffer, or the error alone.
    ///
    /// # Errors
    ///
    /// That of the operation; the buffer is dropped.
    pub fn into_result(self) -> core::result::Result<(T, B), Error> {
        let Self(result, buffer) = self;
        result.map(|value| (value, buffer))
    }
}
