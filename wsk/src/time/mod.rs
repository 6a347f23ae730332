//! Time: waiting for a while, and for something at most so long.
//!
//! No call of WSK's has a time-out (INV-50). [`timeout`] gives one to any future of this crate: when the time is
//! up, the future is dropped, which cancels its request; the request keeps its memory until the system has
//! given it back.
//!
//! ```
//! use std::time::Duration;
//! use wsk::{Buffer, ErrorKind, TcpListener, TcpStream, time};
//!
//! # let host = wsk_host::Host::new(wsk_host::Config::default());
//! # let _entered = host.enter();
//! # let passive = unsafe { wsk::irql::Passive::assume() };
//! # let registration = wsk::Registration::register(passive)?;
//! # let wsk = registration.try_capture()?;
//! # wsk::rt::block_on(passive, async move {
//! let mut listener = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
//! let client = TcpStream::connect(&wsk, listener.local_addr().await?).await?;
//! let (_silent, _peer) = listener.accept().await?;
//! let buffer = Buffer::new(100)?;
//! let result = time::timeout(Duration::from_secs(30), client.recv(buffer)).await;
//! assert_eq!(result.unwrap_err().kind(), ErrorKind::TimedOut);
//! # Ok::<(), wsk::Error>(())
//! # })??;
//! # Ok::<(), wsk::Error>(())
//! ```
//!
//! (On a host with a network in memory, the thirty seconds are the host's own, and take none of yours.)

use core::cell::UnsafeCell;
use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll};
use core::time::Duration;

use atomic_waker::AtomicWaker;
use wsk_sys::{
    FALSE, KDPC, KTIMER, KeCancelTimer, KeFlushQueuedDpcs, KeInitializeDpc, KeInitializeTimer,
    KeSetTimer, LARGE_INTEGER, PVOID,
};

use crate::irql::Passive;
use crate::pool::PoolArc;
use crate::status::{Result, known};

/// Whether a timer was ever set, and its deferred procedure call may still run.
static USED: AtomicBool = AtomicBool::new(false);

/// What a timer and its deferred procedure call have together, in nonpaged memory (INV-17).
struct Shared {
    timer: UnsafeCell<KTIMER>,
    dpc: UnsafeCell<KDPC>,
    has_expired: AtomicBool,
    waker: AtomicWaker,
}

// SAFETY: the timer and the call are used by the kernel's functions, which synchronise; the rest is shared.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

/// A future that is ready after a while. Dropping it stops the timer.
///
/// The system counts in ticks of its clock, up to about 16 ms: it may be ready that much later, and not before.
/// Every one is to be dropped before the driver's registration is, whose end waits for the last calls of
/// those that have expired.
#[must_use = "nothing waits unless this is polled"]
pub struct Sleep {
    shared: PoolArc<Shared>,
    /// The share of the deferred procedure call.
    context: *const Shared,
}

// SAFETY: the timer and what it shares may be used in any thread.
unsafe impl Send for Sleep {}
// SAFETY: as above.
unsafe impl Sync for Sleep {}

impl Sleep {
    /// Begins to wait.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-kesettimer).
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if there is no memory.
    pub fn new(duration: Duration) -> Result<Self> {
        // SAFETY: a timer is numbers and pointers, for which zero is a value; it is initialised below.
        let timer = unsafe { core::mem::zeroed() };
        // SAFETY: the same holds for a deferred procedure call.
        let dpc = unsafe { core::mem::zeroed() };
        let shared = PoolArc::new(Shared {
            timer: UnsafeCell::new(timer),
            dpc: UnsafeCell::new(dpc),
            has_expired: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        })?;
        USED.store(true, Ordering::Relaxed);
        let (timer, dpc) = (shared.timer.get(), shared.dpc.get());
        // The call's own share: given up when it runs, or when it never will.
        let context = shared.clone().into_raw();
        // SAFETY: both are where they stay until the last share is given up.
        unsafe { KeInitializeTimer(timer) };
        // SAFETY: as above, and the routine is for this context.
        unsafe { KeInitializeDpc(dpc, Some(expired), context.cast_mut().cast()) };
        let ticks = duration.as_nanos().div_ceil(100);
        // Negative is relative. The longest is some 29,000 years.
        let due = i64::try_from(ticks).map_or(i64::MIN + 1, |ticks| -ticks);
        // SAFETY: both are initialised, and stay.
        unsafe { KeSetTimer(timer, LARGE_INTEGER { QuadPart: due }, dpc) };
        Ok(Self { shared, context })
    }
}

/// What runs when a timer has expired.
unsafe extern "C" fn expired(_dpc: *mut KDPC, context: PVOID, _first: PVOID, _second: PVOID) {
    // SAFETY: the context is the call's share, which runs once.
    let shared = unsafe { PoolArc::from_raw(context.cast_const().cast::<Shared>()) };
    shared.has_expired.store(true, Ordering::Release);
    shared.waker.wake();
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        // Registered before the look: what expires between the two wakes.
        self.shared.waker.register(context.waker());
        if self.shared.has_expired.load(Ordering::Acquire) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        // SAFETY: the timer is initialised, and stays while this has its share.
        let was_set = unsafe { KeCancelTimer(self.shared.timer.get()) } != FALSE;
        if was_set {
            // The call will not run.
            // SAFETY: its share came from `into_raw`, and nobody else takes it back.
            drop(unsafe { PoolArc::from_raw(self.context) });
        }
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").finish_non_exhaustive()
    }
}

/// Waits for a while.
///
/// Cancellation: dropping the future stops the timer.
///
/// # Errors
///
/// As for [`Sleep::new`].
pub async fn sleep(duration: Duration) -> Result<()> {
    Sleep::new(duration)?.await;
    Ok(())
}

/// Waits for a future, at most so long.
///
/// Cancellation: dropping this drops the future, and so does the end of the time: a request in flight is
/// cancelled, and its buffer is dropped when the system has given it back. To get a buffer back instead, wait
/// for both with [`Sleep`].
///
/// # Errors
///
/// - `STATUS_IO_TIMEOUT` (kind [`TimedOut`](crate::ErrorKind::TimedOut)) if the time is up.
/// - As for [`Sleep::new`].
pub async fn timeout<F: Future>(duration: Duration, future: F) -> Result<F::Output> {
    let mut sleep = pin!(Sleep::new(duration)?);
    let mut future = pin!(future);
    poll_fn(|context| {
        // Who is ready in time is so, even if it is looked at late.
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Ok(output));
        }
        sleep.as_mut().poll(context).map(|()| Err(known::STATUS_IO_TIMEOUT))
    })
    .await
}

/// Waits until no deferred procedure call of a timer's runs any more (INV-18). No timer is set.
pub(crate) fn flush(_passive: Passive) {
    if USED.load(Ordering::Relaxed) {
        // SAFETY: the token says PASSIVE_LEVEL.
        unsafe { KeFlushQueuedDpcs() };
    }
}
