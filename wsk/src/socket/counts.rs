//! Who uses a socket, and what is due when the last one has gone.
//!
//! | count | whose | when the last one goes |
//! |---|---|---|
//! | **uses** | who may make a call to the socket: its handles, and guards of what was retained | the close begins (INV-45, INV-47) |
//! | **holds** | who may touch the handler: all uses together have one, which goes over to the close; each request in flight has one (INV-18, INV-46) | the handler is dropped |
//! | **weak holds** | who may touch these counts: all holds together have one; what the handler itself may keep has one | the memory is freed |
//!
//! Weak holds are for what a handler keeps of its own socket: it goes when the handler is dropped, so it must
//! not be what the drop waits for. Who has one asks for a use when it makes a call.
//!
//! Every field is an atomic: a count may be gone before the method that has given it up has returned.

#[cfg(loom)]
use loom::sync::atomic::{AtomicUsize, Ordering, fence};

#[cfg(not(loom))]
use core::sync::atomic::{AtomicUsize, Ordering, fence};

/// The counts of one socket.
pub(super) struct Counts {
    uses: AtomicUsize,
    holds: AtomicUsize,
    weak: AtomicUsize,
}

impl Counts {
    /// One of each.
    pub(super) fn new() -> Self {
        Self { uses: AtomicUsize::new(1), holds: AtomicUsize::new(1), weak: AtomicUsize::new(1) }
    }

    /// One more use. The caller has one.
    pub(super) fn begin_use(&self) {
        self.uses.fetch_add(1, Ordering::Relaxed);
    }

    /// One more use, unless the last one has ended.
    pub(super) fn try_begin_use(&self) -> bool {
        let begin = |uses: usize| if uses == 0 { None } else { Some(uses + 1) };
        self.uses.fetch_update(Ordering::Acquire, Ordering::Relaxed, begin).is_ok()
    }

    /// Whether the caller's use is the only one.
    pub(super) fn is_only_use(&self) -> bool {
        // What was called through others has returned.
        self.uses.load(Ordering::Acquire) == 1
    }

    /// Ends a use of the caller's. True if it was the last one: what was called through others has returned,
    /// and the close is the caller's to begin, with the hold that the uses had.
    #[must_use]
    pub(super) fn end_use(&self) -> bool {
        self.uses.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Ends a use of the caller's, unless it is the last one. True if it is: then it is the caller's still.
    #[must_use]
    pub(super) fn end_use_unless_last(&self) -> bool {
        let leave = |uses: usize| if uses == 1 { None } else { Some(uses - 1) };
        self.uses.fetch_update(Ordering::AcqRel, Ordering::Relaxed, leave).is_err()
    }

    /// One more hold. The caller has one, or a use.
    pub(super) fn hold(&self) {
        self.holds.fetch_add(1, Ordering::Relaxed);
    }

    /// Gives up a hold of the caller's. True if it was the last one: the handler is the caller's to drop, and
    /// then the weak hold that the holds had is the caller's to give up.
    #[must_use]
    pub(super) fn release(&self) -> bool {
        is_last(&self.holds)
    }

    /// One more weak hold. The caller has one, or a hold.
    pub(super) fn hold_weakly(&self) {
        self.weak.fetch_add(1, Ordering::Relaxed);
    }

    /// Gives up a weak hold of the caller's. True if it was the last one: the memory is the caller's to free.
    #[must_use]
    pub(super) fn release_weakly(&self) -> bool {
        is_last(&self.weak)
    }
}

fn is_last(count: &AtomicUsize) -> bool {
    if count.fetch_sub(1, Ordering::Release) != 1 {
        return false;
    }
    // What others did before they gave theirs up happens before what is due.
    fence(Ordering::Acquire);
    true
}

#[cfg(all(test, loom))]
mod loom_tests {
    //! Every order of the steps of those who have a socket together. Run by `cargo xtask test loom`.

    use loom::cell::UnsafeCell;
    use loom::sync::Arc;
    use loom::thread::{self, JoinHandle};

    use super::*;

    /// A socket, whose parts are written to by who ends them, and read by who uses them: loom stops at two that
    /// could do so at once.
    struct Socket {
        counts: Counts,
        is_open: UnsafeCell<bool>,
        has_handler: UnsafeCell<bool>,
        has_memory: UnsafeCell<bool>,
    }

    #[derive(Clone)]
    struct Shared(Arc<Socket>);

    impl Shared {
        fn new() -> Self {
            let [is_open, has_handler, has_memory] = [(); 3].map(|()| UnsafeCell::new(true));
            Self(Arc::new(Socket { counts: Counts::new(), is_open, has_handler, has_memory }))
        }

        fn require(part: &UnsafeCell<bool>) {
            // SAFETY: loom checks that nobody writes to it meanwhile.
            part.with(|there| assert!(unsafe { *there }));
        }

        /// A call that needs the socket, which a use is good for.
        fn call(&self) {
            Self::require(&self.0.is_open);
            Self::require(&self.0.has_handler);
            Self::require(&self.0.has_memory);
        }

        fn end(part: &UnsafeCell<bool>) {
            // SAFETY: loom checks that nobody uses it meanwhile.
            part.with_mut(|there| assert!(unsafe { std::mem::replace(&mut *there, false) }));
        }

        /// The close, whose completion gives up the hold of the uses.
        fn close(&self) {
            Self::end(&self.0.is_open);
            self.release();
        }

        fn end_use(&self) {
            if self.0.counts.end_use() {
                self.close();
            }
        }

        fn release(&self) {
            if self.0.counts.release() {
                Self::end(&self.0.has_handler);
                self.release_weakly();
            }
        }

        fn release_weakly(&self) {
            if self.0.counts.release_weakly() {
                Self::end(&self.0.has_memory);
            }
        }

        fn spawn(&self, run: impl FnOnce(&Self) + 'static) -> JoinHandle<()> {
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

    /// A handle is dropped, while what was indicated is retained (a callback has no use, but the close waits for
    /// it), and then released by another thread.
    #[test]
    fn a_close_waits_for_what_is_retained_or_nothing_is() {
        loom::model(|| {
            let socket = Shared::new();
            // The callback has a hold for as long as it runs, as far as this matters: the close completes later.
            socket.0.counts.hold();
            let callback = socket.spawn(|socket| {
                if socket.0.counts.try_begin_use() {
                    socket.call();
                    socket.end_use();
                }
                socket.release();
            });
            socket.call();
            socket.end_use();
            callback.join().unwrap();
            socket.require_end();
        });
    }

    /// An accepted socket is dropped in any order by the thread that has got it and at the end of the callback,
    /// where it must not be closed.
    #[test]
    fn an_accepted_socket_is_closed_once_and_not_in_the_callback() {
        loom::model(|| {
            let socket = Shared::new();
            socket.0.counts.begin_use();
            let user = socket.spawn(|socket| {
                socket.call();
                socket.end_use();
            });
            socket.call();
            let last = socket.0.counts.end_use_unless_last();
            // It is the reaper's now.
            let reaper = last.then(|| socket.spawn(Shared::end_use));
            user.join().unwrap();
            if let Some(reaper) = reaper {
                reaper.join().unwrap();
            }
            socket.require_end();
        });
    }

    /// A token makes a call, if the socket is open, while the socket is closed by another thread; its request
    /// in flight has a hold, which its completion gives up.
    #[test]
    fn a_token_makes_a_call_to_an_open_socket_or_none() {
        loom::model(|| {
            let socket = Shared::new();
            socket.0.counts.hold_weakly();
            let token = socket.spawn(|socket| {
                Shared::require(&socket.0.has_memory);
                if socket.0.counts.try_begin_use() {
                    socket.0.counts.hold();
                    socket.call();
                    socket.end_use();
                    socket.release();
                }
                socket.release_weakly();
            });
            socket.call();
            socket.end_use();
            token.join().unwrap();
            socket.require_end();
        });
    }
}
