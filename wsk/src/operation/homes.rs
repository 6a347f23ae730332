//! Places where idle operations wait to be reused.
//!
//! An operation that has a home keeps it. So only its owner writes it back, and a plain store does that; an exchange is
//! needed only to take it, since several threads may take at once.

#[cfg(loom)]
use loom::sync::atomic::{AtomicPtr, AtomicU8, Ordering};

use core::ptr::{self, NonNull};

#[cfg(not(loom))]
use core::sync::atomic::{AtomicPtr, AtomicU8, Ordering};

/// The number of requests that a socket can have in flight without allocating. Models have fewer, so that they use all.
pub(super) const COUNT: usize = if cfg!(loom) { 2 } else { 4 };

/// The home of one object: the object while it is idle, and null while it is in use.
pub(super) struct Home<T>(AtomicPtr<T>);

impl<T> Home<T> {
    fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Puts the object back. The caller gives up its ownership.
    #[inline]
    pub(super) fn put(&self, object: NonNull<T>) {
        self.0.store(object.as_ptr(), Ordering::Release);
    }

    /// Takes the object, which is the caller's then, if it is idle.
    #[inline]
    fn take(&self) -> Option<NonNull<T>> {
        NonNull::new(self.0.swap(ptr::null_mut(), Ordering::Acquire))
    }

    /// As [`take`](Self::take), where a home that looks empty costs no exchange.
    fn take_if_full(&self) -> Option<NonNull<T>> {
        if self.0.load(Ordering::Relaxed).is_null() { None } else { self.take() }
    }
}

/// The homes of a target's operations.
pub(super) struct Homes<T> {
    homes: [Home<T>; COUNT],
    /// A bit for each home that belongs to an object.
    assigned: AtomicU8,
}

impl<T> Homes<T> {
    pub(super) fn new() -> Self {
        Self { homes: core::array::from_fn(|_| Home::new()), assigned: AtomicU8::new(0) }
    }

    /// Takes the object of the first home, if it is idle.
    #[inline]
    pub(super) fn take_first(&self) -> Option<NonNull<T>> {
        let [first, ..] = &self.homes;
        first.take()
    }

    /// Takes an object that is idle.
    pub(super) fn take_any(&self) -> Option<NonNull<T>> {
        self.homes.iter().find_map(Home::take_if_full)
    }

    /// Assigns a home to an object that has none; none if all homes are assigned.
    pub(super) fn assign(&self) -> Option<&Home<T>> {
        let mut assigned = self.assigned.load(Ordering::Relaxed);
        loop {
            let index = assigned.trailing_ones() as usize;
            let home = self.homes.get(index)?;
            let next = assigned | 1 << index;
            // The home is empty: its former object, if there was one, was in use when it lost the home.
            match self.assigned.compare_exchange(
                assigned,
                next,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(home),
                Err(found) => assigned = found,
            }
        }
    }

    /// Takes the home from an object that is in use.
    pub(super) fn unassign(&self, home: NonNull<Home<T>>) {
        let is_it = |other: &Home<T>| ptr::eq(other, home.as_ptr());
        if let Some(index) = self.homes.iter().position(is_it) {
            self.assigned.fetch_and(!(1 << index), Ordering::Release);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn each_object_has_its_own_home() {
        let homes = Homes::<u8>::new();
        let mut objects = [1_u8, 2, 3, 4];
        let objects = objects.each_mut().map(NonNull::from);
        let assigned = objects.map(|_| homes.assign().expect("a home is left"));
        assert!(homes.assign().is_none(), "there are four");
        assert!(homes.take_first().is_none() && homes.take_any().is_none(), "all are in use");
        for (home, object) in assigned.iter().zip(objects) {
            home.put(object);
        }
        assert_eq!(homes.take_first(), Some(objects[0]));
        assert_eq!(homes.take_any(), Some(objects[1]));
        assigned[0].put(objects[0]);
        assert_eq!(homes.take_any(), Some(objects[0]));

        homes.unassign(NonNull::from(assigned[1]));
        let again = homes.assign().expect("one was given back");
        assert!(ptr::eq(again, assigned[1]));
        assert!(homes.assign().is_none());
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    //! All interleavings of threads that take and put back. Run by `cargo xtask test loom`.

    use loom::cell::UnsafeCell;
    use loom::sync::Arc;
    use loom::thread;

    use super::*;

    /// Two threads use one object in turn: loom fails if they use it at the same time, or if one does not see what the
    /// other has written. (That it is found again is not checked: loom lets an exchange miss a store that precedes it
    /// in the order of modifications, which no processor does.)
    #[test]
    fn an_object_has_one_user_at_a_time() {
        loom::model(|| {
            // The cell is the object; the pointer represents it.
            let shared = Arc::new((Homes::<u8>::new(), UnsafeCell::new(0_u32)));
            shared.0.assign().expect("no home is assigned yet").put(NonNull::dangling());
            let use_once = |(homes, object): &(Homes<u8>, UnsafeCell<u32>)| {
                let Some(taken) = homes.take_first().or_else(|| homes.take_any()) else {
                    return 0;
                };
                // SAFETY: loom checks that no other thread uses it meanwhile.
                object.with_mut(|value| unsafe { *value += 1 });
                homes.homes[0].put(taken);
                1
            };
            let other = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || use_once(&shared))
            };
            let uses = use_once(&shared) + other.join().unwrap();
            // SAFETY: no other thread is left.
            assert_eq!(shared.1.with(|value| unsafe { *value }), uses);
        });
    }

    /// Threads that need a home at once get different ones.
    #[test]
    fn a_home_is_assigned_once() {
        loom::model(|| {
            let homes = Arc::new(Homes::<u8>::new());
            let other = {
                let homes = Arc::clone(&homes);
                thread::spawn(move || ptr::from_ref(homes.assign().expect("two homes")).addr())
            };
            let own = ptr::from_ref(homes.assign().expect("two homes")).addr();
            assert_ne!(own, other.join().unwrap());
        });
    }
}
