//! A bounded channel with many senders and one receiver.
//!
//! Its memory is allocated when it is created. So a callback can send to a task:
//!
//! ```
//! use wsk::sync::mpsc;
//! use wsk::{Runtime, irql::Passive, rt};
//!
//! /// For an event callback, at DISPATCH_LEVEL.
//! fn on_datagram(sizes: &mpsc::Sender<usize>, size: usize) {
//!     // A full queue drops it, as a network does.
//!     let _ = sizes.try_send(size);
//! }
//!
//! // SAFETY: on a host, an example runs at PASSIVE_LEVEL.
//! let passive = unsafe { Passive::assume() };
//! let runtime = Runtime::new(passive, 1)?;
//! let (sizes, mut receiver) = mpsc::channel(128)?;
//! let sum = runtime.spawner().spawn(async move {
//!     let mut sum = 0;
//!     while let Some(size) = receiver.recv().await {
//!         sum += size;
//!     }
//!     sum
//! })?;
//! on_datagram(&sizes, 1000);
//! on_datagram(&sizes, 500);
//! drop(sizes);
//! assert_eq!(rt::block_on(passive, sum)??, 1500);
//! runtime.shutdown(passive);
//! # extern crate wsk_host;
//! # Ok::<(), wsk::Error>(())
//! ```

use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll, Waker};

use super::ring::Ring;
use super::semaphore::{Semaphore, TryAcquireError};
use super::waker_slot;
use crate::executor::foreign::{drop_waker, wake};
use crate::kernel::SpinLock;
use crate::opaque_debug::opaque_debug;
use crate::pool::Arc;
use crate::status::{Result, known};

/// Creates a channel for up to `capacity` values that were sent and not received.
///
/// It makes two allocations, and none afterwards.
///
/// IRQL: <= `DISPATCH_LEVEL`.
///
/// # Errors
///
/// - `STATUS_INVALID_PARAMETER` if `capacity` is zero.
/// - `STATUS_INVALID_BUFFER_SIZE` if `capacity` or the size of the values exceeds an `isize`.
/// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
pub fn channel<T>(capacity: usize) -> Result<(Sender<T>, Receiver<T>)> {
    if capacity == 0 {
        return Err(known::STATUS_INVALID_PARAMETER);
    }
    let state =
        ChannelState { values: Ring::new(capacity)?, senders: 1, is_closed: false, receiver: None };
    let channel = Channel { free: Semaphore::new(capacity), state: SpinLock::new(state), capacity };
    let channel = Arc::new(channel)?;
    Ok((Sender(channel.clone()), Receiver { channel, ready_polls: 0 }))
}

struct Channel<T> {
    /// A permit for each free place.
    free: Semaphore,
    state: SpinLock<ChannelState<T>>,
    capacity: usize,
}

struct ChannelState<T> {
    values: Ring<T>,
    senders: usize,
    /// Whether the receiver was closed or dropped.
    is_closed: bool,
    /// The waker of the task that receives.
    receiver: Option<Waker>,
}

/// A sender of a channel. From [`channel`].
///
/// When the last sender is dropped, the receiver receives the remaining values, and then `None`.
///
/// IRQL: <= `DISPATCH_LEVEL`.
pub struct Sender<T>(Arc<Channel<T>>);

/// The receiver of a channel. From [`channel`].
///
/// Dropping it drops the values that were not received, and makes sending fail.
///
/// IRQL: <= `DISPATCH_LEVEL`.
pub struct Receiver<T> {
    channel: Arc<Channel<T>>,
    /// The number of ready polls since the last pending one.
    ready_polls: u8,
}

/// The receiver was closed or dropped. Contains the value that was not sent.
///
/// `?` does not convert it into a [`wsk::Error`](crate::Error). With a second type that converts, the compiler could no longer
/// infer the error of an async block such as this one, which most drivers have. A closed channel is seldom a failure, and so each call decides:
///
/// ```
/// use wsk::irql::Passive;
/// use wsk::sync::mpsc;
/// use wsk::{Buffer, rt};
///
/// fn report(passive: Passive, sizes: &mpsc::Sender<usize>) -> wsk::Result<()> {
///     rt::block_on(passive, async {
///         let buffer = Buffer::new(1500)?;
///         if sizes.send(buffer.len()).await.is_err() {
///             // The receiver has ended, and so does this task.
///         }
///         Ok(())
///     })??;
///     Ok(())
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

/// A value was not sent at once. Contains the value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TrySendError<T> {
    /// The channel is full, or a task waits to send.
    Full(T),
    /// The receiver was closed or dropped.
    Closed(T),
}

impl<T> Sender<T> {
    /// Sends a value, and waits while the channel is full. Waiting senders get free places in the order of their arrival.
    ///
    /// # Errors
    ///
    /// [`SendError`] with the value, if the receiver was closed or dropped.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: a future that is dropped before it is ready has not sent the value. The value is dropped
    /// with it, and it loses its place in the queue.
    pub async fn send(&self, value: T) -> core::result::Result<(), SendError<T>> {
        if self.0.free.acquire(1).await.is_err() {
            return Err(SendError(value));
        }
        self.0.push(value).map_err(SendError)
    }

    /// Sends a value if the channel has a free place. Never waits.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// [`TrySendError`] with the value, if the channel is full, or the receiver was closed or dropped.
    pub fn try_send(&self, value: T) -> core::result::Result<(), TrySendError<T>> {
        match self.0.free.try_acquire(1) {
            Ok(()) => self.0.push(value).map_err(TrySendError::Closed),
            Err(TryAcquireError::NoPermits) => Err(TrySendError::Full(value)),
            Err(TryAcquireError::Closed) => Err(TrySendError::Closed(value)),
        }
    }

    /// Returns whether the receiver was closed or dropped, so that sending fails.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.free.is_closed()
    }

    /// Returns the number of values that can currently be sent without waiting.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.0.free.available_permits()
    }

    /// Returns the capacity with which the channel was created.
    #[must_use]
    pub fn max_capacity(&self) -> usize {
        self.0.capacity
    }
}

impl<T> Channel<T> {
    /// Adds a value, for which the caller has acquired a permit. Returns it if the channel is closed.
    fn push(&self, value: T) -> core::result::Result<(), T> {
        let mut state = self.state.lock();
        if state.is_closed {
            return Err(value);
        }
        // There is room: each value has a permit.
        state.values.push(value)?;
        let receiver = state.receiver.take();
        drop(state);
        wake(receiver);
        Ok(())
    }

    fn close(&self) -> Option<Waker> {
        let mut state = self.state.lock();
        state.is_closed = true;
        let receiver = state.receiver.take();
        drop(state);
        self.free.close();
        receiver
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.state.lock().senders += 1;
        Self(self.0.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.senders -= 1;
        let receiver = if state.senders == 0 { state.receiver.take() } else { None };
        drop(state);
        wake(receiver);
    }
}

impl<T> Receiver<T> {
    /// Receives the next value. Returns `None` if all values were received, and all senders were dropped or the channel was
    /// [closed](Self::close).
    ///
    /// A task that always finds a value yields regularly, so that it does not starve others.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. A future that is dropped before it is ready has received nothing.
    pub async fn recv(&mut self) -> Option<T> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    /// Polls for the next value, as [`recv`](Self::recv) does.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<T>> {
        const BUDGET: u8 = 128;
        if self.ready_polls == BUDGET {
            self.ready_polls = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let result = waker_slot::poll(
            &self.channel.state,
            context,
            |state| &mut state.receiver,
            |state| match state.values.pop() {
                None if state.can_receive_more() => Poll::Pending,
                value => Poll::Ready(value),
            },
        );
        self.ready_polls = if result.is_ready() { self.ready_polls + 1 } else { 0 };
        if let Poll::Ready(Some(_)) = result {
            self.channel.free.release(1);
        }
        result
    }

    /// Returns the next value, without waiting.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Errors
    ///
    /// - `STATUS_DEVICE_NOT_READY` (kind [`NotReady`](crate::ErrorKind::NotReady)) if the channel is empty.
    /// - `STATUS_CANCELLED` (kind [`Cancelled`](crate::ErrorKind::Cancelled)) if it is empty and no more values can be
    ///   sent.
    pub fn try_recv(&mut self) -> Result<T> {
        let mut state = self.channel.state.lock();
        let Some(value) = state.values.pop() else {
            return Err(if state.can_receive_more() {
                known::STATUS_DEVICE_NOT_READY
            } else {
                known::STATUS_CANCELLED
            });
        };
        drop(state);
        self.channel.free.release(1);
        Ok(value)
    }

    /// Makes all later sends fail, and those that wait. Values that were already sent can still be received.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    pub fn close(&mut self) {
        drop_waker(self.channel.close());
    }
}

impl<T> ChannelState<T> {
    const fn can_receive_more(&self) -> bool {
        self.senders > 0 && !self.is_closed
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        drop_waker(self.channel.close());
        loop {
            // One at a time: a value's drop is foreign code, which must not run with the lock.
            let value = self.channel.state.lock().values.pop();
            if value.is_none() {
                return;
            }
        }
    }
}

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError").finish_non_exhaustive()
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the channel is closed")
    }
}

impl<T> core::error::Error for SendError<T> {}

impl<T> fmt::Debug for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Closed(_) => "Closed(..)",
        })
    }
}

impl<T> fmt::Display for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "the channel is full",
            Self::Closed(_) => "the channel is closed",
        })
    }
}

impl<T> core::error::Error for TrySendError<T> {}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("capacity", &self.capacity()).finish_non_exhaustive()
    }
}

opaque_debug!(Receiver<T>);

#[cfg(all(test, loom))]
mod loom_tests {
    //! All interleavings of senders and a receiver. Run by `cargo xtask test loom`.

    use super::super::model::{block_on, thread};
    use super::*;

    #[test]
    fn each_value_arrives_once_and_in_the_order_of_its_sender() {
        loom::model(|| {
            let (sender, mut receiver) = channel(1).unwrap();
            let sends = thread::spawn(move || {
                for value in 0..2 {
                    block_on(sender.send(value)).unwrap();
                }
            });
            let received = [(); 3].map(|()| block_on(receiver.recv()));
            assert_eq!(received, [Some(0), Some(1), None]);
            sends.join().unwrap();
        });
    }

    #[test]
    fn two_senders_compete_for_one_free_slot() {
        loom::model(|| {
            let (sender, mut receiver) = channel(1).unwrap();
            let other = sender.clone();
            let sends = thread::spawn(move || block_on(other.send(1)).unwrap());
            let was_sent = sender.try_send(1).is_ok();
            drop(sender);
            let mut sum = 0;
            while let Some(value) = block_on(receiver.recv()) {
                sum += value;
            }
            assert_eq!(sum, 1 + u8::from(was_sent));
            sends.join().unwrap();
        });
    }

    /// A value is sent and received, or sent and dropped with the channel, or returned.
    #[test]
    fn a_dropped_receiver_loses_no_value_and_wakes_its_senders() {
        loom::model(|| {
            let value = std::sync::Arc::new(());
            let (sender, receiver) = channel(1).unwrap();
            sender.try_send(std::sync::Arc::clone(&value)).unwrap();
            let sent = std::sync::Arc::clone(&value);
            let sends = thread::spawn(move || drop(block_on(sender.send(sent))));
            drop(receiver);
            sends.join().unwrap();
            assert_eq!(std::sync::Arc::strong_count(&value), 1);
        });
    }
}
