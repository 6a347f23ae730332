//! Timeouts of the requests of a stream or a UDP socket.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use crate::status::{Result, known};
use crate::time::{Deadline, Limit, Timers};

/// The timeouts of a stream or a UDP socket, and the timers for them.
pub(super) struct Timeouts {
    read: TimeoutSetting,
    write: TimeoutSetting,
    timers: Timers,
}

/// In nanoseconds; zero means no timeout.
struct TimeoutSetting(AtomicU64);

impl TimeoutSetting {
    const fn none() -> Self {
        Self(AtomicU64::new(0))
    }

    fn set(&self, timeout: Option<Duration>) -> Result<()> {
        let nanoseconds = match timeout {
            None => 0,
            Some(Duration::ZERO) => return Err(known::STATUS_INVALID_PARAMETER),
            // The maximum is about 584 years.
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

    /// Timeouts for another stream: the receive timeout of `read`, and the send timeout of `write`.
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

    /// The timeout of receives, if one is set.
    #[inline]
    pub(super) fn read_limit(&self) -> Option<Limit<'_>> {
        Some(Limit { duration: self.read.get()?, timers: &self.timers })
    }

    /// The timeout of sends, if one is set.
    #[inline]
    pub(super) fn write_limit(&self) -> Option<Limit<'_>> {
        Some(Limit { duration: self.write.get()?, timers: &self.timers })
    }

    /// Starts the deadline of a receive.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if a timeout is set, and the allocation of a timer fails.
    pub(super) fn reading(&self) -> Result<Deadline<'_>> {
        self.read_limit().map_or(Ok(Deadline::never()), Deadline::begin)
    }

    /// Starts the deadline of a send.
    ///
    /// # Errors
    ///
    /// Those of [`reading`](Self::reading).
    pub(super) fn writing(&self) -> Result<Deadline<'_>> {
        self.write_limit().map_or(Ok(Deadline::never()), Deadline::begin)
    }
}

/// Makes a request with a deadline. If the timer cannot be allocated, the buffer is returned with the error.
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

/// Makes a request like [`with_buffer`], one that is budgeted before it is issued and may complete at once. Without a
/// timeout, nothing is stored for one.
macro_rules! transfer {
    ($handle:ident, $limit:expr, $buffer:ident, |$budgeted:ident, $deadline:ident| $submitted:expr) => {{
        let $budgeted = $handle.state().permit().await;
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
