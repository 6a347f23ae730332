//! The report about an access to protected pages.

use std::sync::OnceLock;

/// An access to a protected page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access {
    pub(crate) address: usize,
    pub(crate) is_write: bool,
}

/// Ends the process with a report about an access to a protected page.
type AccessReporter = fn(Access) -> !;

static REPORT: OnceLock<AccessReporter> = OnceLock::new();

/// Installs the report about an access, unless one is installed.
pub(crate) fn set_report(report: AccessReporter) {
    REPORT.get_or_init(|| report);
}

/// Reports an access, which cannot be undone.
#[cfg_attr(not(all(target_os = "linux", target_arch = "x86_64", not(miri))), allow(dead_code))]
pub(super) fn report(access: Access) -> ! {
    if let Some(report) = REPORT.get() {
        report(access);
    }
    std::process::abort()
}
