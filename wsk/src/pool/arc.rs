//! A value in nonpaged memory with several owners.
//!
//! # Safety
//!
//! The value and its count are one allocation, which the last owner frees.

#![expect(unsafe_code, reason = "see Safety")]

use core::fmt;
use core::mem::ManuallyDrop;
use core::ops::Deref;
use core::pin::Pin;
use core::ptr::{self, NonNull};

#[cfg(loom)]
use loom::sync::atomic::{AtomicUsize, Ordering, fence};

#[cfg(not(loom))]
use core::sync::atomic::{AtomicUsize, Ordering, fence};

use super::PoolBox;
use crate::status::Result;

/// A value in nonpaged memory with several owners: `std`'s `Arc`, whose allocation can fail.
///
/// The value and its count are one allocation. The last owner drops the value, at its IRQL. There is no weak reference.
///
/// IRQL: <= `DISPATCH_LEVEL` to create and to drop it; any to clone it. Minimum Windows: Windows 8.
///
/// ```
/// use core::sync::atomic::{AtomicU64, Ordering};
/// use wsk::sync::Arc;
///
/// let bytes = Arc::new(AtomicU64::new(0))?;
/// let of_a_task = bytes.clone();
/// of_a_task.fetch_add(1500, Ordering::Relaxed);
/// assert_eq!(bytes.load(Ordering::Relaxed), 1500);
/// # extern crate wsk_host;
/// # Ok::<(), wsk::Error>(())
/// ```
///
/// As with `std`'s `Arc`, owners in several threads need a value that they can share:
///
/// ```compile_fail,E0277
/// fn sends<T: Send>(_: T) {}
/// sends(wsk::sync::Arc::new(std::cell::Cell::new(0)));
/// ```
///
/// # Invariants
///
/// The pointer is to an `ArcInner` in an allocation of the pool, whose `owners` includes one for this value. It is freed
/// when `owners` becomes zero.
pub struct Arc<T>(NonNull<ArcInner<T>>);

struct ArcInner<T> {
    owners: Owners,
    value: T,
}

// SAFETY: owners share the value (`T: Sync`), and the last one may drop it in another thread (`T: Send`), as for `std`'s.
unsafe impl<T: Send + Sync> Send for Arc<T> {}
// SAFETY: a shared owner can be cloned, which gives the value to another thread: the bounds are those of `std`'s.
unsafe impl<T: Send + Sync> Sync for Arc<T> {}

impl<T> Arc<T> {
    /// Moves `value` into nonpaged memory.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails; `value` is dropped.
    pub fn new(value: T) -> Result<Self> {
        Self::new_with(|| value)
    }

    /// Moves `value` into nonpaged memory, where it is pinned.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails; `value` is dropped.
    pub fn pin(value: T) -> Result<Pin<Self>> {
        // SAFETY: the value stays in its allocation until it is dropped, and a pinned owner gives no other access to it:
        // `into_inner` and `get_mut` need an owner that is not pinned, of which there is none.
        Self::new(value).map(|owner| unsafe { Pin::new_unchecked(owner) })
    }

    /// As [`PoolBox::new_with`].
    ///
    /// # Errors
    ///
    /// As there.
    #[inline]
    pub(crate) fn new_with(make: impl FnOnce() -> T) -> Result<Self> {
        PoolBox::new_with(|| ArcInner { owners: Owners::one(), value: make() })
            .map(|boxed| Self(boxed.into_raw()))
    }

    /// Returns whether two owners own the same value.
    ///
    /// An associated function, since a method could hide one of `T`.
    #[must_use]
    pub fn ptr_eq(one: &Self, other: &Self) -> bool {
        ptr::eq(one.0.as_ptr(), other.0.as_ptr())
    }

    /// The number of owners at this moment. Other threads may change it at any time.
    ///
    /// An associated function, since a method could hide one of `T`.
    #[must_use]
    pub fn strong_count(owner: &Self) -> usize {
        owner.inner().owners.count()
    }

    /// The value, if this is its only owner.
    ///
    /// An associated function, since a method could hide one of `T`.
    #[must_use]
    pub fn get_mut(owner: &mut Self) -> Option<&mut T> {
        if !owner.inner().owners.is_one() {
            return None;
        }
        // SAFETY: this is the only owner, and it is borrowed mutably, so no other one is made meanwhile.
        Some(unsafe { &mut owner.0.as_mut().value })
    }

    /// Moves the value out if this is its last owner. Of several owners that call this, exactly one gets the value.
    ///
    /// An associated function, since a method could hide one of `T`.
    #[must_use]
    pub fn into_inner(owner: Self) -> Option<T> {
        let owner = ManuallyDrop::new(owner);
        if !owner.inner().owners.release() {
            return None;
        }
        // SAFETY: this was the last owner, and is not dropped any more.
        Some(PoolBox::into_inner(unsafe { PoolBox::from_raw(owner.0) }).value)
    }

    const fn inner(&self) -> &ArcInner<T> {
        // SAFETY: this owner keeps the value.
        unsafe { self.0.as_ref() }
    }

    /// Converts this owner into a pointer to the value for [`Arc::from_raw`].
    pub(crate) fn into_raw(self) -> *const T {
        let value = Self::as_ptr(&self);
        core::mem::forget(self);
        value
    }

    /// The pointer that [`into_raw`](Self::into_raw) would return. It is valid as long as there is an owner.
    pub(crate) const fn as_ptr(owner: &Self) -> *const T {
        // Not through a reference: `from_raw` accesses memory in front of the value.
        // SAFETY: this owner keeps the memory.
        unsafe { &raw const (*owner.0.as_ptr()).value }
    }

    /// # Safety
    ///
    /// `value` came from [`Arc::into_raw`], and no other code takes that owner back.
    pub(crate) unsafe fn from_raw(value: *const T) -> Self {
        let offset = core::mem::offset_of!(ArcInner<T>, value);
        // SAFETY: the value lies at this offset of its `ArcInner`.
        let inner = unsafe { value.byte_sub(offset) };
        // SAFETY: derived from a pointer that is not null.
        Self(unsafe { NonNull::new_unchecked(inner.cast_mut().cast()) })
    }
}

impl<T> Clone for Arc<T> {
    fn clone(&self) -> Self {
        // INVARIANT: the new owner was counted.
        self.inner().owners.retain();
        Self(self.0)
    }
}

impl<T> Deref for Arc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner().value
    }
}

impl<T> Drop for Arc<T> {
    fn drop(&mut self) {
        if self.inner().owners.release() {
            // SAFETY: this was the last owner.
            drop(unsafe { PoolBox::from_raw(self.0) });
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Arc<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: fmt::Display> fmt::Display for Arc<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// The number of owners of a value.
struct Owners(AtomicUsize);

impl Owners {
    fn one() -> Self {
        Self(AtomicUsize::new(1))
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether there is one owner. The accesses of former owners happen before this returns true.
    fn is_one(&self) -> bool {
        self.0.load(Ordering::Acquire) == 1
    }

    /// Counts one more.
    fn retain(&self) {
        // A 64-bit count does not overflow in practice: a loop that forgets owners would run for centuries.
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Decrements the count. Returns whether this was the last owner. In that case, all accesses of other owners happen
    /// before this returns.
    fn release(&self) -> bool {
        let was_last = self.0.fetch_sub(1, Ordering::Release) == 1;
        if was_last {
            fence(Ordering::Acquire);
        }
        was_last
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    //! All interleavings of owners that write to a value and release it. Run by `cargo xtask test loom`.

    use loom::cell::UnsafeCell;
    use loom::sync::Arc as LoomArc;
    use loom::thread;

    use super::*;

    struct Value {
        owners: Owners,
        value: UnsafeCell<u32>,
    }

    fn two_owners() -> LoomArc<Value> {
        let value = Value { owners: Owners::one(), value: UnsafeCell::new(0) };
        value.owners.retain();
        LoomArc::new(value)
    }

    fn read(value: &Value) {
        // SAFETY: loom checks that no other thread writes to it meanwhile.
        value.value.with(|value| assert_eq!(unsafe { *value }, 0, "it was freed"));
    }

    fn write(value: &Value) {
        // SAFETY: loom checks that no other thread uses it meanwhile.
        value.value.with_mut(|value| unsafe { *value = 1 });
    }

    #[test]
    fn the_last_owner_frees_the_value() {
        loom::model(|| {
            let value = two_owners();
            let release = |value: &Value| {
                read(value);
                let was_last = value.owners.release();
                if was_last {
                    write(value);
                }
                was_last
            };
            let other = {
                let value = LoomArc::clone(&value);
                thread::spawn(move || release(&value))
            };
            assert_ne!(release(&value), other.join().unwrap());
        });
    }

    #[test]
    fn an_only_owner_may_write() {
        loom::model(|| {
            let value = two_owners();
            let other = {
                let value = LoomArc::clone(&value);
                thread::spawn(move || {
                    read(&value);
                    assert!(!value.owners.release());
                })
            };
            if value.owners.is_one() {
                write(&value);
            }
            other.join().unwrap();
        });
    }
}
