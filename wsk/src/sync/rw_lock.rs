//! A value that many tasks may read at a time, or one may change.
//!
//! # Safety
//!
//! A guard owns permits of the lock: one to read, all to write.

#![expect(unsafe_code, reason = "see Safety")]

use core::cell::UnsafeCell;
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

use super::semaphore::Semaphore;
use crate::status::{Result, known};

/// All permits: more than there can be readers.
const ALL: usize = usize::MAX >> 1;

/// A value that many tasks may read at a time, or one may change. The guards may be held while a task waits.
///
/// Tasks get the lock in the order of their requests, so a stream of readers does not keep a writer out. A task that
/// holds a read lock must not wait for another one: a writer queued between the two would deadlock with it.
///
/// IRQL: <= `DISPATCH_LEVEL`. It allocates nothing.
///
/// ```
/// use wsk::sync::RwLock;
///
/// static PORTS: RwLock<[u16; 2]> = RwLock::new([80, 443]);
///
/// // SAFETY: on a host, an example runs at PASSIVE_LEVEL.
/// let passive = unsafe { wsk::irql::Passive::assume() };
/// wsk::rt::block_on(passive, async {
///     let (one, other) = (PORTS.read().await, PORTS.read().await);
///     assert_eq!(one[0] + other[1], 523);
///     drop((one, other));
///     PORTS.write().await[0] = 8080;
/// })?;
/// assert_eq!(PORTS.try_read()?[0], 8080);
/// # extern crate wsk_host;
/// # Ok::<(), wsk::Error>(())
/// ```
///
/// Readers in several threads need a value that they can share:
///
/// ```compile_fail,E0277
/// fn shared<T: Sync>(_: T) {}
/// shared(wsk::sync::RwLock::new(std::cell::Cell::new(0)));
/// ```
///
/// # Invariants
///
/// The value is read only through a guard that owns a permit, and changed only through one that owns all, or through an
/// exclusive reference.
pub struct RwLock<T: ?Sized> {
    permits: Semaphore,
    value: UnsafeCell<T>,
}

// SAFETY: it owns the value.
unsafe impl<T: ?Sized + Send> Send for RwLock<T> {}
// SAFETY: threads share the value while they read it (`T: Sync`), and one may replace it (`T: Send`).
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}

/// Shared access to the value of a [`RwLock`]. Dropping it ends the access; a forgotten guard keeps writers out.
///
/// IRQL: <= `DISPATCH_LEVEL`.
///
/// # Invariants
///
/// It owns a permit of the lock.
#[must_use = "dropping it ends the access"]
pub struct RwLockReadGuard<'a, T: ?Sized>(&'a RwLock<T>);

/// Exclusive access to the value of a [`RwLock`]. Dropping it ends the access; a forgotten guard leaves the lock locked.
///
/// IRQL: <= `DISPATCH_LEVEL`.
///
/// # Invariants
///
/// It owns all permits of the lock.
#[must_use = "dropping it ends the access"]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    /// Invariant in `T`, and `Sync` only if it is.
    value: PhantomData<&'a mut T>,
}

impl<T> RwLock<T> {
    /// Creates an unlocked lock.
    pub const fn new(value: T) -> Self {
        Self { permits: Semaphore::new(ALL), value: UnsafeCell::new(value) }
    }

    /// Returns the value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> RwLock<T> {
    async fn acquire(&self, permits: usize) {
        while self.permits.acquire(permits).await.is_err() {
            // It is never closed. A guard without its permits would be unsound.
            core::future::pending::<()>().await;
        }
    }

    /// Waits until the value can be read.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Dropping the future loses its place in the order.
    pub async fn read(&self) -> RwLockReadGuard<'_, T> {
        self.acquire(1).await;
        // INVARIANT: the permit was acquired.
        RwLockReadGuard(self)
    }

    /// Waits until the value can be changed.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Dropping the future loses its place in the order.
    pub async fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.acquire(ALL).await;
        // INVARIANT: all permits were acquired.
        RwLockWriteGuard { lock: self, value: PhantomData }
    }

    /// Reads the value if no task writes or waits.
    ///
    /// # Errors
    ///
    /// `STATUS_DEVICE_NOT_READY` (kind [`NotReady`](crate::ErrorKind::NotReady)) if one does.
    pub fn try_read(&self) -> Result<RwLockReadGuard<'_, T>> {
        match self.permits.try_acquire(1) {
            // INVARIANT: the permit was acquired.
            Ok(()) => Ok(RwLockReadGuard(self)),
            Err(_) => Err(known::STATUS_DEVICE_NOT_READY),
        }
    }

    /// Changes the value if no task reads, writes or waits.
    ///
    /// # Errors
    ///
    /// `STATUS_DEVICE_NOT_READY` (kind [`NotReady`](crate::ErrorKind::NotReady)) if one does.
    pub fn try_write(&self) -> Result<RwLockWriteGuard<'_, T>> {
        match self.permits.try_acquire(ALL) {
            // INVARIANT: all permits were acquired.
            Ok(()) => Ok(RwLockWriteGuard { lock: self, value: PhantomData }),
            Err(_) => Err(known::STATUS_DEVICE_NOT_READY),
        }
    }

    /// The value. The exclusive reference proves that the lock is unlocked, or its guards forgotten.
    pub const fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this guard owns a permit (Invariants), so no code has exclusive access.
        unsafe { &*self.0.value.get() }
    }
}

impl<T: ?Sized> Drop for RwLockReadGuard<'_, T> {
    fn drop(&mut self) {
        self.0.permits.release(1);
    }
}

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this guard owns all permits (Invariants), and is borrowed.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard owns all permits (Invariants), and is borrowed mutably.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: ?Sized> Drop for RwLockWriteGuard<'_, T> {
    fn drop(&mut self) {
        self.lock.permits.release(ALL);
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("RwLock");
        match self.try_read() {
            Ok(value) => debug.field("value", &&*value).finish(),
            Err(_) => debug.finish_non_exhaustive(),
        }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    //! All interleavings of a writer with readers. Run by `cargo xtask test loom`.

    use super::super::model::{block_on, thread, with_few_preemptions};
    use super::RwLock;
    use loom::cell::UnsafeCell;
    use loom::sync::Arc;

    /// A value that loom lets no thread write while another one uses it.
    struct Value(UnsafeCell<u32>);

    // SAFETY: loom checks its uses.
    unsafe impl Sync for Value {}

    impl Value {
        fn read(&self) -> u32 {
            // SAFETY: loom checks that no other thread writes to it meanwhile.
            self.0.with(|value| unsafe { *value })
        }
    }

    #[test]
    fn a_writer_is_alone() {
        with_few_preemptions(|| {
            let lock = Arc::new(RwLock::new(Value(UnsafeCell::new(0))));
            let writer = {
                let lock = Arc::clone(&lock);
                thread::spawn(move || {
                    let value = block_on(lock.write());
                    // SAFETY: loom checks that no other thread uses it meanwhile.
                    value.0.with_mut(|value| unsafe { *value += 1 });
                })
            };
            let reader = {
                let lock = Arc::clone(&lock);
                thread::spawn(move || block_on(lock.read()).read())
            };
            assert!(block_on(lock.read()).read() <= 1);
            assert!(reader.join().unwrap() <= 1);
            writer.join().unwrap();
            assert_eq!(block_on(lock.read()).read(), 1);
        });
    }
}
