//! Durations in the kernel's unit.

use core::time::Duration;

/// The longest duration, some 14,600 years. The kernel adds a relative time to its clock, which counts the same units
/// from boot or from 1601: the sum must not exceed an `i64`, or the time would lie in the past.
const LONGEST: i64 = i64::MAX / 2;

/// Converts a duration into the system's units of 100 ns, rounded up, and at most [`LONGEST`].
///
/// It avoids 128-bit numbers: their division is a function that a driver for arm64 cannot link.
pub(crate) fn ticks(duration: Duration) -> i64 {
    const PER_SECOND: i64 = 10_000_000;
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    let rest = i64::from(duration.subsec_nanos().div_ceil(100));
    seconds.saturating_mul(PER_SECOND).saturating_add(rest).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_rounded_up_and_end_somewhere() {
        assert_eq!(ticks(Duration::ZERO), 0);
        assert_eq!(ticks(Duration::from_nanos(1)), 1);
        assert_eq!(ticks(Duration::from_nanos(1_000_000_100)), 10_000_001);
        assert_eq!(ticks(Duration::from_nanos(1_999_999_999)), 20_000_000);
        assert_eq!(ticks(Duration::MAX), i64::MAX / 2);
        // The system's time in the year 9999.
        assert!(ticks(Duration::MAX).checked_add(2_650_467_743_999_999_999).is_some());
    }
}
