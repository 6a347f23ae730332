//! The verifier: which rules there are, and what is said when one is broken.
//!
//! A rule is broken by the client's own call, or found broken later. Either way nothing can be made good,
//! as in a kernel: the process ends, after it has said which rule it was, in which call, what was found,
//! and where the object came from.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt::{self, Write as _};

use crate::host::Host;

/// The rules of WSK's that the verifier sees broken, by their number.
pub(crate) const RULES: [(u8, &str); 42] = [
    (1, "the client's table stays as it is, and where it is, until WskDeregister has returned"),
    (2, "a registration block is used between WskRegister and WskDeregister only"),
    (3, "each registration is ended exactly once, before its driver has gone"),
    (4, "each captured provider is released exactly once, and not used afterwards"),
    (5, "captures are released and sockets closed before a registration ends"),
    (6, "a capture does not wait for ever where WSK may never be ready"),
    (8, "a table is as long as the running Windows makes it"),
    (9, "static callbacks and the like are set before the first socket is created"),
    (10, "each call has an IRP of its own, with a stack location left"),
    (11, "a completion routine is set for every outcome, and keeps the IRP"),
    (13, "an IRP of a driver above is marked pending when it goes on to it"),
    (14, "an IRP in flight is cancelled at most: not initialised, reused or freed"),
    (15, "a completion routine calls no function of WSK's"),
    (16, "a completion routine or an event callback does not wait"),
    (17, "contexts and dispatch tables are in nonpaged memory, and not on a stack"),
    (21, "a buffer and its MDLs stay, resident, until the request has completed"),
    (22, "a buffer lies within its MDLs, and begins in the first"),
    (23, "MmBuildMdlForNonPagedPool is for nonpaged pool only"),
    (
        25,
        "memory for an address is nonpaged, large enough, and stays until the request has completed",
    ),
    (26, "control data is well formed, and stays until the request has completed"),
    (27, "a control call has an IRP or OutputSizeReturned, as its code says, and its buffers stay"),
    (28, "a list of buffers stays until the request has completed"),
    (30, "reserved flags are zero"),
    (31, "flags are those of the call"),
    (32, "an address is of the socket's family"),
    (37, "a datagram has an address, or its socket has one"),
    (38, "a socket is used through the table of its own category"),
    (39, "a socket's context and table are those of its category"),
    (41, "a stream socket does not pend a connection, which it could not complete"),
    (44, "a socket is closed exactly once, and not used afterwards"),
    (45, "no call with a socket is under way while it is closed"),
    (46, "contexts and dispatch tables stay until the close has completed"),
    (47, "retained indications are released before their socket is closed"),
    (51, "only events of the category that have a callback are enabled, without an IRP"),
    (55, "a receive callback returns one of three statuses, and accepts no more than there is"),
    (57, "a retained list is released exactly once, with its socket"),
    (58, "what a callback gets is not used after it, unless it is retained"),
    (59, "WskAcceptEvent returns STATUS_SUCCESS or STATUS_REQUEST_NOT_ACCEPTED"),
    (61, "a pended connection is accepted or rejected exactly once"),
    (62, "callbacks of aborts, disconnects and backlogs return STATUS_SUCCESS"),
    (65, "security descriptors are cached ones, each released once"),
    (66, "names end with a NUL, and lists of addresses are freed exactly once"),
];

/// Where an object came from.
pub(crate) struct Origin {
    call: &'static str,
    thread: Option<String>,
    backtrace: Backtrace,
}

impl Origin {
    pub(crate) fn call(&self) -> &'static str {
        self.call
    }

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

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.call)
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
    /// How much of what happened before is told.
    const LINES: usize = 30;
    let host = Host::current();
    eprintln!("wsk-host: {report}");
    let trace = host.trace_tail(LINES);
    if !trace.is_empty() {
        eprintln!("  with:    {:?}\n  before:{}", host.config(), trace.replace('\n', "\n  "));
    }
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        eprintln!("{backtrace}");
    }
    std::process::abort()
}
