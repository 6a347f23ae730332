//! What safe code may do to tasks and their handles at bad moments.

use std::future::pending;
use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::time::Duration;

use test_support::connection::streams;
use test_support::scenario::{on_host, passive, timings};
use wsk::events::{DatagramEvents, Datagrams, Disposition};
use wsk::rt::{self, JoinHandle, JoinSet};
use wsk::socket::{DatagramSocket, Family};
use wsk::{Buffer, ErrorKind, Provider, Result, Runtime, UdpSocket, time};
use wsk_host::{Config, Host};

use super::{Drops, everywhere};
use crate::sync::at_dispatch_level;

fn on_all(scenario: &impl AsyncFn(Provider, &Runtime) -> Result<()>) {
    for timing in timings().take(20) {
        let host = Host::new(Config::default().timing(timing));
        let run = async |wsk: Provider| {
            let runtime = Runtime::new(passive(), 2)?;
            scenario(wsk, &runtime).await?;
            runtime.shutdown(passive());
            Ok(())
        };
        on_host(&host, run).unwrap_or_else(|error| panic!("{timing:?}: {error}"));
        assert_eq!(host.outstanding_allocations(), 0, "{timing:?}");
    }
}

/// Aborted tasks own sockets with requests in flight: some have begun to receive, some have not been polled.
#[test]
fn a_task_with_requests_in_flight_is_aborted() {
    on_all(&async |wsk, runtime| {
        for waits in [false, true] {
            let (client, server) = streams(&wsk).await?;
            let tasks = [client, server].map(|stream| {
                runtime.spawn(async move {
                    let received = stream.recv(Buffer::new(10).unwrap()).await.into_result();
                    // The other side was aborted first.
                    assert!(received.is_err());
                    pending::<()>().await;
                })
            });
            if waits {
                time::sleep(Duration::from_millis(5)).await?;
            }
            for task in tasks {
                let task = task?;
                at_dispatch_level(|| task.abort());
                assert_eq!(task.await.unwrap_err().kind(), ErrorKind::Cancelled);
            }
        }
        Ok(())
    });
}

/// Handles, with the outputs of their tasks, end in a callback at `DISPATCH_LEVEL`.
#[test]
fn handles_are_dropped_in_a_callback() {
    struct Handler(Mutex<Vec<JoinHandle<super::Guard>>>);

    #[wsk::events]
    impl DatagramEvents for Handler {
        fn receive_from(&self, _datagrams: Datagrams<'_>) -> Disposition {
            self.0.lock().unwrap().clear();
            Disposition::Accepted
        }
    }

    on_all(&async |wsk, runtime| {
        let drops = Drops::default();
        let spawn = |delay| {
            let guard = drops.guard();
            runtime.spawn(async move {
                time::sleep(Duration::from_millis(delay)).await.unwrap();
                guard
            })
        };
        // One is done before, and one after it.
        let handler = Handler(Mutex::new(vec![spawn(0)?, spawn(200)?]));
        let builder = DatagramSocket::builder(&wsk, Family::INET).events(handler);
        let receiver = builder.bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let sender = UdpSocket::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
        time::sleep(Duration::from_millis(20)).await?;
        let to = receiver.local_addr().await?;
        sender.send_to(Buffer::new(1)?, to).await.into_result()?;
        time::sleep(Duration::from_millis(100)).await?;
        assert_eq!(drops.count(), 1);
        time::sleep(Duration::from_millis(200)).await?;
        assert_eq!(drops.count(), 2);
        Ok(())
    });
}

/// A forgotten set aborts nothing: its tasks run to their ends. Only its own memory is lost.
#[test]
fn a_forgotten_set_leaves_its_tasks_running() {
    let host = Host::new(Config::default());
    let _entered = host.enter();
    let drops = Drops::default();
    let runtime = Runtime::new(passive(), 2).unwrap();
    let mut set = JoinSet::new(runtime.spawner()).unwrap();
    for delay in [1, 20] {
        let guard = drops.guard();
        set.spawn(async move {
            time::sleep(Duration::from_millis(delay)).await.unwrap();
            drop(guard);
        })
        .unwrap();
    }
    std::mem::forget(set);
    runtime.finish(passive());
    assert_eq!(drops.count(), 2);
    // The set's memory with the spawner in it, and the results of its tasks.
    assert!(host.outstanding_allocations() > 0);
}

/// A function that waits and spawns pinned tasks, whose thread it is; they run when it returns.
#[test]
fn a_blocking_function_may_spawn_pinned_tasks() {
    everywhere(|_| {
        let runtime = Runtime::new(passive(), 1).unwrap();
        let spawner = runtime.spawner();
        let inner = spawner.clone();
        let task = spawner
            .spawn_blocking(move |passive| {
                let pinned = inner
                    .spawn_pinned(|local| async move { local.spawn_local(async { 7 })?.await });
                // It would wait for itself if it waited for the task.
                rt::block_on(passive, time::sleep(Duration::from_millis(5))).unwrap().unwrap();
                pinned.unwrap()
            })
            .unwrap();
        let pinned = rt::block_on(passive(), task).unwrap().unwrap();
        assert_eq!(rt::block_on(passive(), pinned).unwrap(), Ok(Ok(7)));
        runtime.finish(passive());
    });
}
