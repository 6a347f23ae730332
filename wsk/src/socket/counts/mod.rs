//! Reference counts of a socket, and the consequences of releasing the last reference of each kind.
//!
//! | references | owners | after the last one |
//! |---|---|---|
//! | **open** | everything that may call the socket: its handles, guards of retained data, and the callback that delivers it | the close begins ([INV-45](crate::rules#inv-45), [INV-47](crate::rules#inv-47)) |
//! | **memory** | everything that may access the handler: all open references together have one memory reference, which the close takes over; each request in flight that does not borrow that of the open references has one ([INV-18](crate::rules#inv-18), [INV-46](crate::rules#inv-46)) | the handler is dropped |
//! | **weak** | everything that may access these counts: all memory references together have one; each value that a handler may keep has one | the memory is freed |
//!
//! Weak references are for values of its own socket that a handler stores: they are dropped with the handler, so the
//! handler's drop must not wait for them. A value with a weak reference takes an open one for each call.
//!
//! Every field is an atomic: a count may be freed before the method that has released a reference returns.

#[cfg(loom)]
use loom::sync::atomic::{AtomicUsize, Ordering, fence};

#[cfg(not(loom))]
use core::sync::atomic::{AtomicUsize, Ordering, fence};

/// The open reference of the callback that delivers the socket. It has its own bit, since it makes no call but a
/// close: [`is_only_open_ref`](RefCounts::is_only_open_ref) does not count it.
const DELIVERING: usize = 1 << (usize::BITS - 1);

/// The reference counts of one socket.
///
/// # Invariants
///
/// While there are open references, they own one memory reference; while there are memory references, they own one weak
/// reference is theirs.
#[expect(clippy::struct_field_names, reason = "each is a number of references")]
pub(super) struct RefCounts {
    open_refs: AtomicUsize,
    memory_refs: AtomicUsize,
    weak_refs: AtomicUsize,
}

impl RefCounts {
    /// One of each.
    pub(super) fn new() -> Self {
        let [open_refs, memory_refs, weak_refs] = [(); 3].map(|()| AtomicUsize::new(1));
        Self { open_refs, memory_refs, weak_refs }
    }

    /// Takes another open reference. The caller has one.
    pub(super) fn retain_open(&self) {
        self.open_refs.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes an open reference, unless the last one was released.
    pub(super) fn try_retain_open(&self) -> bool {
        let retain = |count: usize| if count == 0 { None } else { Some(count + 1) };
        self.open_refs.fetch_update(Ordering::Acquire, Ordering::Relaxed, retain).is_ok()
    }

    /// Whether the caller's open reference is the only one with which a call may be made.
    pub(super) fn is_only_open_ref(&self) -> bool {
        // Calls through others have returned.
        self.open_refs.load(Ordering::Acquire) & !DELIVERING == 1
    }

    /// Takes the open reference of the callback that delivers the socket. The caller has another one.
    pub(super) fn retain_delivering(&self) {
        self.open_refs.fetch_or(DELIVERING, Ordering::Relaxed);
    }

    /// Whether the callback that delivers the socket has an open reference. No other one is the last, then.
    pub(super) fn is_delivering(&self) -> bool {
        self.open_refs.load(Ordering::Relaxed) & DELIVERING != 0
    }

    /// Releases the open reference of the callback that delivers the socket. Returns true if it was the last one, as
    /// [`release_open`](Self::release_open) does.
    #[must_use]
    pub(super) fn release_delivering(&self) -> bool {
        self.open_refs.fetch_and(!DELIVERING, Ordering::AcqRel) == DELIVERING
    }

    /// Releases an open reference. Returns true if it was the last one: calls through others have returned, and the
    /// caller begins the close, with the memory reference of the open ones.
    #[must_use]
    pub(super) fn release_open(&self) -> bool {
        self.open_refs.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Releases an open reference, unless it is the last one. Returns true if it is the last one: the caller then keeps
    /// it.
    #[must_use]
    pub(super) fn release_open_unless_last(&self) -> bool {
        let release = |count: usize| if count == 1 { None } else { Some(count - 1) };
        self.open_refs.fetch_update(Ordering::AcqRel, Ordering::Relaxed, release).is_err()
    }

    /// Takes another memory reference. The caller has one, or an open one.
    pub(super) fn retain_memory(&self) {
        self.memory_refs.fetch_add(1, Ordering::Relaxed);
    }

    /// Releases a memory reference. Returns true if it was the last one: the caller drops the handler, and then
    /// releases the weak reference of the memory references.
    #[must_use]
    pub(super) fn release_memory(&self) -> bool {
        is_last(&self.memory_refs)
    }

    /// Takes another weak reference. The caller has one, or a memory reference.
    pub(super) fn retain_weak(&self) {
        self.weak_refs.fetch_add(1, Ordering::Relaxed);
    }

    /// Releases a weak reference. Returns true if it was the last one: the caller frees the memory.
    #[must_use]
    pub(super) fn release_weak(&self) -> bool {
        is_last(&self.weak_refs)
    }
}

fn is_last(count: &AtomicUsize) -> bool {
    if count.fetch_sub(1, Ordering::Release) != 1 {
        return false;
    }
    // The other threads' accesses before their releases happen before the following.
    fence(Ordering::Acquire);
    true
}

#[cfg(all(test, loom))]
#[expect(unsafe_code, reason = "loom's cells")]
mod loom_tests;
