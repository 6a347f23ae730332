//! Time-outs of the requests of a stream or a UDP socket.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use crate::status::{Result, known};
use crate::time::{Deadline, Limit, Timers};

/// How long the requests of a stream or a UDP socket may take, and the timers that they use.
pub(super) struct Timeouts {
    read: TimeoutSetting,
    write: TimeoutSetting,
    timers: Timers,
}

/// Nanoseconds, or zero for as long as it takes.
struct TimeoutSetting(AtomicU64);

impl TimeoutSetting {
    const fn none() -> Self {
        Self(AtomicU64::new(0))
    }

    fn set(&self, timeout: Option<Duration>) -> Result<()> {
        let nanoseconds = match timeout {
            None => 0,
            Some(Duration::ZERO) => return Err(known::STATUS_INVALID_PARAMETER),
            // The longest is some 584 years.
            Some(timeout) => timeout
                .as_secs()
                .saturating_mul(1_000_000_000)
                .saturating_add(timeout.subsec_nanos().into()),
        };
        self.0.store(nanoseconds, Ordering::Relaxed);
        Ok(())
    }

    #[inline]
    fn get(&self) -> Option<Duration> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            nanoseconds => Some(Duration::from_nanos(nanoseconds)),
        }
    }

    fn copy(&self) -> Self {
        Self(AtomicU64::new(self.0.load(Ordering::Relaxed)))
    }
}

impl Timeouts {
    pub(super) const fn new() -> Self {
        Self { read: TimeoutSetting::none(), write: TimeoutSetting::none(), timers: Timers::new() }
    }

    /// The same for another stream: `read` gives the one, and `write` the other.
    pub(super) fn of(read: &Self, write: &Self) -> Self {
        Self { read: read.read.copy(), write: write.write.copy(), timers: Timers::new() }
    }

    pub(super) fn set_read(&self, timeout: Option<Duration>) -> Result<()> {
        self.read.set(timeout)
    }

    pub(super) fn read(&self) -> Option<Duration> {
        self.read.get()
    }

    pub(super) fn set_write(&self, timeout: Option<Duration>) -> Result<()> {
        self.write.set(timeout)
    }

    pub(super) fn write(&self) -> Option<Duration> {
        self.write.get()
    }

    /// The limit of what is received, if there is one.
    #[inline]
    pub(super) fn read_limit(&self) -> Option<Limit<'_>> {
        Some(Limit { duration: self.read.get()?, timers: &self.timers })
    }

    /// The limit of what is sent, if there is one.
    #[inline]
    pub(super) fn write_limit(&self) -> Option<Limit<'_>> {
        Some(Limit { duration: self.write.get()?, timers: &self.timers })
    }

    /// Begins to count for what is received now.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if there is a time-out, and no memory for a timer.
    pub(super) fn reading(&self) -> Result<Deadline<'_>> {
        self.read_limit().map_or(Ok(Deadline::never()), Deadline::begin)
    }

    /// Begins to count for what is sent now.
    ///
    /// # Errors
    ///
    /// Those of [`reading`](Self::reading).
    pub(super) fn writing(&self) -> Result<Deadline<'_>> {
        self.write_limit().map_or(Ok(Deadline::never()), Deadline::begin)
    }
}

/// Makes a request with a deadline. If there is no memory for that, the buffer comes back with the error.
macro_rules! with_buffer {
    ($begun:expr, $buffer:ident, |$deadline:ident| $request:expr) => {
        match $begun {
            Ok(mut deadline) => {
                let $deadline = &mut deadline;
                $request.await
            }
            Err(error) => $crate::buffer::BufResult(Err(error), $buffer),
        }
    };
}

pub(super) use with_buffer;

/// As [`with_buffer`], for a request that is budgeted before it is made, and may have completed by then. Without a
/// time-out nothing is stored for one.
macro_rules! transfer {
    ($handle:ident, $limit:expr, $buffer:ident, |$budgeted:ident, $deadline:ident| $submitted:expr) => {{
        let $budgeted = $handle.state().budget().budgeted().await;
        'made: {
            let Some(limit) = $limit else {
                let $deadline = $crate::time::Never;
                break 'made $crate::socket::await_end!($submitted);
            };
            let $deadline = match $crate::time::Deadline::begin(limit) {
                Ok(deadline) => deadline,
                Err(error) => break 'made $crate::buffer::BufResult(Err(error), $buffer),
            };
            $crate::socket::await_end!($submitted)
        }
    }};
}

pub(super) use transfer;
