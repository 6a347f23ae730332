//! Ticks at equal distances.

use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll, ready};
use core::time::Duration;

use super::clock::Instant;
use super::timer::Timer;
use crate::status::{Result, known};

/// The ticks of an [`Interval`] that were missed because no task awaited them in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissedTickBehavior {
    /// They follow at once, until the ticks are at their times again.
    #[default]
    Burst,
    /// They are left out, and all later ticks are later.
    Delay,
    /// They are left out, and the later ticks are at their times.
    Skip,
}

/// Ticks at equal distances. From [`interval`] and [`interval_at`].
///
/// Dropping it stops its timer.
///
/// IRQL: <= `DISPATCH_LEVEL`.
pub struct Interval {
    timer: Timer,
    /// Whether the timer was set for the next tick.
    is_set: bool,
    next: Instant,
    period: Duration,
    missed_ticks: MissedTickBehavior,
}

/// Creates an interval whose first tick is now.
///
/// IRQL: <= `DISPATCH_LEVEL`.
///
/// ```
/// use std::time::Duration;
/// use wsk::time::{self, Instant};
///
/// # let host = wsk_host::Host::new(wsk_host::Config::default());
/// # let _entered = host.enter();
/// // SAFETY: on a host, an example runs at PASSIVE_LEVEL.
/// let passive = unsafe { wsk::irql::Passive::assume() };
/// let start = Instant::now();
/// let mut interval = time::interval(Duration::from_secs(1))?;
/// wsk::rt::block_on(passive, async move {
///     for _ in 0..=10 {
///         interval.tick().await;
///     }
/// })?;
/// assert_eq!(start.elapsed().as_secs(), 10);
/// # Ok::<(), wsk::Error>(())
/// ```
///
/// # Errors
///
/// Those of [`interval_at`].
pub fn interval(period: Duration) -> Result<Interval> {
    interval_at(Instant::now(), period)
}

/// Creates an interval whose first tick is at `start`.
///
/// IRQL: <= `DISPATCH_LEVEL`.
///
/// # Errors
///
/// - `STATUS_INVALID_PARAMETER` if `period` is zero.
/// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
pub fn interval_at(start: Instant, period: Duration) -> Result<Interval> {
    if period.is_zero() {
        return Err(known::STATUS_INVALID_PARAMETER);
    }
    let missed_ticks = MissedTickBehavior::default();
    Ok(Interval { timer: Timer::new()?, is_set: false, next: start, period, missed_ticks })
}

impl Interval {
    /// Waits for the next tick. Returns the time it was scheduled for.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. A future that is dropped before it is ready misses no tick.
    pub async fn tick(&mut self) -> Instant {
        poll_fn(|context| self.poll_tick(context)).await
    }

    /// Polls for the next tick, as [`tick`](Self::tick) does.
    pub fn poll_tick(&mut self, context: &mut Context<'_>) -> Poll<Instant> {
        let now = Instant::now();
        if now < self.next {
            if !self.is_set {
                if self.timer.start(self.next.duration_since(now)).is_err() {
                    // An expired timer needs no memory to be set again. Another one is set in the next poll.
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                self.is_set = true;
            }
            ready!(self.timer.poll(context));
        }
        self.is_set = false;
        let planned = self.next;
        self.next = self.after(planned, Instant::now());
        Poll::Ready(planned)
    }

    /// The tick after one that was planned for a time, and was returned at another.
    fn after(&self, planned: Instant, now: Instant) -> Instant {
        let next = planned + self.period;
        match self.missed_ticks {
            MissedTickBehavior::Delay if now >= next => now + self.period,
            MissedTickBehavior::Skip if now >= next => {
                // It is less than a period before now, so that the next tick is later than now.
                now.last_of(planned, self.period) + self.period
            }
            _ => next,
        }
    }

    /// Makes the next tick one period from now.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    pub fn reset(&mut self) {
        self.next = Instant::now() + self.period;
        self.is_set = false;
    }

    /// The distance of the ticks.
    #[must_use]
    pub const fn period(&self) -> Duration {
        self.period
    }

    /// The handling of missed ticks.
    #[must_use]
    pub const fn missed_tick_behavior(&self) -> MissedTickBehavior {
        self.missed_ticks
    }

    /// Sets what becomes of missed ticks.
    pub const fn set_missed_tick_behavior(&mut self, behavior: MissedTickBehavior) {
        self.missed_ticks = behavior;
    }
}

impl fmt::Debug for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interval").field("period", &self.period).finish_non_exhaustive()
    }
}
