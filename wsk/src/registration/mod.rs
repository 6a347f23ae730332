//! The registration of a driver with WSK.
//!
//! # Safety
//!
//! A registration owns a reference to its client, which is valid until the last reference is released.

#![expect(unsafe_code, reason = "see Safety")]

mod builder;

use core::fmt;
use core::mem::ManuallyDrop;
use core::ptr::{self, NonNull};
use core::time::Duration;

use wsk_sys::image::LONG_WAIT;
use wsk_sys::{
    MAKE_WSK_VERSION, ULONG, WSK_CLIENT_DISPATCH, WSK_CLIENT_NPI, WSK_INFINITE_WAIT, WSK_NO_WAIT,
    WSK_PROVIDER_CHARACTERISTICS, WskQueryProviderCharacteristics, WskRegister, find_pool_routines,
};

pub use self::builder::RegistrationBuilder;
use crate::client::{Client, ClientSetup, DeviceRef};
use crate::irql::Passive;
use crate::kernel::Thread;
use crate::provider::{Provider, Version};
use crate::rundown::Rundown;
use crate::status::{Result, check};

/// The table of every client of this crate: version 1.0, the only one, without an event callback, because no event is
/// defined. It is static, because it must outlive the registration ([INV-1](crate::rules#inv-1)).
static CLIENT_DISPATCH: WSK_CLIENT_DISPATCH =
    WSK_CLIENT_DISPATCH { Version: MAKE_WSK_VERSION(1, 0), Reserved: 0, WskClientEvent: None };

/// A registration as a WSK client: the first WSK object that a driver creates, and the last one that it ends.
///
/// [`deregister`](Self::deregister) ends it, and waits until every provider is released and every socket is closed.
/// Dropping it also ends it, but does not wait: the registration's own thread deregisters when they are. So it may be
/// dropped anywhere at up to `DISPATCH_LEVEL`, including in a callback, a completion routine and a task.
///
/// A driver must not unload before ([INV-3](crate::rules#inv-3)). [`wsk::unload`](crate::unload()) waits for it, however
/// it was ended; if it was forgotten, indefinitely.
///
/// ```
/// use std::time::Duration;
/// use wsk::{Registration, irql::Passive};
///
/// // SAFETY: an example runs at PASSIVE_LEVEL.
/// let passive = unsafe { Passive::assume() };
/// let registration = Registration::register(passive)?;
/// let wsk = registration.capture(passive, Duration::from_secs(5))?;
/// drop(wsk);
/// registration.deregister(passive);
/// # extern crate wsk_host;
/// # Ok::<(), wsk::Error>(())
/// ```
///
/// # Invariants
///
/// It owns a reference to a registered client.
pub struct Registration {
    client: NonNull<Client>,
    /// The client's thread.
    thread: ManuallyDrop<Thread>,
}

// SAFETY: it owns a reference (Invariants) to a `Client`, which is `Sync`, and any thread may release it.
unsafe impl Send for Registration {}
// SAFETY: shared access is to a `Client`, which is `Sync`.
unsafe impl Sync for Registration {}

impl Registration {
    /// Returns a builder of a registration with static events, or other settings that must precede all sockets.
    pub const fn builder() -> RegistrationBuilder {
        RegistrationBuilder::NEW
    }

    /// Registers with WSK.
    ///
    /// IRQL: `PASSIVE_LEVEL`. Minimum Windows: Windows 8.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nf-wsk-wskregister).
    ///
    /// # Errors
    ///
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails, or a thread cannot be created.
    /// - Any status of `WskRegister`.
    pub fn register(passive: Passive) -> Result<Self> {
        Self::builder().register(passive)
    }

    fn register_with(
        setup: ClientSetup,
        device: Option<DeviceRef>,
        passive: Passive,
    ) -> Result<Self> {
        // SAFETY: the token proves PASSIVE_LEVEL.
        unsafe { find_pool_routines() };
        let (client, thread) = Client::start(setup, device, passive)?;
        // SAFETY: the client is valid until its first reference, which this call owns, is released.
        let memory = unsafe { client.as_ref() };
        let mut npi =
            WSK_CLIENT_NPI { ClientContext: ptr::null_mut(), Dispatch: &raw const CLIENT_DISPATCH };
        // SAFETY: the token proves PASSIVE_LEVEL; the table is static, and the block neither moves nor is freed before it
        // is deregistered (INV-2).
        let registered = check(unsafe { WskRegister(&raw mut npi, memory.registration()) });
        if registered.is_ok() {
            memory.set_registered();
        }
        // INVARIANT: this value owns the client's first reference.
        let registration = Self { client, thread: ManuallyDrop::new(thread) };
        match registered {
            Ok(()) => Ok(registration),
            Err(error) => {
                // The thread ends the client, and does not deregister it.
                registration.deregister(passive);
                Err(error)
            }
        }
    }

    /// Ends the registration: waits until every provider is released and every socket is closed, and deregisters.
    ///
    /// The calling thread must own none of them, or it waits for itself ([INV-5](crate::rules#inv-5)). During a long wait,
    /// messages to the kernel debugger name the remaining objects, after 10, 20, 40 seconds and so on.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nf-wsk-wskderegister).
    pub fn deregister(self, passive: Passive) {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is not dropped, so the thread is taken once.
        let thread = unsafe { ManuallyDrop::take(&mut this.thread) };
        // SAFETY: this is the registration's reference, which is released once.
        unsafe { Client::release_reference(this.client) };
        thread.join(passive, LONG_WAIT, || Rundown::current().report("Registration::deregister"));
    }

    /// Captures the provider, waiting up to `timeout` for WSK to become ready. The timeout has a resolution of one
    /// millisecond, and a maximum of 49 days.
    ///
    /// Do not wait for long in `DriverEntry`: early in the boot, WSK may become ready only after the entry points have
    /// returned ([INV-6](crate::rules#inv-6)).
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nf-wsk-wskcaptureprovidernpi).
    ///
    /// # Errors
    ///
    /// - `STATUS_DEVICE_NOT_READY` (kind [`NotReady`](crate::ErrorKind::NotReady)) if WSK did not become
    ///   ready in time.
    /// - `STATUS_NOINTERFACE` if the provider does not support version 1.0.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any status of `WskControlClient` of [static events](RegistrationBuilder::static_events).
    pub fn capture(&self, passive: Passive, timeout: Duration) -> Result<Provider> {
        // The highest number means an unlimited wait, which this crate never uses.
        let longest = WSK_INFINITE_WAIT - 1;
        let milliseconds =
            ULONG::try_from(timeout.as_millis()).map_or(longest, |ms| ms.min(longest));
        self.capture_for(milliseconds, Some(passive))
    }

    /// Captures the provider if WSK is ready.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nf-wsk-wskcaptureprovidernpi).
    ///
    /// # Errors
    ///
    /// As for [`Registration::capture`]; also `STATUS_DEVICE_NOT_READY` during another thread's first capture of the
    /// provider, for a registration with [static events](RegistrationBuilder::static_events), and
    /// `STATUS_INVALID_DEVICE_REQUEST` in a [foreign waker](crate::guide::executors#foreign-wakers) in a completion routine.
    pub fn try_capture(&self) -> Result<Provider> {
        self.capture_for(WSK_NO_WAIT, None)
    }

    fn capture_for(&self, milliseconds: ULONG, passive: Option<Passive>) -> Result<Provider> {
        // SAFETY: the client is registered (Invariants); a call that may wait has a token, which proves PASSIVE_LEVEL.
        unsafe { Provider::capture(self.client, milliseconds, passive) }
    }

    /// Returns the lowest and the highest version of WSK that the provider supports, for a diagnosis after a capture has
    /// failed with `STATUS_NOINTERFACE` ([INV-7](crate::rules#inv-7)).
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nf-wsk-wskqueryprovidercharacteristics).
    ///
    /// # Errors
    ///
    /// `STATUS_DEVICE_NOT_READY` if WSK is not ready; `STATUS_INVALID_DEVICE_REQUEST` in a
    /// [foreign waker](crate::guide::executors#foreign-wakers) in a completion routine.
    pub fn provider_versions(&self) -> Result<(Version, Version)> {
        self.client().check_outside_routines()?;
        let mut range = WSK_PROVIDER_CHARACTERISTICS { HighestVersion: 0, LowestVersion: 0 };
        // SAFETY: the client is registered (Invariants).
        check(unsafe {
            WskQueryProviderCharacteristics(self.client().registration(), &raw mut range)
        })?;
        Ok((Version::from_raw(range.LowestVersion), Version::from_raw(range.HighestVersion)))
    }

    const fn client(&self) -> &Client {
        // SAFETY: this value owns a reference to the client (Invariants).
        unsafe { self.client.as_ref() }
    }
}

impl Drop for Registration {
    /// IRQL: <= `DISPATCH_LEVEL`. Does not wait.
    fn drop(&mut self) {
        // SAFETY: this is the registration's reference, which is released once.
        unsafe { Client::release_reference(self.client) };
        // The thread ends on its own; `unload` waits for it.
        // SAFETY: the value is not used any more.
        unsafe { ManuallyDrop::drop(&mut self.thread) };
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration").finish_non_exhaustive()
    }
}
