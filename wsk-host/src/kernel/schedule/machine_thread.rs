//! A thread of the machine, and how long it has waited for a processor.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// A thread of this process.
pub(super) struct MachineThread {
    statistics: PathBuf,
}

impl MachineThread {
    /// The current thread. None where the system has no statistics of threads.
    pub(super) fn current() -> Option<Self> {
        if !cfg!(target_os = "linux") || cfg!(miri) {
            return None;
        }
        // A link to `PID/task/TID`.
        let own = fs::read_link("/proc/thread-self").ok()?;
        Some(Self { statistics: PathBuf::from("/proc").join(own).join("schedstat") })
    }

    /// How long the thread was ready without a processor running it. On a machine with more work than processors, that
    /// is not time in which the thread could have done something.
    pub(super) fn delay(&self) -> Duration {
        let statistics = fs::read_to_string(&self.statistics).unwrap_or_default();
        // The nanoseconds that it has run, those that it has waited, and the number of times.
        let waited = statistics.split_ascii_whitespace().nth(1).and_then(|text| text.parse().ok());
        waited.map_or(Duration::ZERO, Duration::from_nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(all(target_os = "linux", not(miri)))]
    fn the_statistics_of_a_thread_are_read() {
        let thread = MachineThread::current().unwrap();
        let text = fs::read_to_string(&thread.statistics).unwrap();
        assert_eq!(text.split_ascii_whitespace().count(), 3, "{text}");
        let before = thread.delay();
        std::thread::yield_now();
        assert!(thread.delay() >= before);
    }
}
