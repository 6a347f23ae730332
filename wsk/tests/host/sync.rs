//! Shared state of tasks, with many schedules.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use test_support::connection::streams;
use test_support::futures::poll_times;
use test_support::scenario::{passive, with_all_timings};
use wsk::pool::PoolBox;
use wsk::rt::{self, yield_now};
use wsk::sync::mpsc::TrySendError;
use wsk::sync::{self, Notify, mpsc, oneshot};
use wsk::{Buffer, ErrorKind, Runtime, TcpStream, sys, time};
use wsk_host::{Config, Host};

use crate::tasks::{Drops, everywhere};

/// Runs a part of a test at `DISPATCH_LEVEL`, where nothing may wait.
pub(crate) fn at_dispatch_level<T>(run: impl FnOnce() -> T) -> T {
    // SAFETY: it is lowered below.
    let level = unsafe { sys::KfRaiseIrql(sys::DISPATCH_LEVEL) };
    let result = run();
    // SAFETY: this is the level from before.
    unsafe { sys::KeLowerIrql(level) };
    result
}

#[test]
fn boxes_and_owners_free_their_value_once() {
    let host = Host::new(Config::default());
    let _entered = host.enter();
    let drops = Drops::default();
    drop(PoolBox::new(drops.guard()).unwrap());
    assert_eq!(drops.count(), 1);
    let moved = PoolBox::into_inner(PoolBox::new(drops.guard()).unwrap());
    assert_eq!((drops.count(), host.outstanding_allocations()), (1, 0));
    let mut owner = sync::Arc::new(moved).unwrap();
    assert!(sync::Arc::get_mut(&mut owner).is_some());
    let other = owner.clone();
    assert!(sync::Arc::ptr_eq(&owner, &other) && sync::Arc::strong_count(&owner) == 2);
    assert!(sync::Arc::get_mut(&mut owner).is_none());
    assert!(sync::Arc::into_inner(owner).is_none());
    let moved = sync::Arc::into_inner(other).expect("it was the last owner");
    assert_eq!((drops.count(), host.outstanding_allocations()), (1, 0));
    host.fail_allocation(1);
    assert_eq!(sync::Arc::new(moved).unwrap_err().kind(), ErrorKind::OutOfMemory);
    assert_eq!(drops.count(), 2, "a refused value is dropped");
}

#[test]
fn a_oneshot_delivers_its_value_or_returns_it() {
    everywhere(|host| {
        let runtime = Runtime::new(passive(), 2).unwrap();
        let drops = Drops::default();
        let (sender, receiver) = oneshot::channel().unwrap();
        let task = runtime.spawner().spawn(receiver).unwrap();
        let guard = drops.guard();
        let before = host.allocations();
        assert!(at_dispatch_level(|| sender.send(guard)).is_ok());
        assert_eq!(host.allocations(), before, "sending allocates nothing");
        drop(rt::block_on(passive(), task).unwrap().unwrap().unwrap());
        assert_eq!(drops.count(), 1);

        let (mut sender, mut receiver) = oneshot::channel::<Guarded>().unwrap();
        assert_eq!(receiver.try_recv().unwrap_err().kind(), ErrorKind::NotReady);
        assert!(!sender.is_closed());
        let closed = runtime.spawner().spawn(async move {
            sender.closed().await;
            sender
        });
        drop(receiver);
        let sender = rt::block_on(passive(), closed.unwrap()).unwrap().unwrap();
        assert!(sender.is_closed());
        drop(sender.send(drops.guard()).unwrap_err());
        assert_eq!(drops.count(), 2);

        // The value is dropped with the receiver, and with a channel that was closed after it was sent.
        let (sender, receiver) = oneshot::channel().unwrap();
        assert!(sender.send(drops.guard()).is_ok());
        drop(receiver);
        assert_eq!(drops.count(), 3);
        let (sender, mut receiver) = oneshot::channel().unwrap();
        assert!(sender.send(drops.guard()).is_ok());
        receiver.close();
        assert!(receiver.try_recv().is_ok());
        assert_eq!(receiver.try_recv().unwrap_err().kind(), ErrorKind::Cancelled);
        runtime.finish(passive());
    });
}

type Guarded = crate::tasks::Guard;

/// Tasks are notified in the order in which they came, each by one notification, or all by one for all.
#[test]
fn notifications_are_in_order() {
    everywhere(|host| {
        let notify = Notify::new();
        let before = host.allocations();
        let mut futures: Vec<_> = (0..4).map(|_| Box::pin(notify.notified())).collect();
        let woken: Vec<_> = futures.iter().map(|_| Arc::new(Count::default())).collect();
        let mut polls = |number: usize| {
            let waker = Waker::from(Arc::clone(&woken[number]));
            futures[number].as_mut().poll(&mut Context::from_waker(&waker)).is_ready()
        };
        for number in 0..4 {
            assert!(!polls(number) && !polls(number));
        }
        let counts =
            || woken.iter().map(|count| count.0.load(Ordering::SeqCst)).collect::<Vec<_>>();
        at_dispatch_level(|| notify.notify_one());
        assert_eq!(counts(), [1, 0, 0, 0]);
        notify.notify_one();
        assert_eq!(counts(), [1, 1, 0, 0]);
        assert!(polls(1));
        notify.notify_waiters();
        assert_eq!(counts(), [1, 1, 1, 1]);
        assert!(polls(2) && polls(3));
        // The first one was notified, and is dropped: its notification is stored for the next.
        drop(futures);
        assert!(at_dispatch_level(|| poll_now(notify.notified())).is_some());
        assert!(poll_now(notify.notified()).is_none());
        // Two notifications without a task are stored as one, and those to all are not stored.
        notify.notify_one();
        notify.notify_one();
        assert!(poll_now(notify.notified()).is_some());
        notify.notify_waiters();
        assert!(poll_now(notify.notified()).is_none());
        let early = notify.notified();
        notify.notify_waiters();
        assert!(poll_now(early).is_some());
        assert_eq!(host.allocations(), before);
        assert!(woken.iter().all(|woken| Arc::strong_count(woken) == 1));
    });
}

/// Polls once with a waker that does nothing.
fn poll_now<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// One task at a time has the mutex, whatever other tasks give up meanwhile.
#[test]
fn a_mutex_is_held_by_one_task_at_a_time() {
    const TASKS: usize = 6;
    everywhere(|_| {
        let runtime = Runtime::new(passive(), 3).unwrap();
        let shared = Arc::new((sync::Mutex::new(0), AtomicUsize::new(0)));
        for task in 0..TASKS {
            let shared = Arc::clone(&shared);
            let run = async move {
                let (mutex, inside) = &*shared;
                for round in 0..5 {
                    drop(poll_times(mutex.lock(), (task + round) % 3).await);
                    let mut count = mutex.lock().await;
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    yield_now().await;
                    assert!(mutex.try_lock().is_err());
                    *count += 1;
                    inside.fetch_sub(1, Ordering::SeqCst);
                }
            };
            runtime.spawner().spawn(run).unwrap();
        }
        runtime.finish(passive());
        assert_eq!(*at_dispatch_level(|| shared.0.try_lock()).unwrap(), TASKS * 5);
        assert_eq!(format!("{:?}", shared.0), "Mutex { value: 30 }");
        // A forgotten guard leaves it locked, and no more.
        std::mem::forget(shared.0.try_lock());
        let mut mutex = Arc::into_inner(shared).unwrap().0;
        assert_eq!(mutex.try_lock().unwrap_err().kind(), ErrorKind::NotReady);
        assert_eq!(format!("{mutex:?}"), "Mutex { .. }");
        assert_eq!((*mutex.get_mut(), mutex.into_inner()), (30, 30));
    });
}

/// Readers share the value, a writer has it alone, and none is kept out by those that came later.
#[test]
fn a_lock_is_read_by_many_or_written_by_one() {
    everywhere(|host| {
        let runtime = Runtime::new(passive(), 3).unwrap();
        let shared = Arc::new((sync::RwLock::new(0), AtomicUsize::new(0), AtomicUsize::new(0)));
        let before = host.allocations();
        {
            let lock = &shared.0;
            let (one, other) = (lock.try_read().unwrap(), lock.try_read().unwrap());
            assert_eq!(*one + *other, 0);
            let mut writes = Box::pin(lock.write());
            assert!(writes.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            assert!(
                lock.try_read().is_err() && lock.try_write().is_err(),
                "the writer comes first"
            );
            drop(writes);
            at_dispatch_level(|| drop((one, lock.try_read().unwrap())));
            assert!(lock.try_write().is_err());
            drop(other);
            assert!(lock.try_write().is_ok());
        }
        assert_eq!(host.allocations(), before);
        for task in 0..6 {
            let shared = Arc::clone(&shared);
            let run = async move {
                let (lock, readers, writers) = &*shared;
                for round in 0..4 {
                    if (task + round) % 3 == 0 {
                        drop(poll_times(lock.write(), round % 2).await);
                        let mut value = lock.write().await;
                        assert_eq!(writers.fetch_add(1, Ordering::SeqCst), 0);
                        yield_now().await;
                        assert_eq!(readers.load(Ordering::SeqCst), 0);
                        *value += 1;
                        writers.fetch_sub(1, Ordering::SeqCst);
                    } else {
                        let value = lock.read().await;
                        readers.fetch_add(1, Ordering::SeqCst);
                        let seen = *value;
                        yield_now().await;
                        assert_eq!((writers.load(Ordering::SeqCst), *value), (0, seen));
                        readers.fetch_sub(1, Ordering::SeqCst);
                    }
                }
            };
            runtime.spawn(run).unwrap();
        }
        runtime.finish(passive());
        let mut lock = Arc::into_inner(shared).unwrap().0;
        assert_eq!(format!("{lock:?}"), "RwLock { value: 8 }");
        assert_eq!((*lock.get_mut(), lock.into_inner()), (8, 8));
    });
}

#[test]
fn a_watched_value_is_seen_by_all() {
    everywhere(|host| {
        let runtime = Runtime::new(passive(), 2).unwrap();
        let (sender, receiver) = sync::watch::channel(0).unwrap();
        let watches = (0..3).map(|_| {
            let mut receiver = receiver.clone();
            let watch = async move {
                let mut last = 0;
                while receiver.changed().await.is_ok() {
                    let value = receiver.get_and_update();
                    assert!(value > last, "a value is seen once, and none after a later one");
                    last = value;
                }
                last
            };
            runtime.spawn(watch).unwrap()
        });
        let watches: Vec<_> = watches.collect();
        let before = host.allocations();
        for value in 1..5 {
            assert_eq!(at_dispatch_level(|| sender.send_replace(value)), value - 1);
        }
        assert_eq!(host.allocations(), before);
        let mut late = sender.subscribe();
        assert!(!late.has_changed() && poll_now(late.changed()).is_none());
        let other = sender.clone();
        drop(sender);
        other.send(5);
        assert!(late.has_changed() && late.get() == 5 && late.has_changed());
        assert_eq!(poll_now(late.changed()), Some(Ok(())));
        drop(other);
        for watch in watches {
            assert_eq!(rt::block_on(passive(), watch).unwrap(), Ok(5));
        }
        assert_eq!(poll_now(late.changed()).unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
        runtime.finish(passive());
        let (sender, receiver) = sync::watch::channel(()).unwrap();
        assert!(!sender.is_closed());
        drop(receiver);
        assert!(sender.is_closed());
    });
}

/// Each value is received once, those of a sender in order, by a channel that is smaller than their number.
#[test]
fn a_channel_delivers_the_values_of_many_senders() {
    const SENDERS: usize = 4;
    const VALUES: usize = 7;
    everywhere(|host| {
        let runtime = Runtime::new(passive(), 3).unwrap();
        let drops = Drops::default();
        let (sender, mut receiver) = mpsc::channel(2).unwrap();
        for number in 0..SENDERS {
            let (sender, drops) = (sender.clone(), drops.clone());
            let run = async move {
                for value in 0..VALUES {
                    // Not sent, or its place is passed on.
                    drop(poll_times(sender.send((number, usize::MAX, drops.guard())), 0).await);
                    sender.send((number, value, drops.guard())).await.unwrap();
                }
            };
            runtime.spawner().spawn(run).unwrap();
        }
        assert_eq!(sender.max_capacity(), 2);
        drop(sender);
        let received = runtime.spawner().spawn(async move {
            let mut received = [0; SENDERS];
            while let Some((number, value, _guard)) = receiver.recv().await {
                assert_eq!(received[number], value);
                received[number] += 1;
            }
            received
        });
        let received = rt::block_on(passive(), received.unwrap()).unwrap().unwrap();
        assert_eq!(received, [VALUES; SENDERS]);
        runtime.finish(passive());
        assert_eq!(drops.count(), 2 * SENDERS * VALUES);

        let (sender, mut receiver) = mpsc::channel(2).unwrap();
        let before = host.allocations();
        at_dispatch_level(|| {
            assert!(sender.try_send(drops.guard()).is_ok() && sender.capacity() == 1);
            assert!(sender.try_send(drops.guard()).is_ok());
            assert!(matches!(sender.try_send(drops.guard()), Err(TrySendError::Full(_))));
            assert!(receiver.try_recv().is_ok());
            receiver.close();
            assert!(matches!(sender.try_send(drops.guard()), Err(TrySendError::Closed(_))));
        });
        assert!(sender.is_closed() && poll_now(sender.send(drops.guard())).unwrap().is_err());
        assert!(receiver.try_recv().is_ok());
        assert_eq!(receiver.try_recv().unwrap_err().kind(), ErrorKind::Cancelled);
        assert_eq!(poll_now(receiver.recv()).map(|value| value.is_none()), Some(true));
        assert_eq!(host.allocations(), before, "only the creation allocates");
        assert_eq!(drops.count(), 2 * SENDERS * VALUES + 5);
        assert_eq!(mpsc::channel::<u8>(0).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(mpsc::channel::<u8>(usize::MAX).unwrap_err().kind(), ErrorKind::InvalidSize);
        assert_eq!(mpsc::channel::<()>(usize::MAX).unwrap_err().kind(), ErrorKind::InvalidSize);
    });
}

/// A receiver that is never empty lets other tasks of its thread run.
#[test]
fn a_busy_channel_starves_no_task() {
    everywhere(|_| {
        let runtime = Runtime::new(passive(), 1).unwrap();
        let (sender, mut receiver) = mpsc::channel(4).unwrap();
        let endless = sender.clone();
        for _ in 0..4 {
            sender.try_send(()).unwrap();
        }
        runtime
            .spawner()
            .spawn(async move {
                while receiver.recv().await.is_some() {
                    endless.try_send(()).unwrap();
                }
            })
            .unwrap();
        let other = runtime.spawner().spawn(async {}).unwrap();
        rt::block_on(passive(), other).unwrap().unwrap();
        runtime.shutdown(passive());
        assert!(sender.is_closed());
    });
}

/// A foreign waker that a completion routine calls notifies another one, which drops a stream: it is not closed there.
#[test]
fn a_waker_of_a_waker_may_drop_a_stream() {
    struct Notifies(Arc<Notify>);

    impl Wake for Notifies {
        fn wake(self: Arc<Self>) {
            self.0.notify_one();
        }
    }

    struct DropsStream(Mutex<Option<TcpStream>>);

    impl Wake for DropsStream {
        fn wake(self: Arc<Self>) {
            drop(self.0.lock().unwrap().take());
        }
    }

    with_all_timings(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        let (other, _peer) = streams(&wsk).await?;
        let notify = Arc::new(Notify::new());
        let drops = Arc::new(DropsStream(Mutex::new(Some(other))));
        let mut notified = Box::pin(notify.notified());
        let waker = Waker::from(Arc::clone(&drops));
        assert!(notified.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        drop(waker);
        let mut receive = Box::pin(server.recv(Buffer::new(1)?));
        let waker = Waker::from(Arc::new(Notifies(Arc::clone(&notify))));
        assert!(receive.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        client.shutdown().await?;
        // Not by polling, which would replace the wakers.
        while drops.0.lock().unwrap().is_some() {
            time::sleep(Duration::from_millis(1)).await?;
        }
        assert_eq!(receive.await.into_result()?.0, 0);
        notified.await;
        Ok(())
    });
}

#[test]
fn shared_state_is_send_and_sync() {
    fn is_send_and_sync<T: Send + Sync>(_: &T) {}
    fn is_send<T: Send>(_: T) {}
    let host = Host::new(Config::default());
    let _entered = host.enter();
    let (notify, mutex) = (Notify::new(), sync::Mutex::new(std::cell::Cell::new(0)));
    is_send_and_sync(&(&notify, &mutex));
    is_send(notify.notified());
    is_send(mutex.lock());
    is_send(mutex.try_lock().unwrap());
    let (sender, mut receiver) = mpsc::channel::<std::cell::Cell<u8>>(1).unwrap();
    is_send_and_sync(&sender);
    is_send_and_sync(&receiver);
    is_send(sender.send(std::cell::Cell::new(1)));
    is_send(receiver.recv());
    is_send_and_sync(&oneshot::channel::<std::cell::Cell<u8>>().unwrap());
}
