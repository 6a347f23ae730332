//! The report about an access to freed memory whose pages are protected.

use super::protection::Access;
use super::report_lock::lock;
use crate::kernel::Kernel;
use crate::verifier::{Rule, fatal_violation, kernel_violation};

/// Ends the process with a report about an access to freed memory.
pub(super) fn report(Access { address, is_write }: Access) -> ! {
    let access = if is_write { "a write to" } else { "a read of" };
    let unknown = || -> ! {
        kernel_violation(&format!(
            "{access} memory at {address:#x}, which another kernel's client has freed"
        ))
    };
    let Some(kernel) = Kernel::reported() else { unknown() };
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
