//! Durations in the kernel's unit.

use core::time::Duration;

/// Converts a duration into the system's units of 100 ns, rounded up. The maximum is about 29,000 years.
///
/// It avoids 128-bit numbers: their division is a function that a driver for arm64 cannot link.
pub(crate) fn ticks(duration: Duration) -> i64 {
    const PER_SECOND: i64 = 10_000_000;
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    let rest = i64::from(duration.subsec_nanos().div_ceil(100));
    seconds.saturating_mul(PER_SECOND).saturating_add(rest)
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
        assert_eq!(ticks(Duration::MAX), i64::MAX);
    }
}
