//! Ends of waiting, with timers that are used again.
//!
//! # Safety
//!
//! A timer in a slot is owned by the slots: an exchange puts it there and another takes it out.

#![expect(unsafe_code, reason = "see Safety")]

use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};
use core::task::{Context, Poll};
use core::time::Duration;

use super::timer::{Timer, TimerState};
use crate::pool::PoolArc;
use crate::status::Result;

/// Timers that can be reused: two waits at once have a time-out without allocating.
pub(crate) struct Timers([AtomicPtr<TimerState>; 2]);

impl Timers {
    pub(crate) const fn new() -> Self {
        Self([const { AtomicPtr::new(ptr::null_mut()) }; 2])
    }

    fn take(&self) -> Result<Timer> {
        for slot in &self.0 {
            let shared = slot.swap(ptr::null_mut(), Ordering::Acquire);
            if !shared.is_null() {
                // SAFETY: `put` gave it away, and the exchange took it out.
                return Ok(Timer::from_idle(unsafe { PoolArc::from_raw(shared) }));
            }
        }
        Timer::new()
    }

    // Not in every function that drops a deadline, which mostly has none.
    #[inline(never)]
    fn put(&self, timer: Timer) {
        let Some(shared) = timer.into_idle() else {
            return;
        };
        let shared = shared.into_raw().cast_mut();
        for slot in &self.0 {
            let empty = ptr::null_mut();
            let put = slot.compare_exchange(empty, shared, Ordering::Release, Ordering::Relaxed);
            if put.is_ok() {
                return;
            }
        }
        // SAFETY: it was given away above, and no slot took it.
        drop(unsafe { PoolArc::from_raw(shared) });
    }
}

impl Drop for Timers {
    fn drop(&mut self) {
        for slot in &mut self.0 {
            let shared = core::mem::replace(slot.get_mut(), ptr::null_mut());
            if !shared.is_null() {
                // SAFETY: `put` gave it away.
                drop(unsafe { PoolArc::from_raw(shared) });
            }
        }
    }
}

/// How long something may take.
#[derive(Clone, Copy)]
pub(crate) struct Limit<'a> {
    pub(crate) duration: Duration,
    pub(crate) timers: &'a Timers,
}

/// When something is given up.
pub(crate) struct Deadline<'a> {
    timer: Option<(Timer, &'a Timers)>,
    is_extended: bool,
}

/// The end of a wait: a [`Deadline`], a borrowed one, or [`Never`].
pub(crate) trait Timeout {
    /// Whether nothing is given up.
    fn is_never(&self) -> bool;

    /// Whether the time is up.
    fn poll(&self, context: &Context<'_>) -> Poll<()>;

    /// Counts anew, when the time is up: which needs no memory.
    fn extend(&mut self, duration: Duration) -> Result<()>;
}

/// Nothing is given up.
pub(crate) struct Never;

impl Timeout for Never {
    #[inline]
    fn is_never(&self) -> bool {
        true
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
    fn is_never(&self) -> bool {
        self.timer.is_none()
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
    fn is_never(&self) -> bool {
        (**self).is_never()
    }

    fn poll(&self, context: &Context<'_>) -> Poll<()> {
        (**self).poll(context)
    }

    fn extend(&mut self, duration: Duration) -> Result<()> {
        (**self).extend(duration)
    }
}

impl<'a> Deadline<'a> {
    /// Nothing is given up.
    pub(crate) const fn never() -> Self {
        Self { timer: None, is_extended: false }
    }

    /// Whether the time was up once: what follows is late.
    pub(crate) const fn is_extended(&self) -> bool {
        self.is_extended
    }

    /// Begins to count.
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
