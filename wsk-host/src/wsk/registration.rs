//! `WskRegister` and the other exported functions: registration, capture and release.
//!
//! # Safety
//!
//! The exported functions have the contracts that `wsk-sys` documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![expect(unsafe_code, reason = "the functions and objects are those of a C interface")]

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use wsk_sys::{
    DISPATCH_LEVEL, NTSTATUS, PASSIVE_LEVEL, PWSK_CLIENT_NPI, PWSK_PROVIDER_CHARACTERISTICS,
    PWSK_PROVIDER_NPI, PWSK_REGISTRATION, STATUS_DEVICE_NOT_READY, STATUS_INVALID_PARAMETER,
    STATUS_NOINTERFACE, STATUS_SUCCESS, ULONG, WSK_CLIENT_DISPATCH, WSK_INFINITE_WAIT, WSK_NO_WAIT,
    WSK_PROVIDER_CHARACTERISTICS, WSK_PROVIDER_NPI,
};

use super::action::ClosedSocket;
use super::client::{Client, VERSION, all, client, registered, require_pointer};
use super::execute::execute;
use super::{attach_default, tables};
use crate::kernel::context::require_no_callback;
use crate::kernel::ke::dispatcher::Signal;
use crate::kernel::ke::irql::require_at_most;
use crate::kernel::residency::require_nonpaged;
use crate::kernel::schedule::ticks;
use crate::kernel::trace::TraceEvent;
use crate::kernel::usage::Owner;
use crate::kernel::{Kernel, current};
use crate::verifier::{Origin, Rule, fatal_violation, rule_violation};
use crate::wsk::config::Readiness;

/// The time that a registration may take to end. Windows would wait forever.
const PATIENCE: Duration = Duration::from_secs(10);

/// A registration, as the owner of its block and its table.
fn registration_owner(client: usize) -> Owner {
    Owner { description: "a client that is still registered", number: client as u64 }
}

/// Records a call without an IRP.
fn record(kernel: &Kernel, function: &'static str) {
    kernel.record(TraceEvent::Call { function, socket: 0, irp: 0, amount: None });
}

#[unsafe(no_mangle)]
unsafe extern "C" fn WskRegister(
    npi: PWSK_CLIENT_NPI,
    registration: PWSK_REGISTRATION,
) -> NTSTATUS {
    // SAFETY: the caller passes a description, a table that outlives the registration, and a block.
    unsafe { register(npi, registration, false) }
}

/// `WskRegister` as images call it.
#[cfg(images)]
#[wsk_host_macros::export("WskRegister")]
unsafe extern "C" fn register_image(
    npi: PWSK_CLIENT_NPI,
    registration: PWSK_REGISTRATION,
) -> NTSTATUS {
    // SAFETY: the caller passes a description, a table that outlives the registration, and a block.
    unsafe { register(npi, registration, true) }
}

/// # Safety
///
/// As for `WskRegister`; `is_image` states whether an image calls it.
unsafe fn register(
    npi: PWSK_CLIENT_NPI,
    registration: PWSK_REGISTRATION,
    is_image: bool,
) -> NTSTATUS {
    require_at_most(PASSIVE_LEVEL, "WskRegister");
    let kernel = current();
    attach_default(&kernel);
    record(&kernel, "WskRegister");
    require_pointer(npi, "WskClientNpi", "WskRegister");
    require_pointer(registration, "WskRegistration", "WskRegister");
    // SAFETY: the caller passes a description, and a table that outlives the registration.
    let pointer = unsafe { (*npi).Dispatch };
    // SAFETY: the caller's table outlives the registration.
    let dispatch = unsafe { pointer.as_ref() };
    let Some(dispatch) = dispatch.filter(|dispatch| dispatch.Reserved == 0) else {
        return STATUS_INVALID_PARAMETER;
    };
    let size = size_of::<WSK_CLIENT_DISPATCH>();
    require_nonpaged(
        &kernel,
        Rule::CLIENT_TABLE_UNCHANGED,
        pointer.addr(),
        size,
        "the client's table",
        "WskRegister",
    );
    let size = size_of::<wsk_sys::WSK_REGISTRATION>();
    let what = "the registration block";
    require_nonpaged(
        &kernel,
        Rule::REGISTRATION_BLOCK,
        registration.addr(),
        size,
        what,
        "WskRegister",
    );
    let block = registration.addr();
    let origin = Origin::here("WskRegister");
    let is_same = |client: &Arc<Client>| client.block == block && client.is_of(&kernel);
    if let Some(other) = all().into_iter().find(is_same) {
        let found = "the registration block is already registered";
        rule_violation(Rule::REGISTRATION_BLOCK, "WskRegister", found, Some(&other.origin));
    }
    let client = Arc::new(Client {
        version: dispatch.Version,
        dispatch: pointer,
        outstanding: Mutex::default(),
        changed: Signal::new(),
        has_ended: AtomicBool::new(false),
        ended: Signal::new(),
        static_events: AtomicU32::new(0),
        bypasses_tdi: AtomicBool::new(false),
        sockets_ever: AtomicU64::new(0),
        changes: AtomicU64::new(0),
        descriptors: Arc::default(),
        is_image,
        block,
        origin: origin.clone(),
        kernel: kernel.clone(),
    });
    let client = Arc::into_raw(client);
    registered().push(client.expose_provenance());
    let owner = registration_owner(client.addr());
    let mut usage = kernel.usage();
    usage.pin_object(
        owner,
        ("client's table", Rule::CLIENT_TABLE_UNCHANGED),
        pointer.addr(),
        &origin,
    );
    usage.pin_object(owner, ("block", Rule::REGISTRATION_BLOCK), block, &origin);
    drop(usage);
    // SAFETY: the caller passes a registration block.
    unsafe { (*registration).ReservedRegistrationState = 0 };
    // SAFETY: the caller passes a registration block.
    unsafe { (*registration).ReservedRegistrationContext = client.cast_mut().cast() };
    STATUS_SUCCESS
}

/// The state of a block whose registration has ended.
const ENDED: u64 = u64::from_le_bytes(*b"WskEnded");

/// Whether the registration of a block has ended, and the block was not used for anything else since.
///
/// # Safety
///
/// The pointer is null, or to a block.
unsafe fn has_ended(registration: PWSK_REGISTRATION) -> bool {
    // SAFETY: the pointer is null, or to a block, by this function's contract.
    unsafe { registration.as_ref() }.is_some_and(|block| {
        block.ReservedRegistrationState == ENDED && block.ReservedRegistrationContext.is_null()
    })
}

/// The time until a host's WSK is ready. `None` if it never is.
fn time_to_readiness(kernel: &Kernel) -> Option<Duration> {
    if kernel.stack().services.is_withdrawn {
        return None;
    }
    match kernel.wsk_config().readiness {
        Readiness::Ready => Some(Duration::ZERO),
        Readiness::After(time) => Some(time.saturating_sub(kernel.elapsed())),
        Readiness::Never => None,
    }
}

#[wsk_host_macros::export]
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
    require_pointer(npi, "WskProviderNpi", FUNCTION);
    // SAFETY: the caller passes a registered block, or one whose registration has ended.
    if unsafe { has_ended(registration) } {
        record(&current(), FUNCTION);
        return STATUS_DEVICE_NOT_READY;
    }
    // SAFETY: the caller passes a registered block.
    let client = unsafe { client(registration, Rule::REGISTRATION_BLOCK, FUNCTION) };
    record(&client.kernel, FUNCTION);
    // SAFETY: the client's table is valid until the registration ends (INV-1).
    if unsafe { (*client.dispatch).Version } != client.version {
        let found = "the client's table has changed since WskRegister";
        rule_violation(Rule::CLIENT_TABLE_UNCHANGED, FUNCTION, found, Some(&client.origin));
    }
    let patience = match timeout {
        WSK_INFINITE_WAIT => None,
        milliseconds => Some(Duration::from_millis(milliseconds.into())),
    };
    let is_ready = match (time_to_readiness(&client.kernel), patience) {
        (Some(time), patience) => {
            let waits = patience.map_or(time, |patience| patience.min(time));
            // Nothing else makes it ready; the end of the registration ends the wait.
            if !waits.is_zero() {
                client.ended.wait(FUNCTION, Some(waits));
            }
            time_to_readiness(&client.kernel) == Some(Duration::ZERO)
        }
        (None, Some(patience)) => {
            if !patience.is_zero() {
                client.ended.wait(FUNCTION, Some(patience));
            }
            false
        }
        (None, None) => {
            let found = "the wait has no timeout, and WSK never becomes ready";
            let why = "the wait would never end";
            fatal_violation(Rule::UNBOUNDED_CAPTURE, FUNCTION, found, Some(&client.origin), why);
        }
    };
    if !is_ready {
        return STATUS_DEVICE_NOT_READY;
    }
    if client.version != VERSION {
        return STATUS_NOINTERFACE;
    }
    let is_captured = client.change(|outstanding| {
        let has_ended = client.has_ended.load(Ordering::SeqCst);
        if !has_ended {
            outstanding.captures.push(Origin::here(FUNCTION));
        }
        !has_ended
    });
    if !is_captured {
        return STATUS_DEVICE_NOT_READY;
    }
    let provider = WSK_PROVIDER_NPI {
        Client: Arc::as_ptr(&client).cast_mut().cast(),
        Dispatch: tables::provider(client.windows(), client.is_image),
    };
    // SAFETY: the caller passes room for the provider.
    unsafe { npi.write(provider) };
    STATUS_SUCCESS
}

#[wsk_host_macros::export]
unsafe extern "C" fn WskReleaseProviderNPI(registration: PWSK_REGISTRATION) {
    const FUNCTION: &str = "WskReleaseProviderNPI";
    require_at_most(DISPATCH_LEVEL, FUNCTION);
    // SAFETY: the caller passes a registered block.
    let client = unsafe { client(registration, Rule::REGISTRATION_BLOCK, FUNCTION) };
    record(&client.kernel, FUNCTION);
    if client.change(|outstanding| outstanding.captures.pop()).is_none() {
        rule_violation(
            Rule::PROVIDER_RELEASED_ONCE,
            FUNCTION,
            "the provider is not captured",
            Some(&client.origin),
        );
    }
}

#[wsk_host_macros::export]
unsafe extern "C" fn WskQueryProviderCharacteristics(
    registration: PWSK_REGISTRATION,
    characteristics: PWSK_PROVIDER_CHARACTERISTICS,
) -> NTSTATUS {
    const FUNCTION: &str = "WskQueryProviderCharacteristics";
    require_at_most(DISPATCH_LEVEL, FUNCTION);
    require_pointer(characteristics, "WskProviderCharacteristics", FUNCTION);
    // SAFETY: the caller passes a registered block.
    let client = unsafe { client(registration, Rule::REGISTRATION_BLOCK, FUNCTION) };
    record(&client.kernel, FUNCTION);
    if time_to_readiness(&client.kernel) != Some(Duration::ZERO) {
        return STATUS_DEVICE_NOT_READY;
    }
    let range = WSK_PROVIDER_CHARACTERISTICS { HighestVersion: VERSION, LowestVersion: VERSION };
    // SAFETY: the caller passes room for the range.
    unsafe { characteristics.write(range) };
    STATUS_SUCCESS
}

#[wsk_host_macros::export]
unsafe extern "C" fn WskDeregister(registration: PWSK_REGISTRATION) {
    const FUNCTION: &str = "WskDeregister";
    require_at_most(PASSIVE_LEVEL, FUNCTION);
    require_no_callback(FUNCTION);
    // SAFETY: the caller passes a registered block.
    let client = unsafe { client(registration, Rule::REGISTRATION_ENDED_ONCE, FUNCTION) };
    record(&client.kernel, FUNCTION);
    client.change(|_| client.has_ended.store(true, Ordering::SeqCst));
    client.ended.set();
    end_changes(&client);
    let deadline = client.kernel.now().saturating_add(ticks(PATIENCE));
    loop {
        client.changed.clear();
        if client.outstanding().is_nothing() {
            break;
        }
        let left = deadline.saturating_sub(client.kernel.now());
        let timeout = Duration::from_nanos(left.saturating_mul(100));
        if !client.changed.wait(FUNCTION, Some(timeout)) && !client.outstanding().is_nothing() {
            require_nothing_outstanding(&client);
        }
    }
    if let Some(origin) = client.descriptors.left() {
        let found = "a cached security descriptor was not released";
        rule_violation(Rule::SECURITY_DESCRIPTOR, FUNCTION, found, Some(&origin));
    }
    // SAFETY: the caller passes a registered block.
    unsafe { (*registration).ReservedRegistrationContext = ptr::null_mut() };
    // SAFETY: the caller passes a registered block.
    unsafe { (*registration).ReservedRegistrationState = ENDED };
    let pointer = Arc::as_ptr(&client);
    registered().retain(|registered| *registered != pointer.addr());
    client.kernel.usage().unpin_objects(registration_owner(pointer.addr()));
    // SAFETY: `WskRegister` gave this count to the block.
    unsafe { Arc::decrement_strong_count(pointer) };
}

/// Cancels the requests that wait for a change of the transports.
fn end_changes(client: &Arc<Client>) {
    let id = client.changes.swap(0, Ordering::SeqCst);
    if id != 0 {
        let closed = ClosedSocket::Changes(Arc::clone(client));
        let actions = client.kernel.stack().close(id, closed);
        execute(&client.kernel, actions);
    }
}

/// Stops a client that deregisters, and whose registration has not ended in time.
fn require_nothing_outstanding(client: &Client) {
    let mut left = client.outstanding();
    let lists = std::mem::take(&mut left.lists);
    if let Some(origin) = lists.values().next() {
        let found = format!("lists of addresses not freed: {}", lists.len());
        drop(left);
        rule_violation(Rule::NAME_RESOLUTION, "WskDeregister", &found, Some(origin));
        // They are lost, and the registration ends without them.
        return;
    }
    let socket = |(id, origin): (&u64, &Origin)| format!("{id} by {}", origin.call());
    let sockets: Vec<String> = left.sockets.iter().map(socket).collect();
    let found = format!(
        "waits forever: captures: {}, requests: {}, sockets: {} ({})",
        left.captures.len(),
        left.requests,
        sockets.len(),
        if sockets.is_empty() { "none".to_owned() } else { sockets.join(", ") }
    );
    let socket = left.sockets.values().next().cloned();
    let created = socket.as_ref().or_else(|| left.captures.first());
    let why = "the registration does not end before them";
    fatal_violation(Rule::DEREGISTRATION_WAITS, "WskDeregister", &found, created, why)
}
