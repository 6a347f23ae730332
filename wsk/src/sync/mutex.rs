//! A value that one task at a time may change.
//!
//! # Safety
//!
//! A guard owns the mutex's only permit, and accesses the value.

#![expect(unsafe_code, reason = "see Safety")]

use core::cell::UnsafeCell;
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

use super::semaphore::Semaphore;
use crate::status::{Result, known};

/// A value that one task at a time may access. The guard may be held while the task waits.
///
/// Tasks get the mutex in the order of their arrival. It is fair, and therefore slower than a lock whose holders never wait.
/// A callback cannot wait for it, but may [try](Self::try_lock).
///
/// IRQL: <= `DISPATCH_LEVEL`. It allocates nothing.
///
/// ```
/// use wsk::sync::{Arc, Mutex};
/// use wsk::{Runtime, irql::Passive, rt};
///
/// // SAFETY: on a host, an example runs at PASSIVE_LEVEL.
/// let passive = unsafe { Passive::assume() };
/// let runtime = Runtime::new(passive, 2)?;
/// let count = Arc::new(Mutex::new(0))?;
/// let of_the_task = count.clone();
/// let task = runtime.spawner().spawn(async move {
///     let mut count = of_the_task.lock().await;
///     rt::yield_now().await;
///     *count += 1;
/// })?;
/// rt::block_on(passive, task)??;
/// assert_eq!(*count.try_lock()?, 1);
/// runtime.shutdown(passive);
/// # extern crate wsk_host;
/// # Ok::<(), wsk::Error>(())
/// ```
///
/// # Invariants
///
/// The value is accessed only through a guard, which owns the one permit, or through an exclusive reference.
pub struct Mutex<T: ?Sized> {
    permit: Semaphore,
    value: UnsafeCell<T>,
}

// SAFETY: it owns the value.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}
// SAFETY: one thread at a time accesses the value (Invariants), which moves the access between threads (`T: Send`).
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

/// Access to the value of a [`Mutex`]. Dropping it unlocks the mutex, for the task that has waited longest.
///
/// A forgotten guard leaves the mutex locked.
///
/// IRQL: <= `DISPATCH_LEVEL`.
///
/// Another thread may get a reference to the guard only if it may get one to the value:
///
/// ```compile_fail,E0277
/// fn shared<T: Sync>(_: T) {}
/// fn shares(guard: wsk::sync::MutexGuard<'_, std::cell::Cell<u32>>) {
///     shared(guard);
/// }
/// ```
///
/// # Invariants
///
/// It owns the permit of the mutex.
#[must_use = "dropping it unlocks the mutex"]
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    /// `Sync` only if the value is, and invariant in `T`.
    value: PhantomData<&'a mut T>,
}

impl<T> Mutex<T> {
    /// Creates an unlocked mutex.
    pub const fn new(value: T) -> Self {
        Self { permit: Semaphore::new(1), value: UnsafeCell::new(value) }
    }

    /// Returns the value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Locks the mutex. Waits while it is locked.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Dropping the future loses its place in the order.
    pub async fn lock(&self) -> MutexGuard<'_, T> {
        while self.permit.acquire(1).await.is_err() {
            // It is never closed. A guard without a permit would be unsound.
            core::future::pending::<()>().await;
        }
        // INVARIANT: the permit was acquired.
        MutexGuard { mutex: self, value: PhantomData }
    }

    /// Locks the mutex if it is unlocked and no task waits for it.
    ///
    /// # Errors
    ///
    /// `STATUS_DEVICE_NOT_READY` (kind [`NotReady`](crate::ErrorKind::NotReady)) if it is locked.
    pub fn try_lock(&self) -> Result<MutexGuard<'_, T>> {
        match self.permit.try_acquire(1) {
            // INVARIANT: the permit was acquired.
            Ok(()) => Ok(MutexGuard { mutex: self, value: PhantomData }),
            Err(_) => Err(known::STATUS_DEVICE_NOT_READY),
        }
    }

    /// The value. The exclusive reference proves that the mutex is unlocked, or its guard forgotten.
    pub const fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this guard owns the permit (Invariants), and is borrowed.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard owns the permit (Invariants), and is borrowed mutably.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.mutex.permit.release(1);
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Mutex");
        match self.try_lock() {
            Ok(value) => debug.field("value", &&*value).finish(),
            Err(_) => debug.finish_non_exhaustive(),
        }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    //! All interleavings of tasks that lock a mutex, and give up. Run by `cargo xtask test loom`.

    use core::future::Future;
    use core::task::{Context, Waker};

    use super::super::model::{block_on, thread, with_few_preemptions};
    use super::Mutex;
    use loom::cell::UnsafeCell;
    use loom::sync::Arc;

    /// Loom fails if two tasks have the value at once, or if the one does not see what the other has written.
    #[test]
    fn one_task_at_a_time_has_the_value() {
        with_few_preemptions(|| {
            let mutex = Arc::new(Mutex::new(UnsafeCell::new(0_u32)));
            let add = |value: &UnsafeCell<u32>| {
                // SAFETY: loom checks that no other thread uses it meanwhile.
                value.with_mut(|value| unsafe { *value += 1 });
            };
            let other = {
                let mutex = Arc::clone(&mutex);
                thread::spawn(move || add(&*block_on(mutex.lock())))
            };
            // A task that gives up, whether it has the lock by then or not.
            let mut lock = std::boxed::Box::pin(mutex.lock());
            let _ = lock.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            drop(lock);
            if let Ok(value) = mutex.try_lock() {
                add(&value);
            }
            add(&*block_on(mutex.lock()));
            other.join().unwrap();
            let adds = mutex.try_lock().expect("it is unlocked").with(|value| {
                // SAFETY: no other thread is left.
                unsafe { *value }
            });
            assert!((2..=3).contains(&adds));
        });
    }
}
