//! The registered clients, and the outstanding objects of each.
//!
//! # Safety
//!
//! A client's address is looked up among the registered ones before it is accessed. A registration holds one count
//! of its `Arc`.

#![expect(unsafe_code, reason = "the functions and objects are those of a C interface")]

use std::collections::BTreeMap;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wsk_sys::{
    NTSTATUS, PNPIID, PWSK_CLIENT, PWSK_REGISTRATION, STATUS_INVALID_PARAMETER, STATUS_SUCCESS,
    ULONG, USHORT, WSK_CLIENT_DISPATCH,
};

use crate::kernel::Kernel;
use crate::kernel::config::Windows;
use crate::kernel::ke::dispatcher::Signal;
use crate::verifier::{Origin, Rule, fatal_violation, kernel_violation, rule_violation};
use crate::wsk::descriptors::Descriptors;

/// A registered client.
///
/// # Invariants
///
/// `dispatch` points to the client's table, valid until the registration ends. It is read only while the client is
/// registered, and otherwise only compared.
pub(super) struct Client {
    pub(super) kernel: Kernel,
    pub(super) version: USHORT,
    /// The client's table, which must not change ([INV-1](crate::rules#inv-1)).
    pub(super) dispatch: *const WSK_CLIENT_DISPATCH,
    pub(super) outstanding: Mutex<Outstanding>,
    /// Set when one of the outstanding objects ends.
    pub(super) changed: Signal,
    /// Whether `WskDeregister` was called: it lets no more captures succeed, and ends those that wait.
    pub(super) has_ended: AtomicBool,
    pub(super) ended: Signal,
    pub(super) static_events: AtomicU32,
    pub(super) bypasses_tdi: AtomicBool,
    pub(super) sockets_ever: AtomicU64,
    /// The pseudo-socket of the client's own requests; zero before the first one.
    pub(super) changes: AtomicU64,
    pub(super) descriptors: Arc<Descriptors>,
    /// Whether an image has registered: its tables have entry points for Microsoft's convention.
    pub(super) is_image: bool,
    /// The address of the registration block.
    pub(super) block: usize,
    pub(super) origin: Origin,
}

// SAFETY: `dispatch` is read only while the client is registered (Invariants), and never written.
unsafe impl Send for Client {}
// SAFETY: `dispatch` is read only while the client is registered (Invariants), and never written.
unsafe impl Sync for Client {}

/// The objects that a registration waits for before it ends.
#[derive(Default)]
pub(super) struct Outstanding {
    pub(super) captures: Vec<Origin>,
    /// The sockets, by number.
    pub(super) sockets: BTreeMap<u64, Origin>,
    /// Lists of addresses that were not freed, by address.
    pub(super) lists: BTreeMap<usize, Origin>,
    pub(super) requests: usize,
}

impl Outstanding {
    pub(super) fn is_nothing(&self) -> bool {
        self.captures.is_empty()
            && self.sockets.is_empty()
            && self.lists.is_empty()
            && self.requests == 0
    }
}

/// The only version that this provider has.
pub(super) const VERSION: USHORT = wsk_sys::MAKE_WSK_VERSION(1, 0);

/// The clients that are registered, by address.
static REGISTERED: Mutex<Vec<usize>> = Mutex::new(Vec::new());

pub(super) fn registered() -> MutexGuard<'static, Vec<usize>> {
    REGISTERED.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Client {
    pub(super) fn outstanding(&self) -> MutexGuard<'_, Outstanding> {
        self.outstanding.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_of(&self, kernel: &Kernel) -> bool {
        self.kernel.is_same(kernel)
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Outstanding) -> T) -> T {
        let result = change(&mut self.outstanding());
        self.changed.set();
        result
    }

    pub(super) fn windows(&self) -> Windows {
        self.kernel.config().windows
    }

    pub(super) fn socket_created(&self, id: u64, origin: Origin) {
        self.sockets_ever.fetch_add(1, Ordering::SeqCst);
        self.change(|outstanding| outstanding.sockets.insert(id, origin));
    }

    pub(super) fn socket_closed(&self, id: u64) {
        self.change(|outstanding| outstanding.sockets.remove(&id));
    }

    pub(super) fn request_begun(&self) {
        self.change(|outstanding| outstanding.requests += 1);
    }

    pub(super) fn request_ended(&self) {
        self.change(|outstanding| outstanding.requests -= 1);
    }

    pub(super) fn list_given(&self, list: usize, origin: Origin) {
        self.change(|outstanding| outstanding.lists.insert(list, origin));
    }

    /// Returns false if the list does not belong to the client, or was already freed.
    pub(super) fn list_freed(&self, list: usize) -> bool {
        self.change(|outstanding| outstanding.lists.remove(&list)).is_some()
    }

    /// Stops a client that changes its set-up after it has created a socket ([INV-9](crate::rules#inv-9)).
    pub(super) fn require_no_sockets(&self, function: &str) {
        if self.sockets_ever.load(Ordering::SeqCst) > 0 {
            rule_violation(
                Rule::CLIENT_SET_UP_BEFORE_SOCKETS,
                function,
                "the client has already created a socket",
                None,
            );
        }
    }

    pub(super) fn static_events(&self) -> ULONG {
        self.static_events.load(Ordering::SeqCst)
    }

    pub(super) fn set_static_events(&self, events: ULONG) -> NTSTATUS {
        const ALL: ULONG = wsk_sys::WSK_EVENT_ACCEPT
            | wsk_sys::WSK_EVENT_RECEIVE_FROM
            | super::category::CONNECTION_EVENTS;
        if events == 0 || events & !ALL != 0 {
            return STATUS_INVALID_PARAMETER;
        }
        self.static_events.fetch_or(events, Ordering::SeqCst);
        STATUS_SUCCESS
    }

    pub(super) fn bypasses_tdi(&self) -> bool {
        self.bypasses_tdi.load(Ordering::SeqCst)
    }

    pub(super) fn set_bypasses_tdi(&self, bypasses: bool) {
        self.bypasses_tdi.store(bypasses, Ordering::SeqCst);
    }

    pub(super) fn changes_closed(&self) {
        self.request_ended();
    }
}

/// The registered clients of all hosts.
pub(super) fn all() -> Vec<Arc<Client>> {
    let of = |address: &usize| {
        let pointer: *const Client = ptr::with_exposed_provenance(*address);
        // SAFETY: a registered client is an `Arc`'s, and stays so while the list is locked.
        unsafe { Arc::increment_strong_count(pointer) };
        // SAFETY: the count was incremented for this reference.
        unsafe { Arc::from_raw(pointer) }
    };
    registered().iter().map(of).collect()
}

/// Stops a test that leaves a registration behind ([INV-3](crate::rules#inv-3)).
pub(crate) fn require_ended(kernel: &Kernel) {
    if let Some(client) = all().into_iter().find(|client| client.is_of(kernel)) {
        rule_violation(
            Rule::REGISTRATION_ENDED_ONCE,
            "the end of the test",
            "a client is still registered",
            Some(&client.origin),
        );
    }
}

/// The client of a registration.
///
/// # Safety
///
/// The block is registered.
pub(super) unsafe fn client(
    registration: PWSK_REGISTRATION,
    rule: Rule,
    function: &'static str,
) -> Arc<Client> {
    require_pointer(registration, "WskRegistration", function);
    // SAFETY: the caller passes a registration block.
    let context = unsafe { (*registration).ReservedRegistrationContext };
    // SAFETY: the caller passes a registration block.
    unsafe { find(context.cast(), rule, "the registration block is not registered", function) }
}

/// Stops a client that passes no structure for a parameter.
pub(super) fn require_pointer<T>(pointer: *mut T, parameter: &str, function: &str) {
    if pointer.is_null() {
        kernel_violation(&format!("{function}: {parameter} is NULL"));
    }
}

/// The client that a captured provider is called with.
///
/// # Safety
///
/// The pointer is one that a capture has given.
pub(super) unsafe fn captured(client: PWSK_CLIENT, function: &'static str) -> Arc<Client> {
    // SAFETY: a capture has given the pointer, by this function's contract.
    let client = unsafe {
        find(client.cast(), Rule::PROVIDER_RELEASED_ONCE, "the provider is not captured", function)
    };
    if client.outstanding().captures.is_empty() {
        rule_violation(
            Rule::PROVIDER_RELEASED_ONCE,
            function,
            "the provider was released",
            Some(&client.origin),
        );
    }
    client
}

unsafe fn find(
    pointer: *const Client,
    rule: Rule,
    found: &str,
    function: &'static str,
) -> Arc<Client> {
    let registered = registered();
    if !registered.contains(&pointer.addr()) {
        let why = "there is no registration to call the function for";
        fatal_violation(rule, function, found, None, why);
    }
    // SAFETY: a registered client is an `Arc`'s.
    unsafe { Arc::increment_strong_count(pointer) };
    // SAFETY: the count was incremented for this reference.
    unsafe { Arc::from_raw(pointer) }
}

/// Whether an interface is WSK's own, and not one of an extension (there are none).
///
/// # Safety
///
/// The pointer is null, or valid.
pub(super) unsafe fn is_wsk(npi: PNPIID) -> bool {
    let wsk = &wsk_sys::NPI_WSK_INTERFACE_ID;
    // SAFETY: the pointer is null or valid, by this function's contract.
    unsafe { npi.as_ref() }.is_some_and(|npi| {
        (npi.Data1, npi.Data2, npi.Data3, npi.Data4) == (wsk.Data1, wsk.Data2, wsk.Data3, wsk.Data4)
    })
}
