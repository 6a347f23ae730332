//! The client's memory that the kernel and the drivers below may access: the IRPs in flight, the memory of their requests,
//! and the contexts of callbacks.
//!
//! All of it is indexed by address, so that freeing memory costs the same however many requests are in
//! flight.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use wsk_sys::{NTSTATUS, PIRP};

use crate::kernel::hang::RequestInFlight;
use crate::kernel::schedule::Ticks;
use crate::kernel::stack::Frame;
use crate::kernel::trace::Status;
use crate::verifier::{Origin, Rule, fatal_violation, kernel_violation, rule_violation};

/// The requests in flight, by the address of their IRP, and the memory that is pinned.
#[derive(Default)]
pub(crate) struct Usage {
    requests: BTreeMap<usize, Request>,
    /// The IRPs that have completed, and were neither initialized nor freed since, by their address.
    completed: BTreeMap<usize, Completed>,
    /// The IRPs that their completion routines have freed, by the address of the memory.
    freed: BTreeMap<usize, Completed>,
    /// The MDLs whose pages are locked, by their address.
    locked: BTreeMap<usize, Origin>,
    objects: HashMap<Owner, Vec<PinKey>>,
    pins: BTreeMap<PinKey, Pinned>,
    /// The frames of the pinned ranges that are on stacks.
    on_stacks: BTreeMap<PinKey, Frame>,
    /// The size of the largest pinned range: the maximum distance before freed memory of a range that overlaps it.
    /// It is reset when nothing is pinned.
    longest: usize,
    last: u64,
    last_pin: u64,
}

/// A pinned range: its address, and a number that distinguishes ranges of the same address.
type PinKey = (usize, u64);

struct Request {
    number: u64,
    is_own: bool,
    socket: u64,
    since: Ticks,
    /// The status that the call returns, if it is the final one.
    returned: Option<NTSTATUS>,
    origin: Arc<Origin>,
    pins: Vec<PinKey>,
}

/// A request that has completed.
struct Completed {
    returned: Option<NTSTATUS>,
    origin: Arc<Origin>,
}

impl Completed {
    /// The call and the status that it returns, for a report.
    fn describe(&self) -> String {
        let call = self.origin.call();
        match self.returned {
            Some(status) => format!("{call} returns {}", Status(status)),
            None => format!("{call} returns STATUS_PENDING"),
        }
    }
}

/// A range of memory that must stay.
struct Pinned {
    noun: &'static str,
    /// The rule that says so.
    rule: Rule,
    end: usize,
    owner: Option<Owner>,
    origin: Arc<Origin>,
}

/// An object that uses the client's memory until it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Owner {
    /// The object, for a report; `#` stands for its number.
    pub(crate) description: &'static str,
    pub(crate) number: u64,
}

impl Usage {
    /// Takes ownership of an IRP for a socket, or for none (zero), and returns the number of its request. `is_own`: the caller
    /// has allocated the IRP; no driver above has sent it.
    pub(crate) fn begin(
        &mut self,
        irp: PIRP,
        is_own: bool,
        call: &'static str,
        (socket, since): (u64, Ticks),
    ) -> u64 {
        if let Some(request) = self.requests.get(&irp.addr()) {
            fatal_violation(
                Rule::IRP_PER_REQUEST,
                call,
                "the IRP is already in flight",
                Some(&request.origin),
                "two requests cannot complete one IRP",
            );
        }
        if is_own && self.completed.contains_key(&irp.addr()) {
            let found = "the IRP has completed a request, and neither IoReuseIrp nor IoInitializeIrp was called since";
            rule_violation(Rule::IRP_PER_REQUEST, call, found, None);
        }
        self.last += 1;
        let origin = Arc::new(Origin::here(call));
        let request = Request {
            number: self.last,
            is_own,
            socket,
            since,
            returned: None,
            origin,
            pins: Vec::new(),
        };
        self.requests.insert(irp.addr(), request);
        self.last
    }

    /// Pins memory until the request of an IRP has completed, as a rule says.
    pub(crate) fn pin(
        &mut self,
        irp: PIRP,
        (noun, rule): (&'static str, Rule),
        start: usize,
        size: usize,
    ) {
        let Some(request) = self.requests.get(&irp.addr()) else {
            return;
        };
        let origin = Arc::clone(&request.origin);
        let key = self.insert(start, Pinned { noun, rule, end: start + size, owner: None, origin });
        if let Some(request) = self.requests.get_mut(&irp.addr()) {
            request.pins.push(key);
        }
    }

    /// The call that has begun the request of an IRP returns its final status. Returns the number of the request.
    pub(crate) fn set_returned(&mut self, irp: PIRP, status: NTSTATUS) -> u64 {
        let request = self.requests.get_mut(&irp.addr());
        request.map_or(0, |request| {
            request.returned = Some(status);
            request.number
        })
    }

    /// Returns an IRP to its owner. Returns the number of its request.
    pub(crate) fn end(&mut self, irp: PIRP) -> u64 {
        let Some(request) = self.requests.remove(&irp.addr()) else {
            return 0;
        };
        self.unpin(request.pins);
        if request.is_own {
            let Request { returned, origin, .. } = request;
            self.completed.insert(irp.addr(), Completed { returned, origin });
        }
        request.number
    }

    /// Initializes an IRP, which must not be in flight: it may be used for a request again.
    pub(crate) fn initialize(&mut self, irp: PIRP, call: &str) {
        self.require_not_in_flight(irp, call);
        self.completed.remove(&irp.addr());
        self.freed.remove(&irp.addr());
    }

    /// Stops a client that completes an IRP which WSK has completed.
    pub(crate) fn require_not_completed(&self, irp: PIRP, call: &str) {
        if let Some(completed) = self.completed.get(&irp.addr()) {
            let found = format!("the IRP is completed already: {}", completed.describe());
            rule_violation(Rule::COMPLETES_ONCE, call, &found, Some(&completed.origin));
        }
    }

    /// Stops a client that uses an IRP which its completion routine has freed.
    pub(crate) fn require_not_freed_by_routine(&self, irp: PIRP, call: &str) {
        if let Some(completed) = self.freed.get(&irp.addr()) {
            let found =
                format!("the completion routine has freed the IRP: {}", completed.describe());
            rule_violation(Rule::COMPLETES_ONCE, call, &found, Some(&completed.origin));
        }
    }

    /// The IRP that its completion routine has freed in memory that begins at an address, and that contains another one: what
    /// is to be said of it, and where its request was made.
    pub(crate) fn freed_by_routine(
        &self,
        start: usize,
        address: usize,
    ) -> Option<(String, Arc<Origin>)> {
        let (_, completed) = self.freed.range(start..=address.max(start)).next_back()?;
        let found = format!("the completion routine has freed the IRP: {}", completed.describe());
        Some((found, Arc::clone(&completed.origin)))
    }

    /// A completion routine frees memory: the completed IRPs in it are no longer the client's.
    pub(crate) fn free_in_routine(&mut self, freed: &Range<usize>) {
        while let Some(irp) = self.completed.range(freed.clone()).next().map(|(irp, _)| *irp) {
            let completed = self.completed.remove(&irp);
            self.freed.extend(completed.map(|completed| (irp, completed)));
        }
    }

    /// The pages of an MDL are locked.
    pub(crate) fn lock_pages(&mut self, mdl: usize, origin: Origin) {
        self.locked.insert(mdl, origin);
    }

    /// The pages of an MDL are unlocked.
    pub(crate) fn unlock_pages(&mut self, mdl: usize) {
        self.locked.remove(&mdl);
    }

    /// The MDLs whose pages are locked, for a report: how many, and where the first was locked.
    pub(crate) fn locked_pages(&self) -> Option<(usize, &Origin)> {
        Some((self.locked.len(), self.locked.values().next()?))
    }

    /// Whether any request is in flight.
    pub(crate) fn has_requests(&self) -> bool {
        !self.requests.is_empty()
    }

    /// The requests in flight, the oldest first.
    pub(crate) fn in_flight(&self) -> Vec<RequestInFlight> {
        let describe = |request: &Request| RequestInFlight {
            number: request.number,
            socket: request.socket,
            since: request.since,
            origin: request.origin.to_string(),
        };
        let mut all: Vec<RequestInFlight> = self.requests.values().map(describe).collect();
        all.sort_by_key(|request| request.number);
        all
    }

    /// Pins an object of the client's until the owner has ended, as a rule says.
    pub(crate) fn pin_object(
        &mut self,
        owner: Owner,
        (noun, rule): (&'static str, Rule),
        address: usize,
        origin: &Arc<Origin>,
    ) {
        if address != 0 {
            let (end, origin) = (address + 1, Arc::clone(origin));
            let pinned = Pinned { noun, rule, end, owner: Some(owner), origin };
            let key = self.insert(address, pinned);
            self.objects.entry(owner).or_default().push(key);
        }
    }

    /// Removes the pins of an owner, which is about to end.
    pub(crate) fn unpin_objects(&mut self, owner: Owner) {
        let keys = self.objects.remove(&owner).unwrap_or_default();
        self.unpin(keys);
    }

    fn insert(&mut self, start: usize, pinned: Pinned) -> PinKey {
        self.last_pin += 1;
        let key = (start, self.last_pin);
        self.on_stacks.extend(Frame::of(start).map(|frame| (key, frame)));
        self.longest = self.longest.max(pinned.end - start);
        self.pins.insert(key, pinned);
        key
    }

    fn unpin(&mut self, keys: Vec<PinKey>) {
        for key in keys {
            self.pins.remove(&key);
            self.on_stacks.remove(&key);
        }
        if self.pins.is_empty() {
            self.longest = 0;
        }
    }

    /// A pinned range that was in the frame of a function of the current thread, which has returned: its rule, its
    /// description, its owner and its origin. It is returned once.
    pub(crate) fn take_returned(&mut self) -> Option<(Rule, &'static str, String, Arc<Origin>)> {
        let has_returned = |((start, _), frame): &(&PinKey, &Frame)| frame.has_returned(*start);
        let (key, _) = self.on_stacks.iter().find(has_returned)?;
        let key = *key;
        self.on_stacks.remove(&key);
        let Pinned { rule, noun, owner, origin, .. } = self.pins.get(&key)?;
        Some((*rule, noun, describe(*owner), Arc::clone(origin)))
    }

    /// Whether an IRP is in flight.
    pub(crate) fn contains(&self, irp: PIRP) -> bool {
        self.requests.contains_key(&irp.addr())
    }

    /// Stops a client that initializes an IRP in flight.
    pub(crate) fn require_not_in_flight(&self, irp: PIRP, call: &str) {
        if let Some(request) = self.requests.get(&irp.addr()) {
            fatal_violation(
                Rule::IRP_IN_FLIGHT,
                call,
                "the IRP is in flight",
                Some(&request.origin),
                "the request that is in flight would find an overwritten IRP",
            );
        }
    }

    /// Stops a client that frees memory which is an IRP in flight, an MDL whose pages are locked, or pinned. Returns
    /// whether the memory may be freed: where the rule's level lets the client continue, the host still uses it.
    #[must_use = "memory that is in use must stay allocated"]
    pub(crate) fn require_unused(&mut self, freed: &Range<usize>, call: &str) -> bool {
        if let Some((_, origin)) = self.locked.range(freed.clone()).next() {
            require_not_in_use(
                call,
                "an MDL whose pages are locked, and were not unlocked",
                origin,
            );
        }
        while let Some(irp) = self.completed.range(freed.clone()).next().map(|(irp, _)| *irp) {
            self.completed.remove(&irp);
        }
        if let Some((_, request)) = self.requests.range(freed.clone()).next() {
            rule_violation(
                Rule::IRP_IN_FLIGHT,
                call,
                "the memory is an IRP in flight",
                Some(&request.origin),
            );
            return false;
        }
        let first = freed.start.saturating_sub(self.longest);
        let near = self.pins.range((first, 0)..(freed.end, 0));
        let reaches = |((start, _), pinned): &(&PinKey, &Pinned)| {
            *start < pinned.end && freed.start < pinned.end
        };
        if let Some((_, Pinned { noun, rule, owner, origin, .. })) = near.into_iter().find(reaches)
        {
            let owner = describe(*owner);
            rule_violation(
                *rule,
                call,
                &format!("the memory is the {noun} of {owner}"),
                Some(origin),
            );
            return false;
        }
        true
    }
}

/// The owner of a pinned range: an object, or a request.
fn describe(owner: Option<Owner>) -> String {
    owner.map_or_else(|| "a request in flight".to_owned(), Owner::describe)
}

impl Owner {
    fn describe(self) -> String {
        self.description.replace('#', &self.number.to_string())
    }
}

/// The addresses at which an object of this type would overlap freed memory.
pub(crate) fn addresses_of<T>(freed: &Range<usize>) -> Range<usize> {
    freed.start.saturating_sub(size_of::<T>() - 1)..freed.end
}

/// Stops a client that frees or initializes a kernel object that is in use since a call.
pub(crate) fn require_not_in_use(call: &str, object: &str, since: &Origin) -> ! {
    kernel_violation(&format!("{call}: the memory is {object}\n  since:   {since}"));
}
