//! Connections that are inspected before they are established.
//!
//! # Safety
//!
//! The arguments of the inspect event are valid during the call. A pended connection is decided once
//! ([INV-61](crate::rules#inv-61)), with an operation that was allocated in advance.

#![expect(unsafe_code, reason = "see Safety")]

use core::cell::Cell;
use core::fmt;
use core::future::Future;
use core::net::SocketAddr;
use core::ptr::NonNull;

use wsk_sys::fields::{length, size_t};
use wsk_sys::{
    PIRP, PSOCKADDR, PWSK_INSPECT_ID, WSK_INSPECT_ACTION, WSK_INSPECT_ID, WskInspectAccept,
    WskInspectPend, WskInspectReject,
};

use crate::address;
use crate::dispatch::ListenDispatch;
use crate::operation::{
    ControlBuffer, Idle, InFlight, Operation, Payload, PendedIrp, RequestOutcome, finish_callback,
};
use crate::socket::{OpenGuard, SocketState, Weak};
use crate::status::{Result, known};

/// A requested connection, before its handshake. Dropping this rejects it.
///
/// # Invariants
///
/// WSK passed the addresses to the inspect callback. They are null or valid, and the callback does not return
/// before this value ends.
pub struct Inspection<'a> {
    id: InspectId,
    /// Both are null, or valid during the call.
    addresses: [PSOCKADDR; 2],
    listener: &'a SocketState,
    /// The callback's result.
    verdict: &'a Cell<Verdict>,
}

/// The callback's decision about an inspected connection.
///
/// # Invariants
///
/// The operation of `Pend` has two halves. The callback's half is unfinished.
#[derive(Clone, Copy)]
pub(super) enum Verdict {
    Reject,
    Accept,
    /// The decision is postponed: this request delivers it, unless it was made before the callback returns.
    Pend(NonNull<Operation>),
}

impl Verdict {
    /// Converts the decision into the callback's result.
    ///
    /// # Safety
    ///
    /// The verdict is of an inspection by this listener, and is used once.
    pub(super) unsafe fn end(self, listener: &SocketState) -> WSK_INSPECT_ACTION {
        let request = match self {
            Self::Reject => return WskInspectReject,
            Self::Accept => return WskInspectAccept,
            Self::Pend(request) => request,
        };
        // SAFETY: `Inspection::pend` left the callback's half for this.
        match unsafe { finish_callback(request) } {
            None => WskInspectPend,
            Some((accepts, idle)) => {
                listener.requests.put(idle);
                if accepts { WskInspectAccept } else { WskInspectReject }
            }
        }
    }
}

impl<'a> Inspection<'a> {
    pub(super) const fn new(
        id: InspectId,
        addresses: [PSOCKADDR; 2],
        listener: &'a SocketState,
        verdict: &'a Cell<Verdict>,
    ) -> Self {
        Self { id, addresses, listener, verdict }
    }

    /// Returns the connection's identifier.
    #[must_use]
    pub const fn id(&self) -> InspectId {
        self.id
    }

    /// Returns the local address, if it is of IPv4 or IPv6.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        // SAFETY: WSK's address is valid during the call, as this value is.
        unsafe { address::read(self.addresses[0]) }
    }

    /// Returns the peer's address, if it is of IPv4 or IPv6.
    #[must_use]
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        // SAFETY: WSK's address is valid during the call, as this value is.
        unsafe { address::read(self.addresses[1]) }
    }

    /// Lets the connection be established. WSK offers it to the listener afterwards, unless it is aborted before.
    pub fn accept(self) {
        self.verdict.set(Verdict::Accept);
    }

    /// Rejects the connection.
    pub fn reject(self) {
        self.verdict.set(Verdict::Reject);
    }

    /// Postpones the decision. The returned value makes it, once ([INV-61](crate::rules#inv-61)).
    ///
    /// The value may be stored anywhere, including in the listener's own handler.
    ///
    /// ```
    /// use std::sync::Mutex;
    /// use wsk::events::{ConditionalListenEvents, InspectId, Inspection, PendingInspection};
    ///
    /// /// Leaves the decision to another thread.
    /// #[derive(Default)]
    /// struct Door(Mutex<Vec<PendingInspection>>);
    ///
    /// #[wsk::events]
    /// impl ConditionalListenEvents for Door {
    ///     type Connection = ();
    ///
    ///     fn inspect(&self, inspection: Inspection<'_>) {
    ///         // If allocation fails, the connection is rejected.
    ///         if let Ok(pending) = inspection.pend() {
    ///             self.0.lock().unwrap().push(pending);
    ///         }
    ///     }
    ///
    ///     fn aborted(&self, id: InspectId) {
    ///         self.0.lock().unwrap().retain(|pending| pending.id() != id);
    ///     }
    /// }
    ///
    /// async fn open(door: &Door) -> wsk::Result<()> {
    ///     let next = door.0.lock().unwrap().pop();
    ///     if let Some(pending) = next {
    ///         pending.accept().await?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails: the connection is rejected.
    pub fn pend(self) -> Result<PendingInspection> {
        // The request is allocated in advance, so a decision cannot fail for lack of memory.
        // SAFETY: the callback's half is put back in the callback, and the other one while the weak reference below keeps
        // the memory; the decision is a request on the listener.
        let (request, callback) = unsafe { self.listener.requests.take() }?.split();
        self.verdict.set(Verdict::Pend(callback));
        let listener = Weak::new(self.listener);
        Ok(PendingInspection { id: self.id, undecided: Some((listener, request)) })
    }
}

impl fmt::Debug for Inspection<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspection").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The identifier of an inspected connection: a copy of WSK's `WSK_INSPECT_ID`, compared by its contents
/// ([INV-61](crate::rules#inv-61)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InspectId {
    key: usize,
    serial_number: u32,
}

impl InspectId {
    /// Converts it for `WskInspectComplete`.
    #[must_use]
    pub const fn to_raw(self) -> WSK_INSPECT_ID {
        WSK_INSPECT_ID { Key: size_t(self.key), SerialNumber: self.serial_number }
    }

    pub(crate) const fn from_raw(raw: &WSK_INSPECT_ID) -> Self {
        Self { key: length(raw.Key), serial_number: raw.SerialNumber }
    }
}

/// A connection that waits for a decision, from [`Inspection::pend`]. Dropping this rejects it.
///
/// Each is decided once ([INV-61](crate::rules#inv-61)):
///
/// ```compile_fail,E0382
/// async fn decide_twice(pending: wsk::events::PendingInspection) -> wsk::Result<()> {
///     pending.accept().await?;
///     pending.reject().await
/// }
/// ```
///
/// It may be used in any thread and in callbacks, even before the callback that pended the connection has returned. It
/// does not keep the listener open, and allocates nothing.
pub struct PendingInspection {
    id: InspectId,
    /// `None` after the decision. The reference is weak, since the listener's handler may store this value, and is
    /// dropped after the listener was closed.
    undecided: Option<(Weak, PendedIrp)>,
}

/// A decision that a request delivers to WSK. The request is dropped first: it leaves its operation to the listener's
/// memory, which the weak reference keeps.
type DecisionDelivery = (InFlight, Weak);

impl PendingInspection {
    /// Returns the connection's identifier, for [`aborted`](super::ConditionalListenEvents::aborted).
    #[must_use]
    pub const fn id(&self) -> InspectId {
        self.id
    }

    /// Lets the connection be established. WSK offers it to the listener afterwards, unless it is aborted before.
    ///
    /// The call itself delivers the decision to WSK, before the future is polled. If the callback that pended the connection
    /// is still running, its return delivers it. A few instructions of the callback may then remain in another thread: no
    /// client of WSK can observe the return of its callback. In a [foreign waker](crate::guide::executors#foreign-wakers) in a
    /// completion routine, the registration's thread delivers the decision, and the future is ready without a result.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`, but futures are polled at `PASSIVE_LEVEL`.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_inspect_complete).
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe: the decision is made by the call. Dropping the future does not revoke it.
    ///
    /// # Errors
    ///
    /// A connection that was aborted in the meantime is not an error; see
    /// [`aborted`](super::ConditionalListenEvents::aborted).
    ///
    /// - `STATUS_ADDRESS_CLOSED` if the listener was closed, which ended the connection.
    /// - `STATUS_FILE_FORCED_CLOSED` if the listener no longer works.
    /// - Any other status of `WskInspectComplete`.
    pub fn accept(mut self) -> impl Future<Output = Result<()>> + Send + 'static {
        let delivery = self.decide(true);
        async move { end(delivery?).await }
    }

    /// Rejects the connection. Otherwise as [`accept`](Self::accept).
    ///
    /// # Cancel safety
    ///
    /// As for [`accept`](Self::accept).
    ///
    /// # Errors
    ///
    /// As for [`accept`](Self::accept).
    pub fn reject(mut self) -> impl Future<Output = Result<()>> + Send + 'static {
        let delivery = self.decide(false);
        async move { end(delivery?).await }
    }

    /// Delivers the decision to WSK, unless that is done, or is left to the callback.
    fn decide(&mut self, accepts: bool) -> Result<Option<DecisionDelivery>> {
        match self.decision(accepts)? {
            Some((socket, decision)) if socket.client().rundown().is_in_foreign_waker() => {
                deliver_later(socket, decision);
                Ok(None)
            }
            Some((socket, decision)) => Ok(Some(decision.deliver(socket))),
            None => Ok(None),
        }
    }

    /// Takes the decision to deliver, with the listener's socket, unless it was taken, or is left to the callback.
    fn decision(&mut self, accepts: bool) -> Result<Option<(OpenGuard, Decision)>> {
        let Some((listener, request)) = self.undecided.take() else {
            return Ok(None);
        };
        let Some(idle) = request.take(accepts) else {
            return Ok(None);
        };
        let socket = listener.try_open().ok_or(known::STATUS_ADDRESS_CLOSED)?;
        socket.check_alive()?;
        Ok(Some((socket, Decision { id: self.id, accepts, listener, idle })))
    }
}

/// A decision that WSK has not received yet.
struct Decision {
    id: InspectId,
    accepts: bool,
    /// Dropped first: it is put back to the listener's memory, which the weak reference keeps.
    idle: Idle,
    listener: Weak,
}

impl Decision {
    fn deliver(self, socket: OpenGuard) -> DecisionDelivery {
        let Self { id, accepts, listener, mut idle } = self;
        // SAFETY: the pointer is to the request's payload.
        let place = unsafe { id_in(idle.payload()) };
        // SAFETY: the control buffer has room for an identifier, and its alignment.
        unsafe { place.write(id.to_raw()) };
        let call = |irp: PIRP, payload: *mut Payload| {
            // SAFETY: the payload is the request's, and stays until it completes.
            let id = unsafe { id_in(payload) };
            // SAFETY: the socket is open, and a listener's: only those inspect (INV-41).
            let dispatch = unsafe { ListenDispatch::of(socket.socket()) };
            let action = if accepts { WskInspectAccept } else { WskInspectReject };
            // SAFETY: the connection was pended, and is decided once (INV-61).
            unsafe { dispatch.inspect_complete(id, action, irp) }
        };
        // SAFETY: the guard keeps the socket's memory; the call's memory is the payload's control buffer.
        let in_flight = unsafe { idle.start_surely(socket.as_ptr(), call) }.in_flight();
        drop(socket);
        (in_flight.never_cancelled(), listener)
    }
}

/// Delivers a decision where WSK may be called, without telling whether that succeeds.
fn deliver_later(socket: OpenGuard, decision: Decision) {
    socket.call_outside_routines(decision, |(socket, decision)| drop(decision.deliver(socket)));
}

/// The address of the identifier in a payload, which WSK reads.
///
/// # Safety
///
/// The pointer is to a payload.
const unsafe fn id_in(payload: *mut Payload) -> PWSK_INSPECT_ID {
    const { assert!(size_of::<WSK_INSPECT_ID>() <= ControlBuffer::SIZE) };
    const { assert!(align_of::<WSK_INSPECT_ID>() <= align_of::<ControlBuffer>()) };
    // SAFETY: the caller passes a pointer to a payload.
    let area = unsafe { &raw mut (*payload).control };
    // SAFETY: the pointer is to the control buffer of that payload.
    unsafe { ControlBuffer::start(area) }.cast()
}

/// Waits until WSK has received a decision.
async fn end(delivery: Option<DecisionDelivery>) -> Result<()> {
    let Some((in_flight, listener)) = delivery else {
        return Ok(());
    };
    match in_flight.await {
        RequestOutcome::Completed(idle, result) => listener.completed(idle, result),
        RequestOutcome::Refused(error) => Err(error),
    }
}

impl Drop for PendingInspection {
    fn drop(&mut self) {
        // A failure needs no action: the listener no longer works, and the connection ended with it.
        if let Ok(Some((socket, decision))) = self.decision(false) {
            deliver_later(socket, decision);
        }
    }
}

impl fmt::Debug for PendingInspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingInspection").field("id", &self.id).finish_non_exhaustive()
    }
}
