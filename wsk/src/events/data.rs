//! Received data, as WSK indicates it.
//!
//! # Safety
//!
//! Indicated data is valid during the call. Retained data is valid until it is released, once.

#![expect(unsafe_code, reason = "see Safety")]

use core::cell::Cell;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;

use wsk_sys::fields::length;
use wsk_sys::{
    MdlMappingNoExecute, MmGetSystemAddressForMdlSafe, NormalPagePriority, PMDL,
    PWSK_DATA_INDICATION, ULONG, WSK_BUF, WSK_DATA_INDICATION, WSK_FLAG_ENTIRE_MESSAGE,
    WSK_FLAG_RELEASE_ASAP,
};

use super::CallbackIrql;
use crate::buffer::{Chain, Lent, LentAccess};
use crate::deferred::ReservedCall;
use crate::dispatch::{ConnectionDispatch, StreamDispatch};
use crate::flags::SocketFlags;
use crate::socket::{OpenGuard, SocketState};
use crate::status::{Error, Result, known};

/// Received data is never executed, and Driver Verifier's code integrity checks stop a driver that maps it executable.
const PRIORITY: ULONG = NormalPagePriority | MdlMappingNoExecute;

/// The bytes of a WSK buffer, in contiguous pieces.
///
/// # Invariants
///
/// `mdl` is null, or starts a chain of MDLs from WSK that describes the remaining `left` bytes, starting at `offset`.
/// The chain and its bytes are valid and unchanged for `'a`.
#[derive(Debug)]
pub struct Chunks<'a> {
    mdl: PMDL,
    /// The offset of the first piece in its MDL.
    offset: usize,
    left: usize,
    /// Covariant: a shorter borrow of the bytes.
    of_the_data: PhantomData<&'a [u8]>,
}

impl Chunks<'_> {
    /// # Safety
    ///
    /// The buffer belongs to WSK, and is not released while the result is used.
    pub(super) const unsafe fn new(buffer: &WSK_BUF) -> Self {
        // INVARIANT: WSK's buffer has a chain of MDLs of its length, valid while the result is used (this function's
        // contract).
        let (mdl, offset) = (buffer.Mdl, buffer.Offset as usize);
        Self { mdl, offset, left: length(buffer.Length), of_the_data: PhantomData }
    }
}

impl<'a> Iterator for Chunks<'a> {
    /// `STATUS_INSUFFICIENT_RESOURCES` if a piece cannot be mapped.
    type Item = Result<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            // SAFETY: `mdl` is null, or an MDL that is valid for `'a` (Invariants).
            let mdl = unsafe { self.mdl.as_ref() }.filter(|_| self.left > 0)?;
            let here = (mdl.ByteCount as usize).saturating_sub(self.offset).min(self.left);
            let offset = core::mem::take(&mut self.offset);
            let this = core::mem::replace(&mut self.mdl, mdl.Next);
            self.left -= here;
            if here == 0 {
                continue;
            }
            // SAFETY: the MDL is one of WSK's, which are locked or nonpaged; indications of one socket are
            // not mapped by several at once.
            let address = unsafe { MmGetSystemAddressForMdlSafe(this, PRIORITY) };
            if address.is_null() {
                self.left = 0;
                return Some(Err(known::STATUS_INSUFFICIENT_RESOURCES));
            }
            // SAFETY: the MDL describes at least `offset` bytes from this address.
            let start = unsafe { address.cast::<u8>().add(offset) };
            // SAFETY: the MDL describes `here` bytes from `start`, and WSK does not write to them while the data is
            // indicated or retained, which the lifetime stands for.
            return Some(Ok(unsafe { core::slice::from_raw_parts(start, here) }));
        }
    }
}

/// Copies as many bytes of the pieces as fit, and returns their number.
pub(super) fn copy<'a>(
    chunks: impl Iterator<Item = Result<&'a [u8]>>,
    to: &mut [u8],
) -> Result<usize> {
    let size = to.len();
    let mut room = to;
    for chunk in chunks {
        let chunk = chunk?;
        let count = chunk.len().min(room.len());
        // Both ranges are in bounds. Written this way, the code contains no panic.
        let (Some(bytes), Some((filled, rest))) =
            (chunk.get(..count), core::mem::take(&mut room).split_at_mut_checked(count))
        else {
            break;
        };
        filled.copy_from_slice(bytes);
        room = rest;
        if room.is_empty() {
            break;
        }
    }
    Ok(size - room.len())
}

/// The pieces of all buffers of a list.
///
/// # Safety
///
/// The list is null, or a list of WSK that stays valid, with its bytes, for `'a`.
pub(super) unsafe fn chunks_of<'a>(
    list: PWSK_DATA_INDICATION,
) -> impl Iterator<Item = Result<&'a [u8]>> {
    let mut next: *const WSK_DATA_INDICATION = list;
    core::iter::from_fn(move || {
        // SAFETY: the caller's list stays for `'a`, and so do its entries.
        let indication = unsafe { next.as_ref() }?;
        next = indication.Next;
        // SAFETY: the buffer is part of the list, whose bytes stay for `'a`.
        Some(unsafe { Chunks::new(&indication.Buffer) })
    })
    .flatten()
}

/// Received data, valid during the call unless it is [retained](Self::retain).
///
/// # Invariants
///
/// `list` is WSK's list with `length` bytes, valid for `'a`: the event callback does not return before this value ends.
#[derive(Debug)]
pub struct Data<'a> {
    list: NonNull<WSK_DATA_INDICATION>,
    length: usize,
    flags: ULONG,
    state: &'a SocketState,
    /// Whether the client keeps the list after the call.
    is_retained: &'a Cell<bool>,
}

impl<'a> Data<'a> {
    pub(super) const fn new(
        list: NonNull<WSK_DATA_INDICATION>,
        length: usize,
        flags: ULONG,
        state: &'a SocketState,
        is_retained: &'a Cell<bool>,
    ) -> Self {
        Self { list, length, flags, state, is_retained }
    }

    /// Returns the number of bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Returns whether the data is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Iterates over the bytes in contiguous pieces.
    ///
    /// # Errors
    ///
    /// A piece that cannot be mapped yields `STATUS_INSUFFICIENT_RESOURCES` and ends the iteration.
    pub fn chunks(&self) -> impl Iterator<Item = Result<&[u8]>> {
        // SAFETY: the list is valid for `'a` (Invariants), and the result borrows this value.
        unsafe { chunks_of(self.list.as_ptr()) }
    }

    /// Copies as many bytes from the start as fit, and returns their number.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if a piece cannot be mapped.
    pub fn copy_to(&self, buffer: &mut [u8]) -> Result<usize> {
        copy(self.chunks(), buffer)
    }

    /// Returns whether a message ends with this data; with TCP, whether the sender set the push flag.
    #[must_use]
    pub const fn is_entire_message(&self) -> bool {
        self.flags & WSK_FLAG_ENTIRE_MESSAGE != 0
    }

    /// Returns whether WSK is short of memory. If so, do not retain the data for long.
    #[must_use]
    pub const fn release_soon(&self) -> bool {
        self.flags & WSK_FLAG_RELEASE_ASAP != 0
    }

    /// Returns the IRQL of the call, as far as WSK reports it.
    #[must_use]
    pub const fn level(&self) -> CallbackIrql {
        CallbackIrql::from_flags(self.flags)
    }

    /// Retains the data beyond the call, whatever the callback returns.
    ///
    /// Release retained data soon: it occupies the network adapter's memory ([INV-57](crate::rules#inv-57)). The socket
    /// stays open until the data is released ([INV-47](crate::rules#inv-47)). If its own handler stores the data, other code
    /// must remove it, or the registration waits forever.
    ///
    /// # Errors
    ///
    /// Returns the data if its socket is being closed, or is not known yet, which is possible with static events
    /// ([INV-53](crate::rules#inv-53)).
    pub fn retain(self) -> core::result::Result<RetainedData, Self> {
        let Some(socket) = OpenGuard::try_new(self.state) else {
            return Err(self);
        };
        self.is_retained.set(true);
        let socket = ManuallyDrop::new(socket);
        // INVARIANT: the callback returns `STATUS_PENDING`, which transfers the list to this value, and the guard keeps
        // the socket open.
        Ok(RetainedData { list: self.list, length: self.length, socket })
    }
}

/// Retained data. Dropping it releases the data.
///
/// # Invariants
///
/// `list` is a list of WSK that was retained and not released, with `length` bytes. Its socket is open until it is
/// released.
#[derive(Debug)]
pub struct RetainedData {
    list: NonNull<WSK_DATA_INDICATION>,
    length: usize,
    /// Dropped after the release.
    socket: ManuallyDrop<OpenGuard>,
}

// SAFETY: the value owns the retained list (Invariants), which any thread may use. It is not `Sync`, because a read may
// map the list's memory.
unsafe impl Send for RetainedData {}

impl RetainedData {
    /// Returns the number of bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Returns whether the data is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Iterates over the bytes in contiguous pieces, like [`Data::chunks`].
    ///
    /// # Errors
    ///
    /// As for [`Data::chunks`].
    pub fn chunks(&self) -> impl Iterator<Item = Result<&[u8]>> {
        // SAFETY: the list is valid until it is released (Invariants), and the result borrows this value.
        unsafe { chunks_of(self.list.as_ptr()) }
    }

    /// Copies bytes from the start, like [`Data::copy_to`].
    ///
    /// # Errors
    ///
    /// As for [`Data::copy_to`].
    pub fn copy_to(&self, buffer: &mut [u8]) -> Result<usize> {
        copy(self.chunks(), buffer)
    }

    /// Converts the data into a chain, which can be sent on another socket without a copy. The data is released when the chain is
    /// dropped: after a send, as soon as it has completed ([INV-75](crate::rules#inv-75)). It cannot be received into.
    ///
    /// A send that waits for its peer keeps the data, and so the network adapter's memory: limit what is in flight.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails. The data is returned with it.
    pub fn into_chain(self) -> core::result::Result<Chain, (Error, Self)> {
        let release = match ReservedCall::new() {
            Ok(release) => release,
            Err(error) => return Err((error, self)),
        };
        // SAFETY: the list is valid until this value is dropped (Invariants).
        let entries = unsafe { entries_of(self.list.as_ptr()) };
        let owner = LentData(Some((self, release)));
        // SAFETY: the MDLs are WSK's, locked or nonpaged, and stay until the owner is dropped (INV-57), which does not wait.
        unsafe { lend_all(entries, owner) }.or_else(|(error, mut owner)| match owner.0.take() {
            Some((data, _)) => Err((error, data)),
            // Nothing has taken it.
            None => Ok(Chain::new()),
        })
    }

    /// Takes the value apart, without a release.
    fn into_parts(self) -> (OpenGuard, RetainedDataList) {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: the guard is not used any more: the value is not dropped.
        (unsafe { ManuallyDrop::take(&mut this.socket) }, RetainedDataList(this.list))
    }
}

/// Retained data that is lent to requests, with memory for its release: a completion routine may have to defer that, and memory
/// may be short then. It is there until this is dropped.
struct LentData(Option<(RetainedData, ReservedCall<(OpenGuard, RetainedDataList)>)>);

impl Drop for LentData {
    fn drop(&mut self) {
        if let Some((data, reserved)) = self.0.take() {
            let (socket, list) = data.into_parts();
            socket.call_by(reserved, list, |(socket, list)| release(&socket, &list));
        }
    }
}

/// A part of lent memory whose owner is that of the last part of its chain. No other crate can name it, and take it out of its
/// chain.
struct EarlierPart;

/// Lends several ranges of one owner, as one chain.
///
/// # Errors
///
/// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails. The owner is returned with it.
///
/// # Safety
///
/// As for [`Lent::from_raw`], for each range, to be read. No other crate can name the type of the owner, or takes it out of a
/// chain.
unsafe fn lend_all<O: Send + 'static>(
    ranges: impl Iterator<Item = WSK_BUF>,
    owner: O,
) -> core::result::Result<Chain, (Error, O)> {
    let mut chain = Chain::new();
    let mut last: Option<WSK_BUF> = None;
    for range in ranges.filter(|range| length(range.Length) > 0) {
        let Some(earlier) = last.replace(range) else { continue };
        // SAFETY: the MDLs stay until the owner is dropped, which is in the last part: a chain drops its parts in order, and nothing
        // takes these out.
        if let Err((error, _)) = unsafe { lend(&earlier, EarlierPart) }
            .and_then(|lent| chain.push_back_lent(lent).map_err(|(error, _)| (error, EarlierPart)))
        {
            return Err((error, owner));
        }
    }
    let Some(range) = last else { return Ok(chain) };
    // SAFETY: the MDLs stay until the owner is dropped (this function's contract).
    let lent = unsafe { lend(&range, owner) }?;
    match chain.push_back_lent(lent) {
        Ok(()) => Ok(chain),
        // No request has had it, so the owner is there.
        Err((error, lent)) => lent.into_owner().map_or(Ok(chain), |owner| Err((error, owner))),
    }
}

/// Lends a range, to be read.
///
/// # Safety
///
/// As for [`Lent::from_raw`].
unsafe fn lend<O: Send + 'static>(
    range: &WSK_BUF,
    owner: O,
) -> core::result::Result<Lent<O>, (Error, O)> {
    let (offset, size) = (range.Offset as usize, length(range.Length));
    // SAFETY: this function's contract is the same.
    unsafe { Lent::from_raw(range.Mdl, offset, size, LentAccess::ReadOnly, owner) }
}

/// Drops a chain of retained data, outside of completion routines: the data is released at once, without the thread of its
/// registration.
pub(crate) fn release_chain(mut chain: Chain) {
    while pop_lent(&mut chain).is_some() {}
}

/// Removes the first part of a chain of retained data. The last part of some data releases it.
fn pop_lent(chain: &mut Chain) -> Option<()> {
    let last = chain.pop_front_lent::<LentData>().map(|lent| drop(lent.into_owner()));
    last.or_else(|| chain.pop_front_lent::<EarlierPart>().map(drop))
}

/// The buffers of a list.
///
/// # Safety
///
/// The list is null, or a list of WSK that stays valid while the iterator is used.
unsafe fn entries_of(list: PWSK_DATA_INDICATION) -> impl Iterator<Item = WSK_BUF> {
    let mut next: *const WSK_DATA_INDICATION = list;
    core::iter::from_fn(move || {
        // SAFETY: the caller's list stays, and so do its entries.
        let WSK_DATA_INDICATION { Next, Buffer, .. } = unsafe { next.as_ref() }?;
        next = *Next;
        Some(*Buffer)
    })
}

impl Drop for RetainedData {
    fn drop(&mut self) {
        // SAFETY: the guard is not used any more.
        let socket = unsafe { ManuallyDrop::take(&mut self.socket) };
        socket.call_outside_routines(RetainedDataList(self.list), |(socket, list)| {
            release(&socket, &list);
        });
    }
}

/// A retained list on its way to WSK.
///
/// # Invariants
///
/// It was retained and not released.
struct RetainedDataList(NonNull<WSK_DATA_INDICATION>);

// SAFETY: this value owns the list, and WSK accepts its release in any thread.
unsafe impl Send for RetainedDataList {}

/// Returns a list to WSK, before the guard of its socket is dropped.
fn release(socket: &OpenGuard, &RetainedDataList(list): &RetainedDataList) {
    // A failure is ignored: none is documented.
    if socket.category() == SocketFlags::STREAM {
        // SAFETY: the socket is open, and of this category.
        let dispatch = unsafe { StreamDispatch::of(socket.socket()) };
        // SAFETY: the list was retained, and is released once, with its socket (INV-57).
        unsafe { dispatch.release(list.as_ptr()) };
    } else {
        // SAFETY: the socket is open, and of this category: only streams and connections receive data.
        let dispatch = unsafe { ConnectionDispatch::of(socket.socket()) };
        // SAFETY: the list was retained, and is released once, with its socket (INV-57).
        unsafe { dispatch.release(list.as_ptr()) };
    }
}
