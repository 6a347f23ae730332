//! `WskRegister` and its like, and what belongs to a registered client.

use std::collections::{BTreeMap, HashMap};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wsk_sys::{
    AF_INET, DISPATCH_LEVEL, NTSTATUS, PASSIVE_LEVEL, PIRP, PNPIID, PSECURITY_DESCRIPTOR,
    PWSK_CLIENT, PWSK_CLIENT_NPI, PWSK_PROVIDER_CHARACTERISTICS, PWSK_PROVIDER_NPI,
    PWSK_REGISTRATION, STATUS_DEVICE_NOT_READY, STATUS_INVALID_PARAMETER, STATUS_NOINTERFACE,
    STATUS_SUCCESS, ULONG, USHORT, WSK_CLIENT_DISPATCH, WSK_INFINITE_WAIT, WSK_NO_WAIT,
    WSK_PROVIDER_CHARACTERISTICS, WSK_PROVIDER_NPI,
};

use super::act::act;
use super::category::BASIC;
use super::socket::{Callbacks, Socket};
use super::tables;
use crate::config::{Readiness, Windows};
use crate::context::require_no_callback;
use crate::host::Host;
use crate::in_flight::Keeper;
use crate::ke::{Signal, require_at_most};
use crate::memory::require_nonpaged;
use crate::schedule::ticks;
use crate::trace::What;
use crate::verifier::{Origin, broken};

/// The version that this provider gives, and the only one.
pub(super) const VERSION: USHORT = wsk_sys::MAKE_WSK_VERSION(1, 0);

/// How long a registration may take to end. The real one would wait for ever.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whether an interface is WSK's own, and not an extension, of which there is none.
///
/// # Safety
///
/// The pointer is null, or valid.
pub(super) unsafe fn is_wsk(npi: PNPIID) -> bool {
    let wsk = &wsk_sys::NPI_WSK_INTERFACE_ID;
    // SAFETY: the caller promises it.
    unsafe { npi.as_ref() }.is_some_and(|npi| {
        (npi.Data1, npi.Data2, npi.Data3, npi.Data4) == (wsk.Data1, wsk.Data2, wsk.Data3, wsk.Data4)
    })
}

/// What a registration block stands for.
pub(crate) struct Client {
    pub(super) host: Host,
    version: USHORT,
    /// The client's table, which must stay as it is (INV-1).
    dispatch: *const WSK_CLIENT_DISPATCH,
    left: Mutex<Left>,
    /// Set when something of it has ended.
    changed: Signal,
    static_events: AtomicU32,
    bypasses_tdi: AtomicBool,
    sockets_ever: AtomicU64,
    /// The socket that stands for the client's own requests; zero if it has made none.
    changes: AtomicU64,
    /// The security descriptors that were cached, by address.
    cached: Mutex<HashMap<usize, Cached>>,
    /// The address of its block, and where that was registered.
    block: usize,
    origin: Arc<Origin>,
}

/// A cached security descriptor. It stays until the client has gone, so that its uses are known.
struct Cached {
    copy: Box<u64>,
    /// How often it was given to the client, and not released.
    given: usize,
    origin: Arc<Origin>,
}

// SAFETY: the table is only compared, and read while the client is registered.
unsafe impl Send for Client {}
// SAFETY: as above.
unsafe impl Sync for Client {}

/// What a registration waits for before it ends.
#[derive(Default)]
struct Left {
    captures: Vec<Origin>,
    /// The sockets, by number.
    sockets: BTreeMap<u64, Arc<Origin>>,
    /// Lists of addresses that were not freed, by address.
    lists: BTreeMap<usize, Arc<Origin>>,
    requests: usize,
}

impl Left {
    fn is_nothing(&self) -> bool {
        self.captures.is_empty()
            && self.sockets.is_empty()
            && self.lists.is_empty()
            && self.requests == 0
    }
}

const NOT_CACHED: &str = "the security descriptor is not a cached one";

/// The clients that are registered, by address.
static REGISTERED: Mutex<Vec<usize>> = Mutex::new(Vec::new());

fn registered() -> MutexGuard<'static, Vec<usize>> {
    REGISTERED.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Client {
    fn left(&self) -> MutexGuard<'_, Left> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_of(&self, host: &Host) -> bool {
        Arc::ptr_eq(&self.host.0, &host.0)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Left) -> T) -> T {
        let result = change(&mut self.left());
        self.changed.set();
        result
    }

    pub(super) fn windows(&self) -> Windows {
        self.host.config().windows
    }

    pub(super) fn socket_created(&self, id: u64, origin: Arc<Origin>) {
        self.sockets_ever.fetch_add(1, Ordering::SeqCst);
        self.change(|left| left.sockets.insert(id, origin));
    }

    pub(super) fn socket_closed(&self, id: u64) {
        self.change(|left| left.sockets.remove(&id));
    }

    pub(super) fn request_begun(&self) {
        self.change(|left| left.requests += 1);
    }

    pub(super) fn request_ended(&self) {
        self.change(|left| left.requests -= 1);
    }

    pub(super) fn list_given(&self, list: usize, origin: Origin) {
        self.change(|left| left.lists.insert(list, Arc::new(origin)));
    }

    /// False if the list is not one of the client's, or was freed before.
    pub(super) fn list_freed(&self, list: usize) -> bool {
        self.change(|left| left.lists.remove(&list)).is_some()
    }

    /// Stops a client that sets what must be set before there are sockets (INV-9).
    pub(super) fn require_no_sockets(&self, function: &str) {
        if self.sockets_ever.load(Ordering::SeqCst) > 0 {
            broken(9, function, "the client has created a socket", None);
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

    fn cached(&self) -> MutexGuard<'_, HashMap<usize, Cached>> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Caches a security descriptor. The copy is another object, as that of the system is.
    pub(super) fn cache(&self, _descriptor: PSECURITY_DESCRIPTOR) -> PSECURITY_DESCRIPTOR {
        let copy = Box::new(0_u64);
        let address = ptr::from_ref(&*copy).addr();
        let origin = Arc::new(Origin::here("WskControlClient"));
        self.cached().insert(address, Cached { copy, given: 1, origin });
        ptr::without_provenance_mut(address)
    }

    /// The client gets a cached security descriptor once more.
    pub(super) fn share(&self, descriptor: PSECURITY_DESCRIPTOR) {
        if let Some(cached) = self.cached().get_mut(&descriptor.addr()) {
            cached.given += 1;
        }
    }

    pub(super) fn release(&self, descriptor: PSECURITY_DESCRIPTOR) -> NTSTATUS {
        const FUNCTION: &str = "WskControlClient";
        let mut cached = self.cached();
        let Some(Cached { copy, given, origin }) = cached.get_mut(&descriptor.addr()) else {
            broken(65, FUNCTION, NOT_CACHED, None);
        };
        if *given == 0 {
            broken(65, FUNCTION, "the security descriptor was released before", Some(origin));
        }
        *given -= 1;
        if *given == 0 {
            let range = descriptor.addr()..descriptor.addr() + size_of_val(&**copy);
            self.host.in_flight().require_unused(&range, FUNCTION);
        }
        STATUS_SUCCESS
    }

    /// Stops a client that hands over a security descriptor which is not cached.
    pub(super) fn require_cached(&self, descriptor: PSECURITY_DESCRIPTOR, function: &str) {
        if descriptor.is_null() {
            return;
        }
        match self.cached().get(&descriptor.addr()) {
            None => broken(65, function, NOT_CACHED, None),
            Some(Cached { given: 0, origin, .. }) => {
                broken(65, function, "the security descriptor was released", Some(origin));
            }
            Some(_) => {}
        }
    }

    /// Stops a client that hands over a security descriptor which is not cached, or that releases it before
    /// the request has completed.
    pub(super) fn use_cached(
        &self,
        irp: PIRP,
        descriptor: PSECURITY_DESCRIPTOR,
        function: &'static str,
    ) {
        self.require_cached(descriptor, function);
        if !descriptor.is_null() {
            let what = ("security descriptor", 65);
            self.host.in_flight().needs(irp, what, descriptor.addr(), 1);
        }
    }

    /// The socket that stands for the client's own requests.
    pub(super) fn changes(self: &Arc<Self>) -> u64 {
        let mut stack = self.host.stack();
        let known = self.changes.load(Ordering::SeqCst);
        if known != 0 {
            return known;
        }
        let id = stack.add(Socket::new(Arc::clone(self), BASIC, AF_INET, 0, Callbacks::NONE));
        self.changes.store(id, Ordering::SeqCst);
        self.request_begun();
        id
    }

    pub(super) fn changes_closed(&self) {
        self.request_ended();
    }
}

/// Everybody who is registered, at all hosts.
fn all() -> Vec<Arc<Client>> {
    let of = |address: &usize| {
        let pointer: *const Client = ptr::with_exposed_provenance(*address);
        // SAFETY: a registered client is an `Arc`'s, and stays so while the list is locked.
        unsafe { Arc::increment_strong_count(pointer) };
        // SAFETY: as above.
        unsafe { Arc::from_raw(pointer) }
    };
    registered().iter().map(of).collect()
}

/// Stops a test that leaves a registration behind (INV-3).
pub(crate) fn require_ended(host: &Host) {
    if let Some(client) = all().into_iter().find(|client| client.is_of(host)) {
        broken(3, "the end of the test", "a registration has not ended", Some(&client.origin));
    }
}

/// The client of a registration.
///
/// # Safety
///
/// The block is registered.
unsafe fn client(registration: PWSK_REGISTRATION, rule: u8, function: &'static str) -> Arc<Client> {
    // SAFETY: the caller passes a registration block.
    let context = unsafe { (*registration).ReservedRegistrationContext };
    // SAFETY: as above.
    unsafe { find(context.cast(), rule, "the block is not registered", function) }
}

/// The client that a captured provider is called with.
///
/// # Safety
///
/// The pointer is one that a capture has given.
pub(super) unsafe fn captured(client: PWSK_CLIENT, function: &'static str) -> Arc<Client> {
    // SAFETY: the caller's promises are the same.
    let client = unsafe { find(client.cast(), 4, "the provider is not captured", function) };
    if client.left().captures.is_empty() {
        broken(4, function, "the provider was released", Some(&client.origin));
    }
    client
}

unsafe fn find(
    pointer: *const Client,
    rule: u8,
    found: &str,
    function: &'static str,
) -> Arc<Client> {
    let registered = registered();
    if !registered.contains(&pointer.addr()) {
        broken(rule, function, found, None);
    }
    // SAFETY: a registered client is an `Arc`'s.
    unsafe { Arc::increment_strong_count(pointer) };
    // SAFETY: as above.
    unsafe { Arc::from_raw(pointer) }
}

/// Records a call without an IRP.
fn record(host: &Host, function: &'static str) {
    host.record(What::Call { function, socket: 0, irp: 0, amount: None });
}

#[unsafe(no_mangle)]
unsafe extern "C" fn WskRegister(
    npi: PWSK_CLIENT_NPI,
    registration: PWSK_REGISTRATION,
) -> NTSTATUS {
    require_at_most(PASSIVE_LEVEL, "WskRegister");
    let host = Host::current();
    record(&host, "WskRegister");
    // SAFETY: the caller passes a description, and a table that outlives the registration.
    let pointer = unsafe { (*npi).Dispatch };
    // SAFETY: as above.
    let dispatch = unsafe { pointer.as_ref() };
    let Some(dispatch) = dispatch.filter(|dispatch| dispatch.Reserved == 0) else {
        return STATUS_INVALID_PARAMETER;
    };
    let size = size_of::<WSK_CLIENT_DISPATCH>();
    require_nonpaged(&host, 1, pointer.addr(), size, "the client's table", "WskRegister");
    let size = size_of::<wsk_sys::WSK_REGISTRATION>();
    let what = "the registration block";
    require_nonpaged(&host, 2, registration.addr(), size, what, "WskRegister");
    let block = registration.addr();
    let origin = Arc::new(Origin::here("WskRegister"));
    let is_same = |client: &Arc<Client>| client.block == block && client.is_of(&host);
    if let Some(other) = all().into_iter().find(is_same) {
        let found = "the block is registered already";
        broken(2, "WskRegister", found, Some(&other.origin));
    }
    let client = Arc::new(Client {
        version: dispatch.Version,
        dispatch: pointer,
        left: Mutex::default(),
        changed: Signal::new(),
        static_events: AtomicU32::new(0),
        bypasses_tdi: AtomicBool::new(false),
        sockets_ever: AtomicU64::new(0),
        changes: AtomicU64::new(0),
        cached: Mutex::default(),
        block,
        origin: Arc::clone(&origin),
        host: host.clone(),
    });
    let client = Arc::into_raw(client);
    registered().push(client.expose_provenance());
    let keeper = Keeper::Registration(client.addr());
    let mut in_flight = host.in_flight();
    in_flight.keep(keeper, ("client's table", 1), pointer.addr(), &origin);
    in_flight.keep(keeper, ("block", 2), block, &origin);
    drop(in_flight);
    // SAFETY: the caller passes a registration block.
    unsafe { (*registration).ReservedRegistrationContext = client.cast_mut().cast() };
    STATUS_SUCCESS
}

/// How long until a host's WSK is ready. None if it never is.
fn time_to_readiness(host: &Host) -> Option<Duration> {
    if host.stack().is_withdrawn {
        return None;
    }
    match host.config().readiness {
        Readiness::Ready => Some(Duration::ZERO),
        Readiness::After(time) => Some(time.saturating_sub(host.elapsed())),
        Readiness::Never => None,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn WskCaptureProviderNPI(
    registration: PWSK_REGISTRATION,
    timeout: ULONG,
    npi: PWSK_PROVIDER_NPI,
) -> NTSTATUS {
    const FUNCTION: &str = "WskCaptureProviderNPI";
    let level = if timeout == WSK_NO_WAIT { DISPATCH_LEVEL } else { PASSIVE_LEVEL };
    require_at_most(level, FUNCTION);
    if timeout != WSK_NO_WAIT {
        require_no_callback(FUNCTION);
    }
    // SAFETY: the caller passes a registered block.
    let client = unsafe { client(registration, 2, FUNCTION) };
    record(&client.host, FUNCTION);
    // SAFETY: the client promises its table until the registration ends.
    if unsafe { (*client.dispatch).Version } != client.version {
        let found = "the client's table has changed since WskRegister";
        broken(1, FUNCTION, found, Some(&client.origin));
    }
    let patience = match timeout {
        WSK_INFINITE_WAIT => None,
        milliseconds => Some(Duration::from_millis(milliseconds.into())),
    };
    let is_ready = match (time_to_readiness(&client.host), patience) {
        (Some(time), patience) => {
            let waits = patience.map_or(time, |patience| patience.min(time));
            // Nothing else makes it ready.
            let never = Signal::new();
            if !waits.is_zero() {
                never.wait(FUNCTION, Some(waits));
            }
            time_to_readiness(&client.host) == Some(Duration::ZERO)
        }
        (None, Some(patience)) => {
            if !patience.is_zero() {
                Signal::new().wait(FUNCTION, Some(patience));
            }
            false
        }
        (None, None) => {
            let found = "it waits for ever, and WSK is never ready";
            broken(6, FUNCTION, found, Some(&client.origin));
        }
    };
    if !is_ready {
        return STATUS_DEVICE_NOT_READY;
    }
    if client.version != VERSION {
        return STATUS_NOINTERFACE;
    }
    client.change(|left| left.captures.push(Origin::here(FUNCTION)));
    let provider = WSK_PROVIDER_NPI {
        Client: Arc::as_ptr(&client).cast_mut().cast(),
        Dispatch: tables::provider(client.windows()),
    };
    // SAFETY: the caller passes room for the provider.
    unsafe { npi.write(provider) };
    STATUS_SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn WskReleaseProviderNPI(registration: PWSK_REGISTRATION) {
    const FUNCTION: &str = "WskReleaseProviderNPI";
    require_at_most(DISPATCH_LEVEL, FUNCTION);
    // SAFETY: the caller passes a registered block.
    let client = unsafe { client(registration, 2, FUNCTION) };
    record(&client.host, FUNCTION);
    if client.change(|left| left.captures.pop()).is_none() {
        broken(4, FUNCTION, "the provider is not captured", Some(&client.origin));
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn WskQueryProviderCharacteristics(
    registration: PWSK_REGISTRATION,
    characteristics: PWSK_PROVIDER_CHARACTERISTICS,
) -> NTSTATUS {
    const FUNCTION: &str = "WskQueryProviderCharacteristics";
    require_at_most(DISPATCH_LEVEL, FUNCTION);
    // SAFETY: the caller passes a registered block.
    let client = unsafe { client(registration, 2, FUNCTION) };
    record(&client.host, FUNCTION);
    if time_to_readiness(&client.host) != Some(Duration::ZERO) {
        return STATUS_DEVICE_NOT_READY;
    }
    let range = WSK_PROVIDER_CHARACTERISTICS { HighestVersion: VERSION, LowestVersion: VERSION };
    // SAFETY: the caller passes room for the range.
    unsafe { characteristics.write(range) };
    STATUS_SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn WskDeregister(registration: PWSK_REGISTRATION) {
    const FUNCTION: &str = "WskDeregister";
    require_at_most(PASSIVE_LEVEL, FUNCTION);
    require_no_callback(FUNCTION);
    // SAFETY: the caller passes a registered block.
    let client = unsafe { client(registration, 3, FUNCTION) };
    record(&client.host, FUNCTION);
    end_changes(&client);
    let deadline = client.host.0.scheduler.now().saturating_add(ticks(PATIENCE));
    loop {
        client.changed.clear();
        if client.left().is_nothing() {
            break;
        }
        let left = deadline.saturating_sub(client.host.0.scheduler.now());
        let timeout = Duration::from_nanos(left.saturating_mul(100));
        if !client.changed.wait(FUNCTION, Some(timeout)) && !client.left().is_nothing() {
            report_left(&client);
        }
    }
    if let Some(left) = client.cached().values().find(|cached| cached.given > 0) {
        let found = "a cached security descriptor was not released";
        broken(65, FUNCTION, found, Some(&left.origin));
    }
    // SAFETY: the caller passes a registered block.
    unsafe { (*registration).ReservedRegistrationContext = ptr::null_mut() };
    let pointer = Arc::as_ptr(&client);
    registered().retain(|registered| *registered != pointer.addr());
    client.host.in_flight().drop_kept(Keeper::Registration(pointer.addr()));
    // SAFETY: `WskRegister` gave this count to the block.
    unsafe { Arc::decrement_strong_count(pointer) };
}

/// Cancels the requests that wait for a change of the transports.
fn end_changes(client: &Arc<Client>) {
    let id = client.changes.swap(0, Ordering::SeqCst);
    if id != 0 {
        let closed = super::objects::ClosedSocket::Changes(Arc::clone(client));
        let actions = client.host.stack().close(id, closed);
        act(&client.host, actions);
    }
}

fn report_left(client: &Client) -> ! {
    let left = client.left();
    if let Some(origin) = left.lists.values().next() {
        let found = format!("{} lists of addresses were not freed", left.lists.len());
        let origin = Arc::clone(origin);
        drop(left);
        broken(66, "WskDeregister", &found, Some(&origin));
    }
    let socket = |(id, origin): (&u64, &Arc<Origin>)| format!("{id} by {}", origin.call());
    let sockets: Vec<String> = left.sockets.iter().map(socket).collect();
    let found = format!(
        "it waits for {} captures, {} requests and {} sockets ({}), and would for ever",
        left.captures.len(),
        left.requests,
        sockets.len(),
        if sockets.is_empty() { "none".to_owned() } else { sockets.join(", ") }
    );
    let socket = left.sockets.values().next().cloned();
    let created = socket.as_deref().or_else(|| left.captures.first());
    broken(5, "WskDeregister", &found, created)
}
