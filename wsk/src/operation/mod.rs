//! One request to WSK: an IRP, its result, and the memory that the system uses while it is in flight.
//!
//! An operation is one allocation in nonpaged memory, reused for the next request on the same object. This
//! module covers the IRP, the buffers and their owners, but no sockets. A request is issued on a [`Target`]; other values
//! that a kind of request owns are its [`Attachment`], defined beside the code of that kind.
//!
//! The rules kept here:
//!
//! - the IRP stays in place, has one stack location, and is set up anew for every request
//!   ([INV-10](crate::rules#inv-10));
//! - one completion routine runs for every outcome, and keeps the IRP ([INV-11](crate::rules#inv-11));
//! - the result comes from the IRP alone, never from the call's return value ([INV-12](crate::rules#inv-12)),
//!   with one exception: see [`InFlight`];
//! - a driver that gives its device is not unloaded before a completion routine has returned
//!   ([INV-18](crate::rules#inv-18)): the kernel allocates memory for that, and a request that it has none for fails
//!   before it is issued;
//! - an IRP in flight is not touched but to cancel it ([INV-14](crate::rules#inv-14));
//! - the completion routine makes no call to WSK ([INV-15](crate::rules#inv-15)): an abandoned socket or list
//!   is deferred to a thread ([INV-20](crate::rules#inv-20));
//! - a request in flight holds a reference to its target, and through that to the registration
//!   ([INV-18](crate::rules#inv-18)), or borrows that of the target's open references until the close begins:
//!   [`OperationState`] says how.
//!
//! # Memory
//!
//! Up to four operations of a target have a home in its [`Cache`], which owns them until the target ends. They are the only
//! ones whose requests borrow. Others are allocated for one request and freed after it.
//!
//! An operation whose future is forgotten never returns to its home: a request that has completed looks the same whether its
//! future was forgotten or will be polled later. So forgotten futures cost memory, and after the fourth each request of the target
//! allocates. The completion routine, and not the future, ends what a request keeps: its reference, and its place among the
//! sends. A result that is an object, such as a list of addresses, may stay the forgotten future's: then the registration waits for
//! it as for any forgotten owner.
//!
//! # Safety
//!
//! [`OperationState`] says who may access an operation at each moment: its owner, or the completion routine. Every
//! field is a cell, since the completion routine may still hold a reference while the owner, to whom it has just
//! handed the operation, frees the memory: only references to cells may dangle.

#![expect(unsafe_code, reason = "see Safety")]

mod attachment;
mod budget;
mod cache;
mod completion;
mod control_buffer;
mod counted;
mod homes;
mod idle;
mod in_flight;
mod kept;
mod once;
mod owned;
mod packet;
mod payload;
mod pended;
mod refusals;
mod send_count;
mod shared;
mod state;
mod target;
mod with_deadline;

use core::cell::UnsafeCell;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicPtr};

use wsk_sys::{NTSTATUS, PDEVICE_OBJECT, PIRP, PVOID};

pub(crate) use self::attachment::Attachment;
pub(crate) use self::budget::{Budget, Budgeted};
pub(crate) use self::cache::Cache;
pub(crate) use self::control_buffer::ControlBuffer;
use self::counted::Counted;
pub(crate) use self::idle::{FREQUENT, Idle, RARE};
pub(crate) use self::in_flight::{InFlight, Issued, RequestOutcome};
pub(crate) use self::kept::{KeptReceive, KeptReceives, ReceiveTurn};
pub(crate) use self::once::OnceOperation;
use self::owned::{CacheLinks, Cached};
use self::packet::Packet;
pub(crate) use self::payload::Payload;
pub(crate) use self::pended::{PendedIrp, finish_callback};
pub(crate) use self::refusals::{OptionalFunction, Refusals};
pub(crate) use self::send_count::SendCount;
pub(crate) use self::shared::SharedRequest;
use self::state::OperationState;
pub(crate) use self::state::RequestKind;
pub(crate) use self::target::{Target, TargetHeader};
pub(crate) use self::with_deadline::WithDeadline;
#[cfg(all(test, loom))]
pub(crate) use self::{
    owned::loom_tests::{CacheModel, NodeRef},
    state::LeaveOutcome as LeaveModel,
    state::loom_tests::Request as RequestModel,
};
use crate::pool::write_fields;
use crate::status::Result;

/// A request and its IRP.
///
/// # Invariants
///
/// - Once [initialized](Self::initialize), it does not move: an IRP has pointers into itself.
/// - `packet`, `payload` and `target` belong to whichever side `state` names: while the request is in flight, the
///   system owns `packet` and uses what the call was given of `payload`; the rest of the time the owner does.
/// - While the request is in flight, `target` points to an object that the request holds a reference to, or
///   [borrows](OperationState) one of.
/// - If it has a home, that is in the [cache](Cache) of the target of all its requests.
/// - If `may_borrow`, it has a home, and `target` is its target, which lends references.
pub(crate) struct Operation {
    packet: Packet,
    state: OperationState,
    payload: UnsafeCell<Payload>,
    /// The object that the request in flight was issued on.
    target: UnsafeCell<NonNull<TargetHeader>>,
    /// Whether its next request on an open socket can borrow a reference.
    may_borrow: AtomicBool,
    counted: Counted,
    /// Its home, and its place in the list of its cache.
    links: CacheLinks<Operation>,
    /// The next operation in its target's list of kept receives.
    next_kept: AtomicPtr<Operation>,
}

// SAFETY: `state` says which thread may access the other fields, and is itself shared by atomics.
unsafe impl Send for Operation {}
// SAFETY: `state` says which thread may access the other fields, and is itself shared by atomics.
unsafe impl Sync for Operation {}

impl Cached for Operation {
    fn links(&self) -> &CacheLinks<Self> {
        &self.links
    }

    fn state(&self) -> &OperationState {
        &self.state
    }
}

impl Operation {
    /// Writes an idle operation to its final place; [`initialize`](Self::initialize) comes next.
    ///
    /// # Safety
    ///
    /// `place` is valid for writes of an operation, and no one else uses it.
    pub(crate) unsafe fn write(place: *mut Self) {
        // SAFETY: `write_fields` calls this with the place of the field.
        let packet = |place| unsafe { Packet::write(place) };
        let payload = |place: *mut UnsafeCell<Payload>| {
            // SAFETY: `write_fields` calls this with the place of the field; a cell has the layout of its content.
            unsafe { Payload::write(place.cast()) }
        };
        // SAFETY: `place` is valid for writes, by this function's contract.
        write_fields!(
            place,
            Operation {
                packet => packet,
                state: OperationState::new(),
                payload => payload,
                target: UnsafeCell::new(NonNull::dangling()),
                may_borrow: AtomicBool::new(false),
                counted: Counted::new(),
                links: CacheLinks::new(),
                next_kept: AtomicPtr::new(ptr::null_mut()),
            }
        );
    }

    /// Initializes the packet as an IRP. From then on, the operation must not move.
    ///
    /// # Safety
    ///
    /// The operation is idle, and in the nonpaged memory where it stays.
    pub(crate) unsafe fn initialize(&self) {
        // INVARIANT: the operation stays where it is, by this function's contract.
        // SAFETY: an idle operation's IRP is not in use, and stays in its nonpaged memory.
        unsafe { self.packet.initialize() };
    }

    pub(crate) fn irp(&self) -> PIRP {
        self.packet.irp()
    }

    /// The [result](Packet::result) of a completed request.
    ///
    /// # Safety
    ///
    /// The request has completed, and the caller owns the operation.
    #[inline]
    unsafe fn result(&self) -> Result<usize> {
        // SAFETY: the request has completed, and the caller owns the operation and its IRP.
        unsafe { self.packet.result() }
    }
}

pub(crate) type CompletionRoutine = unsafe extern "C" fn(PDEVICE_OBJECT, PIRP, PVOID) -> NTSTATUS;

const _: () = assert!(align_of::<Operation>() == 16);

/// Each request that a connection has in flight takes this much, and so does each that it keeps for reuse.
#[cfg(all(target_pointer_width = "64", not(loom)))]
const _: () = assert!(size_of::<Operation>() <= 800);
