//! The clock and the timers of the crate embassy-time.

use core::convert::Infallible;
use core::fmt;
use core::future::{Future, poll_fn};
use core::mem;
use core::pin::pin;
use core::task::{Poll, Waker};
use core::time::Duration;

use embassy_time_driver::{Driver, TICK_HZ};

use super::clock::PER_SECOND;
use super::{Instant, Sleep};
use crate::kernel::SpinLock;
use crate::status::Result;
use crate::sync::Notify;

/// The driver of the crate [embassy-time](https://docs.rs/embassy-time/0.5), which `embassy_time_driver::time_driver_impl!`
/// chooses: its `Instant`, `Timer`, `Ticker` and `with_timeout`, and what other crates build on them, such as edge-nal's timeouts.
///
/// Without one, a driver that uses them does not link: `_embassy_time_now` and `_embassy_time_schedule_wake` are undefined.
///
/// A task of the driver must [`run`](Self::run) it. Up to `TIMERS` tasks may wait; if more do, the one that is due last is woken
/// early, and starts to wait again.
///
/// ```
/// use embassy_time::{Duration, Instant, Timer, with_timeout};
/// use wsk::irql::Passive;
/// use wsk::time::EmbassyTimeDriver;
/// use wsk::{Runtime, rt};
///
/// embassy_time_driver::time_driver_impl!(
///     static TIME: EmbassyTimeDriver<16> = EmbassyTimeDriver::new()
/// );
///
/// # let host = wsk_host::Host::new(wsk_host::Config::default());
/// # let _entered = host.enter();
/// // SAFETY: on a host, an example runs at PASSIVE_LEVEL.
/// let passive = unsafe { Passive::assume() };
/// let runtime = Runtime::new(passive, 1)?;
/// runtime.spawn(TIME.run())?;
///
/// let task = runtime.spawn(async {
///     let start = Instant::now();
///     Timer::after(Duration::from_secs(2)).await;
///     let never = with_timeout(Duration::from_secs(3), core::future::pending::<()>());
///     assert!(never.await.is_err());
///     start.elapsed()
/// })?;
/// let elapsed = rt::block_on(passive, task)??;
/// assert!((5_000..5_200).contains(&elapsed.as_millis()));
/// runtime.shutdown(passive);
/// # Ok::<(), wsk::Error>(())
/// ```
///
/// Its clock is [`Instant`]'s, whose minimum Windows is 8, and which Wine 8 lacks. IRQL: any for the time,
/// <= `DISPATCH_LEVEL` for timers.
pub struct EmbassyTimeDriver<const TIMERS: usize = 32> {
    alarms: SpinLock<Alarms<TIMERS>>,
    /// An alarm was set before all others.
    earlier: Notify,
}

struct Alarms<const TIMERS: usize> {
    places: [Option<Alarm>; TIMERS],
    /// The number of calls of `run` that have not ended, and whether one has. After the last, nothing would call the wakers, or
    /// drop them before the driver is unloaded.
    runs: usize,
    has_ended: bool,
}

/// A waker, and when it is to be called, in ticks.
struct Alarm {
    at: u64,
    waker: Waker,
}

impl<const TIMERS: usize> EmbassyTimeDriver<TIMERS> {
    /// Creates a driver, for a static.
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(TIMERS > 0, "a task needs a timer to wait") };
        let alarms = Alarms { places: [const { None }; TIMERS], runs: 0, has_ended: false };
        Self { alarms: SpinLock::new(alarms), earlier: Notify::new() }
    }

    /// Wakes the tasks that wait, each when it is due. It ends only by an error; a driver spawns one such task, which its runtime
    /// drops at the end.
    ///
    /// Then, tasks that still wait are no longer woken: the driver is about to be unloaded, and their wakers are dropped. The next
    /// call starts anew. If there are several at once, the last one's end is meant.
    ///
    /// Allocates one timer, which it [resets](Sleep::reset). The resolution is that of [`Sleep`].
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Dropping the future drops the wakers, as its end does.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    pub async fn run(&self) -> Result<Infallible> {
        self.alarms.lock().begin();
        let _end = End(self);
        let mut sleep = pin!(Sleep::new(Duration::ZERO)?);
        loop {
            let next = self.wake_due();
            if let Some(next) = next {
                sleep.reset(instant(next))?;
            }
            // An alarm that was set since leaves a notification.
            let mut earlier = pin!(self.earlier.notified());
            poll_fn(|context| {
                if next.is_some() && sleep.as_mut().poll(context).is_ready() {
                    return Poll::Ready(());
                }
                earlier.as_mut().poll(context)
            })
            .await;
        }
    }

    /// Wakes the tasks that are due. Returns when the next one is.
    fn wake_due(&self) -> Option<u64> {
        let now = self.now();
        loop {
            let due = self.alarms.lock().take_due(now);
            match due {
                // Not under the lock: a waker is another's code.
                Ok(due) => due.wake(),
                Err(next) => return next,
            }
        }
    }
}

impl<const TIMERS: usize> Alarms<TIMERS> {
    const fn begin(&mut self) {
        self.runs += 1;
        self.has_ended = false;
    }

    /// Returns whether this was the last run.
    const fn end(&mut self) -> bool {
        self.runs -= 1;
        self.has_ended = self.runs == 0;
        self.has_ended
    }

    /// Takes a waker that is due, or returns when the next one is.
    fn take_due(&mut self, now: u64) -> core::result::Result<Waker, Option<u64>> {
        let next = self.places.iter_mut().filter(|place| place.is_some()).min_by_key(at);
        let Some(next) = next else { return Err(None) };
        let taken = next.take_if(|alarm| alarm.at <= now);
        taken.map(|alarm| alarm.waker).ok_or_else(|| Some(at(&next)))
    }

    /// Takes an alarm, unless it is not needed. Returns whether it is the next one, and the alarm without a place, if there are too
    /// many: the one that is due last.
    fn add(&mut self, new: &mut Option<Alarm>) -> (bool, Option<Alarm>) {
        let Some(alarm) = new else { return (false, None) };
        if self.has_ended {
            return (false, None);
        }
        let is_next = self.places.iter_mut().all(|place| alarm.at < at(&place));
        // A task polls all of its timers when it is woken, and sets their alarms again: the first one counts.
        for place in self.places.iter_mut().flatten() {
            if place.waker.will_wake(&alarm.waker) {
                place.at = place.at.min(alarm.at);
                return (is_next, None);
            }
        }
        // A free place, or that of the alarm that is due last.
        match self.places.iter_mut().max_by_key(at) {
            Some(place) if alarm.at < at(&place) || place.is_none() => {
                (is_next, mem::replace(place, new.take()))
            }
            _ => (false, new.take()),
        }
    }
}

/// When the alarm in a place is due: a free place, never.
fn at(place: &&mut Option<Alarm>) -> u64 {
    place.as_ref().map_or(u64::MAX, |alarm| alarm.at)
}

/// Ends a driver's alarms.
struct End<'a, const TIMERS: usize>(&'a EmbassyTimeDriver<TIMERS>);

impl<const TIMERS: usize> Drop for End<'_, TIMERS> {
    fn drop(&mut self) {
        if !self.0.alarms.lock().end() {
            // Another one goes on. This one may have been told of an alarm.
            self.0.earlier.notify_one();
            return;
        }
        // One by one, not under the lock: a waker is another's code.
        loop {
            let last = self.0.alarms.lock().take_due(u64::MAX);
            if last.is_err() {
                break;
            }
        }
    }
}

impl<const TIMERS: usize> Default for EmbassyTimeDriver<TIMERS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const TIMERS: usize> fmt::Debug for EmbassyTimeDriver<TIMERS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbassyTimeDriver").finish_non_exhaustive()
    }
}

impl<const TIMERS: usize> Driver for EmbassyTimeDriver<TIMERS> {
    fn now(&self) -> u64 {
        ticks(Instant::now())
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        // Neither cloned, called nor dropped under the lock: a waker is another's code.
        let mut new = Some(Alarm { at, waker: waker.clone() });
        let (is_next, evicted) = self.alarms.lock().add(&mut new);
        if is_next {
            self.earlier.notify_one();
        }
        if let Some(evicted) = evicted {
            evicted.waker.wake();
        }
    }
}

/// A moment in embassy-time's ticks, rounded down.
const fn ticks(moment: Instant) -> u64 {
    let units = moment.0;
    (units / PER_SECOND) * TICK_HZ + units % PER_SECOND * TICK_HZ / PER_SECOND
}

/// The moment of a tick, rounded up.
const fn instant(ticks: u64) -> Instant {
    let rest = (ticks % TICK_HZ * PER_SECOND).div_ceil(TICK_HZ);
    Instant((ticks / TICK_HZ).saturating_mul(PER_SECOND).saturating_add(rest))
}
