//! What the provider may touch at this moment: the IRPs in flight, and the memory of their requests.

use std::cell::Cell;
use std::collections::HashMap;
use std::ops::Range;

use wsk_sys::PIRP;

use crate::verifier::{Origin, broken};

/// The requests in flight, by the address of their IRP.
#[derive(Default)]
pub(crate) struct InFlight {
    requests: HashMap<usize, Request>,
}

struct Request {
    origin: Origin,
    memory: Vec<(&'static str, Range<usize>)>,
}

impl InFlight {
    /// An IRP was handed over.
    pub(crate) fn begin(&mut self, irp: PIRP, call: &'static str) {
        if let Some(request) = self.requests.get(&irp.addr()) {
            broken(10, call, "the IRP is in flight already", Some(&request.origin));
        }
        let request = Request { origin: Origin::here(call), memory: Vec::new() };
        self.requests.insert(irp.addr(), request);
    }

    /// A request in flight needs this memory.
    pub(crate) fn needs(&mut self, irp: PIRP, what: &'static str, start: usize, size: usize) {
        if let Some(request) = self.requests.get_mut(&irp.addr()) {
            request.memory.push((what, start..start + size));
        }
    }

    /// An IRP is about to be given back.
    pub(crate) fn end(&mut self, irp: PIRP) {
        self.requests.remove(&irp.addr());
    }

    /// Stops a client that makes an IRP in flight anew.
    pub(crate) fn require_ended(&self, irp: PIRP, call: &str) {
        if let Some(request) = self.requests.get(&irp.addr()) {
            broken(14, call, "the IRP is in flight", Some(&request.origin));
        }
    }

    /// Stops a client that frees what a request in flight needs.
    pub(crate) fn require_unused(&self, freed: &Range<usize>, call: &str) {
        for (irp, request) in &self.requests {
            if freed.contains(irp) {
                broken(14, call, "the memory is an IRP in flight", Some(&request.origin));
            }
            for (what, memory) in &request.memory {
                if memory.start < freed.end && freed.start < memory.end {
                    let found = format!("the memory is the {what} of a request in flight");
                    broken(21, call, &found, Some(&request.origin));
                }
            }
        }
    }
}

thread_local! {
    /// How many completion routines this thread is in.
    static COMPLETING: Cell<usize> = const { Cell::new(0) };
}

/// Runs what calls a completion routine.
pub(crate) fn completing<T>(complete: impl FnOnce() -> T) -> T {
    COMPLETING.set(COMPLETING.get() + 1);
    let result = complete();
    COMPLETING.set(COMPLETING.get() - 1);
    result
}

/// Stops a client whose completion routine calls WSK.
pub(crate) fn require_no_completion_routine(call: &str) {
    if COMPLETING.get() > 0 {
        broken(15, call, "the current thread is in a completion routine", None);
    }
}
