//! A value in nonpaged memory with one owner.
//!
//! # Safety
//!
//! A box owns an allocation of this module, which holds its value.

#![expect(unsafe_code, reason = "see Safety")]

use core::fmt;
use core::future::Future;
use core::mem::MaybeUninit;
use core::ops::{Deref, DerefMut};
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll};

use wsk_sys::{POOL_FLAG_NON_PAGED, POOL_FLAG_UNINITIALIZED};

use super::{ALIGNMENT, allocate, allocate_zeroed, free};
use crate::status::{Result, known};

/// A value in nonpaged memory, freed when it is dropped: `Box` for a driver.
///
/// Unlike `alloc`'s `Box`, it needs no global allocator, and an allocation that fails is an error. Its memory may be used
/// at any IRQL.
///
/// IRQL: <= `DISPATCH_LEVEL` to create and to drop it. Minimum Windows: Windows 8.
///
/// ```
/// use wsk::pool::PoolBox;
///
/// let mut packet = PoolBox::new([0_u8; 1500])?;
/// packet[0] = 0x45;
/// assert_eq!(PoolBox::into_inner(packet)[0], 0x45);
/// # extern crate wsk_host;
/// # Ok::<(), wsk::Error>(())
/// ```
///
/// # Invariants
///
/// The pointer is to a valid `T` in an allocation of this module, which this value owns.
pub struct PoolBox<T: ?Sized>(NonNull<T>);

// SAFETY: it owns its value (Invariants), as `Box` does.
unsafe impl<T: ?Sized + Send> Send for PoolBox<T> {}
// SAFETY: it owns its value (Invariants), and a shared box only gives a shared value, as `Box` does.
unsafe impl<T: ?Sized + Sync> Sync for PoolBox<T> {}

impl<T> PoolBox<T> {
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
    ///
    /// ```
    /// use wsk::pool::PoolBox;
    ///
    /// let future = PoolBox::pin(async { 6 * 7 })?;
    /// // SAFETY: on a host, an example runs at PASSIVE_LEVEL.
    /// let passive = unsafe { wsk::irql::Passive::assume() };
    /// assert_eq!(wsk::rt::block_on(passive, future)?, 42);
    /// # extern crate wsk_host;
    /// # Ok::<(), wsk::Error>(())
    /// ```
    pub fn pin(value: T) -> Result<Pin<Self>> {
        Self::new(value).map(Self::into_pin)
    }

    /// Allocates nonpaged memory, then creates the value there, where it is pinned. A large future takes the stack for fewer
    /// copies than with [`pin`](Self::pin), in an optimized driver for none.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails; the value is not made.
    ///
    /// ```
    /// use wsk::pool::PoolBox;
    ///
    /// async fn large() -> u8 {
    ///     let state = [1; 4096];
    ///     wsk::rt::yield_now().await;
    ///     state[4095]
    /// }
    ///
    /// let future = PoolBox::pin_with(large)?;
    /// assert_eq!(size_of_val(&future), size_of::<usize>());
    /// // SAFETY: on a host, an example runs at PASSIVE_LEVEL.
    /// let passive = unsafe { wsk::irql::Passive::assume() };
    /// assert_eq!(wsk::rt::block_on(passive, future)?, 1);
    /// # extern crate wsk_host;
    /// # Ok::<(), wsk::Error>(())
    /// ```
    pub fn pin_with(make: impl FnOnce() -> T) -> Result<Pin<Self>> {
        Self::new_with(make).map(Self::into_pin)
    }

    /// Allocates memory, then creates the value. For a large value, use [`new_in_place`](Self::new_in_place).
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails; the value is not made.
    #[inline]
    pub(crate) fn new_with(make: impl FnOnce() -> T) -> Result<Self> {
        const { assert!(align_of::<T>() <= ALIGNMENT, "the pool aligns to 16 bytes") };
        // The pool does not allocate nothing.
        let size = size_of::<T>().max(1);
        let memory = allocate(size, POOL_FLAG_NON_PAGED | POOL_FLAG_UNINITIALIZED)?.cast::<T>();
        // SAFETY: the memory is as large and as aligned as a T, and no other code uses it.
        unsafe { memory.write(make()) };
        // INVARIANT: the memory was allocated above, and holds a `T`.
        Ok(Self(memory))
    }

    /// Allocates memory, and creates a value in its place. For a structure that is too large for the stack, where
    /// [`new_with`](Self::new_with) creates most values before it moves them.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails; nothing is written.
    ///
    /// # Safety
    ///
    /// `write` initializes a value in its place, as [`write_fields`](super::write_fields) does.
    #[inline]
    pub(crate) unsafe fn new_in_place(write: impl FnOnce(*mut T)) -> Result<Self> {
        let memory = PoolBox::new_with(MaybeUninit::<T>::uninit)?.into_raw().cast();
        write(memory.as_ptr());
        // INVARIANT: the memory was allocated above, and `write` has initialized a `T` in it (this function's
        // contract).
        Ok(Self(memory))
    }

    /// Allocates a value whose bytes are all zero.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    ///
    /// # Safety
    ///
    /// Zeroes are a `T`.
    pub(crate) unsafe fn zeroed() -> Result<Self> {
        const { assert!(align_of::<T>() <= ALIGNMENT, "the pool aligns to 16 bytes") };
        // INVARIANT: the memory was just allocated, and its zeroes are a `T` (this function's contract).
        allocate_zeroed(size_of::<T>().max(1)).map(|memory| Self(memory.cast()))
    }

    /// Moves the value out, and frees the memory.
    ///
    /// An associated function, since a method could hide one of `T`.
    #[must_use]
    pub fn into_inner(boxed: Self) -> T {
        let memory = boxed.into_raw();
        // SAFETY: the box owned a valid value (Invariants), which is moved out once.
        let value = unsafe { memory.read() };
        // SAFETY: the memory is an allocation of this module (Invariants), and is not used any more.
        unsafe { free(memory.cast()) };
        value
    }

    /// The place of the value.
    pub(crate) const fn as_mut_ptr(&mut self) -> *mut T {
        self.0.as_ptr()
    }
}

impl<T> PoolBox<[MaybeUninit<T>]> {
    /// Allocates uninitialized memory for `length` values.
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_BUFFER_SIZE` if the number or the size of the values exceeds an `isize`.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    pub(crate) fn new_uninit_slice(length: usize) -> Result<Self> {
        const { assert!(align_of::<T>() <= ALIGNMENT, "the pool aligns to 16 bytes") };
        let size = size_of::<T>()
            .checked_mul(length)
            .filter(|size| isize::try_from(length.max(*size)).is_ok())
            .ok_or(known::STATUS_INVALID_BUFFER_SIZE)?;
        let memory = allocate(size.max(1), POOL_FLAG_NON_PAGED | POOL_FLAG_UNINITIALIZED)?;
        // INVARIANT: the memory was allocated above, for this number of elements, which need no initialization.
        Ok(Self(NonNull::slice_from_raw_parts(memory.cast(), length)))
    }
}

impl<T> PoolBox<[T]> {
    /// Allocates a slice, and creates each of its values in its place.
    ///
    /// # Errors
    ///
    /// Those of [`new_uninit_slice`](PoolBox::new_uninit_slice); no value is made.
    pub(crate) fn from_fn(length: usize, mut make: impl FnMut(usize) -> T) -> Result<Self> {
        let mut places = PoolBox::<[MaybeUninit<T>]>::new_uninit_slice(length)?;
        for (index, place) in places.iter_mut().enumerate() {
            place.write(make(index));
        }
        // INVARIANT: each place of the allocation was initialized above.
        Ok(Self(NonNull::slice_from_raw_parts(places.into_raw().cast(), length)))
    }
}

impl<T: ?Sized> PoolBox<T> {
    /// Pins the value. Moving the box does not move it.
    ///
    /// An associated function, since a method could hide one of `T`.
    #[must_use]
    pub const fn into_pin(boxed: Self) -> Pin<Self> {
        // SAFETY: the value stays in its allocation until it is dropped, and the box gives no other access to it once it
        // is pinned.
        unsafe { Pin::new_unchecked(boxed) }
    }

    /// Converts the box into a pointer for [`PoolBox::from_raw`].
    pub(crate) const fn into_raw(self) -> NonNull<T> {
        let pointer = self.0;
        core::mem::forget(self);
        pointer
    }

    /// Converts a pointer back into the box.
    ///
    /// # Safety
    ///
    /// `pointer` came from [`PoolBox::into_raw`], points to a valid `T`, and no other code converts it back.
    pub(crate) const unsafe fn from_raw(pointer: NonNull<T>) -> Self {
        // INVARIANT: the box passed to `into_raw` owned the allocation, and this one owns it now.
        Self(pointer)
    }
}

impl<T: ?Sized> Deref for PoolBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the box owns a valid value (Invariants).
        unsafe { self.0.as_ref() }
    }
}

impl<T: ?Sized> DerefMut for PoolBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the box owns a valid value (Invariants), and is borrowed mutably.
        unsafe { self.0.as_mut() }
    }
}

impl<T: ?Sized> Drop for PoolBox<T> {
    fn drop(&mut self) {
        // SAFETY: the box owns a valid value (Invariants), which is not used any more.
        unsafe { self.0.drop_in_place() };
        // SAFETY: the memory is an allocation of this module (Invariants), and is not used any more.
        unsafe { free(self.0.cast()) };
    }
}

impl<T: ?Sized + Future + Unpin> Future for PoolBox<T> {
    type Output = T::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T::Output> {
        Pin::new(&mut **self).poll(context)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for PoolBox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for PoolBox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
