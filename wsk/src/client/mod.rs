//! A client of WSK: the memory behind a registration, which everything that comes of it refers to.
//!
//! # Safety
//!
//! The memory stays in place until the registration has waited for both counts. Whatever releases the last reference
//! sets an event as its last access, and the registration frees the memory only after that event.

#![expect(unsafe_code, reason = "see Safety")]

mod setup;

use core::cell::UnsafeCell;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicUsize, Ordering};

use wsk_sys::{PWSK_REGISTRATION, WSK_REGISTRATION};

pub(crate) use self::setup::ClientSetup;
use crate::capabilities::Capabilities;
use crate::deferred::{DeferredQueue, Job};
use crate::event_mask::EventMask;
use crate::irql::Passive;
use crate::operation::{Cache, Target, TargetHeader};
use crate::pool::PoolBox;
use crate::status::Result;
use crate::sync::{Event, Thread};

/// A client's memory. Everything that comes of its registration refers to it.
///
/// # Invariants
///
/// - It stays in the nonpaged allocation that [`Client::allocate`] made, and its events are initialised.
/// - `references` and `requests_in_flight` each include one of the registration's, until that ends.
#[repr(C)]
pub(crate) struct Client {
    header: TargetHeader,
    registration: UnsafeCell<WSK_REGISTRATION>,
    /// The registration's own, one for each captured provider, and one for each socket's memory.
    references: AtomicUsize,
    /// Set when the last reference was released after the registration's.
    released: Event,
    /// The registration's own, and one for each request in flight that was issued on the client itself. These are no
    /// references: a notice of a change may be left in flight, and `WskDeregister` ends it.
    requests_in_flight: AtomicUsize,
    /// Set when the last of these has ended after the registration's.
    idle: Event,
    pub(crate) deferred: DeferredQueue,
    capabilities: Capabilities,
    requests: Cache,
    pub(crate) setup: ClientSetup,
}

// SAFETY: WSK synchronises its block, the setup is fixed or atomic, and everything else is atomics, kernel events or
// types that are `Sync` themselves.
unsafe impl Sync for Client {}

// SAFETY: the type is `#[repr(C)]` and begins with its header; it stays until `requests_in_flight` is zero, since the
// registration waits for that.
unsafe impl Target for Client {
    fn retain(&self) {
        self.requests_in_flight.fetch_add(1, Ordering::Relaxed);
    }

    unsafe fn release(this: NonNull<Self>) {
        // SAFETY: the registration waits for the request, which ends with the next step.
        let client = unsafe { this.as_ref() };
        if client.requests_in_flight.fetch_sub(1, Ordering::AcqRel) == 1 {
            // The registration waits for this event, and frees the memory after it.
            // SAFETY: the event is initialised.
            unsafe { client.idle.set() };
        }
    }

    fn requests(&self) -> &Cache {
        &self.requests
    }
}

impl Client {
    /// The memory of a client that is to be registered.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if there is no memory.
    pub(crate) fn allocate(setup: ClientSetup, passive: Passive) -> Result<PoolBox<Self>> {
        let client = PoolBox::new_with(|| Self {
            header: TargetHeader::of::<Self>(),
            registration: UnsafeCell::new(WSK_REGISTRATION {
                ReservedRegistrationState: 0,
                ReservedRegistrationContext: ptr::null_mut(),
                ReservedRegistrationLock: 0,
            }),
            references: AtomicUsize::new(1),
            released: Event::new(),
            requests_in_flight: AtomicUsize::new(1),
            idle: Event::new(),
            deferred: DeferredQueue::new(),
            capabilities: Capabilities::of_system(passive),
            requests: Cache::new(),
            setup,
        })?;
        // INVARIANT: the events are initialised, in the allocation in which they stay.
        // SAFETY: the client stays in this allocation, which is nonpaged.
        unsafe { client.released.initialise() };
        // SAFETY: the client stays in this allocation, which is nonpaged.
        unsafe { client.idle.initialise() };
        // SAFETY: the client stays in this allocation, which is nonpaged.
        unsafe { client.setup.initialise() };
        Ok(client)
    }

    /// Starts the thread of the deferred queue.
    ///
    /// # Safety
    ///
    /// The thread is joined before the client is freed, and is started once.
    pub(crate) unsafe fn start_deferred(&self, passive: Passive) -> Result<Thread> {
        // SAFETY: the client stays in its nonpaged allocation until the thread was joined, by this function's contract.
        unsafe { self.deferred.start(passive) }
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

    /// Releases a reference. The client may be gone when this returns.
    ///
    /// # Safety
    ///
    /// The caller has a reference, and does not use the client any more.
    pub(crate) unsafe fn release_reference(this: NonNull<Self>) {
        // SAFETY: the caller's reference keeps the memory until the next step.
        let client = unsafe { this.as_ref() };
        if client.references.fetch_sub(1, Ordering::AcqRel) == 1 {
            // The registration waits for this event, and frees the memory after it.
            // SAFETY: the event is initialised.
            unsafe { client.released.set() };
        }
    }

    /// Releases the registration's reference, and waits until there is no other.
    pub(crate) fn wait_for_references(&self, passive: Passive) {
        if self.references.fetch_sub(1, Ordering::AcqRel) != 1 {
            // SAFETY: the event is initialised.
            unsafe { self.released.wait(passive) };
        }
    }

    /// Waits until no request on the client is in flight. `WskDeregister` has ended them all
    /// ([INV-5](crate::rules#inv-5)), and their completion routines are about to return
    /// ([INV-18](crate::rules#inv-18)).
    pub(crate) fn wait_for_requests(&self, passive: Passive) {
        if self.requests_in_flight.fetch_sub(1, Ordering::AcqRel) != 1 {
            // SAFETY: the event is initialised.
            unsafe { self.idle.wait(passive) };
        }
    }

    /// Defers a job to the client's thread.
    ///
    /// # Safety
    ///
    /// - The job's function may be called with it, once, at `PASSIVE_LEVEL` by another thread. Until then the job stays
    ///   in place and is not used otherwise.
    /// - What the job belongs to keeps a reference to the client until then.
    pub(crate) unsafe fn defer(this: NonNull<Self>, job: NonNull<Job>) {
        // The job may be done, and the client gone, before the push returns.
        // SAFETY: what the job belongs to keeps a reference to the client.
        let client = unsafe { this.as_ref() };
        client.retain_reference();
        // SAFETY: the reference that was just taken keeps the queue; the job is as `push` requires, by this function's
        // contract.
        unsafe { client.deferred.push(job) };
        // SAFETY: the reference was taken above.
        unsafe { Self::release_reference(this) };
    }
}
