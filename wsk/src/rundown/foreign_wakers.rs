//! The threads that are calling a foreign waker in a completion routine.
//!
//! # Safety
//!
//! Only the name of the current thread is asked for.

#![cfg_attr(not(loom), expect(unsafe_code, reason = "see Safety"))]

use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// The number of calls that are noted with their threads. The threads of others are unknown.
const NOTED: usize = 16;

/// The calls of foreign wakers that completion routines are making.
///
/// A completion routine at `DISPATCH_LEVEL` runs in whatever thread it has interrupted, and is noted with that. The thread
/// continues only when the routine has returned, so the name is unambiguous while the waker runs.
///
/// The memory order does not matter: a thread looks only for what it has written itself.
pub(super) struct ForeignWakers {
    /// The number of calls.
    calls: AtomicUsize,
    /// The number of those calls that found no place in `threads`.
    unnoted: AtomicUsize,
    /// The threads of the other calls.
    threads: [AtomicPtr<c_void>; NOTED],
}

impl ForeignWakers {
    pub(super) const fn new() -> Self {
        Self {
            calls: AtomicUsize::new(0),
            unnoted: AtomicUsize::new(0),
            threads: [const { AtomicPtr::new(ptr::null_mut()) }; NOTED],
        }
    }

    /// Notes that the current thread calls a foreign waker, until the result is dropped.
    pub(super) fn enter(&self) -> ForeignWakerCall<'_> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let thread = current_thread();
        let take = |place: &&AtomicPtr<c_void>| {
            let none = ptr::null_mut();
            place.compare_exchange(none, thread, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        };
        let place = self.threads.iter().find(take);
        if place.is_none() {
            self.unnoted.fetch_add(1, Ordering::Relaxed);
        }
        ForeignWakerCall { wakers: self, place }
    }

    /// Whether the current thread calls a foreign waker. Also true, at times, while more than [`NOTED`] calls are made, and
    /// in a DPC that has interrupted one.
    #[inline]
    pub(super) fn include_current_thread(&self) -> bool {
        self.calls.load(Ordering::Relaxed) != 0 && self.have_noted_current_thread()
    }

    #[cold]
    #[inline(never)]
    fn have_noted_current_thread(&self) -> bool {
        let thread = current_thread();
        self.unnoted.load(Ordering::Relaxed) != 0
            || self.threads.iter().any(|place| place.load(Ordering::Relaxed) == thread)
    }
}

/// A call of a foreign waker, in the current thread.
pub(super) struct ForeignWakerCall<'a> {
    wakers: &'a ForeignWakers,
    place: Option<&'a AtomicPtr<c_void>>,
}

impl Drop for ForeignWakerCall<'_> {
    fn drop(&mut self) {
        match self.place {
            Some(place) => place.store(ptr::null_mut(), Ordering::Relaxed),
            None => {
                self.wakers.unnoted.fetch_sub(1, Ordering::Relaxed);
            }
        }
        self.wakers.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(not(loom))]
fn current_thread() -> *mut c_void {
    // SAFETY: this crate runs in the kernel, or on a host that defines the function.
    unsafe { wsk_sys::KeGetCurrentThread() }.cast()
}

/// Unreachable: a model calls no foreign wakers.
#[cfg(loom)]
fn current_thread() -> *mut c_void {
    unreachable!("a model calls no foreign wakers")
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Barrier;
    use std::thread;
    use std::vec::Vec;

    use wsk_host as _;

    use super::*;

    #[test]
    fn a_call_is_known_in_its_own_thread_only() {
        let wakers = ForeignWakers::new();
        assert!(!wakers.include_current_thread());
        let outer = wakers.enter();
        let inner = wakers.enter();
        assert!(wakers.include_current_thread());
        thread::scope(|scope| {
            let other = scope.spawn(|| wakers.include_current_thread());
            assert!(!other.join().unwrap());
        });
        drop(inner);
        assert!(wakers.include_current_thread(), "the outer call still runs");
        drop(outer);
        assert!(!wakers.include_current_thread());
    }

    /// Calls without a place are known nevertheless, and all places are free again at the end.
    #[test]
    fn no_call_is_missed_if_there_are_many() {
        let wakers = ForeignWakers::new();
        for _ in 0..2 {
            let calls: Vec<_> = (0..2 * NOTED).map(|_| wakers.enter()).collect();
            assert!(wakers.include_current_thread());
            drop(calls);
            assert!(!wakers.include_current_thread());
            assert_eq!(wakers.unnoted.load(Ordering::Relaxed), 0);
        }
        let barrier = Barrier::new(2 * NOTED);
        thread::scope(|scope| {
            for _ in 0..2 * NOTED {
                scope.spawn(|| {
                    let call = wakers.enter();
                    barrier.wait();
                    assert!(wakers.include_current_thread());
                    barrier.wait();
                    drop(call);
                });
            }
        });
        assert!(!wakers.include_current_thread());
        assert!(wakers.threads.iter().all(|place| place.load(Ordering::Relaxed).is_null()));
    }
}
