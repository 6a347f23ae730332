//! The system's clocks.
//!
//! # Safety
//!
//! The kernel's functions may be called at any IRQL. The one with an argument writes to it only during the call.

#![expect(unsafe_code, reason = "calls the kernel's clocks")]

use core::ops::{Add, Sub};
use core::time::Duration;

use wsk_sys::fields::quad_part;
use wsk_sys::{KeQuerySystemTimePrecise, KeQueryUnbiasedInterruptTime, LARGE_INTEGER};

use crate::status::{Result, known};

/// The units of both clocks in a second: they are 100 ns.
pub(super) const PER_SECOND: u64 = 10_000_000;

/// Converts a number of clock units to a duration.
const fn duration(units: u64) -> Duration {
    // At most a second.
    let nanos = (units % PER_SECOND) as u32 * 100;
    Duration::new(units / PER_SECOND, nanos)
}

/// Converts a duration to clock units, rounded up. `None` if the number is too large.
fn units(duration: Duration) -> Option<u64> {
    let rest = u64::from(duration.subsec_nanos().div_ceil(100));
    duration.as_secs().checked_mul(PER_SECOND)?.checked_add(rest)
}

/// A moment of a clock that never goes backwards: `std`'s `Instant` for a driver.
///
/// The clock counts the time since the system was started, without the time it was asleep, in ticks of up to about 16
/// ms.
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
/// wsk::rt::block_on(passive, time::sleep(Duration::from_millis(20)))??;
/// assert!(start.elapsed() >= Duration::from_millis(20));
/// # Ok::<(), wsk::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub(super) u64);

impl Instant {
    /// The current moment.
    ///
    /// IRQL: any. Minimum Windows: Windows 8. Wine 8 lacks the function, and ends a driver that calls it.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-kequeryunbiasedinterrupttime).
    #[must_use]
    pub fn now() -> Self {
        // SAFETY: the function has no requirements.
        Self(unsafe { KeQueryUnbiasedInterruptTime() })
    }

    /// The time since another moment, or zero if that is later.
    #[must_use]
    pub const fn duration_since(&self, earlier: Self) -> Duration {
        duration(self.0.saturating_sub(earlier.0))
    }

    /// The time since this moment.
    ///
    /// IRQL: any.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Self::now().duration_since(*self)
    }

    /// The moment after a duration, rounded up to 100 ns, or none if the clock does not reach it.
    #[must_use]
    pub fn checked_add(&self, duration: Duration) -> Option<Self> {
        self.0.checked_add(units(duration)?).map(Self)
    }

    /// The moment before a duration, or none if that is before the start of the system.
    #[must_use]
    pub fn checked_sub(&self, duration: Duration) -> Option<Self> {
        self.0.checked_sub(units(duration)?).map(Self)
    }
}

impl Instant {
    /// The last moment, among the multiples of a distance after `start`, that is not later than this one.
    pub(super) fn last_of(self, start: Self, distance: Duration) -> Self {
        let since = self.0.saturating_sub(start.0);
        let rest = units(distance).and_then(|distance| since.checked_rem(distance));
        Self(self.0 - rest.unwrap_or(since))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// The moment after a duration, but at most the clock's last one, in some 58,000 years.
    fn add(self, duration: Duration) -> Self {
        self.checked_add(duration).unwrap_or(Self(u64::MAX))
    }
}

impl Sub for Instant {
    type Output = Duration;

    /// As [`duration_since`](Instant::duration_since).
    fn sub(self, earlier: Self) -> Duration {
        self.duration_since(earlier)
    }
}

/// A moment of the system's clock, which shows the date and can be set: `std`'s `SystemTime` for a driver.
///
/// ```
/// use wsk::time::SystemTime;
///
/// # let host = wsk_host::Host::new(wsk_host::Config::default());
/// # let _entered = host.enter();
/// let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
/// assert!(since_1970.as_secs() > 1_500_000_000);
/// # Ok::<(), wsk::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SystemTime(u64);

impl SystemTime {
    /// The beginning of the year 1970 in UTC.
    pub const UNIX_EPOCH: Self = Self(11_644_473_600 * PER_SECOND);

    /// The current moment, in UTC.
    ///
    /// IRQL: any. Minimum Windows: Windows 8. Wine 8 lacks the function, and ends a driver that calls it.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-kequerysystemtimeprecise).
    #[must_use]
    pub fn now() -> Self {
        let mut time = LARGE_INTEGER { QuadPart: 0 };
        // SAFETY: the time is valid for writes during the call.
        unsafe { KeQuerySystemTimePrecise(&raw mut time) };
        // It counts from the year 1601.
        Self(u64::try_from(quad_part(&time)).unwrap_or(0))
    }

    /// A moment as the system counts it: in units of 100 ns since the beginning of the year 1601 in UTC.
    #[must_use]
    pub const fn from_ticks(ticks: u64) -> Self {
        Self(ticks)
    }

    /// This moment as the system counts it, in units of 100 ns since the beginning of the year 1601 in UTC.
    #[must_use]
    pub const fn ticks(&self) -> u64 {
        self.0
    }

    /// The time since another moment.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_PARAMETER` if that is later, as it may be after the clock was set.
    pub fn duration_since(&self, earlier: Self) -> Result<Duration> {
        self.0.checked_sub(earlier.0).map(duration).ok_or(known::STATUS_INVALID_PARAMETER)
    }

    /// The moment after a duration, rounded up to 100 ns, or none if the clock does not reach it.
    #[must_use]
    pub fn checked_add(&self, duration: Duration) -> Option<Self> {
        self.0.checked_add(units(duration)?).map(Self)
    }

    /// The moment before a duration, or none if that is before the year 1601.
    #[must_use]
    pub fn checked_sub(&self, duration: Duration) -> Option<Self> {
        self.0.checked_sub(units(duration)?).map(Self)
    }
}
