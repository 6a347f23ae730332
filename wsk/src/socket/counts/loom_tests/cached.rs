//! The socket with the real list of its cache, while it closes.

use super::*;
use crate::operation::{LeaveModel, SendCount};

impl SharedSocket {
    /// The completion routine of a request in an operation of the cache.
    fn complete_node(&self, node: NodeRef) -> bool {
        Self::require(&self.0.has_memory);
        Self::require(&self.0.has_handler);
        node.request.complete(
            || self.0.counts.retain_memory(),
            || Self::require(&self.0.has_handler),
            || self.release(),
        )
    }

    /// An operation that has borrowed before, and is put home.
    fn warm_up(&self) {
        let node = self.0.cache.take();
        node.request.0.start_borrowing(RequestKind::Other);
        assert!(self.complete_node(node));
        assert!(self.0.cache.put(node));
    }
}

fn check(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

/// A system refuses a request, whose completion comes late, while the socket is being closed: WSK completes the close after it,
/// and the request has no reference that is left.
#[test]
fn a_refused_request_completes_during_the_close() {
    check(3, || {
        let socket = SharedSocket::new();
        let node = socket.0.cache.take();
        node.request.0.start_borrowing(RequestKind::Other);
        let completion = socket.spawn(move |socket| {
            let is_owners = socket.complete_node(node);
            if !is_owners {
                // The clean-up of an orphan.
                SharedSocket::require(&socket.0.has_memory);
                node.use_payload();
            }
            is_owners
        });
        let left = socket.0.cache.orphan(node);
        match left {
            None => {
                node.use_payload();
                assert!(socket.0.cache.put(node));
            }
            Some(true) => socket.release(),
            Some(false) => {}
        }
        assert!(socket.0.counts.release_open());
        socket.begin_close();
        assert_eq!(completion.join().unwrap(), left.is_none());
        socket.release();
        socket.require_end();
    });
}

/// A request is refused in one thread while the last handle is dropped in another, which ends its borrowing.
#[test]
fn a_request_is_refused_while_its_borrowing_ends() {
    check(3, || {
        let socket = SharedSocket::new();
        let node = socket.0.cache.take();
        node.request.0.start_borrowing(RequestKind::Other);
        // The future of the request has a memory reference, and no open one, as that of a decision.
        socket.0.counts.retain_memory();
        let owner = socket.spawn(move |socket| {
            if socket.0.cache.orphan(node) == Some(true) {
                socket.release();
            }
            socket.release();
        });
        socket.release_open();
        owner.join().unwrap();
        socket.require_end();
    });
}

/// A callback uses an operation of the list, for a decision that it returns, while the last handle is dropped: the close
/// takes no reference for the request.
#[test]
fn a_callback_starts_a_request_while_the_close_begins() {
    check(3, || {
        let socket = SharedSocket::new();
        socket.warm_up();
        // The callback, for which WSK's close waits.
        socket.0.counts.retain_memory();
        let callback = socket.spawn(|socket| {
            let node = socket.0.cache.take();
            node.use_payload();
            node.request.0.start(RequestKind::Other);
            assert_eq!(node.request.0.abandon(), LeaveModel::Left, "the decision comes first");
            assert!(node.request.finish_callback());
            node.use_payload();
            assert!(socket.0.cache.put(node));
            socket.release();
        });
        socket.release_open();
        callback.join().unwrap();
        socket.require_end();
    });
}

/// A decision is made in a third thread while the callback that has pended it ends and the listener closes. One half gets the
/// operation; the decision is delivered if the listener is still open.
#[test]
fn a_pended_decision_is_made_while_the_listener_closes() {
    check(2, || {
        let socket = SharedSocket::new();
        socket.warm_up();
        let node = socket.0.cache.take();
        node.request.0.start(RequestKind::Other);
        // The callback, for which WSK's close waits, and the value that decides.
        socket.0.counts.retain_memory();
        socket.0.counts.retain_weak();
        let callback = socket.spawn(move |socket| {
            if node.request.finish_callback() {
                node.use_payload();
                assert!(socket.0.cache.put(node));
            }
            socket.release();
        });
        let decision = socket.spawn(move |socket| {
            if node.request.0.abandon() == LeaveModel::Completed {
                SharedSocket::require(&socket.0.has_memory);
                node.use_payload();
                if socket.0.counts.try_retain_open() {
                    socket.0.counts.retain_memory();
                    node.request.0.start(RequestKind::Other);
                    socket.call();
                    // Completed inline, or else while the weak reference keeps the operation.
                    socket.release_open();
                    assert!(socket.complete_node(node));
                }
                assert!(socket.0.cache.put(node));
            }
            socket.release_weak();
        });
        socket.release_open();
        callback.join().unwrap();
        decision.join().unwrap();
        socket.require_end();
    });
}

/// A handle sends, and is dropped with its future forgotten; the other one becomes silent ([INV-43](crate::rules#inv-43)) if it finds no send in
/// flight. By then, the system has finished with the request.
fn silence(is_counted: bool) {
    check(3, move || {
        let socket = SharedSocket::new();
        let wire = Arc::new((UnsafeCell::new(0_u32), SendCount::new()));
        socket.0.counts.retain_open();
        let sender = {
            let wire = Arc::clone(&wire);
            socket.spawn(move |socket| {
                let node = socket.0.cache.take();
                if is_counted {
                    socket.0.counts.retain_memory();
                    wire.1.add();
                    node.request.0.start_counted();
                } else {
                    node.request.0.start_borrowing(RequestKind::Sends);
                }
                let completion = socket.spawn(move |socket| {
                    // SAFETY: loom checks that no other thread uses it meanwhile.
                    wire.0.with_mut(|sent| unsafe { *sent += 1 });
                    if is_counted {
                        let uncount = || wire.1.remove();
                        assert!(node.request.complete_counted(uncount, || socket.release()));
                    } else {
                        assert!(socket.complete_node(node));
                    }
                });
                socket.release_open();
                completion
            })
        };
        let counts = &socket.0.counts;
        if counts.is_only_open_ref() && wire.1.is_zero() && !socket.0.cache.is_sending() {
            // SAFETY: loom checks that no other thread uses it meanwhile.
            wire.0.with_mut(|sent| unsafe { *sent += 1 });
        }
        sender.join().unwrap().join().unwrap();
        socket.release_open();
        socket.require_end();
    });
}

#[test]
fn silence_follows_every_send_of_the_cache() {
    silence(false);
}

#[test]
fn silence_follows_every_counted_send() {
    silence(true);
}
