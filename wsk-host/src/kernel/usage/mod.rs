//! The client's memory that the kernel and the drivers below may access: the IRPs in flight, the memory of their requests,
//! and the contexts of callbacks.
//!
//! Freeing memory costs the same however many requests are in flight: the memory is indexed by address. A request is added
//! to the indexes when memory is freed, so one that has completed by then costs none of that.

mod chains;
mod index;
mod passed_memory;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use wsk_sys::{MDL, NTSTATUS, PIRP, PMDL};

use self::chains::{ChainInFlight, PartialMdls};
pub(crate) use self::index::Owner;
use self::index::{PinIndex, PinKey, Pinned};
use self::passed_memory::MemoryRecord;
pub use self::passed_memory::PassedMemory;
use crate::call_stack::{Frame, is_on_stack};
use crate::kernel::hang::RequestInFlight;
use crate::kernel::schedule::Ticks;
use crate::kernel::trace::Status;
use crate::verifier::{Origin, Rule, fatal_violation, kernel_violation, rule_violation};

/// The requests in flight, and the memory that is pinned.
#[derive(Default)]
pub(crate) struct MemoryUsage {
    /// By the address of the IRP.
    irps: FxHashMap<usize, IrpUse>,
    /// The number of those in flight.
    in_flight: usize,
    /// The addresses of `irps`, but for those in `recent`, and of others.
    addresses: BTreeSet<usize>,
    /// The IRPs of requests that may lack in the indexes.
    recent: Vec<usize>,
    /// The IRPs that their completion routines have freed, by the address of the memory.
    freed: BTreeMap<usize, CompletedRequest>,
    /// The MDLs whose pages are locked, by their address.
    locked: BTreeMap<usize, Origin>,
    objects: FxHashMap<Owner, Vec<PinKey>>,
    pins: PinIndex,
    last: u64,
    last_pin: u64,
    pub(crate) record: MemoryRecord,
    partials: PartialMdls,
}

/// The most requests that may lack in the indexes, for each one in flight and at least.
const RECENT: usize = 4;
const LEAST_RECENT: usize = 256;

/// An IRP that a request has or had.
enum IrpUse {
    InFlight(PinnedRequest),
    /// It has completed, and has been neither initialized nor freed since.
    CompletedRequest(CompletedRequest),
}

struct PinnedRequest {
    number: u64,
    is_own: bool,
    socket: u64,
    since: Ticks,
    /// The status that the call returns, if it is the final one.
    returned: Option<NTSTATUS>,
    origin: Origin,
    pins: SmallVec<[RequestPin; 2]>,
    chain: ChainInFlight,
    /// The number of its pins that are in the index.
    indexed: usize,
}

/// A range of memory that a request pins.
#[derive(Clone, Copy)]
struct RequestPin {
    key: PinKey,
    end: usize,
    noun: &'static str,
    rule: Rule,
}

impl PinnedRequest {
    /// Adds the pins to an index that lack there.
    fn index(&mut self, index: &mut PinIndex) {
        for &RequestPin { key, end, noun, rule } in &self.pins[self.indexed..] {
            let origin = self.origin.clone();
            let pinned = Pinned { noun, rule, end, owner: None, origin };
            index.insert(key, pinned, Frame::of(key.0));
        }
        self.indexed = self.pins.len();
    }
}

/// A request that has completed.
struct CompletedRequest {
    returned: Option<NTSTATUS>,
    origin: Origin,
}

impl CompletedRequest {
    /// The call and the status that it returns, for a report.
    fn describe(&self) -> String {
        let call = self.origin.call();
        match self.returned {
            Some(status) => format!("{call} returns {}", Status(status)),
            None => format!("{call} returns STATUS_PENDING"),
        }
    }
}

impl MemoryUsage {
    /// Takes ownership of an IRP for a socket, or for none (zero), and returns the number of its request. `is_own`: the caller
    /// has allocated the IRP; no driver above has sent it.
    pub(crate) fn begin(
        &mut self,
        irp: PIRP,
        is_own: bool,
        call: &'static str,
        (socket, since): (u64, Ticks),
    ) -> u64 {
        match self.irps.get(&irp.addr()) {
            Some(IrpUse::InFlight(request)) => fatal_violation(
                Rule::IRP_PER_REQUEST,
                call,
                "the IRP is already in flight",
                Some(&request.origin),
                "two requests cannot complete one IRP",
            ),
            Some(IrpUse::CompletedRequest(_)) if is_own => {
                let found = "the IRP has completed a request, and neither IoReuseIrp nor IoInitializeIrp was called since";
                rule_violation(Rule::IRP_PER_REQUEST, call, found, None);
            }
            _ => {}
        }
        self.last += 1;
        let request = PinnedRequest {
            number: self.last,
            is_own,
            socket,
            since,
            returned: None,
            origin: Origin::here(call),
            pins: SmallVec::new(),
            chain: ChainInFlight::default(),
            indexed: 0,
        };
        self.irps.insert(irp.addr(), IrpUse::InFlight(request));
        self.in_flight += 1;
        self.recent.push(irp.addr());
        if self.recent.len() > LEAST_RECENT.max(RECENT * self.in_flight) {
            self.index();
        }
        self.last
    }

    /// Brings the indexes up to date.
    fn index(&mut self) {
        self.recent.sort_unstable();
        self.recent.dedup();
        for irp in self.recent.drain(..) {
            let Some(state) = self.irps.get_mut(&irp) else { continue };
            self.addresses.insert(irp);
            if let IrpUse::InFlight(request) = state {
                request.index(&mut self.pins);
            }
        }
    }

    fn request(&mut self, irp: PIRP) -> Option<&mut PinnedRequest> {
        match self.irps.get_mut(&irp.addr())? {
            IrpUse::InFlight(request) => Some(request),
            IrpUse::CompletedRequest(_) => None,
        }
    }

    fn completed(&self, irp: usize) -> Option<&CompletedRequest> {
        match self.irps.get(&irp)? {
            IrpUse::InFlight(_) => None,
            IrpUse::CompletedRequest(completed) => Some(completed),
        }
    }

    /// Pins memory until the request of an IRP has completed, as a rule requires.
    pub(crate) fn pin(
        &mut self,
        irp: PIRP,
        (noun, rule): (&'static str, Rule),
        start: usize,
        size: usize,
    ) {
        self.last_pin += 1;
        let key = (start, self.last_pin);
        let is_on_stack = is_on_stack(start);
        let Some(IrpUse::InFlight(request)) = self.irps.get_mut(&irp.addr()) else { return };
        request.pins.push(RequestPin { key, end: start + size, noun, rule });
        // Memory on a stack has a frame, which is known at this point.
        if is_on_stack || request.indexed > 0 {
            request.index(&mut self.pins);
        }
    }

    /// The call that has begun the request of an IRP returns its final status. Returns the number of the request.
    pub(crate) fn set_returned(&mut self, irp: PIRP, status: NTSTATUS) -> u64 {
        self.request(irp).map_or(0, |request| {
            request.returned = Some(status);
            request.number
        })
    }

    /// Returns an IRP to its owner. Returns the number of its request.
    pub(crate) fn end(&mut self, irp: PIRP) -> u64 {
        let Some(state) = self.irps.get_mut(&irp.addr()) else { return 0 };
        let IrpUse::InFlight(request) = state else { return 0 };
        let number = request.number;
        if let Some(found) = request.chain.changed() {
            let origin = &request.origin;
            rule_violation(Rule::CHAIN_UNCHANGED, origin.call(), &found, Some(origin));
        }
        for pin in &request.pins[..request.indexed] {
            self.pins.remove(pin.key);
        }
        self.in_flight -= 1;
        if request.is_own {
            let (returned, origin) = (request.returned, request.origin.clone());
            *state = IrpUse::CompletedRequest(CompletedRequest { returned, origin });
        } else {
            self.irps.remove(&irp.addr());
        }
        number
    }

    /// Initializes an IRP, which must not be in flight: it may be used for a request again.
    pub(crate) fn initialize(&mut self, irp: PIRP, call: &str) {
        self.require_not_in_flight(irp, call);
        self.irps.remove(&irp.addr());
        if !self.freed.is_empty() {
            self.freed.remove(&irp.addr());
        }
    }

    /// Stops a client that completes an IRP which WSK has completed.
    pub(crate) fn require_not_completed(&self, irp: PIRP, call: &str) {
        if let Some(completed) = self.completed(irp.addr()) {
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
    ) -> Option<(String, Origin)> {
        let (_, completed) = self.freed.range(start..=address.max(start)).next_back()?;
        let found = format!("the completion routine has freed the IRP: {}", completed.describe());
        Some((found, completed.origin.clone()))
    }

    /// Called when a completion routine frees memory: the client no longer owns the completed IRPs in it.
    pub(crate) fn free_in_routine(&mut self, freed: &Range<usize>) {
        for (irp, completed) in self.take_completed(freed) {
            self.freed.insert(irp, completed);
        }
    }

    /// Removes the completed IRPs in memory that is freed.
    fn take_completed(&mut self, freed: &Range<usize>) -> Vec<(usize, CompletedRequest)> {
        self.index();
        let mut taken = Vec::new();
        let mut start = freed.start;
        while let Some(irp) = self.addresses.range(start..freed.end).next().copied() {
            start = irp + 1;
            match self.irps.remove(&irp) {
                Some(IrpUse::CompletedRequest(completed)) => taken.push((irp, completed)),
                Some(in_flight) => {
                    self.irps.insert(irp, in_flight);
                    continue;
                }
                None => {}
            }
            self.addresses.remove(&irp);
        }
        taken
    }

    /// The pages of an MDL are locked.
    pub(crate) fn lock_pages(&mut self, mdl: usize, origin: Origin) {
        self.locked.insert(mdl, origin);
    }

    /// Whether the pages of an MDL are locked by `MmProbeAndLockPages`.
    pub(crate) fn is_locked(&self, mdl: usize) -> bool {
        self.locked.contains_key(&mdl)
    }

    /// The pages of an MDL are unlocked.
    pub(crate) fn unlock_pages(&mut self, mdl: usize) {
        self.locked.remove(&mdl);
        self.partials.end(mdl);
    }

    /// Adds an MDL to the chain of a request in flight.
    ///
    /// # Safety
    ///
    /// The MDL is valid until the request has completed.
    #[expect(unsafe_code, reason = "the MDL is read when the request completes")]
    pub(crate) unsafe fn add_mdl(&mut self, irp: PIRP, mdl: PMDL) {
        if let Some(request) = self.request(irp) {
            // SAFETY: this function's contract is the same.
            unsafe { request.chain.add(mdl) };
        }
    }

    /// A partial MDL was built.
    pub(crate) fn add_partial(&mut self, partial: usize, source: usize) {
        self.partials.add(partial, source);
    }

    /// Stops a client that uses a partial MDL whose source has ended.
    pub(crate) fn require_source(&self, partial: usize, call: &str) {
        if self.partials.is_stale(partial) {
            let found = "the pages of the MDL that this partial MDL is of were unlocked";
            rule_violation(Rule::PARTIAL_MDL_OUTLIVES_SOURCE, call, found, None);
        }
    }

    /// Stops a client that ends an MDL while a request in flight uses a partial MDL of it. Returns whether it may end it.
    #[must_use = "memory that is in use must stay as it is"]
    pub(crate) fn require_no_partial_in_flight(&mut self, source: usize, call: &str) -> bool {
        for partial in self.partials.of(source) {
            let Some(origin) = self.pinned_in(&(partial..partial + size_of::<MDL>())) else {
                continue;
            };
            let found = "a partial MDL of the MDL is the MDL of a request in flight";
            rule_violation(Rule::PARTIAL_MDL_OUTLIVES_SOURCE, call, found, Some(&origin));
            return false;
        }
        true
    }

    /// The origin of a request in flight that has pinned a part of some memory.
    pub(crate) fn pinned_in(&mut self, memory: &Range<usize>) -> Option<Origin> {
        if self.in_flight == 0 {
            return None;
        }
        self.index();
        let pinned = self.pins.overlapping(memory)?;
        pinned.owner.is_none().then(|| pinned.origin.clone())
    }

    /// The MDLs whose pages are locked, for a report: how many, and where the first was locked.
    pub(crate) fn locked_pages(&self) -> Option<(usize, &Origin)> {
        Some((self.locked.len(), self.locked.values().next()?))
    }

    /// Whether any request is in flight.
    pub(crate) fn has_requests(&self) -> bool {
        self.in_flight > 0
    }

    /// The requests in flight, the oldest first.
    pub(crate) fn in_flight(&self) -> Vec<RequestInFlight> {
        let describe = |request: &PinnedRequest| RequestInFlight {
            number: request.number,
            socket: request.socket,
            since: request.since,
            origin: request.origin.to_string(),
        };
        let requests = self.irps.values().filter_map(|state| match state {
            IrpUse::InFlight(request) => Some(request),
            IrpUse::CompletedRequest(_) => None,
        });
        let mut all: Vec<RequestInFlight> = requests.map(describe).collect();
        all.sort_by_key(|request| request.number);
        all
    }

    /// Pins an object of the client until the owner has ended, as a rule requires.
    pub(crate) fn pin_object(
        &mut self,
        owner: Owner,
        (noun, rule): (&'static str, Rule),
        address: usize,
        origin: &Origin,
    ) {
        if address != 0 {
            let (end, origin) = (address + 1, origin.clone());
            let pinned = Pinned { noun, rule, end, owner: Some(owner), origin };
            self.last_pin += 1;
            let key = (address, self.last_pin);
            self.pins.insert(key, pinned, Frame::of(address));
            self.objects.entry(owner).or_default().push(key);
        }
    }

    /// Removes the pins of an owner, which is about to end.
    pub(crate) fn unpin_objects(&mut self, owner: Owner) {
        for key in self.objects.remove(&owner).unwrap_or_default() {
            self.pins.remove(key);
        }
    }

    /// A pinned range that was in the frame of a function of the current thread, which has returned: its rule, its
    /// description, its owner and its origin. It is returned once.
    pub(crate) fn take_returned(&mut self) -> Option<(Rule, &'static str, String, Origin)> {
        let Pinned { rule, noun, owner, origin, .. } = self.pins.take_returned()?;
        Some((*rule, noun, describe(*owner), origin.clone()))
    }

    /// Whether an IRP is in flight.
    pub(crate) fn contains(&self, irp: PIRP) -> bool {
        matches!(self.irps.get(&irp.addr()), Some(IrpUse::InFlight(_)))
    }

    /// Stops a client that initializes an IRP in flight.
    pub(crate) fn require_not_in_flight(&self, irp: PIRP, call: &str) {
        if let Some(IrpUse::InFlight(request)) = self.irps.get(&irp.addr()) {
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
        drop(self.take_completed(freed));
        self.partials.free(freed);
        let irp = self.addresses.range(freed.clone()).next();
        if let Some(IrpUse::InFlight(request)) = irp.and_then(|irp| self.irps.get(irp)) {
            rule_violation(
                Rule::IRP_IN_FLIGHT,
                call,
                "the memory is an IRP in flight",
                Some(&request.origin),
            );
            return false;
        }
        self.require_unpinned(freed, call)
    }

    /// Stops a client that frees or unlocks memory which is pinned. Returns whether it may do so, as [`require_unused`].
    ///
    /// [`require_unused`]: Self::require_unused
    #[must_use = "memory that is in use must stay as it is"]
    pub(crate) fn require_unpinned(&mut self, memory: &Range<usize>, call: &str) -> bool {
        self.index();
        let pinned = self.pins.overlapping(memory);
        let Some(Pinned { noun, rule, owner, origin, .. }) = pinned else { return true };
        let owner = describe(*owner);
        let found = format!("the memory is the {noun} of {owner}");
        rule_violation(*rule, call, &found, Some(origin));
        false
    }
}

/// The owner of a pinned range: an object, or a request.
fn describe(owner: Option<Owner>) -> String {
    owner.map_or_else(|| "a request in flight".to_owned(), Owner::describe)
}

/// The addresses at which an object of this type would overlap freed memory.
pub(crate) fn addresses_of<T>(freed: &Range<usize>) -> Range<usize> {
    freed.start.saturating_sub(size_of::<T>() - 1)..freed.end
}

/// Stops a client that frees or initializes a kernel object that is in use since a call.
pub(crate) fn require_not_in_use(call: &str, object: &str, since: &Origin) -> ! {
    kernel_violation(&format!("{call}: the memory is {object}\n  since:   {since}"));
}
