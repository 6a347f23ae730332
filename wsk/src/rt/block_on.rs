//! Running one future on the current thread.
//!
//! # Safety
//!
//! The waker's data is a counted allocation, and its table is this module's own.

#![expect(unsafe_code, reason = "see Safety")]

use core::future::Future;
use core::pin::pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use crate::irql::Passive;
use crate::pool::PoolArc;
use crate::status::Result;
use crate::sync::Event;

/// Runs a future to its end on the current thread, which waits whenever the future does.
///
/// IRQL: `PASSIVE_LEVEL`, and never in a callback, as the token says.
///
/// # Errors
///
/// `STATUS_INSUFFICIENT_RESOURCES` if there is no memory for the waker: it may outlive the call, and so
/// cannot be on the stack. The future is dropped without having run.
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
    let parker = PoolArc::new(Parker { woken: AtomicBool::new(false), event: Event::new() })?;
    // SAFETY: the parker stays in its allocation, which is nonpaged.
    unsafe { parker.event.initialize() };
    let waker = waker(parker.clone());
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Ok(output);
        }
        // The flag first: a wait costs more. The event may also be left over from a wake that the flag
        // told of, so it proves nothing by itself.
        while !parker.woken.swap(false, Ordering::AcqRel) {
            // SAFETY: the event was initialized.
            unsafe { parker.event.wait(passive) };
        }
    }
}

struct Parker {
    woken: AtomicBool,
    event: Event,
}

impl Parker {
    fn unpark(&self) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            // SAFETY: the event was initialized before the first waker was made.
            unsafe { self.event.set() };
        }
    }
}

fn waker(parker: PoolArc<Parker>) -> Waker {
    let data = parker.into_raw().cast();
    // SAFETY: the table's functions treat the data as the parker that it is, and count it.
    unsafe { Waker::new(data, VTABLE) }
}

static VTABLE: &RawWakerVTable = &RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// Whether a waker is one of this module's. Wakers of this crate only queue a task or wake a thread.
pub(super) fn is_own(waker: &Waker) -> bool {
    core::ptr::eq(waker.vtable(), VTABLE)
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the data is a counted parker, which stays counted for the waker that is cloned.
    let parker = core::mem::ManuallyDrop::new(unsafe { PoolArc::<Parker>::from_raw(data.cast()) });
    RawWaker::new(PoolArc::clone(&parker).into_raw().cast(), VTABLE)
}

unsafe fn wake(data: *const ()) {
    // SAFETY: the data is a counted parker, whose count ends with this waker.
    unsafe { PoolArc::<Parker>::from_raw(data.cast()) }.unpark();
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: the waker keeps the parker.
    unsafe { &*data.cast::<Parker>() }.unpark();
}

unsafe fn drop_waker(data: *const ()) {
    // SAFETY: the data is a counted parker, whose count ends with this waker.
    drop(unsafe { PoolArc::<Parker>::from_raw(data.cast()) });
}
