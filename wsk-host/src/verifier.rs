//! The verifier: which rules there are, and what is said when one is broken.
//!
//! A rule is broken by the client's own call, or found broken later. Either way nothing can be made good,
//! as in a kernel: the process ends, after it has said which rule it was, in which call, what was found,
//! and where the object came from.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt::{self, Write as _};

/// The rules of WSK's that the verifier sees broken, by their number.
const RULES: [(u8, &str); 13] = [
    (2, "a registration block is used between WskRegister and WskDeregister only"),
    (4, "each captured provider is released exactly once"),
    (5, "captures are released and sockets closed before a registration ends"),
    (10, "each call has an IRP of its own, with a stack location left"),
    (11, "a completion routine is set for every outcome, and keeps the IRP"),
    (14, "an IRP in flight is cancelled at most: not initialised, reused or freed"),
    (15, "a completion routine calls no function of WSK's"),
    (21, "a buffer and its MDLs stay, resident, until the request has completed"),
    (22, "a buffer lies within its first MDL"),
    (23, "MmBuildMdlForNonPagedPool is for nonpaged pool only"),
    (30, "reserved flags are zero"),
    (32, "an address is of the socket's family"),
    (44, "a socket is closed exactly once, and not used afterwards"),
];

/// Where an object came from.
pub(crate) struct Origin {
    call: &'static str,
    thread: Option<String>,
    backtrace: Backtrace,
}

impl Origin {
    /// The current call.
    pub(crate) fn here(call: &'static str) -> Self {
        let thread = std::thread::current().name().map(str::to_owned);
        Self { call, thread, backtrace: Backtrace::capture() }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thread = self.thread.as_deref().unwrap_or("unnamed");
        write!(f, "by {} in the thread `{thread}`", self.call)?;
        if self.backtrace.status() == BacktraceStatus::Captured {
            write!(f, "\n{}", self.backtrace)
        } else {
            f.write_str(" (RUST_BACKTRACE=1 shows where)")
        }
    }
}

/// Ends the process: a rule of WSK's is broken.
pub(crate) fn broken(rule: u8, call: &str, found: &str, created: Option<&Origin>) -> ! {
    let sentence = RULES.iter().find(|(number, _)| *number == rule).map_or("", |(_, text)| text);
    let mut report =
        format!("INV-{rule} is broken: {sentence}\n  call:    {call}\n  found:   {found}");
    if let Some(created) = created {
        let _ = write!(report, "\n  created: {created}");
    }
    stop(&report)
}

/// Ends the process: a call of the kernel's was misused.
pub(crate) fn violation(message: &str) -> ! {
    stop(message)
}

fn stop(report: &str) -> ! {
    eprintln!("wsk-host: {report}");
    eprintln!("{}", Backtrace::capture());
    std::process::abort()
}
