//! Reference counts of a socket, and what follows the release of the last one of each kind.
//!
//! | references | owners | after the last one |
//! |---|---|---|
//! | **open** | everything that may call the socket: its handles, guards of retained data, and the callback that delivers it | the close begins ([INV-45](crate::rules#inv-45), [INV-47](crate::rules#inv-47)) |
//! | **memory** | everything that may access the handler: all open references together have one, which the close takes over; each request in flight that does not borrow that of the open references has one ([INV-18](crate::rules#inv-18), [INV-46](crate::rules#inv-46)) | the handler is dropped |
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

/// The open reference of the callback that delivers the socket. It has a bit of its own, since it makes no call but a
/// close: [`is_only_open_ref`](RefCounts::is_only_open_ref) does not count it.
const DELIVERING: usize = 1 << (usize::BITS - 1);

/// The reference counts of one socket.
///
/// # Invariants
///
/// While there are open references, one memory reference is theirs; while there are memory references, one weak
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

    /// Releases an open reference, unless it is the last one. Returns true if it is: the caller keeps it then.
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
mod loom_tests {
    //! All interleavings of the owners of one socket. Run by `cargo xtask test loom`.

    use loom::cell::UnsafeCell;
    use loom::sync::Arc;
    use loom::thread::{self, JoinHandle};

    use super::*;
    use crate::operation::{RequestKind, RequestModel};

    /// A socket whose parts are written when they end, and read when they are used: loom fails if both can happen at
    /// once.
    struct Socket {
        counts: RefCounts,
        is_open: UnsafeCell<bool>,
        has_handler: UnsafeCell<bool>,
        has_memory: UnsafeCell<bool>,
        /// The requests in its cache.
        requests: [RequestModel; 2],
    }

    #[derive(Clone)]
    struct SharedSocket(Arc<Socket>);

    impl SharedSocket {
        fn new() -> Self {
            let [is_open, has_handler, has_memory] = [(); 3].map(|()| UnsafeCell::new(true));
            let requests = Default::default();
            Self(Arc::new(Socket {
                counts: RefCounts::new(),
                is_open,
                has_handler,
                has_memory,
                requests,
            }))
        }

        fn require(part: &UnsafeCell<bool>) {
            // SAFETY: loom checks that no other thread writes to it meanwhile.
            part.with(|there| assert!(unsafe { *there }));
        }

        /// A call that needs an open socket.
        fn call(&self) {
            Self::require(&self.0.is_open);
            Self::require(&self.0.has_handler);
            Self::require(&self.0.has_memory);
        }

        fn end(part: &UnsafeCell<bool>) {
            // SAFETY: loom checks that no other thread uses it meanwhile.
            part.with_mut(|there| assert!(unsafe { std::mem::replace(&mut *there, false) }));
        }

        /// The close, whose completion releases the memory reference of the open references. WSK completes it after every
        /// request; here nothing depends on that.
        fn close(&self) {
            for request in &self.0.requests {
                let retain = || self.0.counts.retain_memory();
                if request.0.end_borrowing(retain) {
                    assert!(!self.0.counts.release_memory(), "the close has a reference");
                }
            }
            Self::end(&self.0.is_open);
            self.release();
        }

        /// The completion routine of a request.
        fn complete(&self, index: usize) -> bool {
            // The request is in memory that the socket's cache frees, and its target is the socket.
            Self::require(&self.0.has_memory);
            Self::require(&self.0.has_handler);
            self.0.requests[index].complete(
                || self.0.counts.retain_memory(),
                || Self::require(&self.0.has_handler),
                || self.release(),
            )
        }

        fn release_open(&self) {
            if self.0.counts.release_open() {
                self.close();
            }
        }

        fn release(&self) {
            if self.0.counts.release_memory() {
                Self::end(&self.0.has_handler);
                self.release_weak();
            }
        }

        fn release_weak(&self) {
            if self.0.counts.release_weak() {
                Self::end(&self.0.has_memory);
            }
        }

        fn spawn<T: 'static>(&self, run: impl FnOnce(&Self) -> T + 'static) -> JoinHandle<T> {
            let this = self.clone();
            thread::spawn(move || run(&this))
        }

        /// When all threads have ended, each part has, too: once, as `end` sees to.
        fn require_end(&self) {
            for part in [&self.0.is_open, &self.0.has_handler, &self.0.has_memory] {
                // SAFETY: no other thread is left.
                part.with(|there| assert!(!unsafe { *there }));
            }
        }
    }

    /// A handle is dropped while data is retained, which another thread then releases. (A callback has no open reference,
    /// but the close waits for it.)
    #[test]
    fn a_close_waits_for_what_is_retained_or_nothing_is() {
        loom::model(|| {
            let socket = SharedSocket::new();
            // The callback has a memory reference while it runs: in effect, since the close completes later.
            socket.0.counts.retain_memory();
            let callback = socket.spawn(|socket| {
                if socket.0.counts.try_retain_open() {
                    socket.call();
                    socket.release_open();
                }
                socket.release();
            });
            socket.call();
            socket.release_open();
            callback.join().unwrap();
            socket.require_end();
        });
    }

    /// An accepted socket is dropped in its callback, or moved to another thread that drops it, while the callback ends:
    /// what closes it is the deferred queue, after the callback, or the other thread after that.
    #[test]
    fn an_accepted_socket_is_closed_once_and_not_in_its_callback() {
        loom::model(|| {
            let socket = SharedSocket::new();
            socket.0.counts.retain_delivering();
            let user = socket.spawn(|socket| {
                socket.call();
                let _ = socket.0.counts.is_only_open_ref();
                socket.release_open();
            });
            // The callback has not returned.
            socket.call();
            assert!(socket.0.counts.is_delivering());
            let queue = socket.spawn(|socket| {
                if socket.0.counts.release_delivering() {
                    socket.close();
                }
            });
            user.join().unwrap();
            queue.join().unwrap();
            socket.require_end();
        });
    }

    /// The last handle of a socket is dropped in a foreign waker, while another thread drops a guard.
    #[test]
    fn a_socket_whose_close_is_deferred_is_closed_once() {
        loom::model(|| {
            let socket = SharedSocket::new();
            socket.0.counts.retain_open();
            let guard = socket.spawn(|socket| {
                socket.call();
                socket.release_open();
            });
            socket.call();
            let last = socket.0.counts.release_open_unless_last();
            let queue = last.then(|| socket.spawn(SharedSocket::release_open));
            guard.join().unwrap();
            if let Some(queue) = queue {
                queue.join().unwrap();
            }
            socket.require_end();
        });
    }

    /// A weak reference makes a call, if the socket is open, while another thread closes it; its request in flight has a
    /// memory reference, which the completion releases.
    #[test]
    fn a_token_makes_a_call_to_an_open_socket_or_none() {
        loom::model(|| {
            let socket = SharedSocket::new();
            socket.0.counts.retain_weak();
            let token = socket.spawn(|socket| {
                SharedSocket::require(&socket.0.has_memory);
                if socket.0.counts.try_retain_open() {
                    socket.0.counts.retain_memory();
                    socket.call();
                    socket.release_open();
                    socket.release();
                }
                socket.release_weak();
            });
            socket.call();
            socket.release_open();
            token.join().unwrap();
            socket.require_end();
        });
    }

    /// A request borrows the reference of the open ones. Its future is forgotten, and the handle is dropped, at any moment
    /// of its completion: the memory stays until the completion routine needs it no more, and not longer.
    #[test]
    fn a_forgotten_request_keeps_the_memory_until_it_completes() {
        loom::model(|| {
            let socket = SharedSocket::new();
            socket.0.requests[0].0.start_borrowing(RequestKind::Sends);
            let completion = socket.spawn(|socket| assert!(socket.complete(0)));
            socket.call();
            socket.release_open();
            completion.join().unwrap();
            socket.require_end();
        });
    }

    /// As above, of a future that has waited with a waker: the routine calls it with a reference.
    #[test]
    fn a_request_that_is_waited_for_keeps_the_memory_while_it_wakes() {
        loom::model(|| {
            let socket = SharedSocket::new();
            socket.0.requests[0].0.start_borrowing(RequestKind::Other);
            let completion = socket.spawn(|socket| assert!(socket.complete(0)));
            let _ = socket.0.requests[0].0.poll(std::task::Waker::noop());
            socket.release_open();
            completion.join().unwrap();
            socket.require_end();
        });
    }

    /// The future is dropped, and then the handle, while the request completes: it has one owner, who cleans up while the
    /// memory exists.
    #[test]
    fn a_request_that_is_left_is_cleaned_up_before_the_memory_ends() {
        loom::model(|| {
            let socket = SharedSocket::new();
            socket.0.requests[0].0.start_borrowing(RequestKind::Other);
            let completion = socket.spawn(|socket| socket.complete(0));
            let left = socket.0.requests[0].0.abandon();
            let is_owners = left == crate::operation::LeaveModel::Completed;
            socket.call();
            socket.release_open();
            assert_eq!(completion.join().unwrap(), is_owners);
            socket.require_end();
        });
    }

    /// Two handles are dropped in two threads while a request of each is in flight. Whichever is the last finds both.
    #[test]
    fn the_last_handle_finds_the_requests_of_the_others() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let socket = SharedSocket::new();
            socket.0.counts.retain_open();
            let other = socket.spawn(|socket| {
                socket.0.requests[1].0.start_borrowing(RequestKind::Other);
                let completion = socket.spawn(|socket| assert!(socket.complete(1)));
                socket.release_open();
                completion.join().unwrap();
            });
            socket.0.requests[0].0.start_borrowing(RequestKind::Other);
            assert!(socket.complete(0), "completed before the call has returned");
            socket.release_open();
            other.join().unwrap();
            socket.require_end();
        });
    }

    /// A request is issued again as soon as it is seen completed, while its first completion routine may not have returned;
    /// then it is forgotten.
    #[test]
    fn a_request_that_is_issued_again_borrows_again() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let socket = SharedSocket::new();
            let request = &socket.0.requests[0].0;
            request.start_borrowing(RequestKind::Other);
            let first = socket.spawn(|socket| assert!(socket.complete(0)));
            let second = request.poll(std::task::Waker::noop()).is_ready().then(|| {
                request.start_borrowing(RequestKind::Other);
                socket.spawn(|socket| assert!(socket.complete(0)))
            });
            socket.release_open();
            first.join().unwrap();
            if let Some(second) = second {
                second.join().unwrap();
            }
            socket.require_end();
        });
    }

    /// A system refuses a request, whose completion may come all the same, while its target is open.
    #[test]
    fn a_refused_request_has_no_reference() {
        loom::model(|| {
            let socket = SharedSocket::new();
            socket.0.requests[0].0.start_borrowing(RequestKind::Other);
            let completion = socket.spawn(|socket| socket.complete(0));
            let left = socket.0.requests[0].0.orphan();
            assert!(matches!(left, None | Some(false)));
            assert_eq!(completion.join().unwrap(), left.is_none());
            // WSK completes the close after the completion.
            socket.release_open();
            socket.require_end();
        });
    }
}
