//! A handler that is attached to an existing connection.
//!
//! WSK takes the table and the context of a connection at its creation. For a connection that a request accepts, that
//! is before the driver has seen it. So the table of a connection without a handler has functions that look for an
//! attached handler in each call.
//!
//! # Safety
//!
//! The memory of a handler begins with an [`AttachedHeader`], which has the functions for its type. A handler stays from
//! [`AttachedHandler::fill`] until the last reference to the socket's memory is released.

#![expect(unsafe_code, reason = "see Safety")]

use core::marker::PhantomData;
use core::ptr::{self, NonNull};

#[cfg(loom)]
use loom::sync::atomic::{AtomicPtr, AtomicU8, Ordering};

#[cfg(not(loom))]
use core::sync::atomic::{AtomicPtr, AtomicU8, Ordering};

use super::ConnectionEvents;
use crate::pool::PoolBox;
use crate::status::Result;

/// The start of every attached handler's memory.
///
/// # Invariants
///
/// `handler` points to the handler in the same allocation, a `WithHandler<K>`, and `free` is `free::<K>`.
pub(crate) struct AttachedHeader {
    /// The handler, in this same memory.
    handler: NonNull<dyn ConnectionEvents>,
    free: unsafe fn(NonNull<AttachedHeader>),
}

#[repr(C)]
struct WithHandler<K> {
    attached: AttachedHeader,
    handler: K,
}

impl AttachedHeader {
    pub(crate) const fn handler(&self) -> &dyn ConnectionEvents {
        // SAFETY: the handler is in the same allocation, so it is valid as long as `self` (Invariants).
        unsafe { self.handler.as_ref() }
    }

    /// # Safety
    ///
    /// The handler is of this type.
    pub(crate) const unsafe fn handler_of_type<K>(&self) -> &K {
        // SAFETY: the handler is in the same allocation (Invariants), and is a `K` (this function's contract).
        unsafe { self.handler.cast::<K>().as_ref() }
    }
}

/// A handler that is not attached yet.
///
/// It is invariant in `K`, because it determines the type of its future socket.
///
/// # Invariants
///
/// The pointer is to the start of a `WithHandler<K>` from a [`PoolBox`], which this value owns.
pub(crate) struct NewHandler<K>(NonNull<AttachedHeader>, PhantomData<fn(K) -> K>);

// SAFETY: it owns a `K` (Invariants), as `Box` does.
unsafe impl<K: Send> Send for NewHandler<K> {}
// SAFETY: no method takes a shared reference, so that a shared value gives no access to the `K`.
unsafe impl<K> Sync for NewHandler<K> {}

impl<K: ConnectionEvents> NewHandler<K> {
    /// Moves a handler into its own allocation.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails; the handler is dropped.
    pub(crate) fn allocate(handler: K) -> Result<Self> {
        let nothing: NonNull<dyn ConnectionEvents> = NonNull::<()>::dangling();
        let memory = PoolBox::new_with(|| WithHandler {
            attached: AttachedHeader { handler: nothing, free: free::<K> },
            handler,
        })?;
        let memory = memory.into_raw();
        // SAFETY: the memory was just allocated, and has no other user.
        let handler = unsafe { &raw mut (*memory.as_ptr()).handler };
        // SAFETY: derived from a pointer that is not null.
        let handler: NonNull<dyn ConnectionEvents> = unsafe { NonNull::new_unchecked(handler) };
        // SAFETY: the memory was just allocated, and has no other user.
        unsafe { (*memory.as_ptr()).attached.handler = handler };
        // INVARIANT: the memory is a `WithHandler<K>` from a `PoolBox`, and was given to this value.
        Ok(Self(memory.cast(), PhantomData))
    }

    pub(crate) fn into_raw(self) -> NonNull<AttachedHeader> {
        let attached = self.0;
        core::mem::forget(self);
        attached
    }
}

impl<K> Drop for NewHandler<K> {
    fn drop(&mut self) {
        // SAFETY: this value owns the handler's memory (Invariants), and ends here.
        unsafe { free_attached(self.0) };
    }
}

/// Drops a handler, which runs user code, and frees its memory.
///
/// # Safety
///
/// The handler has no other user, now or later.
unsafe fn free_attached(attached: NonNull<AttachedHeader>) {
    // SAFETY: the pointer is to the start of a handler's memory, which is valid (this function's contract).
    let free = unsafe { attached.as_ref() }.free;
    // SAFETY: the handler is not used any more, by this function's contract; the function is for this memory.
    unsafe { free(attached) };
}

/// # Safety
///
/// The pointer is to the start of a `WithHandler<K>` from a [`PoolBox`], which has no other user, now or later.
unsafe fn free<K>(attached: NonNull<AttachedHeader>) {
    // SAFETY: the memory came from a `PoolBox` of this type, and is not used any more, by this function's contract.
    drop(unsafe { PoolBox::from_raw(attached.cast::<WithHandler<K>>()) });
}

/// The indications that arrived before there was a handler, as those of static events may
/// ([INV-53](crate::rules#inv-53)).
const END: u8 = 1;
const ABORTIVE_END: u8 = 2;
/// Refused data.
const DATA: u8 = 4;

/// The place of an attached handler in a connection's memory.
///
/// # Invariants
///
/// `handler` is null, or a handler's memory that stays valid until the last memory reference is released.
pub(crate) struct AttachedHandler {
    /// Null until a handler is attached.
    handler: AtomicPtr<AttachedHeader>,
    /// The indications that the handler has not received.
    missed: AtomicU8,
}

impl AttachedHandler {
    pub(crate) fn new() -> Self {
        Self { handler: AtomicPtr::new(ptr::null_mut()), missed: AtomicU8::new(0) }
    }

    /// The attached handler, valid as long as the socket's memory.
    pub(crate) fn get(&self) -> Option<&AttachedHeader> {
        // SAFETY: the pointer is null, or to a handler's memory that outlives this borrow (Invariants).
        unsafe { self.handler.load(Ordering::Acquire).as_ref() }
    }

    /// Called by a callback without a handler: stores the end of the connection for a handler that is attached later.
    /// Returns the handler if one has been attached in the meantime, and has not received the end.
    pub(crate) fn miss_end(&self, is_abortive: bool) -> Option<(&AttachedHeader, bool)> {
        let attached = self.miss(if is_abortive { ABORTIVE_END } else { END })?;
        self.take_end().map(|is_abortive| (attached, is_abortive))
    }

    /// Like [`miss_end`](Self::miss_end), for refused data.
    pub(crate) fn miss_data(&self) -> Option<&AttachedHeader> {
        self.miss(DATA)
    }

    fn miss(&self, what: u8) -> Option<&AttachedHeader> {
        // Either this sees the handler, or `fill` sees the missed indication, or both.
        self.missed.fetch_or(what, Ordering::SeqCst);
        // SAFETY: the pointer is null, or to a handler's memory that outlives this borrow (Invariants).
        unsafe { self.handler.load(Ordering::SeqCst).as_ref() }
    }

    /// Takes the stored end, to pass it to the handler: whether it is abortive.
    pub(crate) fn take_end(&self) -> Option<bool> {
        match self.missed.fetch_and(!(END | ABORTIVE_END), Ordering::SeqCst) {
            missed if missed & ABORTIVE_END != 0 => Some(true),
            missed if missed & END != 0 => Some(false),
            _ => None,
        }
    }

    /// Attaches a handler.
    ///
    /// # Safety
    ///
    /// No handler was attached before. The handler stays valid until [`drop_handler`](Self::drop_handler).
    pub(crate) unsafe fn fill(&self, handler: NonNull<AttachedHeader>) {
        self.handler.store(handler.as_ptr(), Ordering::SeqCst);
    }

    pub(crate) fn has_missed_data(&self) -> bool {
        self.missed.load(Ordering::SeqCst) & DATA != 0
    }

    /// Drops the handler, which is the user's code.
    ///
    /// # Safety
    ///
    /// The handler has no other user, now or later.
    pub(crate) unsafe fn drop_handler(&self) {
        if let Some(attached) = NonNull::new(self.handler.load(Ordering::Relaxed)) {
            // SAFETY: the handler is not used any more, by this function's contract.
            unsafe { free_attached(attached) };
        }
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::sync::Arc;
    use loom::thread;

    use super::*;

    /// An end that races with attaching a handler is passed on once, by the thread that sees both.
    #[test]
    fn an_end_of_data_is_indicated_exactly_once() {
        unsafe fn never(_: NonNull<AttachedHeader>) {}
        loom::model(|| {
            let handler: NonNull<dyn ConnectionEvents> = NonNull::<()>::dangling();
            let mut attached = AttachedHeader { handler, free: never };
            let slot = Arc::new(AttachedHandler::new());
            let callback = {
                let slot = Arc::clone(&slot);
                thread::spawn(move || match slot.get() {
                    Some(_) => true,
                    None => slot.miss_end(true).is_some_and(|(_, is_abortive)| is_abortive),
                })
            };
            // SAFETY: it stays until the thread has ended, and none was attached before.
            unsafe { slot.fill(NonNull::from(&mut attached)) };
            let taken = slot.take_end() == Some(true);
            assert_ne!(taken, callback.join().unwrap());
        });
    }
}
