//! A WSK client: the memory behind a registration, shared by its providers, sockets and requests.
//!
//! # Safety
//!
//! The memory belongs to the client's thread, which frees it after both counts have become zero. The release of a last
//! reference sets an event as its last access, and the thread frees the memory only after that event.

#![expect(unsafe_code, reason = "see Safety")]

mod device;
mod outside_routines;
mod setup;

use core::cell::UnsafeCell;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use wsk_sys::{
    PDEVICE_OBJECT, PVOID, PWSK_REGISTRATION, WSK_REGISTRATION, WskDeregister,
    WskReleaseProviderNPI,
};

pub(crate) use self::device::DeviceRef;
pub(crate) use self::outside_routines::AwaitOutsideRoutines;
pub(crate) use self::setup::ClientSetup;
use crate::capabilities::Capabilities;
use crate::deferred::{DeferredJob, DeferredQueue, ReservedCall};
use crate::event_mask::EventMask;
use crate::irql::Passive;
use crate::kernel::{Event, Thread};
use crate::operation::{Cache, Refusals, SendCount, Target, TargetHeader};
use crate::pool::PoolBox;
use crate::rundown::{ObjectKind, Rundown, RundownGuard};
use crate::status::Result;

/// The memory of a client. Its registration, providers, sockets and requests refer to it.
///
/// # Invariants
///
/// - It stays in the nonpaged allocation that [`Client::start`] made, and its events and its queue are initialized.
/// - `references` includes one for the registration until that ends, and `requests_in_flight` one for the client's
///   thread until `WskDeregister` has returned.
/// - The client's thread owns the memory, and frees it when `references` and `requests_in_flight` are zero.
#[repr(C)]
pub(crate) struct Client {
    header: TargetHeader,
    registration: UnsafeCell<WSK_REGISTRATION>,
    /// One for the registration, one for each captured provider, and one for each socket's memory.
    references: AtomicUsize,
    /// Set when the last reference was released.
    released: Event,
    /// Whether `WskRegister` has succeeded.
    is_registered: AtomicBool,
    /// The captures that were dropped where WSK must not be called, and that the thread must release. Each has a
    /// reference.
    captures_to_release: AtomicUsize,
    /// One for the thread, and one for each request in flight that was issued on the client itself. These are not
    /// references: a request for a change notification may stay in flight until `WskDeregister` ends it.
    requests_in_flight: AtomicUsize,
    /// Set when the last request has ended after the thread's own count.
    idle: Event,
    pub(crate) deferred: DeferredQueue,
    capabilities: Capabilities,
    requests: Cache,
    pub(crate) refusals: Refusals,
    pub(crate) setup: ClientSetup,
    /// The device that the pointer in `header` refers to, if any. Dropped with the memory.
    _device: Option<DeviceRef>,
    /// Dropped with the memory, as the last field.
    running: RundownGuard,
}

// SAFETY: WSK synchronizes its block, the setup is fixed or atomic, and everything else is atomics, kernel events or
// types that are `Sync` themselves.
unsafe impl Sync for Client {}

// SAFETY: the type is `#[repr(C)]` and begins with its header; it stays until `requests_in_flight` is zero, since the
// client's thread waits for that.
unsafe impl Target for Client {
    // Providers are captured and released while requests are in flight.
    const LENDS: bool = false;

    fn retain(&self) {
        self.requests_in_flight.fetch_add(1, Ordering::Relaxed);
    }

    unsafe fn release(this: NonNull<Self>) {
        // SAFETY: the client's thread waits for the request, which ends with the next step.
        let client = unsafe { this.as_ref() };
        if client.requests_in_flight.fetch_sub(1, Ordering::AcqRel) == 1 {
            // The thread waits for this event, and frees the memory afterwards.
            // SAFETY: the event is initialized (Invariants).
            unsafe { client.idle.set() };
        }
    }

    fn requests(&self) -> &Cache {
        &self.requests
    }

    fn sends(&self) -> Option<&SendCount> {
        None
    }
}

impl Client {
    /// Allocates a client for a registration, and starts its thread, which owns the memory.
    ///
    /// The client has one reference, which the caller must [release](Self::release_reference).
    ///
    /// # Errors
    ///
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any status of `PsCreateSystemThread`.
    pub(crate) fn start(
        setup: ClientSetup,
        device: Option<DeviceRef>,
        passive: Passive,
    ) -> Result<(NonNull<Self>, Thread)> {
        let pointer = device.as_ref().map_or(ptr::null_mut(), DeviceRef::as_ptr);
        let client = PoolBox::new_with(|| Self {
            // SAFETY: the client keeps its reference to the device until its end.
            header: unsafe { TargetHeader::of::<Self>(pointer) },
            registration: UnsafeCell::new(WSK_REGISTRATION {
                ReservedRegistrationState: 0,
                ReservedRegistrationContext: ptr::null_mut(),
                ReservedRegistrationLock: 0,
            }),
            references: AtomicUsize::new(1),
            released: Event::new(),
            is_registered: AtomicBool::new(false),
            captures_to_release: AtomicUsize::new(0),
            requests_in_flight: AtomicUsize::new(1),
            idle: Event::new(),
            deferred: DeferredQueue::new(),
            capabilities: Capabilities::of_system(passive),
            requests: Cache::new(),
            refusals: Refusals::new(),
            setup,
            _device: device,
            running: RundownGuard::new(ObjectKind::Registration),
        })?;
        // INVARIANT: the events and the queue are initialized, in the allocation where they stay.
        // SAFETY: the client stays in this allocation, which is nonpaged.
        unsafe { client.released.initialize() };
        // SAFETY: the client stays in this allocation, which is nonpaged.
        unsafe { client.idle.initialize() };
        // SAFETY: the client stays in this allocation, which is nonpaged.
        unsafe { client.setup.initialize() };
        // SAFETY: the client stays in this allocation, which is nonpaged.
        unsafe { client.deferred.initialize() };
        let client = client.into_raw();
        // SAFETY: `run` takes a client, which the thread owns from here on.
        match unsafe { Thread::start(passive, run, client.as_ptr().cast()) } {
            Ok(thread) => Ok((client, thread)),
            Err(error) => {
                // SAFETY: the pointer is from `into_raw` above, and no thread was started that takes it.
                drop(unsafe { PoolBox::from_raw(client) });
                Err(error)
            }
        }
    }

    /// Records that the client is registered, and must be deregistered before it ends.
    pub(crate) fn set_registered(&self) {
        self.is_registered.store(true, Ordering::Relaxed);
    }

    /// WSK's registration block, which neither moves nor is freed before it is deregistered ([INV-2](crate::rules#inv-2)).
    pub(crate) const fn registration(&self) -> PWSK_REGISTRATION {
        self.registration.get()
    }

    /// The driver's device, or null.
    pub(crate) const fn device(&self) -> PDEVICE_OBJECT {
        self.header.device()
    }

    pub(crate) const fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// The events that are enabled for every socket from its creation on.
    pub(crate) const fn static_events(&self) -> EventMask {
        self.setup.static_events()
    }

    /// Takes a reference, for a provider or a socket's memory.
    pub(crate) fn retain_reference(&self) {
        self.references.fetch_add(1, Ordering::Relaxed);
    }

    /// Releases a reference; the last one ends the client. The client may be freed when this returns.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Safety
    ///
    /// The caller owns a reference, and does not use the client any more.
    pub(crate) unsafe fn release_reference(this: NonNull<Self>) {
        // SAFETY: the caller's reference keeps the memory until the decrement below.
        let client = unsafe { this.as_ref() };
        if client.references.fetch_sub(1, Ordering::AcqRel) == 1 {
            // The thread frees the memory only after `released` is set, which is the last step.
            client.deferred.wake();
            // SAFETY: the event is initialized (Invariants).
            unsafe { client.released.set() };
        }
    }

    /// Releases a capture of the provider, and the reference of the capture. IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Safety
    ///
    /// The caller owns a capture and its reference, and no longer uses either.
    pub(crate) unsafe fn release_capture(this: NonNull<Self>) {
        // SAFETY: the capture's reference keeps the client.
        let client = unsafe { this.as_ref() };
        if client.rundown().is_in_foreign_waker() {
            // The capture may be released, and the client freed, before the thread is woken.
            client.retain_reference();
            client.captures_to_release.fetch_add(1, Ordering::Release);
            client.deferred.wake();
        } else {
            // SAFETY: this is the one release of the caller's capture, on the same block (INV-4).
            unsafe { WskReleaseProviderNPI(client.registration()) };
            client.rundown().end(ObjectKind::Provider);
        }
        // SAFETY: this is the capture's reference, or the reference that was taken above.
        unsafe { Self::release_reference(this) };
    }

    /// For the client's thread: releases the captures whose release was deferred.
    fn release_captures(this: NonNull<Self>) {
        // SAFETY: the thread, which is the only caller, owns the client.
        let client = unsafe { this.as_ref() };
        for _ in 0..client.captures_to_release.swap(0, Ordering::Acquire) {
            // SAFETY: this is the one release of a counted capture, on the same block (INV-4); this thread is in no
            // callback.
            unsafe { WskReleaseProviderNPI(client.registration()) };
            client.rundown().end(ObjectKind::Provider);
            // SAFETY: `release_capture` left the capture's reference to this thread.
            unsafe { Self::release_reference(this) };
        }
    }

    pub(crate) const fn rundown(&self) -> &'static Rundown {
        self.running.rundown()
    }

    /// Defers a job to the client's thread.
    ///
    /// # Safety
    ///
    /// - The client's thread may call the job's function with it, once, at `PASSIVE_LEVEL`. Until then, the job stays
    ///   in place, and no other code uses it.
    /// - Until then, the job's object keeps a reference to the client.
    pub(crate) unsafe fn defer(this: NonNull<Self>, job: NonNull<DeferredJob>) {
        // SAFETY: the job and its object are as `defer_by` requires (this function's contract), and `push` queues a
        // job.
        unsafe { Self::defer_by(this, job, DeferredQueue::push) };
    }

    /// Calls `function` with `argument`: in this thread, or in the client's thread if this is a foreign waker in a
    /// completion routine, where WSK must not be called. If the allocation for that fails, this thread makes the call.
    ///
    /// # Safety
    ///
    /// The argument keeps a reference to the client.
    pub(crate) unsafe fn call_outside_routines<T: Send>(
        this: NonNull<Self>,
        function: fn(T),
        argument: T,
    ) {
        // SAFETY: the argument keeps the client.
        if !unsafe { this.as_ref() }.rundown().is_in_foreign_waker() {
            function(argument);
            return;
        }
        match ReservedCall::new() {
            // SAFETY: the argument keeps the client.
            Ok(reserved) => unsafe { Self::call_by(this, reserved, function, argument) },
            Err(_) => function(argument),
        }
    }

    /// Calls `function` like [`call_outside_routines`](Self::call_outside_routines), with memory that was reserved for that.
    ///
    /// # Safety
    ///
    /// The argument keeps a reference to the client.
    pub(crate) unsafe fn call_by<T: Send>(
        this: NonNull<Self>,
        reserved: ReservedCall<T>,
        function: fn(T),
        argument: T,
    ) {
        // SAFETY: the argument keeps the client.
        if unsafe { this.as_ref() }.rundown().is_in_foreign_waker() {
            // SAFETY: the job is new, has no other user, and frees itself; its argument keeps a reference to the client
            // (this function's contract).
            unsafe { Self::defer(this, reserved.into_job(function, argument)) };
        } else {
            function(argument);
        }
    }

    /// Defers a job in the last step of an event callback: see [`DeferredQueue::push_after_callback`].
    ///
    /// # Safety
    ///
    /// As for [`defer`](Self::defer).
    pub(crate) unsafe fn defer_after_callback(this: NonNull<Self>, job: NonNull<DeferredJob>) {
        // SAFETY: the job and its object are as `defer_by` requires (this function's contract), and
        // `push_after_callback` queues a job.
        unsafe { Self::defer_by(this, job, DeferredQueue::push_after_callback) };
    }

    /// Queues a job with one of the queue's methods.
    ///
    /// # Safety
    ///
    /// As for [`defer`](Self::defer), and `push` is a method of [`DeferredQueue`] that queues a job.
    unsafe fn defer_by(
        this: NonNull<Self>,
        job: NonNull<DeferredJob>,
        push: unsafe fn(&DeferredQueue, NonNull<DeferredJob>),
    ) {
        // The job may be done, and the client freed, before the push returns.
        // SAFETY: the job's object keeps a reference to the client (this function's contract).
        let client = unsafe { this.as_ref() };
        client.retain_reference();
        // SAFETY: the reference that was just taken keeps the queue; the job is as the queue requires (this function's
        // contract).
        unsafe { push(&client.deferred, job) };
        // SAFETY: the reference was taken above.
        unsafe { Self::release_reference(this) };
    }
}

/// The client's thread: does the deferred jobs until the last reference is released, and then ends the client.
unsafe extern "C" fn run(context: PVOID) {
    // SAFETY: `Client::start` passes the pointer of a client, which is not null.
    let this = unsafe { NonNull::new_unchecked(context.cast::<Client>()) };
    // SAFETY: a system thread starts at PASSIVE_LEVEL, and is no callback.
    let passive = unsafe { Passive::assume() };
    // SAFETY: this thread owns the client.
    let client = unsafe { this.as_ref() };
    while client.references.load(Ordering::Acquire) != 0 {
        client.deferred.run_pending(passive);
        Client::release_captures(this);
    }
    // The release of the last reference sets this event as its last access.
    // SAFETY: the event is initialized (Invariants of `Client`).
    unsafe { client.released.wait(passive) };
    if client.is_registered.load(Ordering::Relaxed) {
        // SAFETY: the level is passive, and only requests of the registration are left, which this call ends (INV-5).
        unsafe { WskDeregister(client.registration()) };
    }
    // `WskDeregister` has ended all requests on the client, whose completion routines are about to return (INV-18).
    if client.requests_in_flight.fetch_sub(1, Ordering::AcqRel) != 1 {
        // SAFETY: the event is initialized (Invariants of `Client`).
        unsafe { client.idle.wait(passive) };
    }
    // SAFETY: the client came from a `PoolBox`, this thread owns it, and both counts are zero.
    drop(unsafe { PoolBox::from_raw(this) });
}
