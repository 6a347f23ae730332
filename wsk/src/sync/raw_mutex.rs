//! The lock of embassy-sync's types, as a spin lock of the kernel.
//!
//! # Safety
//!
//! A closure runs while its thread holds the lock.

#![expect(unsafe_code, reason = "see Safety")]

use core::marker::PhantomData;

use embassy_sync::blocking_mutex::raw::RawMutex;

use super::NeverWaits;
use crate::kernel::SpinLock;
use crate::opaque_debug::opaque_debug;

/// The `RawMutex` of embassy-sync, for its channels, signals and mutexes in a driver: a spin lock of the kernel.
///
/// Its closures run at `DISPATCH_LEVEL`, and so never wait: `D` is the driver's [promise](NeverWaits) for that. embassy-sync's own closures
/// keep it: they move values and call wakers. Values are therefore dropped, and wakers called, at `DISPATCH_LEVEL` with the lock held; a waker
/// must not use the same channel, mutex or signal.
///
/// Like every spin lock, it must be in nonpaged memory, and a thread that locks it twice waits for ever.
///
/// IRQL: <= `DISPATCH_LEVEL`. It allocates nothing.
///
/// ```
/// use embassy_sync::channel::Channel;
/// use wsk::irql::Passive;
/// use wsk::sync::{DispatchRawMutex, NeverWaits};
/// use wsk::{Runtime, rt};
///
/// struct ThisDriver;
///
/// // SAFETY: this driver passes no closure to a lock of embassy-sync; its channels only move numbers.
/// unsafe impl NeverWaits for ThisDriver {}
///
/// static SIZES: Channel<DispatchRawMutex<ThisDriver>, usize, 8> = Channel::new();
///
/// // SAFETY: on a host, an example runs at PASSIVE_LEVEL.
/// let passive = unsafe { Passive::assume() };
/// let runtime = Runtime::new(passive, 1)?;
/// let task = runtime.spawn(async { SIZES.receive().await })?;
/// // For example in a callback, at DISPATCH_LEVEL.
/// SIZES.try_send(1500).unwrap();
/// assert_eq!(rt::block_on(passive, task)??, 1500);
/// runtime.shutdown(passive);
/// # extern crate wsk_host;
/// # Ok::<(), wsk::Error>(())
/// ```
///
/// Without the promise, it is not a `RawMutex`:
///
/// ```compile_fail,E0277
/// use embassy_sync::blocking_mutex::Mutex;
/// use wsk::sync::DispatchRawMutex;
///
/// struct ThisDriver;
/// let last = Mutex::<DispatchRawMutex<ThisDriver>, u32>::new(7);
/// ```
pub struct DispatchRawMutex<D> {
    lock: SpinLock<()>,
    /// Nothing is derived from the type, and it need not be `Send`.
    driver: PhantomData<fn() -> D>,
}

// SAFETY: one thread at a time holds the spin lock, from the call of the closure until it has returned.
unsafe impl<D: NeverWaits> RawMutex for DispatchRawMutex<D> {
    const INIT: Self = Self { lock: SpinLock::new(()), driver: PhantomData };

    fn lock<R>(&self, run: impl FnOnce() -> R) -> R {
        let guard = self.lock.lock();
        let result = run();
        drop(guard);
        result
    }
}

opaque_debug!(DispatchRawMutex<D>);
