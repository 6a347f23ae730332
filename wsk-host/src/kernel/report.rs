//! A kernel's part of reports: its configuration, its last events, and the waits of its threads.

use std::collections::BTreeMap;

use crate::kernel::hang::{self, AwaitedObject, OpenObjects, Waits};
use crate::kernel::schedule::ThreadId;
use crate::kernel::{Kernel, context, fault, ke, panics, protection, ps, report_lock};
use crate::verifier::{self, Levels, Sources};

impl Kernel {
    /// Has the reports of this process describe the kernel of the thread that makes one.
    pub(super) fn install_reports() {
        verifier::set_sources(Sources { context: report_context, waits: report_waits });
        verifier::set_levels(|| Some(Self::reported()?.0.rules));
        protection::set_report(fault::report);
        panics::install(|| Self::entered().is_some());
    }

    /// The levels of rules, overridden by those of the environment.
    pub(super) fn levels(configured: Levels) -> Levels {
        let Some(variable) = std::env::var_os(verifier::VARIABLE) else { return configured };
        match configured.parse(&variable.to_string_lossy()) {
            Ok(levels) => levels,
            Err(error) => {
                verifier::kernel_violation(&format!("the variable {}: {error}", verifier::VARIABLE))
            }
        }
    }

    pub(super) fn outstanding(&self) -> OpenObjects {
        self.0.survey.get().map(|survey| survey(self)).unwrap_or_default()
    }

    /// The awaited objects of this kernel's threads.
    pub(super) fn waits(&self) -> Waits {
        let of_kernel = ke::dispatcher::waiting(self.as_raw().addr());
        let awaited = |(kind, object)| AwaitedObject::new(kind, || ps::number_of(object));
        let describe =
            |(waiting, objects): (_, Vec<_>)| (waiting, objects.into_iter().map(awaited).collect());
        of_kernel.into_iter().map(describe).collect()
    }
}

/// The callback, the configuration and the last events of the current thread's kernel, for a report.
fn report_context(lines: usize) -> Option<verifier::ReportContext> {
    let kernel = Kernel::reported()?;
    Some(verifier::ReportContext {
        callback: context::current_callback(),
        config: kernel.0.description.clone(),
        trace: kernel.trace_tail(lines),
        again: kernel.0.again.get().cloned(),
    })
}

/// The awaited objects of the threads of the current thread's kernel, for a report.
fn report_waits(places: &BTreeMap<ThreadId, String>) -> String {
    let Some(kernel) = Kernel::reported() else { return String::new() };
    let usage = report_lock::lock(&kernel.0.usage);
    let requests = usage.map(|usage| usage.in_flight()).unwrap_or_default();
    let (waits, mut outstanding) = (kernel.waits(), kernel.outstanding());
    if let Some(trace) = report_lock::lock(&kernel.0.trace) {
        let advice = hang::advice_of_returned(&waits, |thread| trace.last_return(thread));
        outstanding.advice.splice(0..0, advice);
    }
    hang::describe(kernel.now(), &waits, places, &requests, &outstanding)
}
