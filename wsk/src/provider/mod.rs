//! The captured provider of WSK.
//!
//! # Safety
//!
//! The provider's table and client pointer are valid while the provider is captured ([INV-4](crate::rules#inv-4)). A
//! [`CapturedProvider`] keeps it captured until it is dropped.

#![expect(unsafe_code, reason = "see Safety")]

mod request;
mod transports;

use core::fmt;
use core::ptr::{self, NonNull};

use wsk_sys::fields::size_t;
use wsk_sys::{
    NTSTATUS, PIRP, PSIZE_T, PVOID, PWSK_CLIENT, ULONG, WSK_PROVIDER_DISPATCH, WSK_PROVIDER_NPI,
    WskCaptureProviderNPI,
};

pub use self::transports::{Transport, Transports};
use crate::capabilities::Capabilities;
use crate::client::Client;
use crate::dispatch::ProviderDispatch;
use crate::irql::Passive;
use crate::pool::Arc;
use crate::rundown::ObjectKind;
use crate::status::{Result, check};

/// The captured provider of WSK, which creates sockets.
///
/// It is cheap to clone. When the last clone is dropped, the provider is released; sockets stay usable
/// ([INV-4](crate::rules#inv-4)).
#[derive(Clone)]
pub struct Provider(Arc<CapturedProvider>);

/// # Invariants
///
/// The provider is captured with the registration of `client`, and this value owns a reference to `client`.
struct CapturedProvider {
    client: NonNull<Client>,
    raw_client: PWSK_CLIENT,
    dispatch: *const WSK_PROVIDER_DISPATCH,
}

// SAFETY: WSK's client and table may be used from any thread, and `Client` is `Sync`.
unsafe impl Send for CapturedProvider {}
// SAFETY: WSK's client and table may be used from any thread, and `Client` is `Sync`.
unsafe impl Sync for CapturedProvider {}

impl Provider {
    /// Returns the version of WSK that the provider implements: 1.0, or one with a higher minor number.
    ///
    /// IRQL: any.
    #[must_use]
    pub fn version(&self) -> Version {
        // SAFETY: the table is valid while it is captured.
        let version = unsafe { &raw const (*self.0.dispatch).Version };
        // SAFETY: the table is valid while it is captured, and every table begins with the version.
        Version::from_raw(unsafe { version.read() })
    }

    /// Captures the provider.
    ///
    /// # Errors
    ///
    /// - Any status of `WskCaptureProviderNPI`.
    /// - As for [`ClientSetup::ensure_applied`](crate::client::ClientSetup::ensure_applied).
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    ///
    /// # Safety
    ///
    /// The client is registered. If `milliseconds` is not `WSK_NO_WAIT`, the IRQL is `PASSIVE_LEVEL`.
    pub(crate) unsafe fn capture(
        client: NonNull<Client>,
        milliseconds: ULONG,
        passive: Option<Passive>,
    ) -> Result<Self> {
        // SAFETY: the client is registered, and so in place, by this function's contract.
        let this = unsafe { client.as_ref() };
        this.check_outside_routines()?;
        let mut npi = WSK_PROVIDER_NPI { Client: ptr::null_mut(), Dispatch: ptr::null() };
        // SAFETY: the client is registered, and the level is passive if this may wait, by this function's contract.
        check(unsafe { WskCaptureProviderNPI(this.registration(), milliseconds, &raw mut npi) })?;
        this.retain_reference();
        this.rundown().begin(ObjectKind::Provider);
        // INVARIANT: the provider was captured, and the reference taken, just now. If something fails below, both are
        // released by the drop.
        let captured = CapturedProvider { client, raw_client: npi.Client, dispatch: npi.Dispatch };
        let control = |code, input, size| {
            // SAFETY: `ensure_applied` calls this with a code that takes no IRP and such an input; nothing comes out.
            unsafe { captured.control(code, (input, size), (ptr::null_mut(), 0), ptr::null_mut()) }
        };
        // SAFETY: the provider is captured, and shared with no other thread yet.
        unsafe { this.setup.ensure_applied(control, passive) }?;
        Arc::new(captured).map(Self)
    }

    /// The client whose registration has captured the provider.
    pub(crate) fn client_ref(&self) -> &Client {
        // SAFETY: the captured provider owns a reference to the client (Invariants).
        unsafe { self.0.client.as_ref() }
    }

    /// The pointer of the client, for code that takes its own reference.
    pub(crate) fn client_ptr(&self) -> NonNull<Client> {
        self.0.client
    }

    /// `WskControlClient` without an IRP. IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Safety
    ///
    /// The code takes no IRP, and such an input, output and size.
    pub(crate) unsafe fn control(
        &self,
        code: ULONG,
        input: (PVOID, usize),
        output: (PVOID, usize),
        returned: PSIZE_T,
    ) -> NTSTATUS {
        // SAFETY: the code takes no IRP, and the input, output and size are valid for it, by this function's contract.
        unsafe { self.0.control(code, input, output, returned) }
    }

    /// Returns the capabilities of the running Windows.
    ///
    /// IRQL: any.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        self.client_ref().capabilities()
    }

    /// Returns the client argument of the functions of [`dispatch`](Self::dispatch). It is valid while the provider is
    /// captured ([INV-4](crate::rules#inv-4)).
    ///
    /// IRQL: any.
    #[must_use]
    pub fn client(&self) -> PWSK_CLIENT {
        self.0.raw_client
    }

    /// Returns WSK's raw functions. They may be called while the provider is captured ([INV-4](crate::rules#inv-4)).
    ///
    /// IRQL: any.
    #[must_use]
    pub fn dispatch(&self) -> ProviderDispatch {
        self.0.dispatch()
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("version", &self.version()).finish_non_exhaustive()
    }
}

impl CapturedProvider {
    /// `WskControlClient` without an IRP. IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Safety
    ///
    /// The code takes no IRP, and such an input, output and size.
    unsafe fn control(
        &self,
        code: ULONG,
        (input, input_size): (PVOID, usize),
        (output, output_size): (PVOID, usize),
        returned: PSIZE_T,
    ) -> NTSTATUS {
        let (client, none) = (self.raw_client, ptr::null_mut());
        // SAFETY: the provider is captured (INV-4); the code takes no IRP, and the input, output and size are valid for
        // it, by this function's contract (INV-27).
        unsafe {
            self.dispatch().control_client(
                client,
                code,
                size_t(input_size),
                input,
                size_t(output_size),
                output,
                returned,
                none,
            )
        }
    }

    /// Calls `WskControlClient` with an IRP, without an input or output.
    ///
    /// # Safety
    ///
    /// The code takes an IRP and nothing else; the IRP is ready.
    unsafe fn control_with(&self, code: ULONG, irp: PIRP) -> NTSTATUS {
        let (client, none) = (self.raw_client, ptr::null_mut());
        let nowhere = ptr::null_mut();
        // SAFETY: the provider is captured (INV-4); the code takes an IRP and nothing else, by this function's contract
        // (INV-27).
        unsafe { self.dispatch().control_client(client, code, 0, none, 0, none, nowhere, irp) }
    }

    fn dispatch(&self) -> ProviderDispatch {
        // SAFETY: the table is valid while it is captured, which it is as long as `self`.
        unsafe { ProviderDispatch::from_raw(self.dispatch) }
    }
}

impl Drop for CapturedProvider {
    fn drop(&mut self) {
        // SAFETY: this value was captured with a reference, and ends with both.
        unsafe { Client::release_capture(self.client) };
    }
}

/// A version of the WSK interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Versions with different major numbers are incompatible.
    pub major: u8,
    /// A version with a higher minor number is a superset.
    pub minor: u8,
}

impl Version {
    pub(crate) const fn from_raw(version: u16) -> Self {
        Self {
            major: wsk_sys::WSK_MAJOR_VERSION(version),
            minor: wsk_sys::WSK_MINOR_VERSION(version),
        }
    }
}
