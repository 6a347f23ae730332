//! The end of tasks at `DISPATCH_LEVEL`, and of their executor.

use std::future::{pending, poll_fn};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use test_support::connection::streams;
use test_support::scenario::{passive, unload};
use test_support::seeds::seeds;
use wsk::rt::{self, DpcExecutor, DpcSpawner};
use wsk::{Buffer, ErrorKind, Registration, Runtime, TcpStream};
use wsk_host::{Config, Host, Timing};

use super::{at_dispatch, with_executors};
use crate::sync::at_dispatch_level;
use crate::tasks::{Drops, everywhere};

/// Receives what never comes, on a stream that it owns, until it is dropped. The end of the other side is an error before.
async fn receives(stream: TcpStream) {
    let buffer = Buffer::new(10).unwrap();
    let received = stream.recv(buffer).await.into_result();
    assert!(received.is_err());
    pending::<()>().await;
}

/// The requests of dropped tasks are cancelled, and their sockets are closed by the registration's thread.
#[test]
fn an_end_drops_tasks_with_requests_in_flight() {
    with_executors(&async |wsk, executor, _| {
        let (client, server) = streams(wsk).await?;
        let (other_client, other_server) = streams(wsk).await?;
        let aborted = executor.spawn(receives(client))?;
        executor.spawn(receives(server))?;
        // An executor that is dropped at DISPATCH_LEVEL.
        let other = DpcExecutor::new(passive(), 2)?;
        let tasks = [other.spawn(receives(other_client))?, other.spawn(receives(other_server))?];
        let spawner = other.spawner();
        at_dispatch_level(|| drop(other));
        for task in tasks {
            assert_eq!(task.await.unwrap_err().kind(), ErrorKind::Cancelled);
        }
        assert_eq!(spawner.spawn(async {}).unwrap_err().kind(), ErrorKind::Cancelled);
        at_dispatch_level(|| aborted.abort());
        assert_eq!(aborted.await.unwrap_err().kind(), ErrorKind::Cancelled);
        // The other one is dropped with the executor.
        Ok(())
    });
}

/// A task drops its own executor, and another one, in its DPC.
#[test]
fn a_task_may_end_its_executor() {
    everywhere(|_| {
        let drops = Drops::default();
        let executors = [(); 2].map(|()| DpcExecutor::new(passive(), 2).unwrap());
        let spawner = executors[0].spawner();
        for executor in &executors {
            let guard = drops.guard();
            executor
                .spawn(async move {
                    let _guard = guard;
                    pending::<()>().await;
                })
                .unwrap();
        }
        let ends = spawner.spawn(at_dispatch(async move { drop(executors) })).unwrap();
        rt::block_on(passive(), ends).unwrap().unwrap();
        wsk::unload(passive());
        assert_eq!(drops.count(), 2);
        // Nothing of it is left: it refuses, and drops what it refuses.
        let guard = drops.guard();
        let refused = spawner.spawn(async move { drop(guard) }).unwrap_err();
        assert_eq!((refused.kind(), drops.count()), (ErrorKind::Cancelled, 3));
    });
}

/// A task that can be woken, and the place of its waker.
fn kept_waker() -> (impl Future<Output = ()> + Send, Arc<Mutex<Option<Waker>>>) {
    let waker: Arc<Mutex<Option<Waker>>> = Arc::default();
    let place = Arc::clone(&waker);
    let future = poll_fn(move |context| {
        *place.lock().unwrap() = Some(context.waker().clone());
        Poll::Pending
    });
    (future, waker)
}

/// Wakers outlive what they wake: a DPC wakes a pinned task whose runtime has ended, and a thread a task whose executor has.
#[test]
fn tasks_are_woken_after_the_end() {
    everywhere(|_| {
        let executor = DpcExecutor::new(passive(), 1).unwrap();
        let ended = DpcExecutor::new(passive(), 1).unwrap();
        let runtime = Runtime::new(passive(), 2).unwrap();
        let (of_a_dpc, waker) = kept_waker();
        ended.spawn(of_a_dpc).unwrap();
        let (of_a_thread, other) = kept_waker();
        runtime.spawner().spawn_pinned(|_| of_a_thread).unwrap();
        let take = |waker: &Arc<Mutex<Option<Waker>>>| loop {
            if let Some(waker) = waker.lock().unwrap().take() {
                break waker;
            }
            rt::block_on(passive(), wsk::time::sleep(std::time::Duration::from_millis(1)))
                .unwrap()
                .unwrap();
        };
        let (waker, other) = (take(&waker), take(&other));
        runtime.shutdown(passive());
        ended.shutdown(passive());
        let wakes = executor.spawn(at_dispatch(async move {
            other.wake_by_ref();
            other.wake();
        }));
        rt::block_on(passive(), wakes.unwrap()).unwrap().unwrap();
        waker.wake_by_ref();
        at_dispatch_level(|| waker.wake());
        executor.shutdown(passive());
    });
}

/// Tasks that spawn others until they are refused.
async fn spawns(spawner: DpcSpawner) {
    while spawner.spawn(async {}).is_ok() {
        rt::yield_now().await;
    }
}

/// An executor that is dropped with busy tasks, and requests in flight, leaves no code behind that runs after `unload`.
#[test]
fn nothing_runs_after_an_unload() {
    for seed in 0..seeds(300, 1) {
        let host = Host::new(Config::default().timing(Timing::Mixed(seed)));
        let _entered = host.enter();
        let registration = Registration::register(passive()).unwrap();
        let wsk = registration.try_capture().unwrap();
        let executor = DpcExecutor::new(passive(), 3).unwrap();
        let (client, server) = rt::block_on(passive(), streams(&wsk)).unwrap().unwrap();
        executor.spawn(receives(client)).unwrap();
        executor.spawn(receives(server)).unwrap();
        executor.spawn(spawns(executor.spawner())).unwrap();
        rt::block_on(passive(), rt::yield_now()).unwrap();
        if seed % 2 == 0 {
            at_dispatch_level(|| drop(executor));
        } else {
            executor.shutdown(passive());
        }
        drop(wsk);
        drop(registration);
        unload(&host);
        assert_eq!(host.outstanding_allocations(), 0, "seed {seed}");
    }
}
