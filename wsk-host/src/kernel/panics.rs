//! Panics in threads, callbacks and deferred procedure calls of a kernel: they end the process, so their report has
//! to be written at once.

use std::cell::Cell;
use std::panic::{self, PanicHookInfo};
use std::sync::Once;
use std::thread;

use crate::kernel::context::is_in_client_routine;
use crate::kernel::ke::irql::current_irql;
use crate::verifier::write_report;

thread_local! {
    /// Whether the thread runs a test, whose panics are caught and reported.
    static IS_CAUGHT: Cell<bool> = const { Cell::new(false) };
    /// Whether a panic of the thread was reported: another panic may follow, which only reports that the first
    /// one cannot unwind.
    static IS_REPORTED: Cell<bool> = const { Cell::new(false) };
}

/// Runs a test, whose panics the caller catches and reports.
pub(crate) fn caught<T>(test: impl FnOnce() -> T) -> T {
    /// Restores the flag, even after a panic.
    struct Restore(bool);

    impl Drop for Restore {
        fn drop(&mut self) {
            IS_CAUGHT.set(self.0);
        }
    }

    let _restore = Restore(IS_CAUGHT.replace(true));
    test()
}

/// Reports the panics of this process's threads that belong to a kernel.
pub(crate) fn install(is_entered: fn() -> bool) {
    static INSTALLED: Once = Once::new();
    // A panicking thread may not replace the hook.
    if thread::panicking() {
        return;
    }
    INSTALLED.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            previous(info);
            let ends_process = !IS_CAUGHT.get()
                || is_in_client_routine()
                || current_irql() >= wsk_sys::DISPATCH_LEVEL;
            if is_entered() && ends_process && !IS_REPORTED.replace(true) {
                report(info);
            }
        }));
    });
}

fn report(info: &PanicHookInfo<'_>) {
    let thread = thread::current();
    let name = thread.name().unwrap_or("unnamed");
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let message = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let message = message.unwrap_or("the payload is no text");
    let place = info.location().map_or_else(String::new, |place| format!(" at {place}"));
    write_report(&format!("the thread `{name}` has panicked{place}:\n  {message}"));
}
