//! Time-outs of the requests of a stream or a UDP socket.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use crate::status::{Result, known};
use crate::time::{Deadline, Limit, Timers};

/// How long the requests of a stream or a UDP socket may take, and the timers that they use.
pub(super) struct Timeouts {
    read: Timeout,
    write: Timeout,
    timers: Timers,
}

/// Nanoseconds, or zero for as long as it takes.
struct Timeout(AtomicU64);

impl Timeout {
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
        Self { read: Timeout::none(), write: Timeout::none(), timers: Timers::new() }
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
    /// As for [`reading`](Self::reading).
    pub(super) fn writing(&self) -> Result<Deadline<'_>> {
        self.write_limit().map_or(Ok(Deadline::never()), Deadline::begin)
    }
}

/// Begins a request with what comes back, also if there is no memory for its time-out.
macro_rules! with_buffer {
    ($deadline:expr, $buffer:ident, |$within:ident| $request:expr) => {
        match $deadline {
            Ok(mut deadline) => {
                let $within = &mut deadline;
                $request.await
            }
            Err(error) => $crate::buffer::BufResult(Err(error), $buffer),
        }
    };
}

pub(super) use with_buffer;

/// As [`with_buffer`], for a request that is made in the task's turn, and may have ended by then. Mostly there is no
/// time-out, and then nothing is stored for one.
macro_rules! transfer {
    ($limit:expr, $buffer:ident, |$turn:ident, $within:ident| $begun:expr) => {{
        let $turn = $crate::rt::turn().await;
        'made: {
            let Some(limit) = $limit else {
                let $within = $crate::time::Never;
                break 'made $crate::socket::await_end!($begun);
            };
            let $within = match $crate::time::Deadline::begin(limit) {
                Ok(deadline) => deadline,
                Err(error) => break 'made $crate::buffer::BufResult(Err(error), $buffer),
            };
            $crate::socket::await_end!($begun)
        }
    }};
}

pub(super) use transfer;
