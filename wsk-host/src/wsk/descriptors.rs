//! The security descriptors that a client has cached, and the ones that it has recently released.

use std::collections::HashMap;
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wsk_sys::{NTSTATUS, PIRP, PSECURITY_DESCRIPTOR, STATUS_INVALID_PARAMETER, STATUS_SUCCESS};

use crate::kernel::Kernel;
use crate::kernel::quarantine::Quarantine;
use crate::verifier::{Origin, Rule, rule_violation};

/// The number of released descriptors whose use is recognized.
const MOST_RELEASED: usize = 64;

const NOT_CACHED: &str = "the security descriptor is not cached";

/// The descriptors of a client.
#[derive(Default)]
pub(super) struct Descriptors(Mutex<DescriptorTable>);

struct DescriptorTable {
    /// By address, including those in the quarantine.
    cached: HashMap<usize, CachedDescriptor>,
    /// The addresses of those that the client has released and no socket has.
    released: Quarantine<usize>,
}

/// A cached descriptor.
struct CachedDescriptor {
    copy: Box<u64>,
    /// The number of times that the client has received it and not yet released it.
    given: usize,
    /// The number of sockets that use it.
    sockets: usize,
    origin: Origin,
}

impl CachedDescriptor {
    fn is_unused(&self) -> bool {
        self.given == 0 && self.sockets == 0
    }
}

impl Default for DescriptorTable {
    fn default() -> Self {
        Self { cached: HashMap::new(), released: Quarantine::new(MOST_RELEASED) }
    }
}

impl DescriptorTable {
    fn is_unused(&self, address: usize) -> bool {
        self.cached.get(&address).is_some_and(CachedDescriptor::is_unused)
    }

    /// Puts a descriptor that is no longer used into the quarantine, and frees the one that leaves it, unless that one
    /// was shared again.
    fn quarantine_unused(&mut self, address: usize) {
        if !self.is_unused(address) {
            return;
        }
        if let Some(oldest) = self.released.add(address) {
            if self.is_unused(oldest) {
                self.cached.remove(&oldest);
            }
        }
    }
}

impl Descriptors {
    fn table(&self) -> MutexGuard<'_, DescriptorTable> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The origin of a descriptor that was not released.
    pub(super) fn left(&self) -> Option<Origin> {
        let table = self.table();
        let left = table.cached.values().find(|cached| cached.given > 0)?;
        Some(left.origin.clone())
    }

    /// Caches a descriptor. The copy is a separate object, as in the system.
    pub(super) fn cache(&self, _descriptor: PSECURITY_DESCRIPTOR) -> PSECURITY_DESCRIPTOR {
        let copy = Box::new(0_u64);
        let address = ptr::from_ref(&*copy).addr();
        let origin = Origin::here("WskControlClient");
        self.table()
            .cached
            .insert(address, CachedDescriptor { copy, given: 1, sockets: 0, origin });
        ptr::without_provenance_mut(address)
    }

    /// The client gets a cached descriptor once more.
    pub(super) fn share(&self, descriptor: PSECURITY_DESCRIPTOR) {
        if let Some(cached) = self.table().cached.get_mut(&descriptor.addr()) {
            cached.given += 1;
        }
    }

    pub(super) fn release(&self, kernel: &Kernel, descriptor: PSECURITY_DESCRIPTOR) -> NTSTATUS {
        const FUNCTION: &str = "WskControlClient";
        let mut table = self.table();
        let Some(CachedDescriptor { copy, given, origin, .. }) =
            table.cached.get_mut(&descriptor.addr())
        else {
            rule_violation(Rule::SECURITY_DESCRIPTOR, FUNCTION, NOT_CACHED, None);
            return STATUS_INVALID_PARAMETER;
        };
        if *given == 0 {
            rule_violation(
                Rule::SECURITY_DESCRIPTOR,
                FUNCTION,
                "the security descriptor is already released",
                Some(origin),
            );
            return STATUS_INVALID_PARAMETER;
        }
        *given -= 1;
        if *given == 0 {
            let range = descriptor.addr()..descriptor.addr() + size_of_val(&**copy);
            // One that a request uses stays cached.
            if kernel.usage().require_unused(&range, FUNCTION) {
                table.quarantine_unused(range.start);
            }
        }
        STATUS_SUCCESS
    }

    /// Stops a client that hands over a descriptor which is not cached.
    pub(super) fn require_cached(&self, descriptor: PSECURITY_DESCRIPTOR, function: &str) {
        if descriptor.is_null() {
            return;
        }
        match self.table().cached.get(&descriptor.addr()) {
            None => rule_violation(Rule::SECURITY_DESCRIPTOR, function, NOT_CACHED, None),
            Some(CachedDescriptor { given: 0, origin, .. }) => {
                rule_violation(
                    Rule::SECURITY_DESCRIPTOR,
                    function,
                    "the security descriptor was released",
                    Some(origin),
                );
            }
            Some(_) => {}
        }
    }

    /// Stops a client that hands over a descriptor which is not cached, or that releases it before the request has
    /// completed.
    pub(super) fn use_cached(
        &self,
        kernel: &Kernel,
        irp: PIRP,
        descriptor: PSECURITY_DESCRIPTOR,
        function: &'static str,
    ) {
        self.require_cached(descriptor, function);
        if !descriptor.is_null() {
            let what = ("security descriptor", Rule::SECURITY_DESCRIPTOR);
            kernel.usage().pin(irp, what, descriptor.addr(), 1);
        }
    }
}

/// The descriptor of a socket. It stays cached until the socket is closed, though its client releases it.
pub(super) struct SocketDescriptor {
    all: Arc<Descriptors>,
    address: usize,
}

impl SocketDescriptor {
    /// A socket's descriptor; none for one that is not cached, such as null.
    pub(super) fn new(all: &Arc<Descriptors>, descriptor: PSECURITY_DESCRIPTOR) -> Option<Self> {
        let address = descriptor.addr();
        all.table().cached.get_mut(&address)?.sockets += 1;
        Some(Self { all: Arc::clone(all), address })
    }

    pub(super) fn pointer(&self) -> PSECURITY_DESCRIPTOR {
        ptr::without_provenance_mut(self.address)
    }
}

impl Drop for SocketDescriptor {
    fn drop(&mut self) {
        let mut table = self.all.table();
        if let Some(cached) = table.cached.get_mut(&self.address) {
            cached.sockets -= 1;
        }
        table.quarantine_unused(self.address);
    }
}
