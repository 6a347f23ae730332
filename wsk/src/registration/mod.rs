//! Registering with WSK.
//!
//! # Safety
//!
//! The registration owns its client's memory, and frees it after everything that refers to the client has ended.

#![expect(unsafe_code, reason = "see Safety")]

mod builder;

use core::fmt;
use core::ptr::{self, NonNull};
use core::time::Duration;

use wsk_sys::{
    MAKE_WSK_VERSION, ULONG, WSK_CLIENT_DISPATCH, WSK_CLIENT_NPI, WSK_INFINITE_WAIT, WSK_NO_WAIT,
    WSK_PROVIDER_CHARACTERISTICS, WskDeregister, WskQueryProviderCharacteristics, WskRegister,
    find_pool_routines,
};

pub use self::builder::RegistrationBuilder;
use crate::client::{Client, ClientSetup};
use crate::irql::{self, Passive};
use crate::pool::PoolBox;
use crate::provider::{Provider, Version};
use crate::status::{Result, check};
use crate::sync::Thread;

/// The table of every client of this crate: version 1.0, the only one there is, and no event callback, since no
/// event has been defined. Static, as it must outlive the registration ([INV-1](crate::rules#inv-1)).
static CLIENT_DISPATCH: WSK_CLIENT_DISPATCH =
    WSK_CLIENT_DISPATCH { Version: MAKE_WSK_VERSION(1, 0), Reserved: 0, WskClientEvent: None };

/// A registration as a client of WSK: what a driver does first and undoes last.
///
/// Dropping it waits until every provider and every socket that came of it is gone, and then deregisters. So it
/// must be dropped at `PASSIVE_LEVEL`, in `DriverUnload` or where `DriverEntry` fails, by a thread that holds
/// none of these ([INV-5](crate::rules#inv-5)): a thread that does waits for itself. Dropped at another level,
/// or forgotten, it stays registered, and a driver that unloads nevertheless stops the system
/// ([INV-3](crate::rules#inv-3)).
///
/// ```
/// use std::time::Duration;
/// use wsk::{Registration, irql::Passive};
///
/// // SAFETY: an example runs at PASSIVE_LEVEL.
/// let passive = unsafe { Passive::assume() };
/// let registration = Registration::register(passive)?;
/// let wsk = registration.capture(passive, Duration::from_secs(5))?;
/// # drop(wsk);
/// # extern crate wsk_host;
/// # Ok::<(), wsk::Error>(())
/// ```
///
/// # Invariants
///
/// `client` points to a registered client in a `PoolBox` allocation, which is freed when this value is dropped.
pub struct Registration {
    client: NonNull<Client>,
    /// The thread of the client's deferred queue.
    deferred: Option<Thread>,
}

// SAFETY: the client that it points to is `Sync`, and its memory may be freed by any thread.
unsafe impl Send for Registration {}
// SAFETY: the client that it points to is `Sync`.
unsafe impl Sync for Registration {}

impl Registration {
    /// A registration with static events, or other settings that precede all sockets.
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
    /// - `STATUS_INSUFFICIENT_RESOURCES` if there is no memory, or no thread to be had.
    /// - What `WskRegister` reports.
    pub fn register(passive: Passive) -> Result<Self> {
        Self::builder().register(passive)
    }

    fn register_with(setup: ClientSetup, passive: Passive) -> Result<Self> {
        // SAFETY: the token says PASSIVE_LEVEL.
        unsafe { find_pool_routines() };
        let client = Client::allocate(setup, passive)?;
        // SAFETY: the thread is joined below or in `drop`, before the client is freed, and is started once.
        let deferred = unsafe { client.start_deferred(passive) }?;
        let mut npi =
            WSK_CLIENT_NPI { ClientContext: ptr::null_mut(), Dispatch: &raw const CLIENT_DISPATCH };
        // SAFETY: the token says PASSIVE_LEVEL; the table is static, and the block neither moves nor is
        // freed before it is deregistered (INV-2).
        if let Err(error) = check(unsafe { WskRegister(&raw mut npi, client.registration()) }) {
            client.deferred.stop();
            deferred.join(passive);
            return Err(error);
        }
        // INVARIANT: the client is registered.
        Ok(Self { client: client.into_raw(), deferred: Some(deferred) })
    }

    /// Captures the provider, waiting up to `timeout` for WSK to become ready. It is counted in whole
    /// milliseconds, up to 49 days.
    ///
    /// Do not wait for long in `DriverEntry`: early in the start of the system WSK may become ready only
    /// after the entry points have returned ([INV-6](crate::rules#inv-6)).
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nf-wsk-wskcaptureprovidernpi).
    ///
    /// # Errors
    ///
    /// - `STATUS_DEVICE_NOT_READY` (kind [`NotReady`](crate::ErrorKind::NotReady)) if WSK did not become
    ///   ready in time.
    /// - `STATUS_NOINTERFACE` if the provider does not support version 1.0.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if there is no memory.
    /// - What `WskControlClient` reports of [static events](RegistrationBuilder::static_events).
    pub fn capture(&self, passive: Passive, timeout: Duration) -> Result<Provider> {
        // The highest number means to wait for ever, which nothing here does.
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
    /// As for [`Registration::capture`]; and `STATUS_DEVICE_NOT_READY` if another thread captures the provider of
    /// a registration with [static events](RegistrationBuilder::static_events) for the first time, at this moment.
    pub fn try_capture(&self) -> Result<Provider> {
        self.capture_for(WSK_NO_WAIT, None)
    }

    fn capture_for(&self, milliseconds: ULONG, passive: Option<Passive>) -> Result<Provider> {
        // SAFETY: the client is registered; if this may wait, the caller has shown its level.
        unsafe { Provider::capture(self.client, milliseconds, passive) }
    }

    /// The lowest and the highest version of WSK that the provider supports, as (major, minor). To be
    /// asked when a capture has failed with `STATUS_NOINTERFACE` ([INV-7](crate::rules#inv-7)).
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nf-wsk-wskqueryprovidercharacteristics).
    ///
    /// # Errors
    ///
    /// `STATUS_DEVICE_NOT_READY` if WSK is not ready.
    pub fn provider_versions(&self) -> Result<(Version, Version)> {
        let mut range = WSK_PROVIDER_CHARACTERISTICS { HighestVersion: 0, LowestVersion: 0 };
        // SAFETY: the registration is registered.
        check(unsafe {
            WskQueryProviderCharacteristics(self.client().registration(), &raw mut range)
        })?;
        Ok((Version::from_raw(range.LowestVersion), Version::from_raw(range.HighestVersion)))
    }

    const fn client(&self) -> &Client {
        // SAFETY: the client's memory is freed when this value is dropped.
        unsafe { self.client.as_ref() }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if !irql::is_passive() {
            // Neither waiting nor deregistering is possible here: it stays registered.
            return;
        }
        // SAFETY: the level was just read, and a callback has no registration to drop: it would wait for
        // itself at any level, as the type's documentation says.
        let passive = unsafe { Passive::assume() };
        let client = self.client();
        client.wait_for_references(passive);
        // SAFETY: the level is passive; nothing of the registration is left but requests that this ends (INV-5).
        unsafe { WskDeregister(client.registration()) };
        client.wait_for_requests(passive);
        client.deferred.stop();
        if let Some(deferred) = self.deferred.take() {
            deferred.join(passive);
        }
        crate::time::flush(passive);
        // SAFETY: the client came from a `PoolBox`, and nothing refers to it any more.
        drop(unsafe { PoolBox::from_raw(self.client) });
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration").finish_non_exhaustive()
    }
}
