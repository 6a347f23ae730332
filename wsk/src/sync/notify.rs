//! A notification.

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::{Poll, Waker};

use crate::executor::wait_queue::{Wait, WaitList, WaitQueue, Waiter};
use crate::opaque_debug::opaque_debug;

/// Notifies one task, or all tasks that wait.
///
/// It has no data: it signals a change of state that tasks and callbacks share by other means.
///
/// IRQL: <= `DISPATCH_LEVEL`. It allocates nothing.
///
/// ```
/// use core::sync::atomic::{AtomicBool, Ordering};
/// use wsk::sync::Notify;
/// use wsk::{Runtime, irql::Passive, rt};
///
/// static IS_CONFIGURED: AtomicBool = AtomicBool::new(false);
/// static CONFIGURED: Notify = Notify::new();
///
/// // SAFETY: on a host, an example runs at PASSIVE_LEVEL.
/// let passive = unsafe { Passive::assume() };
/// let runtime = Runtime::new(passive, 1)?;
/// let task = runtime.spawner().spawn(async {
///     CONFIGURED.notified().await;
///     IS_CONFIGURED.load(Ordering::Acquire)
/// })?;
/// IS_CONFIGURED.store(true, Ordering::Release);
/// CONFIGURED.notify_one();
/// assert!(rt::block_on(passive, task)??);
/// runtime.shutdown(passive);
/// # extern crate wsk_host;
/// # Ok::<(), wsk::Error>(())
/// ```
pub struct Notify(WaitQueue<NotifyWait>);

struct NotifyState {
    /// Whether the next future that waits need not.
    has_permit: bool,
    /// Counts the notifications to all.
    generation: usize,
}

/// A future that waits.
struct NotifyWait {
    /// The count when the future was created: any later notification to all tasks reaches it.
    generation: usize,
    notified: Notified,
}

#[derive(PartialEq, Eq)]
enum Notified {
    No,
    /// Alone. If the future is dropped now, another one is notified.
    Alone,
    WithAll,
}

impl Wait for NotifyWait {
    type State = NotifyState;

    fn serve(state: &mut NotifyState, waiting: &mut WaitList<Self>) -> Option<Waker> {
        let first = waiting.first()?;
        // Futures wait in the order of their generations, for the most part; one that was created early and polled late is
        // notified when it is first.
        if first.generation != state.generation {
            first.notified = Notified::WithAll;
        } else if core::mem::take(&mut state.has_permit) {
            first.notified = Notified::Alone;
        } else {
            return None;
        }
        waiting.pop()
    }

    fn give_up(&mut self, state: &mut NotifyState) {
        state.has_permit |= self.notified == Notified::Alone;
    }
}

impl Notify {
    /// Creates one without a notification.
    #[must_use]
    pub const fn new() -> Self {
        Self(WaitQueue::new(NotifyState { has_permit: false, generation: 0 }))
    }

    /// Waits for a notification by [`notify_one`](Self::notify_one), one of which is stored if no task waits, or by
    /// [`notify_waiters`](Self::notify_waiters) after this call, even before the future is polled.
    ///
    /// Tasks are notified in the order in which their futures were first polled.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If the future is dropped after `notify_one` chose it, another one is notified. It loses
    /// its place in the order.
    pub fn notified(&self) -> impl Future<Output = ()> + Send + '_ {
        self.notified_after(self.generation())
    }

    /// The number of notifications to all, up to now.
    pub(crate) fn generation(&self) -> usize {
        self.0.access(|state, _| state.generation)
    }

    /// Waits as a future that [`notified`](Self::notified) returned after this number of notifications to all.
    pub(crate) async fn notified_after(&self, generation: usize) {
        let waiting = NotifyWait { generation, notified: Notified::No };
        let mut waiter = pin!(Waiter::new(&self.0, waiting));
        poll_fn(|context| {
            waiter.as_mut().poll(context, |state, waiting, _| {
                let is_notified = waiting.notified != Notified::No
                    || waiting.generation != state.generation
                    || core::mem::take(&mut state.has_permit);
                if is_notified { Poll::Ready(()) } else { Poll::Pending }
            })
        })
        .await;
    }

    /// Notifies the task that has waited longest. If none waits, one notification is stored for the next task that waits.
    pub fn notify_one(&self) {
        self.0.change(|state| state.has_permit = true);
    }

    /// Notifies all tasks that currently wait. No notification is stored for later ones.
    pub fn notify_waiters(&self) {
        self.0.change(|state| state.generation = state.generation.wrapping_add(1));
    }
}

impl Default for Notify {
    fn default() -> Self {
        Self::new()
    }
}

opaque_debug!(Notify);

#[cfg(all(test, loom))]
mod loom_tests {
    //! All interleavings of tasks that wait and are notified. Run by `cargo xtask test loom`.

    use core::task::Context;

    use super::super::model::{block_on, thread};
    use super::*;
    use loom::sync::Arc;

    fn waits(notify: &Arc<Notify>) -> thread::JoinHandle<()> {
        let notify = Arc::clone(notify);
        thread::spawn(move || block_on(notify.notified()))
    }

    #[test]
    fn each_notification_reaches_one_task() {
        loom::model(|| {
            let notify = Arc::new(Notify::new());
            let other = waits(&notify);
            notify.notify_one();
            other.join().unwrap();
            assert!(!notify.0.access(|state, _| state.has_permit));
        });
    }

    /// A future that is dropped before, during or after its notification loses none.
    #[test]
    fn a_dropped_future_passes_its_notification_on() {
        loom::model(|| {
            let notify = Arc::new(Notify::new());
            let mut context = Context::from_waker(Waker::noop());
            let mut dropped = std::boxed::Box::pin(notify.notified());
            let mut next = pin!(notify.notified());
            assert!(dropped.as_mut().poll(&mut context).is_pending());
            assert!(next.as_mut().poll(&mut context).is_pending());
            let notifier = {
                let notify = Arc::clone(&notify);
                thread::spawn(move || notify.notify_one())
            };
            drop(dropped);
            notifier.join().unwrap();
            assert!(next.as_mut().poll(&mut context).is_ready());
        });
    }

    #[test]
    fn notify_waiters_reaches_every_earlier_future() {
        loom::model(|| {
            let notify = Arc::new(Notify::new());
            let first = notify.notified();
            let notifier = {
                let notify = Arc::clone(&notify);
                thread::spawn(move || notify.notify_waiters())
            };
            block_on(first);
            notifier.join().unwrap();
            let mut later = pin!(notify.notified());
            assert!(later.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        });
    }
}
