//! Several buffers that are sent at once, each as a datagram.
//!
//! # Safety
//!
//! A batch owns one allocation of nodes and slices. The first `length` slices are initialized.

#![expect(unsafe_code, reason = "see Safety")]

use core::fmt;
use core::ops::{Deref, DerefMut};
use core::ptr::{self, NonNull};
use core::slice;

use wsk_sys::{PWSK_BUF_LIST, WSK_BUF_LIST};

use crate::buffer::{ContiguousIoBuf, Slice};
use crate::pool;
use crate::status::{Result, known};

/// Buffers for [`send_batch_to`](crate::UdpSocket::send_batch_to): one datagram for each, in one request.
///
/// It owns its buffers and the list of them that WSK reads, in one allocation, which moves into the request and
/// is returned with the result ([INV-28](crate::rules#inv-28)). Refilling a batch up to its capacity allocates nothing.
///
/// A batch is a slice of [`Slice`]s:
///
/// ```
/// use wsk::{Batch, Buffer};
///
/// let mut batch = Batch::with_capacity(2)?;
/// batch.push(Buffer::try_from(&b"first"[..])?).map_err(|_| "full").unwrap();
/// batch.push(Buffer::new(100)?.slice(..10)?).map_err(|_| "full").unwrap();
/// assert_eq!((&batch[0][..], batch[1].len()), (&b"first"[..], 10));
///
/// // The batch has no space for a third buffer, and returns it.
/// let refused = batch.push(Buffer::new(1)?).unwrap_err();
/// assert_eq!(refused.len(), 1);
///
/// let buffers: Vec<Buffer> = batch.drain().map(|slice| slice.into_inner()).collect();
/// assert_eq!((buffers.len(), batch.len(), batch.capacity()), (2, 0, 2));
/// # extern crate wsk_host;
/// # Ok::<(), wsk::Error>(())
/// ```
///
/// # Invariants
///
/// - `nodes` is one allocation: `capacity` nodes, then room for `capacity` slices. It is dangling if `capacity` is
///   zero.
/// - The first `length` slices are initialized.
/// - No request uses the nodes while this value is accessible.
pub struct Batch {
    /// The nodes. The slices follow them.
    nodes: NonNull<WSK_BUF_LIST>,
    length: usize,
    capacity: usize,
}

// SAFETY: it owns its slices, as `Vec` does, and its nodes, which no request uses meanwhile (Invariants).
unsafe impl Send for Batch {}
// SAFETY: a shared batch only reads its slices, and no request uses its nodes (Invariants).
unsafe impl Sync for Batch {}

impl Batch {
    /// Creates an empty batch of capacity zero, without allocating.
    #[must_use]
    pub const fn empty() -> Self {
        Self { nodes: NonNull::dangling(), length: 0, capacity: 0 }
    }

    /// Creates an empty batch with room for `capacity` buffers.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_BUFFER_SIZE` if the size exceeds the address space.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    pub fn with_capacity(capacity: usize) -> Result<Self> {
        const { assert!(align_of::<Slice>() <= align_of::<WSK_BUF_LIST>()) };
        if capacity == 0 {
            return Ok(Self::empty());
        }
        let size = (size_of::<WSK_BUF_LIST>() + size_of::<Slice>())
            .checked_mul(capacity)
            .filter(|size| isize::try_from(*size).is_ok())
            .ok_or(known::STATUS_INVALID_BUFFER_SIZE)?;
        let nodes = pool::allocate_zeroed(size)?.cast();
        Ok(Self { nodes, length: 0, capacity })
    }

    /// Returns the number of buffers that fit without another allocation.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// Reserves room for `additional` more buffers.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// As for [`Batch::with_capacity`]. The batch is unchanged.
    pub fn reserve(&mut self, additional: usize) -> Result<()> {
        let needed =
            self.length.checked_add(additional).ok_or(known::STATUS_INVALID_BUFFER_SIZE)?;
        if needed <= self.capacity {
            return Ok(());
        }
        let mut larger = Self::with_capacity(needed)?;
        // SAFETY: `length` slices are initialized here, there is room for them there, and they are forgotten here.
        unsafe { ptr::copy_nonoverlapping(self.slices(), larger.slices(), self.length) };
        larger.length = core::mem::take(&mut self.length);
        *self = larger;
        Ok(())
    }

    /// Appends a buffer.
    ///
    /// # Errors
    ///
    /// The buffer itself if the batch is full.
    pub fn push<B: ContiguousIoBuf>(&mut self, buffer: B) -> core::result::Result<(), B> {
        if self.length == self.capacity {
            return Err(buffer);
        }
        // SAFETY: there is room behind the last slice, as was checked.
        let place = unsafe { self.slices().add(self.length) };
        // SAFETY: there is room behind the last slice, as was checked, and that room is uninitialized.
        unsafe { place.write(buffer.into()) };
        self.length += 1;
        Ok(())
    }

    /// Removes the last buffer and returns it.
    pub fn pop(&mut self) -> Option<Slice> {
        self.length = self.length.checked_sub(1)?;
        // SAFETY: the slice was initialized, and `length` no longer covers it.
        let place = unsafe { self.slices().add(self.length) };
        // SAFETY: the slice was initialized, and `length` no longer covers it.
        Some(unsafe { place.read() })
    }

    /// Removes the buffers in order. The rest is dropped with the iterator.
    pub fn drain(&mut self) -> Drain<'_> {
        // If the iterator is forgotten, the buffers leak.
        let left = core::mem::take(&mut self.length);
        Drain { batch: self, next: 0, left }
    }

    /// Drops all buffers.
    pub fn clear(&mut self) {
        drop(self.drain());
    }

    /// The address of the first slice.
    const fn slices(&self) -> *mut Slice {
        // SAFETY: the slices are behind the nodes; without capacity, this moves by nothing.
        unsafe { self.nodes.as_ptr().add(self.capacity) }.cast()
    }

    /// The total number of bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.iter().map(|slice| slice.len()).sum()
    }

    /// Writes the list that WSK reads. The batch is not empty, and is not accessed until the request has completed.
    pub(crate) fn link(&mut self) -> PWSK_BUF_LIST {
        let nodes = self.nodes.as_ptr();
        for (index, slice) in self.iter().enumerate() {
            // SAFETY: there are as many nodes as there is room for slices.
            let node = unsafe { nodes.add(index) };
            // SAFETY: there are as many nodes as there is room for slices; at the last one, this is where the slices
            // begin, and is not used.
            let next = unsafe { node.add(1) };
            let next = if index + 1 == self.length { ptr::null_mut() } else { next };
            // SAFETY: the nodes are this batch's alone, and no part of its slices.
            unsafe { node.write(WSK_BUF_LIST { Next: next, Buffer: slice.describe() }) };
        }
        nodes
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self::empty()
    }
}

impl Deref for Batch {
    type Target = [Slice];

    fn deref(&self) -> &[Slice] {
        // SAFETY: the first `length` slices are initialized, and no request has them.
        unsafe { slice::from_raw_parts(self.slices(), self.length) }
    }
}

impl DerefMut for Batch {
    fn deref_mut(&mut self) -> &mut [Slice] {
        // SAFETY: the first `length` slices are initialized, and no request has them, and the batch is borrowed for writing.
        unsafe { slice::from_raw_parts_mut(self.slices(), self.length) }
    }
}

impl<'a> IntoIterator for &'a Batch {
    type Item = &'a Slice;
    type IntoIter = slice::Iter<'a, Slice>;

    fn into_iter(self) -> slice::Iter<'a, Slice> {
        self.iter()
    }
}

impl<'a> IntoIterator for &'a mut Batch {
    type Item = &'a mut Slice;
    type IntoIter = slice::IterMut<'a, Slice>;

    fn into_iter(self) -> slice::IterMut<'a, Slice> {
        self.iter_mut()
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.clear();
        if self.capacity > 0 {
            // SAFETY: it is the allocation of `with_capacity`, and no request owns it.
            unsafe { pool::free(self.nodes.cast()) };
        }
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// An iterator that removes the buffers of a [`Batch`]. From [`Batch::drain`].
pub struct Drain<'a> {
    batch: &'a mut Batch,
    next: usize,
    /// The number of remaining buffers.
    left: usize,
}

impl Iterator for Drain<'_> {
    type Item = Slice;

    fn next(&mut self) -> Option<Slice> {
        self.left = self.left.checked_sub(1)?;
        // SAFETY: the slice was initialized, and the batch's `length` no longer covers it.
        let place = unsafe { self.batch.slices().add(self.next) };
        self.next += 1;
        // SAFETY: the slice was initialized, the batch's `length` no longer covers it, and it is read once.
        Some(unsafe { place.read() })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Drain<'_> {}

impl core::iter::FusedIterator for Drain<'_> {}

impl Drop for Drain<'_> {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}

impl fmt::Debug for Drain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drain").field("left", &self.left).finish_non_exhaustive()
    }
}
