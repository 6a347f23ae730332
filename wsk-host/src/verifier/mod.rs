//! The verifier: the table of WSK's rules, and the report about a violation.
//!
//! A violation is found in the client's own call or later. Either way it cannot be undone, as in a kernel. The
//! report names the rule, the call, the finding and the origin of the object, and the process ends.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::Thread;

mod levels;
mod rules;

pub(crate) use levels::VARIABLE;
pub use levels::{Level, Levels};
pub use rules::{Outcome, Rule};

/// Where an object came from.
pub(crate) struct Origin {
    call: &'static str,
    thread: Thread,
    backtrace: Backtrace,
}

impl Origin {
    pub(crate) fn call(&self) -> &'static str {
        self.call
    }

    /// The current call.
    pub(crate) fn here(call: &'static str) -> Self {
        Self { call, thread: std::thread::current(), backtrace: Backtrace::capture() }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thread = self.thread.name().unwrap_or("unnamed");
        write!(f, "by {} in the thread `{thread}`", self.call)?;
        if self.backtrace.status() == BacktraceStatus::Captured {
            write!(f, "\n{}", self.backtrace)
        } else {
            f.write_str(" (RUST_BACKTRACE=1 shows where)")
        }
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.call)
    }
}

/// Reports a violation of one of WSK's rules, and ends the process: the host cannot continue after it.
pub(crate) fn rule_violation(rule: Rule, call: &str, found: &str, created: Option<&Origin>) -> ! {
    stop(&describe(rule, call, found, created))
}

/// Reports a violation of one of WSK's rules, as its level says. Returns if that is not [`Level::Stop`].
pub(crate) fn check_violation(rule: Rule, call: &str, found: &str, created: Option<&Origin>) {
    report(rule, false, call, found, created);
}

/// As [`check_violation`], for a practice of shipped drivers that Windows tolerates.
pub(crate) fn tolerated_violation(rule: Rule, call: &str, found: &str, created: Option<&Origin>) {
    report(rule, true, call, found, created);
}

fn report(rule: Rule, is_tolerated: bool, call: &str, found: &str, created: Option<&Origin>) {
    let levels = LEVELS.get().and_then(|levels| levels()).unwrap_or_default();
    match levels.level(rule, is_tolerated) {
        Level::Off => {}
        Level::Warn => {
            // A client that breaks a rule breaks it in each request.
            static WARNED: Mutex<BTreeSet<(Rule, String, String)>> = Mutex::new(BTreeSet::new());
            let warning = (rule, call.to_owned(), found.to_owned());
            if WARNED.lock().unwrap_or_else(PoisonError::into_inner).insert(warning) {
                eprintln!("wsk-host: warning: {}", describe(rule, call, found, created));
            }
        }
        Level::Stop => stop(&describe(rule, call, found, created)),
    }
}

/// The levels of the current thread's kernel.
type CurrentLevels = fn() -> Option<Levels>;

static LEVELS: OnceLock<CurrentLevels> = OnceLock::new();

/// Installs the source of the rules' levels, unless one is installed.
pub(crate) fn set_levels(levels: CurrentLevels) {
    LEVELS.get_or_init(|| levels);
}

fn describe(rule: Rule, call: &str, found: &str, created: Option<&Origin>) -> String {
    let sentence = rule.sentence();
    let mut report = format!("{rule} violated: {sentence}\n  call:    {call}\n  found:   {found}");
    if let Some(created) = created {
        let _ = write!(report, "\n  created: {created}");
    }
    report
}

/// Ends the process: a call of the kernel's was misused.
pub(crate) fn kernel_violation(message: &str) -> ! {
    stop(message)
}

/// The configuration and the last lines of the trace of the current thread's kernel.
type Context = fn(lines: usize) -> Option<(String, String)>;

static CONTEXT: OnceLock<Context> = OnceLock::new();

/// Installs the source of a report's context, unless one is installed.
pub(crate) fn set_context(context: Context) {
    CONTEXT.get_or_init(|| context);
}

fn stop(report: &str) -> ! {
    /// The number of lines of the trace in a report.
    const LINES: usize = 30;
    eprintln!("wsk-host: {report}");
    let context = CONTEXT.get().and_then(|context| context(LINES));
    if let Some((config, trace)) = context.filter(|(_, trace)| !trace.is_empty()) {
        eprintln!("  with:    {config}\n  before:{}", trace.replace('\n', "\n  "));
    }
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        eprintln!("{backtrace}");
    }
    std::process::abort()
}
