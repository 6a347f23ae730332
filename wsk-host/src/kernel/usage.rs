//! What the provider may touch at this moment: the IRPs in flight, the memory of their requests, and what
//! registrations and open sockets call back with.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use wsk_sys::PIRP;

use crate::verifier::{Origin, Rule, rule_violation};

/// The requests in flight, by the address of their IRP, and what is used until something has ended.
#[derive(Default)]
pub(crate) struct InFlight {
    requests: HashMap<usize, Request>,
    kept: HashMap<Keeper, Vec<Kept>>,
    last: u64,
}

struct Request {
    number: u64,
    origin: Origin,
    memory: Vec<Memory>,
}

struct Memory {
    what: &'static str,
    /// Which rule says that it must stay.
    rule: Rule,
    range: Range<usize>,
}

/// What keeps memory of the client's in use until it has ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Keeper {
    /// A socket, by its number.
    Socket(u64),
    /// A registration, by its client's address.
    Registration(usize),
}

impl Keeper {
    fn describe(self) -> String {
        match self {
            Self::Socket(socket) => format!("socket {socket}, which is not closed"),
            Self::Registration(_) => "a registration, which has not ended".to_owned(),
        }
    }
}

struct Kept {
    what: &'static str,
    rule: Rule,
    address: usize,
    origin: Arc<Origin>,
}

impl InFlight {
    /// An IRP was handed over. Returns the number of its request.
    pub(crate) fn begin(&mut self, irp: PIRP, call: &'static str) -> u64 {
        if let Some(request) = self.requests.get(&irp.addr()) {
            rule_violation(
                Rule::IRP_PER_REQUEST,
                call,
                "the IRP is in flight already",
                Some(&request.origin),
            );
        }
        self.last += 1;
        let request = Request { number: self.last, origin: Origin::here(call), memory: Vec::new() };
        self.requests.insert(irp.addr(), request);
        self.last
    }

    /// A request in flight needs this memory, as a rule says.
    pub(crate) fn needs(
        &mut self,
        irp: PIRP,
        (what, rule): (&'static str, Rule),
        start: usize,
        size: usize,
    ) {
        if let Some(request) = self.requests.get_mut(&irp.addr()) {
            request.memory.push(Memory { what, rule, range: start..start + size });
        }
    }

    /// An IRP is about to be given back. Returns the number of its request.
    pub(crate) fn end(&mut self, irp: PIRP) -> u64 {
        self.requests.remove(&irp.addr()).map_or(0, |request| request.number)
    }

    /// An object of the client's is in use from now on, as a rule says.
    pub(crate) fn keep(
        &mut self,
        keeper: Keeper,
        (what, rule): (&'static str, Rule),
        address: usize,
        origin: &Arc<Origin>,
    ) {
        if address != 0 {
            let kept = Kept { what, rule, address, origin: Arc::clone(origin) };
            self.kept.entry(keeper).or_default().push(kept);
        }
    }

    /// A socket's close is about to complete, or a registration has ended.
    pub(crate) fn drop_kept(&mut self, keeper: Keeper) {
        self.kept.remove(&keeper);
    }

    /// Stops a client that makes an IRP in flight anew.
    pub(crate) fn require_ended(&self, irp: PIRP, call: &str) {
        if let Some(request) = self.requests.get(&irp.addr()) {
            rule_violation(
                Rule::IRP_IN_FLIGHT,
                call,
                "the IRP is in flight",
                Some(&request.origin),
            );
        }
    }

    /// Stops a client that frees what a request in flight, an open socket or a registration needs.
    pub(crate) fn require_unused(&self, freed: &Range<usize>, call: &str) {
        for (irp, request) in &self.requests {
            if freed.contains(irp) {
                rule_violation(
                    Rule::IRP_IN_FLIGHT,
                    call,
                    "the memory is an IRP in flight",
                    Some(&request.origin),
                );
            }
            for Memory { what, rule, range } in &request.memory {
                if range.start < freed.end && freed.start < range.end {
                    let found = format!("the memory is the {what} of a request in flight");
                    rule_violation(*rule, call, &found, Some(&request.origin));
                }
            }
        }
        for (keeper, all) in &self.kept {
            for Kept { what, rule, address, origin } in all {
                if freed.contains(address) {
                    let found = format!("the memory is the {what} of {}", keeper.describe());
                    rule_violation(*rule, call, &found, Some(origin));
                }
            }
        }
    }
}
