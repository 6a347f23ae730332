//! Registering with WSK, and capturing its provider.

mod builder;
mod preparation;
mod transports;

use core::cell::UnsafeCell;
use core::fmt;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;

use wsk_sys::fields::size_t;
use wsk_sys::{
    MAKE_WSK_VERSION, NTSTATUS, PIRP, PSIZE_T, PVOID, PWSK_CLIENT, PWSK_REGISTRATION, ULONG,
    WSK_CLIENT_DISPATCH, WSK_CLIENT_NPI, WSK_INFINITE_WAIT, WSK_NO_WAIT,
    WSK_PROVIDER_CHARACTERISTICS, WSK_PROVIDER_DISPATCH, WSK_PROVIDER_NPI, WSK_REGISTRATION,
    WskCaptureProviderNPI, WskDeregister, WskQueryProviderCharacteristics, WskRegister,
    WskReleaseProviderNPI, find_pool_routines,
};

pub use self::builder::RegistrationBuilder;
use self::preparation::Preparation;
pub use self::transports::{Transport, Transports};
use crate::capabilities::Capabilities;
use crate::dispatch::ProviderDispatch;
use crate::events::EventMask;
use crate::irql::{self, Passive};
use crate::operation::Cache;
use crate::pool::{PoolArc, PoolBox};
use crate::reaper::{Job, Reaper};
use crate::status::{Result, check};
use crate::sync::{Event, Thread};

/// The table of every client of this crate: version 1.0, the only one there is, and no event callback,
/// since no event has been defined. Static, as it must outlive the registration (INV-1).
static CLIENT_DISPATCH: WSK_CLIENT_DISPATCH =
    WSK_CLIENT_DISPATCH { Version: MAKE_WSK_VERSION(1, 0), Reserved: 0, WskClientEvent: None };

/// A registration as a client of WSK: what a driver does first and undoes last.
///
/// Dropping it waits until every provider and every socket that came of it is gone, and then
/// deregisters. So it must be dropped at `PASSIVE_LEVEL`, in `DriverUnload` or where `DriverEntry` fails,
/// by a thread that holds none of these (INV-5): a thread that does waits for itself. Dropped at another
/// level, or forgotten, it stays registered, and a driver that unloads nevertheless stops the system
/// (INV-3).
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
pub struct Registration {
    /// Valid until this value is dropped.
    core: NonNull<Core>,
    /// The thread of the core's reaper.
    reaper: Option<Thread>,
}

// SAFETY: what it points to is shared by its own rules.
unsafe impl Send for Registration {}
// SAFETY: as above.
unsafe impl Sync for Registration {}

impl Registration {
    /// A registration with static events, or other things that precede all sockets.
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

    fn register_with(builder: RegistrationBuilder, passive: Passive) -> Result<Self> {
        // SAFETY: the token says PASSIVE_LEVEL.
        unsafe { find_pool_routines() };
        let core = PoolBox::new_with(|| Core {
            registration: UnsafeCell::new(WSK_REGISTRATION {
                ReservedRegistrationState: 0,
                ReservedRegistrationContext: ptr::null_mut(),
                ReservedRegistrationLock: 0,
            }),
            holds: AtomicUsize::new(1),
            drained: Event::new(),
            pending: AtomicUsize::new(1),
            ended: Event::new(),
            reaper: Reaper::new(),
            capabilities: Capabilities::of_system(passive),
            requests: Cache::new(),
            preparation: Preparation::new(builder),
        })?;
        // SAFETY: the core stays in this allocation, which is nonpaged.
        unsafe { core.drained.initialise() };
        // SAFETY: as above.
        unsafe { core.ended.initialise() };
        // SAFETY: as above.
        unsafe { core.preparation.initialise() };
        // SAFETY: as above; the thread is joined below or in `drop`, before the core is freed.
        let reaper = unsafe { core.reaper.start(passive) }?;
        let mut npi =
            WSK_CLIENT_NPI { ClientContext: ptr::null_mut(), Dispatch: &raw const CLIENT_DISPATCH };
        // SAFETY: the token says PASSIVE_LEVEL; the table is static, and the block neither moves nor is
        // freed before it is deregistered (INV-2).
        if let Err(error) = check(unsafe { WskRegister(&raw mut npi, core.registration.get()) }) {
            core.reaper.stop();
            reaper.join(passive);
            return Err(error);
        }
        Ok(Self { core: core.into_raw(), reaper: Some(reaper) })
    }

    /// Captures the provider, waiting up to `timeout` for WSK to become ready. It is counted in whole
    /// milliseconds, up to 49 days.
    ///
    /// Do not wait for long in `DriverEntry`: early in the start of the system WSK may become ready only
    /// after the entry points have returned (INV-6).
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
        let core = self.core();
        let mut npi = WSK_PROVIDER_NPI { Client: ptr::null_mut(), Dispatch: ptr::null() };
        // SAFETY: the registration is registered; if this may wait, the caller has shown its level.
        check(unsafe {
            WskCaptureProviderNPI(core.registration.get(), milliseconds, &raw mut npi)
        })?;
        core.retain();
        let captured = Captured { core: self.core, client: npi.Client, dispatch: npi.Dispatch };
        // If something fails it is dropped, and so released.
        core.preparation.require(&captured, passive)?;
        PoolArc::new(captured).map(Provider)
    }

    /// The lowest and the highest version of WSK that the provider supports, as (major, minor). To be
    /// asked when a capture has failed with `STATUS_NOINTERFACE` (INV-7).
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
            WskQueryProviderCharacteristics(self.core().registration.get(), &raw mut range)
        })?;
        Ok((Version::from_raw(range.LowestVersion), Version::from_raw(range.HighestVersion)))
    }

    const fn core(&self) -> &Core {
        // SAFETY: valid until this value is dropped.
        unsafe { self.core.as_ref() }
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
        let core = self.core();
        if core.holds.fetch_sub(1, Ordering::AcqRel) != 1 {
            // SAFETY: the event was initialised.
            unsafe { core.drained.wait(passive) };
        }
        // SAFETY: the level is passive; nothing of the registration is left but requests that this ends (INV-5).
        unsafe { WskDeregister(core.registration.get()) };
        if core.pending.fetch_sub(1, Ordering::AcqRel) != 1 {
            // They have completed, and their completion routines are about to return (INV-18).
            // SAFETY: the event was initialised.
            unsafe { core.ended.wait(passive) };
        }
        core.reaper.stop();
        if let Some(reaper) = self.reaper.take() {
            reaper.join(passive);
        }
        crate::time::flush(passive);
        // SAFETY: the core came from a `PoolBox`, and nobody else is left who has it.
        drop(unsafe { PoolBox::from_raw(self.core) });
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration").finish_non_exhaustive()
    }
}

/// A registration's memory. Everything that comes of it holds it.
pub(crate) struct Core {
    registration: UnsafeCell<WSK_REGISTRATION>,
    /// The registration's own, one for each captured provider, and one for each socket's memory.
    holds: AtomicUsize,
    /// Set when the last hold but the registration's was given up after the registration's.
    drained: Event,
    /// The registration's own, and one for each request in flight that was made to the client itself. These are
    /// no holds: a notice of a change may be awaited by nobody any more, and is ended by `WskDeregister`.
    pending: AtomicUsize,
    /// Set when the last of these was given up after the registration's.
    ended: Event,
    reaper: Reaper,
    capabilities: Capabilities,
    /// Requests that are made to no socket.
    pub(crate) requests: Cache,
    preparation: Preparation,
}

// SAFETY: WSK synchronises the block, and everything else is shared by its own rules.
unsafe impl Sync for Core {}

impl Core {
    pub(crate) fn retain(&self) {
        self.holds.fetch_add(1, Ordering::Relaxed);
    }

    /// Gives up a hold. The registration may be gone when this returns.
    ///
    /// # Safety
    ///
    /// The caller has a hold, and does not use the registration any more.
    pub(crate) unsafe fn release(core: NonNull<Self>) {
        // SAFETY: the caller's hold keeps the memory until the next step.
        let this = unsafe { core.as_ref() };
        if this.holds.fetch_sub(1, Ordering::AcqRel) == 1 {
            // The registration waits for this event, and frees the memory after it.
            // SAFETY: the event was initialised.
            unsafe { this.drained.set() };
        }
    }

    /// A request to the client begins. Its target is captured.
    pub(crate) fn begin_request(&self) {
        self.pending.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) const fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// A request to the client has ended. The registration may be gone when this returns.
    ///
    /// # Safety
    ///
    /// The request had begun, and does not use the registration any more.
    pub(crate) unsafe fn end_request(core: NonNull<Self>) {
        // SAFETY: the registration waits for the request.
        let this = unsafe { core.as_ref() };
        if this.pending.fetch_sub(1, Ordering::AcqRel) == 1 {
            // The registration waits for this event, and frees the memory after it.
            // SAFETY: the event was initialised.
            unsafe { this.ended.set() };
        }
    }

    /// Has the reaper do a job with something that keeps the registration until then.
    ///
    /// # Safety
    ///
    /// The job's function may be called with it, once, at `PASSIVE_LEVEL` by another thread. Until then it is
    /// there, and nobody else uses it.
    pub(crate) unsafe fn hand_to_reaper(core: NonNull<Self>, job: NonNull<Job>) {
        // The job may be done, and the registration gone, before the push returns.
        // SAFETY: what the job is done with keeps the registration.
        let this = unsafe { core.as_ref() };
        this.retain();
        // SAFETY: the hold keeps the reaper; the rest is the caller's promise.
        unsafe { this.reaper.push(job) };
        // SAFETY: the hold was taken above.
        unsafe { Self::release(core) };
    }

    /// The events that are enabled for all sockets, from the beginning.
    pub(crate) const fn static_events(&self) -> EventMask {
        self.preparation.static_events()
    }
}

/// WSK's provider, captured: what sockets are created with.
///
/// Cheap to clone. When the last clone is dropped, the provider is released; sockets stay usable
/// (INV-4).
#[derive(Clone)]
pub struct Provider(PoolArc<Captured>);

struct Captured {
    core: NonNull<Core>,
    client: PWSK_CLIENT,
    dispatch: *const WSK_PROVIDER_DISPATCH,
}

// SAFETY: the client and its table may be used from any thread, and the core is shared.
unsafe impl Send for Captured {}
// SAFETY: as above.
unsafe impl Sync for Captured {}

impl Provider {
    /// The version of WSK that the provider gives: 1.0, or with a higher minor number.
    ///
    /// IRQL: any.
    #[must_use]
    pub fn version(&self) -> Version {
        // SAFETY: the table is valid while it is captured.
        let version = unsafe { &raw const (*self.0.dispatch).Version };
        // SAFETY: as above, and every table begins with the version.
        Version::from_raw(unsafe { version.read() })
    }

    pub(crate) fn core(&self) -> &Core {
        // SAFETY: the captured provider has a hold.
        unsafe { self.0.core.as_ref() }
    }

    /// The client's memory, on which this is a hold.
    pub(crate) fn core_pointer(&self) -> NonNull<Core> {
        self.0.core
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
        // SAFETY: the caller's promise.
        unsafe { self.0.control(code, input, output, returned) }
    }

    /// What the running Windows has.
    ///
    /// IRQL: any.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        self.core().capabilities()
    }

    /// The client that the functions of [`dispatch`](Self::dispatch) are called with. It is valid while the
    /// provider is captured (INV-4).
    ///
    /// IRQL: any.
    #[must_use]
    pub fn client(&self) -> PWSK_CLIENT {
        self.0.client
    }

    /// WSK's functions as they are. They may be called while the provider is captured (INV-4).
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

impl Captured {
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
        let (client, none) = (self.client, ptr::null_mut());
        // SAFETY: the provider is captured (INV-4); the rest is the caller's promise (INV-27).
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

    /// `WskControlClient` with an IRP, and nothing else.
    ///
    /// # Safety
    ///
    /// The code takes an IRP and nothing else; the IRP is ready.
    unsafe fn control_with(&self, code: ULONG, irp: PIRP) -> NTSTATUS {
        let (client, none) = (self.client, ptr::null_mut());
        let nowhere = ptr::null_mut();
        // SAFETY: the provider is captured (INV-4); the rest is the caller's promise (INV-27).
        unsafe { self.dispatch().control_client(client, code, 0, none, 0, none, nowhere, irp) }
    }

    fn dispatch(&self) -> ProviderDispatch {
        // SAFETY: the table is valid while it is captured, which it is as long as `self`.
        unsafe { ProviderDispatch::from_raw(self.dispatch) }
    }
}

impl Drop for Captured {
    fn drop(&mut self) {
        // SAFETY: the hold keeps the block.
        let registration: PWSK_REGISTRATION = unsafe { self.core.as_ref() }.registration.get();
        // SAFETY: one release for one capture, on the same block (INV-4).
        unsafe { WskReleaseProviderNPI(registration) };
        // SAFETY: the hold ends here.
        unsafe { Core::release(self.core) };
    }
}

/// A version of the WSK interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Incompatible if it differs.
    pub major: u8,
    /// A superset if it is higher.
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
