//! A channel for one value.
//!
//! ```
//! use wsk::{ErrorKind, irql::Passive, rt, sync::oneshot};
//!
//! // SAFETY: on a host, an example runs at PASSIVE_LEVEL.
//! let passive = unsafe { Passive::assume() };
//! let (sender, receiver) = oneshot::channel()?;
//! sender.send(42).unwrap();
//! assert_eq!(rt::block_on(passive, receiver)??, 42);
//!
//! let (sender, receiver) = oneshot::channel::<u32>()?;
//! drop(sender);
//! let error = rt::block_on(passive, receiver)?.unwrap_err();
//! assert_eq!(error.kind(), ErrorKind::Cancelled);
//! # extern crate wsk_host;
//! # Ok::<(), wsk::Error>(())
//! ```

use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use super::waker_slot;
use crate::executor::foreign::{drop_waker, wake};
use crate::kernel::SpinLock;
use crate::opaque_debug::opaque_debug;
use crate::pool::Arc;
use crate::status::{Result, known};

/// Creates a channel: one allocation, and none afterwards.
///
/// IRQL: <= `DISPATCH_LEVEL`.
///
/// # Errors
///
/// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
pub fn channel<T>() -> Result<(Sender<T>, Receiver<T>)> {
    let state = OneshotState {
        value: None,
        has_sender: true,
        has_receiver: true,
        receiver: None,
        sender: None,
    };
    let shared = Arc::new(SpinLock::new(state))?;
    Ok((Sender(shared.clone()), Receiver(shared)))
}

struct OneshotState<T> {
    value: Option<T>,
    /// Whether a value may still be sent.
    has_sender: bool,
    /// Whether a value may still be received.
    has_receiver: bool,
    /// The waker of the task that receives.
    receiver: Option<Waker>,
    /// The waker of the task that waits until the receiver is dropped.
    sender: Option<Waker>,
}

/// The sending half of a channel for one value. From [`channel`].
///
/// Dropping it without sending makes the receiver fail.
///
/// IRQL: <= `DISPATCH_LEVEL`.
#[must_use = "dropping it makes the receiver fail"]
pub struct Sender<T>(Arc<SpinLock<OneshotState<T>>>);

/// The receiving half of a channel for one value, and a future of that value. From [`channel`].
///
/// Dropping it drops a value that was sent and not received.
///
/// IRQL: <= `DISPATCH_LEVEL`.
///
/// # Errors
///
/// `STATUS_CANCELLED` (kind [`Cancelled`](crate::ErrorKind::Cancelled)) if the sender was dropped without sending, if the
/// receiver was [closed](Self::close) before the value was sent, or if the value was received before.
///
/// # Cancel safety
///
/// The receiver itself is the future: `(&mut receiver).await` can be dropped and repeated, and loses nothing.
#[must_use = "dropping it drops the value"]
pub struct Receiver<T>(Arc<SpinLock<OneshotState<T>>>);

impl<T> Sender<T> {
    /// Sends the value, and wakes the receiver. Never waits.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// The value, if the receiver was dropped or closed. `Ok` does not mean that the value will be received.
    pub fn send(self, value: T) -> core::result::Result<(), T> {
        let mut state = self.0.lock();
        if !state.has_receiver {
            drop(state);
            return Err(value);
        }
        state.value = Some(value);
        state.has_sender = false;
        let (receiver, unused) = (state.receiver.take(), state.sender.take());
        drop(state);
        drop_waker(unused);
        wake(receiver);
        Ok(())
    }

    /// Returns whether the receiver was dropped or closed, in which case sending fails.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        !self.0.lock().has_receiver
    }

    /// Waits until the receiver is dropped or closed. A task can then stop computing the value.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Dropping the future changes nothing.
    pub async fn closed(&mut self) {
        poll_fn(|context| {
            waker_slot::poll(
                &self.0,
                context,
                |state| &mut state.sender,
                |state| if state.has_receiver { Poll::Pending } else { Poll::Ready(()) },
            )
        })
        .await;
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.has_sender = false;
        let (receiver, unused) = (state.receiver.take(), state.sender.take());
        drop(state);
        drop_waker(unused);
        wake(receiver);
    }
}

impl<T> Receiver<T> {
    /// Returns the value if it was sent, without waiting.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// - `STATUS_DEVICE_NOT_READY` (kind [`NotReady`](crate::ErrorKind::NotReady)) if it was not sent yet.
    /// - `STATUS_CANCELLED` if it can no longer be sent, or was already received.
    pub fn try_recv(&mut self) -> Result<T> {
        match self.0.lock().take() {
            Poll::Ready(result) => result,
            Poll::Pending => Err(known::STATUS_DEVICE_NOT_READY),
        }
    }

    /// Makes all later sends fail. A value that was already sent can still be received.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    pub fn close(&mut self) {
        let mut state = self.0.lock();
        state.has_receiver = false;
        let sender = state.sender.take();
        drop(state);
        wake(sender);
    }
}

impl<T> OneshotState<T> {
    /// The value, an error if there will be none, or pending.
    fn take(&mut self) -> Poll<Result<T>> {
        match self.value.take() {
            Some(value) => Poll::Ready(Ok(value)),
            None if self.has_sender && self.has_receiver => Poll::Pending,
            None => Poll::Ready(Err(known::STATUS_CANCELLED)),
        }
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        waker_slot::poll(&self.0, context, |state| &mut state.receiver, OneshotState::take)
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.has_receiver = false;
        let (value, unused, sender) =
            (state.value.take(), state.receiver.take(), state.sender.take());
        drop(state);
        drop_waker(unused);
        wake(sender);
        drop(value);
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("is_closed", &self.is_closed()).finish()
    }
}

opaque_debug!(Receiver<T>);

#[cfg(all(test, loom))]
mod loom_tests {
    //! All interleavings of a sender and a receiver. Run by `cargo xtask test loom`.

    use super::super::model::{block_on, thread};
    use super::*;

    #[test]
    fn a_value_arrives_once() {
        loom::model(|| {
            let (sender, receiver) = channel().unwrap();
            let sends = thread::spawn(move || sender.send(std::boxed::Box::new(7)).unwrap());
            assert_eq!(block_on(receiver), Ok(std::boxed::Box::new(7)));
            sends.join().unwrap();
        });
    }

    #[test]
    fn a_dropped_sender_wakes_the_receiver() {
        loom::model(|| {
            let (sender, receiver) = channel::<u8>().unwrap();
            let drops = thread::spawn(move || drop(sender));
            assert_eq!(block_on(receiver), Err(known::STATUS_CANCELLED));
            drops.join().unwrap();
        });
    }

    /// A value is either received or returned to its sender, or dropped with the channel.
    #[test]
    fn a_value_sent_while_its_receiver_is_dropped_is_freed() {
        loom::model(|| {
            let (sender, mut receiver) = channel().unwrap();
            let value = std::sync::Arc::new(());
            let sent = std::sync::Arc::clone(&value);
            let sends = thread::spawn(move || drop(sender.send(sent)));
            receiver.close();
            drop(receiver.try_recv());
            drop(receiver);
            sends.join().unwrap();
            assert_eq!(std::sync::Arc::strong_count(&value), 1);
        });
    }

    #[test]
    fn a_dropped_receiver_wakes_the_sender() {
        loom::model(|| {
            let (mut sender, receiver) = channel::<u8>().unwrap();
            let drops = thread::spawn(move || drop(receiver));
            block_on(sender.closed());
            assert_eq!(sender.send(1), Err(1));
            drops.join().unwrap();
        });
    }
}
