//! All interleavings of the owners of one socket. Run by `cargo xtask test loom`.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread::{self, JoinHandle};

use super::*;
use crate::operation::{CacheModel, NodeRef, RequestKind, RequestModel};

mod cached;

/// A socket whose parts are written when they end, and read when they are used: loom fails if both can happen at
/// once.
struct Socket {
    counts: RefCounts,
    is_open: UnsafeCell<bool>,
    has_handler: UnsafeCell<bool>,
    has_memory: UnsafeCell<bool>,
    /// Requests that are in its cache from the beginning to the end.
    requests: [RequestModel; 2],
    /// Others.
    cache: CacheModel,
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
            cache: CacheModel::new(),
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
    /// request; nothing in this model depends on that.
    fn close(&self) {
        self.begin_close();
        self.release();
    }

    fn begin_close(&self) {
        for request in &self.0.requests {
            let retain = || self.0.counts.retain_memory();
            if request.0.end_borrowing(retain) {
                assert!(!self.0.counts.release_memory(), "the close has a reference");
            }
        }
        let release = || assert!(!self.0.counts.release_memory(), "the close has a reference");
        self.0.cache.end_borrowing(|| self.0.counts.retain_memory(), release);
        Self::end(&self.0.is_open);
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

    /// When all threads have ended, so has each part: once, which `end` checks.
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

/// A future that has waited with a waker is dropped with its socket: the routine calls the waker with a reference.
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

/// A system refuses a request while its target is open. A completion of the request may still arrive.
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
