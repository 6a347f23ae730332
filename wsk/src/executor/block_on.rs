//! The executor of one future on the current thread.
//!
//! # Safety
//!
//! The data of a waker is a reference to a parker, from [`Arc::into_raw`], and its table is this module's own.

#![expect(unsafe_code, reason = "see Safety")]

use core::future::Future;
use core::pin::pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use crate::irql::Passive;
use crate::kernel::Event;
use crate::pool::Arc;
use crate::status::Result;

/// Runs a future to completion on the current thread, which waits whenever the future is pending.
///
/// IRQL: `PASSIVE_LEVEL`, and never in a callback, as the token proves.
///
/// # Errors
///
/// `STATUS_INSUFFICIENT_RESOURCES` if allocating the waker fails. The waker may outlive the call, so it cannot be on the
/// stack. The future is dropped without being polled.
///
/// ```
/// use wsk::{irql::Passive, rt};
///
/// // SAFETY: on a host, an example runs at PASSIVE_LEVEL.
/// let passive = unsafe { Passive::assume() };
/// assert_eq!(rt::block_on(passive, async { 6 * 7 })?, 42);
/// # extern crate wsk_host;
/// # Ok::<(), wsk::Error>(())
/// ```
pub fn block_on<F: Future>(passive: Passive, future: F) -> Result<F::Output> {
    let parker = Arc::new(Parker { woken: AtomicBool::new(false), event: Event::new() })?;
    // INVARIANT: the event is initialized before the parker is shared.
    // SAFETY: the parker stays in its allocation, which is nonpaged.
    unsafe { parker.event.initialize() };
    let waker = waker(parker.clone());
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Ok(output);
        }
        // The flag first: a wait costs more. Only the flag counts: the event may still be signaled from a wake whose
        // flag was already taken.
        while !parker.woken.swap(false, Ordering::AcqRel) {
            // SAFETY: the event is initialized (Invariants).
            unsafe { parker.event.wait(passive) };
        }
    }
}

/// The thread of a [`block_on`].
///
/// # Invariants
///
/// Once it is shared, the event is initialized, and stays in its nonpaged allocation.
struct Parker {
    woken: AtomicBool,
    event: Event,
}

impl Parker {
    fn unpark(&self) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            // SAFETY: the event is initialized (Invariants).
            unsafe { self.event.set() };
        }
    }
}

fn waker(parker: Arc<Parker>) -> Waker {
    let data = parker.into_raw().cast();
    // SAFETY: the data is a reference to a parker from `into_raw`, as each function of the table requires.
    unsafe { Waker::new(data, VTABLE) }
}

static VTABLE: &RawWakerVTable = &RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// Whether a waker was created by this module. Wakers of this crate only queue a task or wake a thread.
#[cfg(not(loom))]
pub(super) fn is_own(waker: &Waker) -> bool {
    core::ptr::eq(waker.vtable(), VTABLE)
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the data is a reference to a parker from `into_raw`. It stays with the cloned waker, since it is not
    // dropped here.
    let parker = core::mem::ManuallyDrop::new(unsafe { Arc::<Parker>::from_raw(data.cast()) });
    RawWaker::new(Arc::clone(&parker).into_raw().cast(), VTABLE)
}

unsafe fn wake(data: *const ()) {
    // SAFETY: the data is a reference to a parker from `into_raw`, which ends with this waker.
    unsafe { Arc::<Parker>::from_raw(data.cast()) }.unpark();
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: the waker's reference keeps the parker.
    unsafe { &*data.cast::<Parker>() }.unpark();
}

unsafe fn drop_waker(data: *const ()) {
    // SAFETY: the data is a reference to a parker from `into_raw`, which ends with this waker.
    drop(unsafe { Arc::<Parker>::from_raw(data.cast()) });
}
