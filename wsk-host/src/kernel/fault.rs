//! The report about an access to freed memory whose pages are protected.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use super::protection::Access;
use super::reported;
use crate::verifier::{Rule, fatal_violation, kernel_violation};

/// How long a report waits for a lock, which the thread that has made the access may hold itself.
const PATIENCE: Duration = Duration::from_secs(1);

fn lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    let start = Instant::now();
    loop {
        match mutex.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(error)) => return Some(PoisonError::into_inner(error)),
            Err(TryLockError::WouldBlock) if start.elapsed() < PATIENCE => std::thread::yield_now(),
            Err(TryLockError::WouldBlock) => return None,
        }
    }
}

/// Ends the process with a report about an access to freed memory.
pub(super) fn report(Access { address, is_write }: Access) -> ! {
    let access = if is_write { "a write to" } else { "a read of" };
    let unknown = || -> ! {
        kernel_violation(&format!(
            "{access} memory at {address:#x}, which another kernel's client has freed"
        ))
    };
    let Some(kernel) = reported() else { unknown() };
    let freed = lock(&kernel.0.blocks).and_then(|pool| pool.freed_block_at(address));
    let Some(freed) = freed else { unknown() };
    let access =
        format!("{access} freed memory, at the offset {} of it", address.wrapping_sub(freed.start));
    let completed =
        lock(&kernel.0.usage).and_then(|usage| usage.freed_by_routine(freed.start, address));
    if let Some((found, request)) = completed {
        let found = format!("{found}\n  freed:   {}", freed.freed);
        let why = "the memory is protected";
        fatal_violation(Rule::COMPLETES_ONCE, &access, &found, Some(&request), why);
    }
    kernel_violation(&format!("{access}: {}", freed.describe()));
}
