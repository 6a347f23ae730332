//! The objects that a cache owns, with a [home](Homes) for some of them.
//!
//! The list only grows until its end, so that every thread can walk it without a lock, and finds each object that was in it
//! before.
//!
//! # Safety
//!
//! An object in the list stays in place until the list has ended. Objects are referred to by shared references only, while
//! their owners use them: their own state says which thread may access what.

#![expect(unsafe_code, reason = "see Safety")]

#[cfg(loom)]
use loom::sync::atomic::{AtomicPtr, Ordering};

use core::ptr::{self, NonNull};

#[cfg(not(loom))]
use core::sync::atomic::{AtomicPtr, Ordering};

use super::homes::{Home, Homes};
use super::state::OperationState;

/// The part of an object that its cache uses.
///
/// # Invariants
///
/// `home` is null, or a home in the cache whose list has the object.
pub(super) struct CacheLinks<T> {
    home: AtomicPtr<Home<T>>,
    next: AtomicPtr<T>,
}

impl<T> CacheLinks<T> {
    pub(super) fn new() -> Self {
        let (home, next) = (AtomicPtr::new(ptr::null_mut()), AtomicPtr::new(ptr::null_mut()));
        Self { home, next }
    }

    /// The home of the object.
    ///
    /// # Safety
    ///
    /// The caller owns the object, and its cache exists.
    #[inline]
    pub(super) unsafe fn home(&self) -> Option<&Home<T>> {
        let home = NonNull::new(self.home.load(Ordering::Relaxed))?;
        // SAFETY: it is a home of the object's cache (Invariants), which exists.
        Some(unsafe { home.as_ref() })
    }
}

/// An object with a request, which a cache can own.
pub(super) trait Cached: Sized {
    fn links(&self) -> &CacheLinks<Self>;
    fn state(&self) -> &OperationState;
}

/// The list of a cache.
///
/// # Invariants
///
/// - The list has each object with a home here, and each that was [adopted](Self::adopt). Each stays in place until
///   [`pop`](Self::pop) has taken it out.
/// - An object in a home is idle, and no other code uses it.
pub(super) struct OwnedObjects<T> {
    homes: Homes<T>,
    /// The first of the list, which [`CacheLinks`] continue.
    first: AtomicPtr<T>,
}

impl<T: Cached> OwnedObjects<T> {
    pub(super) fn new() -> Self {
        Self { homes: Homes::new(), first: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Takes the object of the first home, if it is idle.
    #[inline]
    pub(super) fn take_first(&self) -> Option<NonNull<T>> {
        self.homes.take_first()
    }

    /// Takes an object that is idle.
    pub(super) fn take_any(&self) -> Option<NonNull<T>> {
        self.homes.take_any()
    }

    /// Assigns a home to a new object, and owns it then, if one is left. The object stays the caller's for its use.
    ///
    /// # Safety
    ///
    /// The caller owns the object, which is in no list. It stays in place until it is taken out of the list.
    pub(super) unsafe fn add(&self, object: NonNull<T>) {
        if let Some(home) = self.homes.assign() {
            // INVARIANT: the object is in the list as soon as it has a home.
            // SAFETY: this function's contract.
            unsafe { self.push(object) };
            // SAFETY: the caller owns the object.
            let links = unsafe { object.as_ref() }.links();
            links.home.store(ptr::from_ref(home).cast_mut(), Ordering::Relaxed);
        }
    }

    /// Takes ownership of an object that its owner gives up without putting it home. Its home, if any, is free for
    /// another object.
    ///
    /// # Safety
    ///
    /// The caller gives up the object, which is in this list or in none, and stays in place until it is taken out of
    /// the list.
    pub(super) unsafe fn adopt(&self, object: NonNull<T>) {
        // SAFETY: the caller owns the object.
        let links = unsafe { object.as_ref() }.links();
        match NonNull::new(links.home.swap(ptr::null_mut(), Ordering::Relaxed)) {
            // It is in the list already.
            Some(home) => self.homes.unassign(home),
            // SAFETY: an object without a home is in no list; the rest is this function's contract.
            None => unsafe { self.push(object) },
        }
    }

    /// # Safety
    ///
    /// The caller owns the object, which is in no list, and stays in place until it is taken out of the list.
    unsafe fn push(&self, object: NonNull<T>) {
        // SAFETY: the caller owns the object.
        let next = &unsafe { object.as_ref() }.links().next;
        let mut first = self.first.load(Ordering::Relaxed);
        loop {
            next.store(first, Ordering::Relaxed);
            // INVARIANT: the object is in the list if the exchange succeeds.
            match self.first.compare_exchange_weak(
                first,
                object.as_ptr(),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(found) => first = found,
            }
        }
    }

    /// The objects of the list, also those that are in use.
    fn iter(&self) -> impl Iterator<Item = &T> {
        let mut next = self.first.load(Ordering::Acquire);
        core::iter::from_fn(move || {
            // SAFETY: the list's objects are in place (Invariants), and none is taken out while it is borrowed.
            let object = unsafe { NonNull::new(next)?.as_ref() };
            next = object.links().next.load(Ordering::Relaxed);
            Some(object)
        })
    }

    /// Whether a request in flight of these objects sends.
    pub(super) fn is_sending(&self) -> bool {
        self.iter().any(|object| object.state().is_sending())
    }

    /// Gives each request in flight that borrows a reference its own one, taken by `retain`. `release` releases it
    /// again if the request has completed in the meantime.
    pub(super) fn end_borrowing(&self, retain: impl Fn(), release: impl Fn()) {
        for object in self.iter() {
            if object.state().end_borrowing(&retain) {
                release();
            }
        }
    }

    /// Takes an object out when the list ends: the caller owns it, whatever its state.
    pub(super) fn pop(&mut self) -> Option<NonNull<T>> {
        let first = NonNull::new(self.first.load(Ordering::Relaxed))?;
        // SAFETY: the list's objects are in place (Invariants).
        let next = unsafe { first.as_ref() }.links().next.load(Ordering::Relaxed);
        self.first.store(next, Ordering::Relaxed);
        Some(first)
    }
}

#[cfg(all(test, loom))]
pub(super) mod loom_tests;
