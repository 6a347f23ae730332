//! Wakers of foreign executors that call back: when they are woken, and when they are dropped.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use test_support::connection::{LOCAL, buffer, streams};
use wsk::rt::TaskTracker;
use wsk::sync::{CancellationToken, Notify, RwLock, mpsc, oneshot, watch};
use wsk::{Buffer, Result, UdpSocket, sync, time};

use super::with_driver;

/// Calls a function when it is woken, and when it is dropped.
struct CallsBack<F: Fn() + Send + Sync + 'static>(F, Arc<AtomicUsize>);

impl<F: Fn() + Send + Sync + 'static> Wake for CallsBack<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        (self.0)();
    }
}

impl<F: Fn() + Send + Sync + 'static> Drop for CallsBack<F> {
    fn drop(&mut self) {
        (self.0)();
        self.1.fetch_add(1, Ordering::SeqCst);
    }
}

/// Lets a future store wakers that call `back`: they are replaced, woken by `wakes`, and dropped with the future.
async fn calls_back(
    make: impl Fn() -> Pin<Box<dyn Future<Output = ()> + Send>>,
    back: impl Fn() + Clone + Send + Sync + 'static,
    wakes: impl AsyncFn() -> Result<()>,
) -> Result<()> {
    let dropped = Arc::new(AtomicUsize::new(0));
    let mut made = 0;
    for way in 0..3 {
        let mut future = make();
        let mut is_ready = false;
        for _ in 0..3 {
            // Each replaces the one before.
            if !is_ready {
                made += 1;
                let waker = Waker::from(Arc::new(CallsBack(back.clone(), Arc::clone(&dropped))));
                is_ready = future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
            }
        }
        let mut poll = || {
            let mut context = Context::from_waker(Waker::noop());
            is_ready = is_ready || future.as_mut().poll(&mut context).is_ready();
        };
        if way == 1 {
            poll();
        }
        if way > 0 {
            wakes().await?;
            time::sleep(Duration::from_millis(20)).await?;
            poll();
        }
    }
    // Those that tasks store, too.
    time::sleep(Duration::from_millis(20)).await?;
    assert_eq!(dropped.load(Ordering::SeqCst), made, "wakers are lost, or dropped twice");
    Ok(())
}

#[test]
fn notifications() {
    with_driver(async |_| {
        let notify = Arc::new(Notify::new());
        let waiting = Arc::clone(&notify);
        let back = Arc::clone(&notify);
        calls_back(
            || {
                let notify = Arc::clone(&waiting);
                Box::pin(async move { notify.notified().await })
            },
            move || {
                back.notify_one();
                back.notify_waiters();
            },
            async || {
                notify.notify_one();
                Ok(())
            },
        )
        .await
    });
}

#[test]
fn locks() {
    with_driver(async |_| {
        let shared = Arc::new((sync::Mutex::new(0), RwLock::new(0)));
        let (waiting, back) = (Arc::clone(&shared), Arc::clone(&shared));
        let held = Arc::new(Mutex::new(None));
        let holder = Arc::clone(&held);
        let hold = move || {
            let (in_use, shared) = (Arc::clone(&shared), Arc::clone(&shared));
            // Until it is dropped, the value is locked.
            let mut locks = Box::pin(async move {
                let _guards = (shared.0.lock().await, shared.1.write().await);
                std::future::pending::<()>().await;
            });
            let _ = locks.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            drop(in_use);
            *holder.lock().unwrap() = Some(locks);
        };
        hold();
        calls_back(
            || {
                let shared = Arc::clone(&waiting);
                Box::pin(async move {
                    *shared.0.lock().await += 1;
                    *shared.1.write().await += 1;
                })
            },
            move || {
                let _ = back.0.try_lock().map(drop);
                let _ = back.1.try_read().map(drop);
            },
            async || {
                drop(held.lock().unwrap().take());
                hold();
                Ok(())
            },
        )
        .await?;
        drop(held.lock().unwrap().take());
        Ok(())
    });
}

#[test]
fn channels() {
    with_driver(async |_| {
        let (values, queue) = mpsc::channel::<u8>(2)?;
        let queue = Arc::new(sync::Mutex::new(queue));
        let (sender, back) = (values.clone(), Arc::clone(&queue));
        let again = values.clone();
        calls_back(
            || {
                let queue = Arc::clone(&queue);
                Box::pin(async move { _ = queue.lock().await.recv().await })
            },
            move || {
                let _ = again.try_send(1);
                if let Ok(mut queue) = back.try_lock() {
                    let _ = queue.try_recv();
                }
            },
            async || {
                let _ = sender.try_send(2);
                Ok(())
            },
        )
        .await
    });
}

#[test]
fn watched_values_and_answers() {
    with_driver(async |_| {
        let (seen, watcher) = watch::channel(0_u8)?;
        let seen = Arc::new(seen);
        let (back, sends) = (Arc::clone(&seen), Arc::clone(&seen));
        calls_back(
            || {
                let mut watcher = watcher.clone();
                Box::pin(async move { _ = watcher.changed().await })
            },
            move || {
                back.send(1);
                drop(back.subscribe());
            },
            async || {
                sends.send(2);
                Ok(())
            },
        )
        .await?;
        let sender = Arc::new(Mutex::new(None));
        let (back, sends) = (Arc::clone(&sender), Arc::clone(&sender));
        calls_back(
            || {
                let (answer, receiver) = oneshot::channel::<u8>().unwrap();
                *sender.lock().unwrap() = Some(answer);
                Box::pin(async move { _ = receiver.await })
            },
            move || {
                // The waker may be dropped while the other end is.
                if let Ok(mut sender) = back.try_lock() {
                    let _ = sender.take().map(|sender| sender.send(1));
                }
            },
            async || {
                let sender = sends.lock().unwrap().take();
                drop(sender);
                Ok(())
            },
        )
        .await
    });
}

#[test]
fn tokens_and_trackers() {
    with_driver(async |_| {
        let token = CancellationToken::new()?;
        let (waiting, back) = (token.clone(), token.clone());
        calls_back(
            || {
                let child = waiting.child_token().unwrap();
                Box::pin(async move { child.cancelled().await })
            },
            move || {
                // A child that is cancelled and dropped while its tree is.
                if let Ok(child) = back.child_token() {
                    child.cancel();
                }
            },
            async || {
                token.cancel();
                Ok(())
            },
        )
        .await?;
        let tracker = TaskTracker::new()?;
        let (waiting, back) = (tracker.clone(), tracker.clone());
        let held = tracker.token();
        let held = Mutex::new(Some(held));
        calls_back(
            || {
                let tracker = waiting.clone();
                Box::pin(async move { tracker.wait().await })
            },
            move || {
                drop(back.token());
                back.reopen();
                back.close();
            },
            async || {
                tracker.close();
                drop(held.lock().unwrap().replace(tracker.token()));
                Ok(())
            },
        )
        .await
    });
}

#[test]
fn timers_and_tasks() {
    with_driver(async |driver| {
        let spawner = driver.runtime.spawner();
        let spawns = spawner.clone();
        calls_back(
            || Box::pin(async { time::sleep(Duration::from_millis(3)).await.unwrap() }),
            move || {
                // At DISPATCH_LEVEL, in the timer's routine.
                drop(spawns.spawn(async {}).and_then(|_| time::Sleep::new(Duration::ZERO)));
            },
            async || Ok(()),
        )
        .await?;
        let task = Arc::new(Mutex::new(None));
        let (aborts, ends) = (Arc::clone(&task), Arc::clone(&task));
        calls_back(
            || {
                let handle = spawner.spawn(std::future::pending::<()>()).unwrap();
                *task.lock().unwrap() = Some(handle.abort_handle());
                Box::pin(async move { _ = handle.await })
            },
            move || {
                if let Ok(mut handle) = aborts.try_lock() {
                    if let Some(handle) = handle.take() {
                        handle.abort();
                    }
                }
            },
            async || {
                let handle = ends.lock().unwrap().take();
                if let Some(handle) = handle {
                    handle.abort();
                }
                Ok(())
            },
        )
        .await?;
        // Those of way 0 and 2 are dropped by the executor.
        time::sleep(Duration::from_millis(20)).await
    });
}

/// In a completion routine: the waker drops other futures of the same socket, in flight.
#[test]
fn requests() {
    with_driver(async |driver| {
        let (client, server) = streams(&driver.wsk).await?;
        let (server, others) = (Arc::new(server), Arc::new(Mutex::new(Vec::new())));
        for _ in 0..9 {
            let server = Arc::clone(&server);
            let mut other =
                Box::pin(async move { drop(server.recv(Buffer::new(1).unwrap()).await) });
            let _ = other.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            others.lock().unwrap().push(other);
        }
        let (again, waiting) = (Arc::clone(&others), Arc::clone(&server));
        calls_back(
            || {
                let server = Arc::clone(&waiting);
                Box::pin(async move { drop(server.recv(Buffer::new(3).unwrap()).await) })
            },
            move || {
                // A waker makes no call itself, but may drop requests that are in flight.
                drop(again.lock().unwrap().pop());
            },
            async || client.send_all(buffer(b"some")?).await.into_result().map(drop),
        )
        .await?;
        let socket = Arc::new(UdpSocket::bind(&driver.wsk, LOCAL).await?);
        let to = socket.local_addr().await?;
        let others = Arc::new(Mutex::new(Vec::new()));
        for _ in 0..9 {
            let socket = Arc::clone(&socket);
            let mut other =
                Box::pin(async move { drop(socket.recv_from(Buffer::new(1).unwrap()).await) });
            let _ = other.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            others.lock().unwrap().push(other);
        }
        let (again, waiting) = (Arc::clone(&others), Arc::clone(&socket));
        calls_back(
            || {
                let socket = Arc::clone(&waiting);
                Box::pin(async move { drop(socket.recv_from(Buffer::new(3).unwrap()).await) })
            },
            move || drop(again.lock().unwrap().pop()),
            async || socket.send_copy_to(b"abc", to).await.map(drop),
        )
        .await
    });
}
