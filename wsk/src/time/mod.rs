//! Sleeping, and timeouts for any future.
//!
//! WSK's functions have no timeouts ([INV-50](crate::rules#inv-50)). [`timeout`] adds one to any future of this crate: when the time is up, the
//! future is dropped, which cancels its request. The request keeps its memory until WSK has returned it.
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
//! let listener = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
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
//! On the host's simulated network, time is virtual: these thirty seconds take no real time.

mod clock;
mod deadline;
#[cfg(feature = "embassy-time-driver")]
mod embassy;
mod interval;
mod timer;

use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll, ready};
use core::time::Duration;

pub use self::clock::{Instant, SystemTime};
pub(crate) use self::deadline::{Deadline, Limit, Never, Timeout, Timers};
#[cfg(feature = "embassy-time-driver")]
#[cfg_attr(docsrs, doc(cfg(feature = "embassy-time-driver")))]
pub use self::embassy::EmbassyTimeDriver;
pub use self::interval::{Interval, MissedTickBehavior, interval, interval_at};
use self::timer::Timer;
use crate::status::{Result, known};

/// A future that is ready after a duration. Dropping it stops the timer.
///
/// The resolution is a tick of the system's clock, up to about 16 ms: it may be ready that much later, but never
/// earlier. [`wsk::unload`](crate::unload()) waits until every timer is stopped or has expired, including forgotten
/// ones.
#[must_use = "nothing waits unless this is polled"]
pub struct Sleep(Timer);

impl Sleep {
    /// Starts the timer.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-kesettimer).
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    pub fn new(duration: Duration) -> Result<Self> {
        let mut timer = Timer::new()?;
        timer.start(duration)?;
        Ok(Self(timer))
    }

    /// Starts the timer, for a moment. One that has passed is ready at once.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    pub fn until(deadline: Instant) -> Result<Self> {
        Self::new(deadline.duration_since(Instant::now()))
    }

    /// Starts the timer again, for another moment, whether it has expired or not. It allocates only if it expires at this
    /// moment.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails. The timer is stopped then.
    pub fn reset(&mut self, deadline: Instant) -> Result<()> {
        self.0.start(deadline.duration_since(Instant::now()))
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.poll(context)
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").finish_non_exhaustive()
    }
}

/// Waits for a duration.
///
/// # Cancel safety
///
/// This method is cancel safe. Dropping the future stops the timer.
///
/// # Errors
///
/// Those of [`Sleep::new`].
pub async fn sleep(duration: Duration) -> Result<()> {
    Sleep::new(duration)?.await;
    Ok(())
}

/// Waits until a moment.
///
/// # Cancel safety
///
/// This method is cancel safe. Dropping the future stops the timer.
///
/// # Errors
///
/// Those of [`Sleep::new`].
pub async fn sleep_until(deadline: Instant) -> Result<()> {
    Sleep::until(deadline)?.await;
    Ok(())
}

/// Waits for a future, at most until a moment, as [`timeout`] does.
///
/// ```
/// use std::time::Duration;
/// use wsk::ErrorKind;
/// use wsk::time::{self, Instant};
///
/// # let host = wsk_host::Host::new(wsk_host::Config::default());
/// # let _entered = host.enter();
/// // SAFETY: on a host, an example runs at PASSIVE_LEVEL.
/// let passive = unsafe { wsk::irql::Passive::assume() };
/// let deadline = Instant::now() + Duration::from_secs(5);
/// let late = time::timeout_at(deadline, time::sleep_until(deadline + Duration::from_secs(1)));
/// let error = wsk::rt::block_on(passive, late)?.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::TimedOut);
/// # Ok::<(), wsk::Error>(())
/// ```
///
/// # Cancel safety
///
/// That of [`timeout`].
///
/// # Errors
///
/// Those of [`timeout`].
pub async fn timeout_at<F: Future>(deadline: Instant, future: F) -> Result<F::Output> {
    timeout(deadline.duration_since(Instant::now()), future).await
}

/// Waits for a future, with a timeout.
///
/// # Cancel safety
///
/// Same as `future`, which is dropped when this future is dropped, or when the time is up: its request is cancelled,
/// and its buffer is dropped when WSK has returned it. To keep the buffer, use the timeouts of a [stream or
/// socket](crate::net#timeouts).
///
/// # Errors
///
/// - `STATUS_IO_TIMEOUT` (kind [`TimedOut`](crate::ErrorKind::TimedOut)) if the time is up.
/// - Those of [`Sleep::new`].
pub async fn timeout<F: Future>(duration: Duration, future: F) -> Result<F::Output> {
    let mut sleep = pin!(Sleep::new(duration)?);
    let mut future = pin!(future);
    poll_fn(|context| {
        in_time(
            context,
            |context| future.as_mut().poll(context),
            |context| sleep.as_mut().poll(context),
        )
    })
    .await
}

/// Polls an operation, and fails with `STATUS_IO_TIMEOUT` if it is pending and the time is up. An operation that is
/// ready succeeds, even if the time is up as well.
pub(crate) fn in_time<T>(
    context: &mut Context<'_>,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    is_up: impl FnOnce(&mut Context<'_>) -> Poll<()>,
) -> Poll<Result<T>> {
    if let Poll::Ready(output) = poll(context) {
        return Poll::Ready(Ok(output));
    }
    ready!(is_up(context));
    // Once more: a completed request yields to other tasks once, and was pending above because of that.
    Poll::Ready(match poll(context) {
        Poll::Ready(output) => Ok(output),
        Poll::Pending => Err(known::STATUS_IO_TIMEOUT),
    })
}
