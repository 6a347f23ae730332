//! What a connection indicates, until it is sent on.

use core::mem::ManuallyDrop;
use core::task::{Context, Poll, Waker};

use crate::events::{CallbackIrql, ConnectionEvents, Data, Receipt, RetainedData};
use crate::executor::foreign::{drop_waker, wake};
use crate::kernel::SpinLock;
use crate::pool::Arc;
use crate::status::{Error, Result, known};
use crate::sync::{Ring, waker_slot};

/// The most indications that wait to be sent.
const MAX_WAITING: usize = 64;

/// The handler of a connection that is relayed. It retains what is indicated, until the relay has as many bytes as it may.
pub(super) struct Forwarder(Arc<SpinLock<Incoming>>);

/// The receiving end of a [`Forwarder`]. When it is dropped, what was not sent is released, and the handler refuses the rest.
pub(super) struct IncomingData(Arc<SpinLock<Incoming>>);

struct Incoming {
    /// [`IncomingData`] takes them all. So the end of the handler's memory, which may be deep on the stack, drops none.
    waiting: Ring<ManuallyDrop<RetainedData>>,
    /// The bytes that wait, and those that are being sent.
    bytes: usize,
    limit: usize,
    flow: Flow,
    end: Option<End>,
    /// Whether the handler still takes data.
    is_open: bool,
    waker: Option<Waker>,
}

/// Whether WSK indicates data ([INV-56](crate::rules#inv-56)).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Indicating,
    /// The handler has refused data. WSK indicates none until a receive completes, which is to be issued when no more bytes than
    /// these are left.
    Refused(usize),
    /// That receive was issued, and the refused data was not indicated again.
    Resuming,
}

#[derive(Clone, Copy)]
enum End {
    /// The peer has finished sending.
    Finished,
    /// The connection is lost.
    Lost(Error),
}

/// What the relay has to do next.
pub(super) enum Step {
    Send(RetainedData),
    /// Let WSK indicate data again.
    Resume,
    /// The peer has finished: receive what the callbacks have not got, if anything. They get nothing more.
    ReceiveRest,
}

/// A handler, and what it takes.
///
/// # Errors
///
/// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
pub(super) fn forwarder(limit: usize) -> Result<(Forwarder, IncomingData)> {
    let incoming = Incoming {
        waiting: Ring::new(MAX_WAITING)?,
        bytes: 0,
        limit,
        flow: Flow::Indicating,
        end: None,
        is_open: true,
        waker: None,
    };
    let shared = Arc::new(SpinLock::new(incoming))?;
    Ok((Forwarder(shared.clone()), IncomingData(shared)))
}

impl Incoming {
    /// Whether the handler refuses data of this length. If so, this notes when it would not.
    fn refuses(&mut self, length: usize, release_soon: bool) -> bool {
        let is_full = self.waiting.is_full() || self.bytes.saturating_add(length) > self.limit;
        if self.is_open && (self.bytes == 0 || !(is_full || release_soon)) {
            return false;
        }
        // Fewer bytes than there are, so that some are sent before the next attempt; and few enough for this data.
        let fewer = self.bytes.saturating_sub(1).min(self.limit / 2);
        let enough = if release_soon { 0 } else { self.limit.saturating_sub(length) };
        self.flow = Flow::Refused(fewer.min(enough));
        true
    }

    fn next(&mut self, can_send: bool, can_resume: bool) -> Poll<Result<Step>> {
        if let Some(End::Lost(error)) = self.end {
            return Poll::Ready(Err(error));
        }
        if can_resume && self.is_open && matches!(self.flow, Flow::Refused(at) if self.bytes <= at)
        {
            self.flow = Flow::Resuming;
            return Poll::Ready(Ok(Step::Resume));
        }
        if !can_send {
            return Poll::Pending;
        }
        if let Some(data) = self.waiting.pop() {
            return Poll::Ready(Ok(Step::Send(ManuallyDrop::into_inner(data))));
        }
        if self.is_open && self.end.is_some() && self.flow == Flow::Indicating {
            self.is_open = false;
            return Poll::Ready(Ok(Step::ReceiveRest));
        }
        Poll::Pending
    }
}

impl Forwarder {
    fn end(&self, end: End) {
        let mut incoming = self.0.lock();
        if !matches!(incoming.end, Some(End::Lost(_))) {
            incoming.end = Some(end);
        }
        let waker = incoming.waker.take();
        drop(incoming);
        wake(waker);
    }
}

#[crate::events(crate = crate)]
impl ConnectionEvents for Forwarder {
    fn receive(&self, data: Data<'_>) -> Receipt {
        let mut incoming = self.0.lock();
        let length = data.len();
        let retained = if incoming.refuses(length, data.release_soon()) {
            None
        } else {
            // It fails if the socket is being closed: nobody waits for the data then.
            data.retain().ok()
        };
        let receipt = match retained.map(|data| incoming.waiting.push(ManuallyDrop::new(data))) {
            Some(Ok(())) => {
                incoming.bytes += length;
                incoming.flow = Flow::Indicating;
                Receipt::All
            }
            // There is room, which was checked; the data is released without the lock, and WSK keeps none of it.
            Some(Err(data)) => {
                drop(incoming);
                drop(ManuallyDrop::into_inner(data));
                self.end(End::Lost(known::STATUS_INTERNAL_ERROR));
                return Receipt::All;
            }
            None => Receipt::Refused,
        };
        let waker = incoming.waker.take();
        drop(incoming);
        wake(waker);
        receipt
    }

    fn disconnected(&self, abortive: bool, _level: CallbackIrql) {
        self.end(if abortive { End::Lost(known::STATUS_CONNECTION_RESET) } else { End::Finished });
    }

    fn dead(&self) {
        self.end(End::Lost(known::STATUS_FILE_FORCED_CLOSED));
    }
}

impl IncomingData {
    /// Polls for the next step. `can_send` and `can_resume`: whether the relay can do these now.
    ///
    /// # Errors
    ///
    /// The status of a connection that is lost.
    pub(super) fn poll_next(
        &self,
        context: &Context<'_>,
        can_send: bool,
        can_resume: bool,
    ) -> Poll<Result<Step>> {
        waker_slot::poll(
            &self.0,
            context,
            |incoming| &mut incoming.waker,
            |incoming| incoming.next(can_send, can_resume),
        )
    }

    /// Takes more data that waits.
    pub(super) fn pop(&self) -> Option<RetainedData> {
        self.0.lock().waiting.pop().map(ManuallyDrop::into_inner)
    }

    /// These bytes, which were taken, are released.
    pub(super) fn release(&self, bytes: usize) {
        self.0.lock().bytes -= bytes;
    }
}

impl Drop for IncomingData {
    fn drop(&mut self) {
        let mut incoming = self.0.lock();
        incoming.is_open = false;
        let waker = incoming.waker.take();
        drop(incoming);
        drop_waker(waker);
        // One after the other, since data is released without the lock. The socket is open until then.
        while let Some(data) = self.pop() {
            drop(data);
        }
    }
}
