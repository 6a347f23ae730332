//! Measures the processor time of a step: of all programs that it has run, and of this one.

use std::time::Duration;

/// The processor time so far of this process and of every process below it that has ended, user and system. `None`
/// where the system does not count it.
#[cfg(unix)]
pub(super) fn processor_time() -> Option<Duration> {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeVal;

    let duration = |time: TimeVal| {
        let seconds = Duration::from_secs(u64::try_from(time.tv_sec()).ok()?);
        Some(seconds + Duration::from_micros(u64::try_from(time.tv_usec()).ok()?))
    };
    let mut sum = Duration::ZERO;
    for who in [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN] {
        let usage = getrusage(who).ok()?;
        sum += duration(usage.user_time())? + duration(usage.system_time())?;
    }
    Some(sum)
}

/// The processor time so far, which this system does not count.
#[cfg(not(unix))]
pub(super) fn processor_time() -> Option<Duration> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use std::process::Command;

    use super::processor_time;

    #[test]
    fn the_time_of_a_child_counts() {
        let before = processor_time().unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"]);
        assert!(shell.status().unwrap().success());
        assert!(processor_time().unwrap() > before);
    }
}
