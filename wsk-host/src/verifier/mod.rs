//! The verifier: the table of WSK's rules, and the report about a violation.
//!
//! A violation is found in the client's own call or later. Either way it cannot be undone, as in a kernel. The
//! report names the rule, the call, the finding and the origin of the object, and the process ends.
//!
//! Reports are written to standard error itself. What `eprintln!` writes is kept by a test harness until the test has
//! ended, and would be lost with the process.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::Thread;

mod levels;
mod place;
mod rules;

pub(crate) use levels::VARIABLE;
pub use levels::{Level, Levels};
pub(crate) use place::place_of_client;
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
            f.write_str(&place::shown(&self.backtrace))
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

/// What a report says of the current thread's kernel.
pub(crate) struct Context {
    /// The callback that the thread is in.
    pub(crate) callback: Option<String>,
    /// The configuration.
    pub(crate) config: String,
    /// The last lines of the trace, each after a line break.
    pub(crate) trace: String,
    /// How the run is repeated, if a seed decides.
    pub(crate) again: Option<String>,
}

/// The sources of a report's context.
pub(crate) struct Sources {
    /// The context, with this number of lines of the trace.
    pub(crate) context: fn(lines: usize) -> Option<Context>,
    /// What the threads of the current thread's kernel wait for, by the places of the threads.
    pub(crate) waits: fn(places: &BTreeMap<u64, String>) -> String,
}

static SOURCES: OnceLock<Sources> = OnceLock::new();

/// Installs the sources of a report's context, unless some are installed.
pub(crate) fn set_sources(sources: Sources) {
    SOURCES.get_or_init(|| sources);
}

/// The number of lines of the trace in a report.
const LINES: usize = 30;

/// Writes a report that does not end the process, with the context of the current thread's kernel.
pub(crate) fn write_report(report: &str) {
    write(&with_context(report));
}

/// Writes a report past the harness of a test.
fn write(report: &str) {
    let mut stderr = std::io::stderr().lock();
    // Without standard error nothing can be reported, and the process ends all the same.
    let _ = stderr.write_all(report.as_bytes()).and_then(|()| stderr.flush());
}

/// A report with the context of the current thread's kernel.
fn with_context(report: &str) -> String {
    let mut all = format!("wsk-host: {report}\n");
    let context = SOURCES.get().and_then(|sources| (sources.context)(LINES));
    let Some(Context { callback, config, trace, again }) = context else { return all };
    if let Some(callback) = callback {
        let _ = writeln!(all, "  in:      {callback}");
    }
    let _ = writeln!(all, "  with:    {config}");
    if !trace.is_empty() {
        let _ = writeln!(all, "  before:{}", trace.replace('\n', "\n  "));
    }
    if let Some(again) = again {
        let _ = writeln!(all, "  again:\n{again}");
    }
    all
}

fn stop(report: &str) -> ! {
    let mut all = with_context(report);
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        let _ = writeln!(all, "  here:{}", place::shown(&backtrace));
    }
    write(&all);
    std::process::abort()
}

/// Reports that the current thread's kernel hangs, and ends the process. `places` are those of its threads.
pub(crate) fn hang(message: &str, places: &BTreeMap<u64, String>) -> ! {
    stop(&format!("{message}{}", waits(places)))
}

/// As [`hang`], where something could still end the waits: the process goes on.
pub(crate) fn report_hang(message: &str, places: &BTreeMap<u64, String>) {
    write_report(&format!("{message}{}", waits(places)));
}

/// What the threads of the current thread's kernel wait for, and what is open, for a report.
pub(crate) fn waits(places: &BTreeMap<u64, String>) -> String {
    SOURCES.get().map_or_else(String::new, |sources| (sources.waits)(places))
}
