//! Several buffers that one request sends or fills.
//!
//! # Safety
//!
//! Each element is a buffer, whose MDL describes the element's part of it, or lent memory.

#![expect(unsafe_code, reason = "see Safety")]

use core::fmt;
use core::iter::FusedIterator;
use core::marker::PhantomData;
use core::mem;
use core::ops::Range;
use core::ptr::NonNull;
use core::slice;

use wsk_sys::WSK_BUF;

use super::lent_memory::LentMemory;
use super::mdl_chain::{BufferHeader, ElementCount};
use super::sealed::Sealed;
use super::{Buffer, Lent, MdlChain, Slice};
use crate::status::Error;

/// Several buffers and slices that one request sends, or fills in order: a header and its payload, for example. Every method
/// that takes an [`IoBuf`](super::IoBuf) takes a chain.
///
/// A chain allocates nothing, whatever its length: the buffers are linked to each other, as are the MDLs that describe them.
///
/// ```
/// use wsk::{Buffer, Chain, TcpListener, TcpStream};
///
/// # extern crate wsk_host;
/// # let passive = unsafe { wsk::irql::Passive::assume() };
/// # let registration = wsk::Registration::register(passive)?;
/// # let wsk = registration.try_capture()?;
/// # wsk::rt::block_on(passive, async move {
/// # let listener = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
/// # let client = TcpStream::connect(&wsk, listener.local_addr().await?).await?;
/// # let (server, _peer) = listener.accept().await?;
/// let payload = Buffer::try_from(b"payload")?;
/// let mut message = Chain::from(payload);
/// message.push_front(Buffer::try_from(&7_u32.to_be_bytes())?).unwrap();
/// let (sent, _message) = client.send_all(message).await.into_result()?;
/// assert_eq!(sent, 11);
///
/// // The peer receives both parts with one request as well.
/// let mut parts = Chain::from(Buffer::new(4)?);
/// parts.push_back(Buffer::new(7)?).unwrap();
/// let ((), mut parts) = server.recv_exact(parts).await.into_result()?;
/// let (length, payload) = (parts.pop_front().unwrap(), parts.pop_front().unwrap());
/// assert_eq!((&length[..], &payload[..]), (&[0, 0, 0, 7][..], &b"payload"[..]));
/// # Ok::<(), wsk::Error>(())
/// # })??;
/// # Ok::<(), wsk::Error>(())
/// ```
///
/// # Invariants
///
/// - Each allocation of the chain belongs to a [`Buffer`] or a [`Lent`]. Its MDLs describe the element's part of it: at least
///   one byte. Lent memory was prepared for that.
/// - `last` is the last header, and `length` the number of bytes of all elements; `parts` is their number, and `lent` the
///   number of those that are lent.
pub struct Chain {
    memory: MdlChain,
    last: NonNull<BufferHeader>,
    parts: usize,
    lent: usize,
    length: usize,
}

// SAFETY: it owns its elements, as `MdlChain` does.
unsafe impl Send for Chain {}
// SAFETY: a shared chain only reads its elements, as a shared `MdlChain` does.
unsafe impl Sync for Chain {}

impl Chain {
    /// Creates an empty chain.
    #[must_use]
    pub const fn new() -> Self {
        let memory = MdlChain::empty();
        // INVARIANT: without elements.
        Self { last: memory.0, memory, parts: 0, lent: 0, length: 0 }
    }

    /// The number of bytes of all parts.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Returns whether the chain has no parts.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.parts == 0
    }

    /// Appends a part.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// The part itself, if it is empty.
    pub fn push_back(&mut self, part: impl Into<Slice>) -> Result<(), Slice> {
        self.append(&mut Self::from_part(part.into())?);
        Ok(())
    }

    /// Inserts a part before the first one.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// The part itself, if it is empty.
    pub fn push_front(&mut self, part: impl Into<Slice>) -> Result<(), Slice> {
        let mut rest = mem::replace(self, Self::from_part(part.into())?);
        self.append(&mut rest);
        Ok(())
    }

    /// Appends all parts of another chain, which is empty afterwards.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    pub fn append(&mut self, other: &mut Self) {
        if self.is_empty() {
            mem::swap(self, other);
        } else if !other.is_empty() {
            let Self { memory, last, parts, lent, length } = mem::take(other);
            // INVARIANT: the elements of the other follow those of this one, with its last one. The sums do not overflow: all
            // elements are in memory at once.
            // SAFETY: `last` is this chain's last header (Invariants), and both chains have memory.
            unsafe { self.memory.append(self.last, memory) };
            self.last = last;
            self.parts += parts;
            self.lent += lent;
            self.length += length;
        }
    }

    /// A chain of one part.
    ///
    /// # Errors
    ///
    /// The part itself, if it is empty.
    fn from_part(part: Slice) -> Result<Self, Slice> {
        if part.is_empty() {
            return Err(part);
        }
        let Slice { buffer: Buffer(mut memory), start, end } = part;
        if memory.header().part() != (start..end) {
            memory.describe_part(start, end);
        }
        // INVARIANT: the MDL describes the part, which has a byte.
        Ok(Self { last: memory.0, memory, parts: 1, lent: 0, length: end - start })
    }

    /// Creates a chain of one part, which is lent memory.
    ///
    /// A request is given the MDLs of the owner, unless a part follows this one, or precedes it and this one does not begin where
    /// its first MDL begins. Then it is given partial MDLs, which this allocates.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// The lent memory is returned with the error:
    ///
    /// - `STATUS_INVALID_BUFFER_SIZE` if it is empty.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    pub fn from_lent<O: Send + 'static>(part: Lent<O>) -> Result<Self, (Error, Lent<O>)> {
        part.into_part().map(|memory| {
            let length = memory.header().len();
            // INVARIANT: the lent memory is described, and has a byte.
            Self { last: memory.0, memory, parts: 1, lent: 1, length }
        })
    }

    /// Appends lent memory, like [`append`](Self::append) with [`from_lent`](Self::from_lent).
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// As for [`from_lent`](Self::from_lent).
    pub fn push_back_lent<O: Send + 'static>(
        &mut self,
        part: Lent<O>,
    ) -> Result<(), (Error, Lent<O>)> {
        self.append(&mut Self::from_lent(part)?);
        Ok(())
    }

    /// Removes the first part, and returns its buffer with its original size. Returns `None` if the chain is empty, or its first
    /// part is lent memory.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    pub fn pop_front(&mut self) -> Option<Slice> {
        if self.memory.header().lent().is_some() {
            return None;
        }
        let mut first = self.split_first()?;
        let Range { start, end } = first.header().part();
        let size = first.header().size;
        if (start, end) != (0, size) {
            // INVARIANT: a buffer's MDL describes the whole of its data.
            first.describe_part(0, size);
        }
        Some(Slice { buffer: Buffer(first), start, end })
    }

    /// Removes the first part, if it is memory that an `O` has lent, and returns it.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    pub fn pop_front_lent<O: Send + 'static>(&mut self) -> Option<Lent<O>> {
        if !self.memory.header().lent().is_some_and(LentMemory::is_of::<O>) {
            return None;
        }
        self.lent = self.lent.saturating_sub(1);
        // SAFETY: the part is lent by an `O`.
        self.split_first().map(|first| unsafe { Lent::from_part(first) })
    }

    /// Separates the first part from the others.
    fn split_first(&mut self) -> Option<MdlChain> {
        self.parts = self.parts.checked_sub(1)?;
        let rest = self.memory.split_rest().unwrap_or(MdlChain::empty());
        let first = mem::replace(&mut self.memory, rest);
        if self.parts == 0 {
            // INVARIANT: the last header is that of the empty chain.
            self.last = self.memory.0;
        }
        self.length -= first.header().len();
        Some(first)
    }

    /// The bytes of each part, in order. Lent memory, which may not be mapped, is left out.
    #[must_use]
    pub fn iter(&self) -> ChainIter<'_> {
        ChainIter { next: self.memory.header(), left: self.parts - self.lent }
    }

    /// The bytes of each part, in order, for writing. Lent memory, which may not be mapped, is left out.
    pub fn iter_mut(&mut self) -> ChainIterMut<'_> {
        let left = self.parts - self.lent;
        ChainIterMut { next: self.memory.header(), left, chain: PhantomData }
    }
}

impl Default for Chain {
    fn default() -> Self {
        Self::new()
    }
}

/// A chain of one part, or of none if the part is empty.
impl<T: Into<Slice>> From<T> for Chain {
    fn from(part: T) -> Self {
        Self::from_part(part.into()).unwrap_or_default()
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Only the sizes: the contents may be long, and secret.
        f.debug_list().entries(self.iter().map(<[u8]>::len)).finish()
    }
}

impl Sealed for Chain {
    fn into_parts(self) -> (MdlChain, usize, usize) {
        (self.memory, 0, self.length)
    }

    unsafe fn from_parts(chain: MdlChain, _start: usize, _end: usize) -> Self {
        let (last, ElementCount { elements: parts, lent, bytes: length }) = chain.count();
        // INVARIANT: the chain was one of these, or has no memory (this function's contract).
        Self { memory: chain, last, parts, lent, length }
    }

    fn describe(chain: &MdlChain, start: usize, end: usize) -> WSK_BUF {
        chain.describe(start, end)
    }

    fn size(&self) -> usize {
        self.length
    }

    fn is_writable(&self) -> bool {
        self.lent == 0 || self.memory.is_writable()
    }
}

/// An iterator over the bytes of the parts of a [`Chain`]. From [`Chain::iter`].
#[derive(Clone, Debug)]
pub struct ChainIter<'a> {
    next: &'a BufferHeader,
    left: usize,
}

/// An iterator over the bytes of the parts of a [`Chain`], for writing. From [`Chain::iter_mut`].
///
/// # Invariants
///
/// The chain is borrowed mutably. No reference exists to the bytes of `next` and of those that follow it.
#[derive(Debug)]
pub struct ChainIterMut<'a> {
    next: &'a BufferHeader,
    left: usize,
    /// `Send` and `Sync` as the bytes are. It has no type whose variance would matter.
    chain: PhantomData<&'a mut [u8]>,
}

impl<'a> Iterator for ChainIter<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.left = self.left.checked_sub(1)?;
        let part = next_own(&mut self.next);
        let (first, count) = part.bytes();
        // SAFETY: these bytes are initialized, and no request has them, since the chain is borrowed.
        Some(unsafe { slice::from_raw_parts(first, count) })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<'a> Iterator for ChainIterMut<'a> {
    type Item = &'a mut [u8];

    fn next(&mut self) -> Option<&'a mut [u8]> {
        self.left = self.left.checked_sub(1)?;
        let part = next_own(&mut self.next);
        let (first, count) = part.bytes();
        // SAFETY: these bytes are initialized, no request has them, and no other reference to them exists (Invariants): parts are
        // left, and this one is no longer one of them.
        Some(unsafe { slice::from_raw_parts_mut(first, count) })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

/// Skips lent memory. Returns the part that follows, which exists, and moves behind it.
fn next_own<'a>(next: &mut &'a BufferHeader) -> &'a BufferHeader {
    let mut part = *next;
    while let Some(following) = part.next().filter(|_| part.lent().is_some()) {
        part = following;
    }
    *next = part.next().unwrap_or(part);
    part
}

impl ExactSizeIterator for ChainIter<'_> {}

impl ExactSizeIterator for ChainIterMut<'_> {}

impl FusedIterator for ChainIter<'_> {}

impl FusedIterator for ChainIterMut<'_> {}

impl<'a> IntoIterator for &'a Chain {
    type Item = &'a [u8];
    type IntoIter = ChainIter<'a>;

    fn into_iter(self) -> ChainIter<'a> {
        self.iter()
    }
}

impl<'a> IntoIterator for &'a mut Chain {
    type Item = &'a mut [u8];
    type IntoIter = ChainIterMut<'a>;

    fn into_iter(self) -> ChainIterMut<'a> {
        self.iter_mut()
    }
}

impl IntoIterator for Chain {
    type Item = Slice;
    type IntoIter = ChainIntoIter;

    fn into_iter(self) -> ChainIntoIter {
        ChainIntoIter(self)
    }
}

/// An iterator that removes the parts of a [`Chain`]. Lent memory is dropped, and so returned to its owner.
#[derive(Debug)]
pub struct ChainIntoIter(Chain);

impl Iterator for ChainIntoIter {
    type Item = Slice;

    fn next(&mut self) -> Option<Slice> {
        loop {
            if let Some(part) = self.0.pop_front() {
                return Some(part);
            }
            drop(self.0.split_first()?);
            self.0.lent = self.0.lent.saturating_sub(1);
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.0.parts - self.0.lent;
        (left, Some(left))
    }
}

impl ExactSizeIterator for ChainIntoIter {}

impl FusedIterator for ChainIntoIter {}
