//! Deadlines of waits, with timers that are reused.
//!
//! # Safety
//!
//! A timer's state in a slot is owned by the slot: one exchange puts it there, and another one takes it out.

#![expect(unsafe_code, reason = "see Safety")]

use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};
use core::task::{Context, Poll};
use core::time::Duration;

use super::timer::{Timer, TimerState};
use crate::pool::Arc;
use crate::status::Result;

/// Timers for reuse: two concurrent waits have a timeout without an allocation.
///
/// # Invariants
///
/// Each slot is null, or owns a reference from [`Arc::into_raw`] to the state of a timer that is not set.
pub(crate) struct Timers([AtomicPtr<TimerState>; 2]);

impl Timers {
    pub(crate) const fn new() -> Self {
        Self([const { AtomicPtr::new(ptr::null_mut()) }; 2])
    }

    fn take(&self) -> Result<Timer> {
        for slot in &self.0 {
            let shared = slot.swap(ptr::null_mut(), Ordering::Acquire);
            if !shared.is_null() {
                // SAFETY: the slot owned a reference from `into_raw` (Invariants), and the exchange took it out.
                return Ok(Timer::from_idle(unsafe { Arc::from_raw(shared) }));
            }
        }
        Timer::new()
    }

    // Kept out of the functions that drop a deadline, which usually have no timer.
    #[inline(never)]
    fn put(&self, timer: Timer) {
        let Some(shared) = timer.into_idle() else {
            return;
        };
        let shared = shared.into_raw().cast_mut();
        for slot in &self.0 {
            // INVARIANT: the slot owns the reference if the exchange succeeds; `into_idle` has stopped the timer.
            let empty = ptr::null_mut();
            let put = slot.compare_exchange(empty, shared, Ordering::Release, Ordering::Relaxed);
            if put.is_ok() {
                return;
            }
        }
        // SAFETY: the reference is from `into_raw` above, and no slot took it.
        drop(unsafe { Arc::from_raw(shared) });
    }
}

impl Drop for Timers {
    fn drop(&mut self) {
        for slot in &mut self.0 {
            let shared = core::mem::replace(slot.get_mut(), ptr::null_mut());
            if !shared.is_null() {
                // SAFETY: the slot owned a reference from `into_raw` (Invariants), and is null now.
                drop(unsafe { Arc::from_raw(shared) });
            }
        }
    }
}

/// The maximum duration of a wait.
#[derive(Clone, Copy)]
pub(crate) struct Limit<'a> {
    pub(crate) duration: Duration,
    pub(crate) timers: &'a Timers,
}

/// The time at which a wait ends.
pub(crate) struct Deadline<'a> {
    timer: Option<(Timer, &'a Timers)>,
    is_extended: bool,
}

/// The end of a wait: a [`Deadline`], a borrowed one, or [`Never`].
pub(crate) trait Timeout {
    /// The deadline, unless the type has none, as [`Never`]: so its requests have no code for one.
    fn as_deadline(&mut self) -> Option<&mut (dyn Timeout + '_)>;

    /// Whether the time is up.
    fn poll(&self, context: &Context<'_>) -> Poll<()>;

    /// Sets the time again, after it was up. Allocates nothing.
    fn extend(&mut self, duration: Duration) -> Result<()>;
}

/// A wait without an end.
pub(crate) struct Never;

impl Timeout for Never {
    #[inline]
    fn as_deadline(&mut self) -> Option<&mut (dyn Timeout + '_)> {
        None
    }

    fn poll(&self, _context: &Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    fn extend(&mut self, _duration: Duration) -> Result<()> {
        Ok(())
    }
}

impl Timeout for Deadline<'_> {
    #[inline]
    fn as_deadline(&mut self) -> Option<&mut (dyn Timeout + '_)> {
        Some(self)
    }

    fn poll(&self, context: &Context<'_>) -> Poll<()> {
        match &self.timer {
            Some((timer, _)) => timer.poll(context),
            None => Poll::Pending,
        }
    }

    fn extend(&mut self, duration: Duration) -> Result<()> {
        self.is_extended = true;
        match &mut self.timer {
            Some((timer, _)) => timer.start(duration),
            None => Ok(()),
        }
    }
}

impl<D: Timeout> Timeout for &mut D {
    #[inline]
    fn as_deadline(&mut self) -> Option<&mut (dyn Timeout + '_)> {
        (**self).as_deadline()
    }

    fn poll(&self, context: &Context<'_>) -> Poll<()> {
        (**self).poll(context)
    }

    fn extend(&mut self, duration: Duration) -> Result<()> {
        (**self).extend(duration)
    }
}

impl<'a> Deadline<'a> {
    /// A wait without an end.
    pub(crate) const fn never() -> Self {
        Self { timer: None, is_extended: false }
    }

    /// Whether the time was up once, and was [extended](Timeout::extend).
    pub(crate) const fn is_extended(&self) -> bool {
        self.is_extended
    }

    /// Starts the time.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if the timer cannot be allocated.
    pub(crate) fn begin(limit: Limit<'a>) -> Result<Self> {
        let mut timer = limit.timers.take()?;
        timer.start(limit.duration)?;
        Ok(Self { timer: Some((timer, limit.timers)), is_extended: false })
    }
}

impl Drop for Deadline<'_> {
    fn drop(&mut self) {
        if let Some((timer, timers)) = self.timer.take() {
            timers.put(timer);
        }
    }
}
