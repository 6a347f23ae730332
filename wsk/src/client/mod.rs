//! A client of WSK: the memory behind a registration, which everything that comes of it refers to.
//!
//! # Safety
//!
//! The memory belongs to the client's thread, which frees it after both counts have become zero. The release of a last
//! reference sets an event as its last access, and the thread frees the memory only after that event.

#![expect(unsafe_code, reason = "see Safety")]

mod setup;

use core::cell::UnsafeCell;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use wsk_sys::{PVOID, PWSK_REGISTRATION, WSK_REGISTRATION, WskDeregister, WskReleaseProviderNPI};

pub(crate) use self::setup::ClientSetup;
use crate::capabilities::Capabilities;
use crate::deferred::{DeferredQueue, Job, job_of_call};
use crate::event_mask::EventMask;
use crate::irql::Passive;
use crate::operation::{Cache, Target, TargetHeader};
use crate::pool::PoolBox;
use crate::rundown::{Kind, Rundown, Running};
use crate::status::Result;
use crate::sync::{Event, Thread};

/// A client's memory. Everything that comes of its registration refers to it.
///
/// # Invariants
///
/// - It stays in the nonpaged allocation that [`Client::start`] made, and its events are initialized.
/// - `references` includes one of the registration's until that ends, and `requests_in_flight` one of the client's thread
///   until `WskDeregister` has returned.
#[repr(C)]
pub(crate) struct Client {
    header: TargetHeader,
    registration: UnsafeCell<WSK_REGISTRATION>,
    /// The registration's own, one for each captured provider, and one for each socket's memory.
    references: AtomicUsize,
    /// Set when the last reference was released.
    released: Event,
    /// Whether `WskRegister` has succeeded.
    is_registered: AtomicBool,
    /// Captures that were given up where WSK must not be called, and are still to be released. Each has its reference.
    captures_to_release: AtomicUsize,
    /// The thread's own, and one for each request in flight that was issued on the client itself. These are no
    /// references: a notice of a change may be left in flight, and `WskDeregister` ends it.
    requests_in_flight: AtomicUsize,
    /// Set when the last of these has ended after the thread's.
    idle: Event,
    pub(crate) deferred: DeferredQueue,
    capabilities: Capabilities,
    requests: Cache,
    pub(crate) setup: ClientSetup,
    /// Dropped with the memory.
    running: Running,
}

// SAFETY: WSK synchronizes its block, the setup is fixed or atomic, and everything else is atomics, kernel events or
// types that are `Sync` themselves.
unsafe impl Sync for Client {}

// SAFETY: the type is `#[repr(C)]` and begins with its header; it stays until `requests_in_flight` is zero, since the
// client's thread waits for that.
unsafe impl Target for Client {
    fn retain(&self) {
        self.requests_in_flight.fetch_add(1, Ordering::Relaxed);
    }

    unsafe fn release(this: NonNull<Self>) {
        // SAFETY: the client's thread waits for the request, which ends with the next step.
        let client = unsafe { this.as_ref() };
        if client.requests_in_flight.fetch_sub(1, Ordering::AcqRel) == 1 {
            // The thread waits for this event, and frees the memory after it.
            // SAFETY: the event is initialized.
            unsafe { client.idle.set() };
        }
    }

    fn requests(&self) -> &Cache {
        &self.requests
    }
}

impl Client {
    /// Allocates a client that is to be registered, and starts its thread. The memory belongs to the thread.
    ///
    /// The client has one reference, which is to be [released](Self::release_reference).
    ///
    /// # Errors
    ///
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any status of `PsCreateSystemThread`.
    pub(crate) fn start(setup: ClientSetup, passive: Passive) -> Result<(NonNull<Self>, Thread)> {
        let client = PoolBox::new_with(|| Self {
            header: TargetHeader::of::<Self>(),
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
            setup,
            running: Running::new(Kind::Registration),
        })?;
        // INVARIANT: the events are initialized, in the allocation in which they stay.
        // SAFETY: the client stays in this allocation, which is nonpaged.
        unsafe { client.released.initialize() };
        // SAFETY: the client stays in this allocation, which is nonpaged.
        unsafe { client.idle.initialize() };
        // SAFETY: the client stays in this allocation, which is nonpaged.
        unsafe { client.setup.initialize() };
        // SAFETY: the client stays in this allocation, which is nonpaged.
        unsafe { client.deferred.initialize() };
        let client = client.into_raw();
        // SAFETY: the routine is for a client, which is the thread's from here on.
        match unsafe { Thread::start(passive, run, client.as_ptr().cast()) } {
            Ok(thread) => Ok((client, thread)),
            Err(error) => {
                // SAFETY: the client was given away above, and no thread has taken it.
                drop(unsafe { PoolBox::from_raw(client) });
                Err(error)
            }
        }
    }

    /// Notes that the client is registered, and must be deregistered at its end.
    pub(crate) fn set_registered(&self) {
        self.is_registered.store(true, Ordering::Relaxed);
    }

    /// WSK's block, which neither moves nor is freed before it is deregistered ([INV-2](crate::rules#inv-2)).
    pub(crate) const fn registration(&self) -> PWSK_REGISTRATION {
        self.registration.get()
    }

    pub(crate) const fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// The events that are enabled for all sockets, from the beginning.
    pub(crate) const fn static_events(&self) -> EventMask {
        self.setup.static_events()
    }

    /// Takes a reference, for a provider or a socket's memory.
    pub(crate) fn retain_reference(&self) {
        self.references.fetch_add(1, Ordering::Relaxed);
    }

    /// Releases a reference; the last one ends the client. The client may be gone when this returns.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Safety
    ///
    /// The caller has a reference, and does not use the client any more.
    pub(crate) unsafe fn release_reference(this: NonNull<Self>) {
        // SAFETY: the caller's reference keeps the memory until the next step.
        let client = unsafe { this.as_ref() };
        if client.references.fetch_sub(1, Ordering::AcqRel) == 1 {
            // The thread frees the memory only after `released`, which comes last.
            client.deferred.wake();
            // SAFETY: the event is initialized.
            unsafe { client.released.set() };
        }
    }

    /// Releases a capture of the provider, and the reference that goes with it. IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Safety
    ///
    /// The provider was captured for this, with a reference, and neither is used any more.
    pub(crate) unsafe fn release_capture(this: NonNull<Self>) {
        // SAFETY: the capture's reference keeps the client.
        let client = unsafe { this.as_ref() };
        if client.rundown().may_be_in_foreign_waker() {
            // The capture may be released, and the client gone, before the thread is woken.
            client.retain_reference();
            client.captures_to_release.fetch_add(1, Ordering::Release);
            client.deferred.wake();
        } else {
            // SAFETY: one release for one capture, on the same block (INV-4).
            unsafe { WskReleaseProviderNPI(client.registration()) };
            client.rundown().end(Kind::Provider);
        }
        // SAFETY: this is the capture's reference, or the one that was taken above.
        unsafe { Self::release_reference(this) };
    }

    /// For the client's thread: releases the captures that were left to it.
    fn release_captures(this: NonNull<Self>) {
        // SAFETY: the client belongs to its thread, which calls this.
        let client = unsafe { this.as_ref() };
        for _ in 0..client.captures_to_release.swap(0, Ordering::Acquire) {
            // SAFETY: one release for one capture, on the same block (INV-4); this thread is in no callback.
            unsafe { WskReleaseProviderNPI(client.registration()) };
            client.rundown().end(Kind::Provider);
            // SAFETY: the capture's reference was left to this thread.
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
    /// - The job's function may be called with it, once, at `PASSIVE_LEVEL` by another thread. Until then the job stays
    ///   in place and is not used otherwise.
    /// - What the job belongs to keeps a reference to the client until then.
    pub(crate) unsafe fn defer(this: NonNull<Self>, job: NonNull<Job>) {
        // SAFETY: this function's contract is the other's.
        unsafe { Self::defer_by(this, job, DeferredQueue::push) };
    }

    /// Calls `function` with `argument`: here, or in the client's thread if this may be a foreign waker in a completion
    /// routine, where WSK must not be called. If there is no memory for that, the call is made here all the same, rather
    /// than never.
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
        if !unsafe { this.as_ref() }.rundown().may_be_in_foreign_waker() {
            function(argument);
            return;
        }
        match job_of_call(function, argument) {
            // SAFETY: the job is new, and is given up for this; its argument keeps the client.
            Ok(job) => unsafe { Self::defer(this, job) },
            Err(argument) => function(argument),
        }
    }

    /// As [`defer`](Self::defer), for the last step of an event callback: see [`DeferredQueue::push_after_callback`].
    ///
    /// # Safety
    ///
    /// As for [`defer`](Self::defer).
    pub(crate) unsafe fn defer_after_callback(this: NonNull<Self>, job: NonNull<Job>) {
        // SAFETY: this function's contract is the other's.
        unsafe { Self::defer_by(this, job, DeferredQueue::push_after_callback) };
    }

    /// # Safety
    ///
    /// As for [`defer`](Self::defer), and `push` is a method of the queue for that.
    unsafe fn defer_by(
        this: NonNull<Self>,
        job: NonNull<Job>,
        push: unsafe fn(&DeferredQueue, NonNull<Job>),
    ) {
        // The job may be done, and the client gone, before the push returns.
        // SAFETY: what the job belongs to keeps a reference to the client.
        let client = unsafe { this.as_ref() };
        client.retain_reference();
        // SAFETY: the reference that was just taken keeps the queue; the job is as the queue requires (this function's
        // contract).
        unsafe { push(&client.deferred, job) };
        // SAFETY: the reference was taken above.
        unsafe { Self::release_reference(this) };
    }
}

/// The client's thread: does what is deferred until the last reference is released, and ends the client.
unsafe extern "C" fn run(context: PVOID) {
    // SAFETY: `Client::start` passes a client, which is not null.
    let this = unsafe { NonNull::new_unchecked(context.cast::<Client>()) };
    // SAFETY: a system thread starts at PASSIVE_LEVEL, and is no callback.
    let passive = unsafe { Passive::assume() };
    // SAFETY: the client belongs to this thread.
    let client = unsafe { this.as_ref() };
    while client.references.load(Ordering::Acquire) != 0 {
        client.deferred.wait_and_do(passive);
        Client::release_captures(this);
    }
    // Whatever released the last reference sets this event as its last access.
    // SAFETY: the event is initialized.
    unsafe { client.released.wait(passive) };
    if client.is_registered.load(Ordering::Relaxed) {
        // SAFETY: the level is passive; nothing of the registration is left but requests that this ends (INV-5).
        unsafe { WskDeregister(client.registration()) };
    }
    // `WskDeregister` has ended all requests on the client, whose completion routines are about to return (INV-18).
    if client.requests_in_flight.fetch_sub(1, Ordering::AcqRel) != 1 {
        // SAFETY: the event is initialized.
        unsafe { client.idle.wait(passive) };
    }
    // SAFETY: the client came from a `PoolBox`, belongs to this thread, and nothing refers to it any more.
    drop(unsafe { PoolBox::from_raw(this) });
}
