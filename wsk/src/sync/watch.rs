//! A value of which receivers see the latest version.
//!
//! Values are copied with a lock held, so they are `Copy`: a state, a number, a time. For a larger one, watch the number of
//! its version.
//!
//! ```
//! use wsk::sync::watch;
//! use wsk::{Runtime, irql::Passive, rt};
//!
//! // SAFETY: on a host, an example runs at PASSIVE_LEVEL.
//! let passive = unsafe { Passive::assume() };
//! let runtime = Runtime::new(passive, 1)?;
//! let (limit, mut receiver) = watch::channel(10)?;
//! let task = runtime.spawn(async move {
//!     while receiver.get_and_update() < 100 {
//!         receiver.changed().await?;
//!     }
//!     Ok::<_, wsk::Error>(receiver.get())
//! })?;
//! limit.send(50);
//! limit.send(100);
//! assert_eq!(rt::block_on(passive, task)???, 100);
//! runtime.shutdown(passive);
//! # extern crate wsk_host;
//! # Ok::<(), wsk::Error>(())
//! ```

use core::fmt;
use core::future::poll_fn;
use core::marker::PhantomData;
use core::pin::pin;
use core::task::{Poll, Waker};

use crate::executor::wait_queue::{Wait, WaitList, WaitQueue, Waiter};
use crate::pool::Arc;
use crate::status::{Result, known};

/// Creates a channel with a first value, which the receiver has seen: one allocation, and none afterwards.
///
/// IRQL: <= `DISPATCH_LEVEL`.
///
/// # Errors
///
/// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
pub fn channel<T: Copy>(value: T) -> Result<(Sender<T>, Receiver<T>)> {
    let state = WatchState { value, version: 0, senders: 1, receivers: 1 };
    let shared = Arc::new(WaitQueue::new(state))?;
    Ok((Sender(shared.clone()), Receiver { shared, seen: 0 }))
}

struct WatchState<T> {
    value: T,
    /// Counts the values.
    version: u64,
    senders: usize,
    receivers: usize,
}

/// A future that waits for a value.
struct ChangeWait<T> {
    /// The version that its receiver has seen.
    seen: u64,
    value: PhantomData<fn() -> T>,
}

impl<T> Wait for ChangeWait<T> {
    type State = WatchState<T>;

    fn serve(state: &mut WatchState<T>, waiting: &mut WaitList<Self>) -> Option<Waker> {
        // Futures that have not seen the last value are queued before those that have, which wait for the next one.
        let is_served = waiting.first()?.seen != state.version || state.senders == 0;
        if is_served { waiting.pop() } else { None }
    }

    fn give_up(&mut self, _: &mut WatchState<T>) {}
}

/// Sets the value. From [`channel`].
///
/// IRQL: <= `DISPATCH_LEVEL`.
pub struct Sender<T: Copy>(Arc<WaitQueue<ChangeWait<T>>>);

/// Sees the last value. From [`channel`], [`Sender::subscribe`], and clones.
///
/// IRQL: <= `DISPATCH_LEVEL`.
pub struct Receiver<T: Copy> {
    shared: Arc<WaitQueue<ChangeWait<T>>>,
    seen: u64,
}

impl<T: Copy> Sender<T> {
    /// Sets the value, and wakes the tasks that wait for a change. Never waits.
    pub fn send(&self, value: T) {
        self.send_replace(value);
    }

    /// Sets the value, as [`send`](Self::send) does. Returns the value from before.
    pub fn send_replace(&self, value: T) -> T {
        self.0.change(|state| {
            state.version += 1;
            core::mem::replace(&mut state.value, value)
        })
    }

    /// The last value.
    #[must_use]
    pub fn get(&self) -> T {
        self.0.access(|state, _| state.value)
    }

    /// Creates a receiver, which has seen the last value.
    #[must_use]
    pub fn subscribe(&self) -> Receiver<T> {
        let seen = self.0.access(|state, _| {
            state.receivers += 1;
            state.version
        });
        Receiver { shared: self.0.clone(), seen }
    }

    /// Returns whether there is no receiver.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.access(|state, _| state.receivers == 0)
    }
}

impl<T: Copy> Receiver<T> {
    /// The last value. It stays unseen for [`changed`](Self::changed).
    #[must_use]
    pub fn get(&self) -> T {
        self.shared.access(|state, _| state.value)
    }

    /// The last value, which counts as seen.
    #[must_use]
    pub fn get_and_update(&mut self) -> T {
        let (value, version) = self.shared.access(|state, _| (state.value, state.version));
        self.seen = version;
        value
    }

    /// Returns whether there is an unseen value.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        self.shared.access(|state, _| state.version != self.seen)
    }

    /// Waits for an unseen value, and marks it as seen. If there were several, only the last one is seen.
    ///
    /// # Errors
    ///
    /// `STATUS_CANCELLED` (kind [`Cancelled`](crate::ErrorKind::Cancelled)) if all senders were dropped, and the last value was
    /// seen.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. A future that is dropped before it is ready has seen nothing.
    pub async fn changed(&mut self) -> Result<()> {
        let changed = ChangeWait { seen: self.seen, value: PhantomData };
        let mut waiter = pin!(Waiter::new(&self.shared, changed));
        let version = poll_fn(|context| {
            waiter.as_mut().poll(context, |state, changed, _| {
                if state.version != changed.seen {
                    Poll::Ready(Ok(state.version))
                } else if state.senders == 0 {
                    Poll::Ready(Err(known::STATUS_CANCELLED))
                } else {
                    Poll::Pending
                }
            })
        })
        .await?;
        self.seen = version;
        Ok(())
    }
}

impl<T: Copy> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.access(|state, _| state.senders += 1);
        Self(self.0.clone())
    }
}

impl<T: Copy> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.change(|state| state.senders -= 1);
    }
}

impl<T: Copy> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.shared.access(|state, _| state.receivers += 1);
        Self { shared: self.shared.clone(), seen: self.seen }
    }
}

impl<T: Copy> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.shared.access(|state, _| state.receivers -= 1);
    }
}

impl<T: Copy + fmt::Debug> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("value", &self.get()).finish_non_exhaustive()
    }
}

impl<T: Copy + fmt::Debug> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("value", &self.get()).finish_non_exhaustive()
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    //! All interleavings of a sender and receivers. Run by `cargo xtask test loom`.

    use super::super::model::{block_on, thread};
    use super::*;

    #[test]
    fn the_last_value_is_seen_and_then_the_end() {
        loom::model(|| {
            let (sender, mut receiver) = channel(0).unwrap();
            let sends = thread::spawn(move || {
                sender.send(1);
                sender.send(2);
            });
            let mut last = 0;
            while block_on(receiver.changed()).is_ok() {
                assert!(receiver.get() > last || receiver.get() == 2);
                last = receiver.get();
            }
            assert_eq!(last, 2);
            sends.join().unwrap();
        });
    }

    #[test]
    fn each_receiver_sees_a_value() {
        loom::model(|| {
            let (sender, mut receiver) = channel(0).unwrap();
            let mut other = receiver.clone();
            let sees = thread::spawn(move || block_on(other.changed()).unwrap());
            sender.send(1);
            block_on(receiver.changed()).unwrap();
            sees.join().unwrap();
        });
    }
}
