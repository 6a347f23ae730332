//! A handler that a connection gets after it was made.
//!
//! WSK takes a connection's table and context when the connection is made; for one that a request accepts, that is
//! before the driver has seen it. So a connection that is made without a handler has a table whose functions look for
//! one here, each time that they are called.
//!
//! # Safety
//!
//! The memory of a handler begins with an [`Attached`], which has the functions for its type. A handler stays from
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

/// What every attached handler's memory begins with.
pub(crate) struct Attached {
    /// The handler, in this same memory.
    handler: NonNull<dyn ConnectionEvents>,
    free: unsafe fn(NonNull<Attached>),
}

#[repr(C)]
struct WithHandler<K> {
    attached: Attached,
    handler: K,
}

impl Attached {
    pub(crate) const fn handler(&self) -> &dyn ConnectionEvents {
        // SAFETY: the handler is there as long as this.
        unsafe { self.handler.as_ref() }
    }

    /// # Safety
    ///
    /// The handler is of this type.
    pub(crate) const unsafe fn handler_of_type<K>(&self) -> &K {
        // SAFETY: the handler is there as long as this; the caller promises the type.
        unsafe { self.handler.cast::<K>().as_ref() }
    }
}

/// A handler that is still to be attached.
///
/// Invariant in `K`: the type of the socket that gets it is taken from here.
pub(crate) struct NewHandler<K>(NonNull<Attached>, PhantomData<fn(K) -> K>);

// SAFETY: it owns a handler.
unsafe impl<K: Send> Send for NewHandler<K> {}
// SAFETY: it has no methods on a shared reference.
unsafe impl<K> Sync for NewHandler<K> {}

impl<K: ConnectionEvents> NewHandler<K> {
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if there is no memory; the handler is dropped.
    pub(crate) fn allocate(handler: K) -> Result<Self> {
        let nothing: NonNull<dyn ConnectionEvents> = NonNull::<()>::dangling();
        let memory = PoolBox::new_with(|| WithHandler {
            attached: Attached { handler: nothing, free: free::<K> },
            handler,
        })?;
        let memory = memory.into_raw();
        // SAFETY: the memory was just made.
        let handler = unsafe { &raw mut (*memory.as_ptr()).handler };
        // SAFETY: derived from a pointer that is not null.
        let handler: NonNull<dyn ConnectionEvents> = unsafe { NonNull::new_unchecked(handler) };
        // SAFETY: as for the memory.
        unsafe { (*memory.as_ptr()).attached.handler = handler };
        Ok(Self(memory.cast(), PhantomData))
    }

    pub(crate) fn into_raw(self) -> NonNull<Attached> {
        let attached = self.0;
        core::mem::forget(self);
        attached
    }
}

impl<K> Drop for NewHandler<K> {
    fn drop(&mut self) {
        // SAFETY: it owns the memory.
        unsafe { free_attached(self.0) };
    }
}

/// Drops a handler, which is the user's code, and frees its memory.
///
/// # Safety
///
/// Nobody uses it any more.
unsafe fn free_attached(attached: NonNull<Attached>) {
    // SAFETY: it is there.
    let free = unsafe { attached.as_ref() }.free;
    // SAFETY: the handler is not used any more, by this function's contract; the function is for this memory.
    unsafe { free(attached) };
}

/// # Safety
///
/// It is the beginning of a `WithHandler<K>`, which came from a [`PoolBox`], and nobody uses it any more.
unsafe fn free<K>(attached: NonNull<Attached>) {
    // SAFETY: the memory came from a `PoolBox` of this type, and is not used any more, by this function's contract.
    drop(unsafe { PoolBox::from_raw(attached.cast::<WithHandler<K>>()) });
}

/// What was told when no handler was attached, as static events may be ([INV-53](crate::rules#inv-53)).
const END: u8 = 1;
const ABORTIVE_END: u8 = 2;
/// Data that was refused.
const DATA: u8 = 4;

/// Where a connection's memory has the handler that was attached.
pub(crate) struct AttachedHandler {
    /// Null until one was attached.
    handler: AtomicPtr<Attached>,
    /// What it has not heard of.
    missed: AtomicU8,
}

impl AttachedHandler {
    pub(crate) fn new() -> Self {
        Self { handler: AtomicPtr::new(ptr::null_mut()), missed: AtomicU8::new(0) }
    }

    /// The handler, which stays as long as the socket's own would.
    pub(crate) fn get(&self) -> Option<&Attached> {
        // SAFETY: it is null, or a handler's memory, which stays until the last hold is given up.
        unsafe { self.handler.load(Ordering::Acquire).as_ref() }
    }

    /// For a callback that has found no handler: remembers the end, for the handler that will be attached.
    /// Returns the handler if one was attached meanwhile, and has not heard of it.
    pub(crate) fn miss_end(&self, is_abortive: bool) -> Option<(&Attached, bool)> {
        let attached = self.miss(if is_abortive { ABORTIVE_END } else { END })?;
        self.take_end().map(|is_abortive| (attached, is_abortive))
    }

    /// As [`miss_end`](Self::miss_end), for data.
    pub(crate) fn miss_data(&self) -> Option<&Attached> {
        self.miss(DATA)
    }

    fn miss(&self, what: u8) -> Option<&Attached> {
        // Either this sees the handler, or `fill` sees what was missed, or both.
        self.missed.fetch_or(what, Ordering::SeqCst);
        // SAFETY: as in `get`.
        unsafe { self.handler.load(Ordering::SeqCst).as_ref() }
    }

    /// The end, for one who tells the handler: whether it is abortive.
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
    /// None was attached before. It stays until [`drop_handler`](Self::drop_handler).
    pub(crate) unsafe fn fill(&self, handler: NonNull<Attached>) {
        self.handler.store(handler.as_ptr(), Ordering::SeqCst);
    }

    pub(crate) fn has_missed_data(&self) -> bool {
        self.missed.load(Ordering::SeqCst) & DATA != 0
    }

    /// Drops the handler, which is the user's code.
    ///
    /// # Safety
    ///
    /// Nobody uses it any more.
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

    /// An end that comes while a handler is attached is told once, by who finds the other.
    #[test]
    fn no_end_is_lost_or_told_twice() {
        unsafe fn never(_: NonNull<Attached>) {}
        loom::model(|| {
            let handler: NonNull<dyn ConnectionEvents> = NonNull::<()>::dangling();
            let mut attached = Attached { handler, free: never };
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
            let told = slot.take_end() == Some(true);
            assert_ne!(told, callback.join().unwrap());
        });
    }
}
