//! A backend of the crate `log`, which sends records to the kernel debugger.

use log::{LevelFilter, Log, Metadata, Record};

struct Debugger;

impl Log for Debugger {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        crate::println!("{}: {}: {}", record.level(), record.target(), record.args());
    }

    fn flush(&self) {}
}

/// Sends the records of the crate `log` to the kernel debugger, up to the level `Info`; [`log::set_max_level`] changes the
/// level. [`driver!`](crate::driver) calls this before the driver's start. A logger that is already installed stays.
///
/// IRQL: <= `DISPATCH_LEVEL`, as for each record.
pub fn install() {
    if log::set_logger(&Debugger).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}
