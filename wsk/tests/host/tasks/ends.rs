//! The end of all tasks of a runtime.

use std::future::pending;
use std::time::Duration;

use test_support::connection::{receive_all, streams};
use test_support::scenario::{on_host, passive, timings};
use wsk::rt::TaskTracker;
use wsk::sync::CancellationToken;
use wsk::{ErrorKind, Provider, Runtime, time};
use wsk_host::{Config, Host};

use super::{Drops, everywhere};
use crate::sync::at_dispatch_level;

/// The end of a runtime waits for its tasks, those included that they spawn meanwhile.
#[test]
fn a_runtime_finishes_its_tasks() {
    everywhere(|_| {
        let ended = Drops::default();
        let runtime = Runtime::new(passive(), 2).unwrap();
        let spawner = runtime.spawner();
        let (inner, guard) = (spawner.clone(), ended.clone());
        spawner
            .spawn(async move {
                for _ in 0..5 {
                    time::sleep(Duration::from_millis(20)).await.unwrap();
                    let guard = guard.guard();
                    inner
                        .spawn(async move {
                            time::sleep(Duration::from_millis(50)).await.unwrap();
                            drop(guard);
                        })
                        .unwrap();
                }
            })
            .unwrap();
        runtime.finish(passive());
        assert_eq!(ended.count(), 5);
        let error = spawner.spawn(async {}).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
    });
}

/// Connections that are served at the end are served to theirs.
#[test]
fn shutdown_waits_for_open_connections() {
    for timing in timings().take(20) {
        let host = Host::new(Config::default().timing(timing));
        let run = async |wsk: Provider| {
            let runtime = Runtime::new(passive(), 2)?;
            let (client, server) = streams(&wsk).await?;
            let served = runtime.spawner().spawn(async move {
                let received = receive_all(&server).await?;
                server
                    .send_all(test_support::connection::buffer(&received)?)
                    .await
                    .into_result()?;
                server.shutdown().await
            })?;
            let asked = runtime.spawner().spawn(async move {
                client
                    .send_all(test_support::connection::buffer(b"the end")?)
                    .await
                    .into_result()?;
                client.shutdown().await?;
                receive_all(&client).await
            })?;
            runtime.finish(passive());
            assert!(served.is_finished() && asked.is_finished());
            served.await??;
            assert_eq!(asked.await??, b"the end");
            Ok(())
        };
        on_host(&host, run).unwrap_or_else(|error| panic!("{timing:?}: {error}"));
        assert_eq!(host.outstanding_allocations(), 0, "{timing:?}");
    }
}

/// A wait that times out leaves the runtime running, and can be repeated.
#[test]
fn waiting_for_tasks_can_time_out() {
    everywhere(|host| {
        let mut runtime = Runtime::new(passive(), 2).unwrap();
        // There is nothing to wait for.
        runtime.wait(passive());
        runtime.wait_timeout(passive(), Duration::ZERO).unwrap();
        let (second, third) = (Duration::from_secs(1), Duration::from_millis(333));
        let task = runtime.spawner().spawn(time::sleep(second)).unwrap();
        for _ in 0..2 {
            let before = host.elapsed();
            let error = runtime.wait_timeout(passive(), third).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            assert!(host.elapsed() >= before + third && host.elapsed() < second);
        }
        assert!(!task.is_finished());
        runtime.wait_timeout(passive(), second).unwrap();
        assert!(task.is_finished() && host.elapsed() >= second);
        let again = runtime.spawner().spawn(time::sleep(second)).unwrap();
        runtime.wait(passive());
        assert!(again.is_finished());
        // And what waits for ever is dropped in the end.
        let for_ever = runtime.spawner().spawn(pending::<()>()).unwrap();
        runtime.wait_timeout(passive(), second).unwrap_err();
        runtime.shutdown(passive());
        assert!(for_ever.is_finished());
    });
}

/// The end of the time and the end of the last task at the same moment: either will do, and neither is forgotten.
#[test]
fn a_wait_ends_at_its_deadline() {
    for timing in timings() {
        let host = Host::new(Config::default().timing(timing));
        let _entered = host.enter();
        let mut runtime = Runtime::new(passive(), 1).unwrap();
        for _ in 0..10 {
            let moment = Duration::from_millis(10);
            let task = runtime.spawner().spawn(time::sleep(moment)).unwrap();
            if runtime.wait_timeout(passive(), moment).is_ok() {
                assert!(task.is_finished());
            }
            runtime.wait(passive());
            assert!(task.is_finished());
        }
    }
}

/// A token ends tasks whose requests are in flight, and a tracker waits for them.
#[test]
fn a_cancelled_server_ends_its_connections() {
    for timing in timings().take(20) {
        let host = Host::new(Config::default().timing(timing));
        let run = async |wsk: Provider| {
            let runtime = Runtime::new(passive(), 2)?;
            let (connections, token) = (TaskTracker::new()?, CancellationToken::new()?);
            let (client, server) = streams(&wsk).await?;
            let (other_client, other_server) = streams(&wsk).await?;
            let wait = runtime.spawn({
                let connections = connections.clone();
                async move { connections.wait().await }
            })?;
            let spawner = runtime.spawner();
            for stream in [server, other_server] {
                let token = token.clone();
                let serve = async move {
                    let buffer = wsk::Buffer::new(10).unwrap();
                    let received = token.run_until_cancelled(stream.recv(buffer)).await;
                    assert!(received.is_none() && token.is_cancelled());
                };
                connections.spawn(&spawner, serve)?;
            }
            assert_eq!(connections.len(), 2);
            assert!(connections.close() && !connections.close());
            time::sleep(Duration::from_millis(10)).await?;
            assert!(!wait.is_finished());
            at_dispatch_level(|| drop(token.drop_guard()));
            wait.await?;
            assert!(connections.is_empty() && connections.reopen());
            runtime.finish(passive());
            drop((client, other_client));
            Ok(())
        };
        on_host(&host, run).unwrap_or_else(|error| panic!("{timing:?}: {error}"));
        assert_eq!(host.outstanding_allocations(), 0, "{timing:?}");
    }
}
