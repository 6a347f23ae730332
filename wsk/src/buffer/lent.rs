//! Memory of another, lent to requests.
//!
//! # Safety
//!
//! Whoever creates it vouches for the MDLs. Everything after that moves it, as it does a buffer.

#![expect(unsafe_code, reason = "see Safety")]

use core::fmt;
use core::marker::PhantomData;
use core::ops::RangeBounds;
use core::ptr;

use wsk_sys::{FALSE, IoAllocateMdl, MmBuildMdlForNonPagedPool, PMDL, ULONG, WSK_BUF};

use super::lent_memory::{LentMemory, LentRange};
use super::sealed::Sealed;
use super::{IoBuf, MdlChain, resolve};
use crate::pool::{self, PoolBox};
use crate::status::{Error, Result, known};

/// Memory that the driver has already, lent to requests by its owner: the memory of a read or write request, of a packet, or of
/// the driver's own pool. It is sent and received into without a copy, like a [`Buffer`](super::Buffer).
///
/// The owner is a value that keeps the memory valid. It moves into requests with the memory, and comes back with it
/// ([`into_owner`](Self::into_owner)). If the memory is dropped instead, or the future of its request, the owner is dropped when
/// the last request has returned the memory: never before, and once. So an owner that completes an IRP when it is dropped
/// completes it at the right time ([INV-72](crate::rules#inv-72)).
///
/// One part of the memory is lent, at first all of it: [`slice`](Self::slice) makes it smaller, and [`whole`](Self::whole)
/// restores it. As a part of a [`Chain`](super::Chain), it is sent after a header of the driver's own, in one request.
///
/// ```
/// use wsk::pool::PoolBox;
/// use wsk::{Buffer, Chain, Lent, TcpListener, TcpStream};
///
/// # extern crate wsk_host;
/// # let passive = unsafe { wsk::irql::Passive::assume() };
/// # let registration = wsk::Registration::register(passive)?;
/// # let wsk = registration.try_capture()?;
/// # wsk::rt::block_on(passive, async move {
/// # let listener = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
/// # let client = TcpStream::connect(&wsk, listener.local_addr().await?).await?;
/// # let (server, _peer) = listener.accept().await?;
/// let sector = PoolBox::new([7; 512])?;
/// let mut message = Chain::from(Buffer::try_from(&512_u32.to_be_bytes())?);
/// message.push_back_lent(Lent::from_pool(sector).map_err(|(error, _)| error)?).map_err(|(error, _)| error)?;
/// let (_, mut message) = client.send_all(message).await.into_result()?;
/// let _header = message.pop_front();
/// let sector = message.pop_front_lent::<PoolBox<[u8; 512]>>().and_then(Lent::into_owner).unwrap();
///
/// // The peer receives it in memory of its own.
/// let room = Lent::from_pool(PoolBox::new([0; 516])?).map_err(|(error, _)| error)?;
/// let ((), room) = server.recv_exact(room).await.into_result()?;
/// let received = room.into_owner().unwrap();
/// assert_eq!((&received[..4], &received[4..]), (&[0, 0, 2, 0][..], &sector[..]));
/// # Ok::<(), wsk::Error>(())
/// # })??;
/// # Ok::<(), wsk::Error>(())
/// ```
///
/// # Dropped futures
///
/// A receive whose future was dropped may keep its memory until the next receive on the socket, or until the socket is closed:
/// always if it has got data, which the next receive takes ([`recv`](crate::TcpStream::recv)). The owner is dropped only then. If
/// the owner must not wait so long, as for an IRP that was cancelled, close the socket, or receive into a
/// [`Buffer`](super::Buffer). A send whose future was dropped returns its memory when it has been cancelled.
///
/// # Invariants
///
/// The memory is one element of lent memory, whose owner is an `O`, and which is whole; or there is none. `start` is at most
/// `end`, and `end` at most its size.
pub struct Lent<O> {
    memory: MdlChain,
    start: usize,
    end: usize,
    /// The memory has the owner. Covariant: the type is asked for again only by its `TypeId`, which subtypes do not share.
    owner: PhantomData<O>,
}

/// What requests may do with [lent](Lent) memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LentAccess {
    /// Read it: it can be sent. A request that would receive into it fails with `STATUS_ACCESS_DENIED`.
    ///
    /// The memory of a write request is such, because its pages are locked for reading.
    ReadOnly,
    /// Read and write it: it can be sent and received into.
    ReadWrite,
}

impl<O: Send + 'static> Lent<O> {
    /// Lends the `length` bytes that begin at `offset` of a chain of MDLs.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`. Minimum Windows: Windows 8.
    ///
    /// # Errors
    ///
    /// The owner is returned with the error:
    ///
    /// - `STATUS_INVALID_BUFFER_SIZE` if `length` is zero, or the chain does not describe so many bytes.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    ///
    /// # Safety
    ///
    /// Until `owner` is dropped, or returned by [`into_owner`](Self::into_owner):
    ///
    /// - `mdl` starts a chain of MDLs whose pages are locked or nonpaged, for writing too if `access` says so. Moving `owner` does
    ///   not change that.
    /// - No other code changes, unlocks or frees the MDLs, or links another one behind those that are lent
    ///   ([INV-73](crate::rules#inv-73)). They may be lent several times at once.
    /// - No reference in Rust's sense is used that points to the memory, not even by `owner`. No other code of the driver writes to
    ///   it; with `ReadWrite`, none reads it. Programs may do both, for example to the memory of a read request: then what is sent
    ///   or received is undefined, but nothing else.
    /// - No other code maps the MDLs at the same time. WSK and this value map them as they are, into system space. Whoever releases
    ///   the MDLs undoes that, as `MmUnlockPages` and the completion of an IRP do.
    ///
    /// Dropping an `O` is allowed up to `DISPATCH_LEVEL`, in any thread, also in a completion routine and in an event callback. It
    /// does not wait. It may drop this crate's objects, but makes no other call to WSK ([INV-15](crate::rules#inv-15)).
    pub unsafe fn from_raw(
        mdl: PMDL,
        offset: usize,
        length: usize,
        access: LentAccess,
        owner: O,
    ) -> core::result::Result<Self, (Error, O)> {
        let is_writable = access == LentAccess::ReadWrite;
        let range = LentRange { source: mdl, offset, size: length, is_writable, is_built: false };
        // SAFETY: the MDLs are valid until the owner is dropped (this function's contract).
        let memory = unsafe { LentMemory::allocate(range, owner) }?;
        // INVARIANT: it is one element, with this owner.
        Ok(Self { memory, start: 0, end: length, owner: PhantomData })
    }

    /// Removes own MDLs of the memory, which was a part of a chain.
    ///
    /// # Safety
    ///
    /// The memory is one element, lent by an `O`.
    pub(super) unsafe fn from_part(memory: MdlChain) -> Self {
        let mut lent = Self { memory, start: 0, end: 0, owner: PhantomData };
        if let Some(memory) = lent.memory_mut() {
            let (start, end) = memory.part();
            memory.reset();
            // INVARIANT: a part is within the memory, which is whole again.
            (lent.start, lent.end) = (start, end);
        }
        lent
    }

    /// Converts it into a part of a chain.
    pub(super) fn into_part(mut self) -> core::result::Result<MdlChain, (Error, Self)> {
        let (start, end) = (self.start, self.end);
        if start == end {
            return Err((known::STATUS_INVALID_BUFFER_SIZE, self));
        }
        match self.memory_mut().map(|memory| memory.prepare(start, end)) {
            Some(Err(error)) => Err((error, self)),
            // Without memory, it has no byte.
            _ => Ok(self.memory),
        }
    }

    fn memory_mut(&mut self) -> Option<&mut LentMemory> {
        // SAFETY: this value has the memory, and is borrowed mutably.
        unsafe { self.memory.header().lent_mut() }
    }

    /// Returns the number of bytes of the part that is lent.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.end - self.start
    }

    /// Returns whether the part that is lent has no byte.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Lends a part of the part that is lent. The range is relative to it.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_BUFFER_SIZE` if the range exceeds it. The memory is dropped then, with its owner.
    ///
    /// ```
    /// use wsk::Lent;
    /// use wsk::pool::PoolBox;
    ///
    /// let lent = Lent::from_pool(PoolBox::new([0; 8])?).map_err(|(error, _)| error)?;
    /// let rest = lent.slice(3..)?.slice(..4)?;
    /// assert_eq!(rest.len(), 4);
    /// assert_eq!(rest.whole().len(), 8);
    /// # extern crate wsk_host;
    /// # Ok::<(), wsk::Error>(())
    /// ```
    pub fn slice(self, range: impl RangeBounds<usize>) -> Result<Self> {
        let (start, end) = resolve(range, self.len())?;
        let (start, end) = (self.start + start, self.start + end);
        // INVARIANT: the range is within the part, and so within the memory.
        Ok(Self { start, end, ..self })
    }

    /// Lends the whole memory again.
    #[must_use]
    pub fn whole(self) -> Self {
        let end = self.memory.first_size();
        // INVARIANT: it is the whole memory.
        Self { start: 0, end, ..self }
    }

    /// Returns the owner; `None` only if the system has kept the memory, with its owner, because a request failed that it never
    /// returns.
    #[must_use]
    pub fn owner(&self) -> Option<&O> {
        let memory = self.memory.header().lent_pointer()?;
        // SAFETY: the owner is an `O` (Invariants).
        let owner = unsafe { LentMemory::owner::<O>(memory) };
        // SAFETY: the owner is in place, and borrowed with this value.
        Some(unsafe { owner.as_ref() })
    }

    /// Ends lending, and returns the owner; `None` as for [`owner`](Self::owner).
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    #[must_use = "the owner would be dropped"]
    pub fn into_owner(self) -> Option<O> {
        let memory = self.memory.header().lent_pointer()?;
        let header = core::mem::ManuallyDrop::new(self.memory).0;
        // SAFETY: the owner is an `O` (Invariants); no request uses the memory, and nothing does any more.
        let owner = unsafe { LentMemory::into_owner(memory) };
        // SAFETY: the allocation begins with the header, and is not used any more.
        unsafe { pool::free(header.cast()) };
        Some(owner)
    }

    /// Copies as many bytes from the start of the part as fit, and returns their number. This maps the memory.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if the memory cannot be mapped.
    pub fn copy_to(&mut self, bytes: &mut [u8]) -> Result<usize> {
        self.memory.copy_to(self.start, self.end, bytes)
    }

    /// Copies as many bytes to the start of the part as fit, and returns their number. This maps the memory.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// - `STATUS_ACCESS_DENIED` if the memory may not be written.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if the memory cannot be mapped.
    pub fn copy_from(&mut self, bytes: &[u8]) -> Result<usize> {
        if !self.memory.is_writable() {
            return Err(known::STATUS_ACCESS_DENIED);
        }
        self.memory.copy_from(self.start, self.end, bytes)
    }
}

/// An owner of bytes in nonpaged pool, which [`Lent::from_pool`] lends.
///
/// # Safety
///
/// - [`bytes`](Self::bytes) returns memory of the nonpaged pool that the value owns alone, and always the same until the value is
///   dropped or changed by other functions, also after the value has moved.
/// - Moving the value does not claim that no pointer to the memory is used, as moving a `Box` of `alloc` does.
/// - Dropping it is allowed up to `DISPATCH_LEVEL`, and does not wait.
pub unsafe trait NonPagedBytes: Send + 'static {
    /// The bytes.
    fn bytes(&mut self) -> &mut [u8];
}

// SAFETY: a box owns nonpaged pool, in which its value stays, and is a plain pointer.
unsafe impl<const N: usize> NonPagedBytes for PoolBox<[u8; N]> {
    fn bytes(&mut self) -> &mut [u8] {
        &mut self[..]
    }
}

impl<O: NonPagedBytes> Lent<O> {
    /// Lends nonpaged pool.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`. Minimum Windows: Windows 8.
    ///
    /// # Errors
    ///
    /// The owner is returned with the error:
    ///
    /// - `STATUS_INVALID_BUFFER_SIZE` if it has no byte, or more than [`Buffer::MAX_SIZE`](super::Buffer::MAX_SIZE).
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    pub fn from_pool(mut owner: O) -> core::result::Result<Self, (Error, O)> {
        let bytes = owner.bytes();
        let (address, size) = (bytes.as_mut_ptr().cast(), bytes.len());
        let length = match ULONG::try_from(size) {
            Ok(length @ 1..) if size <= MdlChain::MAX_SIZE => length,
            _ => return Err((known::STATUS_INVALID_BUFFER_SIZE, owner)),
        };
        // SAFETY: there is no IRP; the memory is the owner's.
        let mdl = unsafe { IoAllocateMdl(address, length, FALSE, FALSE, ptr::null_mut()) };
        if mdl.is_null() {
            return Err((known::STATUS_INSUFFICIENT_RESOURCES, owner));
        }
        // SAFETY: the MDL was allocated for this memory of the nonpaged pool (INV-23).
        unsafe { MmBuildMdlForNonPagedPool(mdl) };
        let (offset, is_writable, is_built) = (0, true, true);
        let range = LentRange { source: mdl, offset, size, is_writable, is_built };
        // SAFETY: the MDL is of `IoAllocateMdl`. It describes memory that stays until the owner is dropped, which it alone has
        // (`NonPagedBytes`).
        match unsafe { LentMemory::allocate(range, owner) } {
            // INVARIANT: it is one element, with this owner.
            Ok(memory) => Ok(Self { memory, start: 0, end: size, owner: PhantomData }),
            Err(error) => {
                // SAFETY: the MDL was allocated above, and is not used.
                unsafe { wsk_sys::IoFreeMdl(mdl) };
                Err(error)
            }
        }
    }
}

impl<O> fmt::Debug for Lent<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lent").field("len", &(self.end - self.start)).finish_non_exhaustive()
    }
}

impl<O: Send + 'static> IoBuf for Lent<O> {}

impl<O: Send + 'static> Sealed for Lent<O> {
    fn into_parts(self) -> (MdlChain, usize, usize) {
        (self.memory, self.start, self.end)
    }

    unsafe fn from_parts(memory: MdlChain, start: usize, end: usize) -> Self {
        // Memory that the system has kept is replaced by none.
        let end = end.min(memory.first_size());
        // INVARIANT: the memory came from one of these, or there is none (this function's contract).
        Self { memory, start: start.min(end), end, owner: PhantomData }
    }

    fn describe(memory: &MdlChain, start: usize, end: usize) -> WSK_BUF {
        memory.describe(start, end)
    }

    fn size(&self) -> usize {
        self.end - self.start
    }

    fn is_writable(&self) -> bool {
        self.memory.is_writable()
    }
}
