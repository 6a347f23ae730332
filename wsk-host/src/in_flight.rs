//! What the provider may touch at this moment: the IRPs in flight, the memory of their requests, and what
//! open sockets call back with.

use std::collections::HashMap;
use std::ops::Range;

use wsk_sys::PIRP;

use crate::verifier::{Origin, broken};

/// The requests in flight, by the address of their IRP, and the contexts of sockets, by their number.
#[derive(Default)]
pub(crate) struct InFlight {
    requests: HashMap<usize, Request>,
    contexts: HashMap<u64, Vec<Context>>,
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
    rule: u8,
    range: Range<usize>,
}

struct Context {
    what: &'static str,
    address: usize,
}

impl InFlight {
    /// An IRP was handed over. Returns the number of its request.
    pub(crate) fn begin(&mut self, irp: PIRP, call: &'static str) -> u64 {
        if let Some(request) = self.requests.get(&irp.addr()) {
            broken(10, call, "the IRP is in flight already", Some(&request.origin));
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
        (what, rule): (&'static str, u8),
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

    /// A socket's callbacks need an object of the client's.
    pub(crate) fn keep_context(&mut self, socket: u64, what: &'static str, address: usize) {
        if address != 0 {
            self.contexts.entry(socket).or_default().push(Context { what, address });
        }
    }

    /// A socket's close is about to complete.
    pub(crate) fn drop_contexts(&mut self, socket: u64) {
        self.contexts.remove(&socket);
    }

    /// Stops a client that makes an IRP in flight anew.
    pub(crate) fn require_ended(&self, irp: PIRP, call: &str) {
        if let Some(request) = self.requests.get(&irp.addr()) {
            broken(14, call, "the IRP is in flight", Some(&request.origin));
        }
    }

    /// Stops a client that frees what a request in flight or an open socket needs.
    pub(crate) fn require_unused(&self, freed: &Range<usize>, call: &str) {
        for (irp, request) in &self.requests {
            if freed.contains(irp) {
                broken(14, call, "the memory is an IRP in flight", Some(&request.origin));
            }
            for Memory { what, rule, range } in &request.memory {
                if range.start < freed.end && freed.start < range.end {
                    let found = format!("the memory is the {what} of a request in flight");
                    broken(*rule, call, &found, Some(&request.origin));
                }
            }
        }
        for (socket, contexts) in &self.contexts {
            for Context { what, address } in contexts {
                if freed.contains(address) {
                    let found =
                        format!("the memory is the {what} of socket {socket}, which is not closed");
                    broken(46, call, &found, None);
                }
            }
        }
    }
}
