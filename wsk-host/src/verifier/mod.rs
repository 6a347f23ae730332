//! The verifier: the table of WSK's rules, and the report about a violation.
//!
//! A violation is found in the client's own call or later. Either way it cannot be undone, as in a kernel. The
//! report names the rule, the call, the finding and the origin of the object, and the process ends.
//!
//! Reports are written directly to standard error: a test harness captures the output of `eprintln!` until the test has
//! ended, so it would be lost with the process.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

mod levels;
mod origin;
mod place;
mod rules;
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
mod trace_cache;

pub(crate) use levels::VARIABLE;
pub use levels::{Level, Levels};
pub(crate) use origin::Origin;
use place::Frames;
pub(crate) use place::place_of_client;
#[cfg(images)]
pub(crate) use place::set_image_description;
pub use rules::{Outcome, Rule};

/// Reports a violation of one of WSK's rules, according to its level. Returns unless that is [`Level::Stop`]; the caller
/// then continues as WSK could.
pub(crate) fn rule_violation(rule: Rule, call: &str, found: &str, created: Option<&Origin>) {
    report(rule, false, call, found, created);
}

/// Reports a practice of shipped drivers that Windows tolerates, and otherwise does the same as [`rule_violation`].
pub(crate) fn tolerated_violation(rule: Rule, call: &str, found: &str, created: Option<&Origin>) {
    report(rule, true, call, found, created);
}

/// Reports a violation after which the host cannot continue, and ends the process at every level. `why` is the reason; the
/// report has it at levels other than [`Level::Stop`].
pub(crate) fn fatal_violation(
    rule: Rule,
    call: &str,
    found: &str,
    created: Option<&Origin>,
    why: &str,
) -> ! {
    let level = report(rule, false, call, found, created);
    let level = format!("{level:?}").to_lowercase();
    let report = describe(rule, call, found, created);
    stop(&format!("{report}\n  stops:   {rule} is set to `{level}`, but {why}"));
}

/// Reports a violation, the only way to do so. Returns the rule's level, if that is not [`Level::Stop`].
fn report(
    rule: Rule,
    is_tolerated: bool,
    call: &str,
    found: &str,
    created: Option<&Origin>,
) -> Level {
    let levels = LEVELS.get().and_then(|levels| levels()).unwrap_or_default();
    let level = levels.level(rule, is_tolerated);
    match level {
        Level::Off => {}
        Level::Warn => {
            let frames = Frames::here();
            if is_new(rule, call, found, &frames) {
                let report = describe(rule, call, found, created);
                eprintln!("wsk-host: warning: {report}\n  here:{}", frames.shown());
            }
        }
        Level::Stop => stop(&describe(rule, call, found, created)),
    }
    level
}

/// Whether a warning is the first about a rule and a place of the client: a client that breaks a rule breaks it in each
/// request.
fn is_new(rule: Rule, call: &str, found: &str, frames: &Frames) -> bool {
    #[derive(Default)]
    struct Warned {
        /// The paths to the places, which are compared before the places are looked up.
        paths: BTreeSet<(Rule, Frames)>,
        places: BTreeSet<(Rule, String, String)>,
    }
    static WARNED: Mutex<Option<Warned>> = Mutex::new(None);
    let mut warned = WARNED.lock().unwrap_or_else(PoisonError::into_inner);
    let warned = warned.get_or_insert_default();
    if !frames.is_empty() && !warned.paths.insert((rule, frames.clone())) {
        return false;
    }
    let place = frames.innermost().unwrap_or_else(|| found.to_owned());
    warned.places.insert((rule, call.to_owned(), place))
}

/// The levels of the current thread's kernel.
type CurrentLevels = fn() -> Option<Levels>;

static LEVELS: OnceLock<CurrentLevels> = OnceLock::new();

/// Installs the source of the levels of rules, unless one is already installed.
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

/// Ends the process after a misuse of a kernel function.
pub(crate) fn kernel_violation(message: &str) -> ! {
    stop(message)
}

/// The part of a report about the current thread's kernel.
pub(crate) struct ReportContext {
    /// The callback that the thread is in.
    pub(crate) callback: Option<String>,
    /// The configuration.
    pub(crate) config: String,
    /// The last lines of the trace, each after a line break.
    pub(crate) trace: String,
    /// The command that repeats the run, if a seed decides it.
    pub(crate) again: Option<String>,
}

/// The sources of a report's context.
pub(crate) struct Sources {
    /// The context, with this number of lines of the trace.
    pub(crate) context: fn(lines: usize) -> Option<ReportContext>,
    /// The waits of the threads of the current thread's kernel, with the places of the threads.
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

/// Whether a report was written.
static IS_REPORTED: AtomicBool = AtomicBool::new(false);

/// Whether a report has explained why the process ends.
#[cfg(all(unix, not(miri)))]
pub(crate) fn is_reported() -> bool {
    IS_REPORTED.load(Ordering::Relaxed)
}

/// Writes a report past the harness of a test.
fn write(report: &str) {
    IS_REPORTED.store(true, Ordering::Relaxed);
    let mut stderr = std::io::stderr().lock();
    // Without standard error nothing can be reported; the process ends nevertheless.
    let _ = stderr.write_all(report.as_bytes()).and_then(|()| stderr.flush());
}

/// A report with the context of the current thread's kernel.
fn with_context(report: &str) -> String {
    let mut all = format!("wsk-host: {report}\n");
    let context = SOURCES.get().and_then(|sources| (sources.context)(LINES));
    let Some(ReportContext { callback, config, trace, again }) = context else { return all };
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
    let here = Frames::here().shown();
    if !here.is_empty() {
        let _ = writeln!(all, "  here:{here}");
    }
    write(&all);
    std::process::abort()
}

/// Reports that the current thread's kernel hangs, and ends the process. `places` are those of its threads.
pub(crate) fn hang(message: &str, places: &BTreeMap<u64, String>) -> ! {
    stop(&format!("{message}{}", waits(places)))
}

/// Reports like [`hang`], where something could still end the waits. The process continues.
pub(crate) fn report_hang(message: &str, places: &BTreeMap<u64, String>) {
    write_report(&format!("{message}{}", waits(places)));
}

/// The waits of the threads of the current thread's kernel, and the open objects, for a report.
pub(crate) fn waits(places: &BTreeMap<u64, String>) -> String {
    SOURCES.get().map_or_else(String::new, |sources| (sources.waits)(places))
}
