//! `WskRegister` and its like.

use std::ptr;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wsk_sys::{
    DISPATCH_LEVEL, NTSTATUS, PASSIVE_LEVEL, PWSK_CLIENT, PWSK_CLIENT_NPI,
    PWSK_PROVIDER_CHARACTERISTICS, PWSK_PROVIDER_NPI, PWSK_REGISTRATION, STATUS_DEVICE_NOT_READY,
    STATUS_INVALID_PARAMETER, STATUS_NOINTERFACE, STATUS_SUCCESS, ULONG, USHORT, WSK_MAJOR_VERSION,
    WSK_NO_WAIT, WSK_PROVIDER_CHARACTERISTICS, WSK_PROVIDER_NPI,
};

use super::sockets::PROVIDER;
use crate::host::Host;
use crate::ke::require_at_most;
use crate::verifier::broken;

/// The version that this provider gives, and the only one.
pub(super) const VERSION: USHORT = wsk_sys::MAKE_WSK_VERSION(1, 0);

/// How long a registration may take to end. The real one would wait for ever.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a registration block stands for.
pub(super) struct Client {
    pub(super) host: Host,
    version: USHORT,
    left: Mutex<Left>,
    changed: Condvar,
}

/// What a registration waits for before it ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Left {
    captures: usize,
    sockets: usize,
}

impl Client {
    fn left(&self) -> MutexGuard<'_, Left> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn socket_created(&self) {
        self.left().sockets += 1;
    }

    /// Under the lock to the end: the client may be gone as soon as it is released.
    pub(super) fn socket_closed(&self) {
        let mut left = self.left();
        left.sockets -= 1;
        self.changed.notify_all();
    }
}

/// The client of a registration.
///
/// # Safety
///
/// The block is registered.
unsafe fn client<'a>(registration: PWSK_REGISTRATION, function: &str) -> &'a Client {
    // SAFETY: the caller passes a registration block.
    let context = unsafe { (*registration).ReservedRegistrationContext };
    if context.is_null() {
        broken(2, function, "the block is not registered", None);
    }
    // SAFETY: `WskRegister` stored it, and `WskDeregister` has not ended it.
    unsafe { &*context.cast::<Client>() }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn WskRegister(
    npi: PWSK_CLIENT_NPI,
    registration: PWSK_REGISTRATION,
) -> NTSTATUS {
    require_at_most(PASSIVE_LEVEL, "WskRegister");
    // SAFETY: the caller passes a description, and a table that outlives the registration.
    let dispatch = unsafe { (*npi).Dispatch.as_ref() };
    let Some(dispatch) = dispatch.filter(|dispatch| dispatch.Reserved == 0) else {
        return STATUS_INVALID_PARAMETER;
    };
    let client = Box::new(Client {
        host: Host::current(),
        version: dispatch.Version,
        left: Mutex::default(),
        changed: Condvar::new(),
    });
    // SAFETY: the caller passes a registration block.
    unsafe { (*registration).ReservedRegistrationContext = Box::into_raw(client).cast() };
    STATUS_SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn WskCaptureProviderNPI(
    registration: PWSK_REGISTRATION,
    timeout: ULONG,
    npi: PWSK_PROVIDER_NPI,
) -> NTSTATUS {
    let level = if timeout == WSK_NO_WAIT { DISPATCH_LEVEL } else { PASSIVE_LEVEL };
    require_at_most(level, "WskCaptureProviderNPI");
    // SAFETY: the caller passes a registered block.
    let client = unsafe { client(registration, "WskCaptureProviderNPI") };
    if client.host.0.config.not_ready {
        return STATUS_DEVICE_NOT_READY;
    }
    if WSK_MAJOR_VERSION(client.version) != WSK_MAJOR_VERSION(VERSION) {
        return STATUS_NOINTERFACE;
    }
    client.left().captures += 1;
    let pointer: PWSK_CLIENT = ptr::from_ref(client).cast_mut().cast();
    let provider = WSK_PROVIDER_NPI { Client: pointer, Dispatch: &raw const PROVIDER };
    // SAFETY: the caller passes room for the provider.
    unsafe { npi.write(provider) };
    STATUS_SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn WskReleaseProviderNPI(registration: PWSK_REGISTRATION) {
    require_at_most(DISPATCH_LEVEL, "WskReleaseProviderNPI");
    // SAFETY: the caller passes a registered block.
    let client = unsafe { client(registration, "WskReleaseProviderNPI") };
    let mut left = client.left();
    if left.captures == 0 {
        broken(4, "WskReleaseProviderNPI", "the provider is not captured", None);
    }
    left.captures -= 1;
    client.changed.notify_all();
}

#[unsafe(no_mangle)]
unsafe extern "C" fn WskQueryProviderCharacteristics(
    registration: PWSK_REGISTRATION,
    characteristics: PWSK_PROVIDER_CHARACTERISTICS,
) -> NTSTATUS {
    require_at_most(DISPATCH_LEVEL, "WskQueryProviderCharacteristics");
    // SAFETY: the caller passes a registered block.
    let client = unsafe { client(registration, "WskQueryProviderCharacteristics") };
    if client.host.0.config.not_ready {
        return STATUS_DEVICE_NOT_READY;
    }
    let range = WSK_PROVIDER_CHARACTERISTICS { HighestVersion: VERSION, LowestVersion: VERSION };
    // SAFETY: the caller passes room for the range.
    unsafe { characteristics.write(range) };
    STATUS_SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn WskDeregister(registration: PWSK_REGISTRATION) {
    require_at_most(PASSIVE_LEVEL, "WskDeregister");
    // SAFETY: the caller passes a registered block.
    let client = unsafe { client(registration, "WskDeregister") };
    let wait = client
        .changed
        .wait_timeout_while(client.left(), PATIENCE, |left| *left != Left::default())
        .unwrap_or_else(PoisonError::into_inner);
    let left = *wait.0;
    drop(wait);
    if left != Left::default() {
        let found = format!(
            "it waits for {} captures and {} sockets, and would for ever",
            left.captures, left.sockets
        );
        broken(5, "WskDeregister", &found, None);
    }
    // SAFETY: the caller passes a registered block.
    let context = unsafe { &mut (*registration).ReservedRegistrationContext };
    let client = std::mem::replace(context, ptr::null_mut());
    // SAFETY: `WskRegister` made it, and nothing of it is left.
    drop(unsafe { Box::from_raw(client.cast::<Client>()) });
}
