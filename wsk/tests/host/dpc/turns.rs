//! The turns of tasks at `DISPATCH_LEVEL`.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use test_support::connection::{buffer, streams};
use test_support::scenario::{last_under_miri, passive};
use wsk::rt::{self, DpcExecutor, yield_now};
use wsk::{Buffer, ErrorKind, Runtime};
use wsk_host::{Config, Host, Timing};

use super::{at_dispatch, with_executors_of};
use crate::tasks::{Drops, everywhere};

/// Tasks whose requests complete at once, more of them than a DPC polls: each has its turns, and no DPC runs for long.
#[test]
fn busy_tasks_share_their_processor() {
    const TASKS: usize = if cfg!(miri) { 3 } else { 20 };
    const MESSAGES: usize = if cfg!(miri) { 20 } else { 200 };
    let timings = [Timing::Deferred, Timing::Mixed(1), Timing::Inline];
    with_executors_of(last_under_miri(timings), &async |wsk, executor, _| {
        let left = Arc::new(AtomicUsize::new(TASKS));
        let mut tasks = Vec::new();
        for _ in 0..TASKS {
            let (client, server) = streams(wsk).await?;
            let left = Arc::clone(&left);
            tasks.push(executor.spawn(at_dispatch(async move {
                let (mut to_send, mut to_fill) = (buffer(b"busy")?, Buffer::new(4)?);
                let mut messages = 0;
                // Until each of them has had as many turns.
                while messages < MESSAGES || left.load(Ordering::SeqCst) > 0 {
                    (_, to_send) = client.send_all(to_send).await.into_result()?;
                    ((), to_fill) = server.recv_exact(to_fill).await.into_result()?;
                    messages += 1;
                    if messages == MESSAGES {
                        left.fetch_sub(1, Ordering::SeqCst);
                    }
                }
                Ok::<_, wsk::Error>(())
            }))?);
        }
        for task in tasks {
            task.await??;
        }
        Ok(())
    });
}

/// Tasks of one queue run in turn, also if there are more of them than a DPC polls.
#[test]
fn yielding_tasks_run_in_turn() {
    const TASKS: usize = 40;
    const ROUNDS: usize = 5;
    everywhere(|_| {
        let executor = DpcExecutor::new(passive(), 1).unwrap();
        let gate = Arc::new(AtomicBool::new(false));
        let turns = Arc::new(Mutex::new(Vec::new()));
        let tasks = (0..TASKS).map(|task| {
            let (gate, turns) = (Arc::clone(&gate), Arc::clone(&turns));
            let run = at_dispatch(async move {
                while !gate.load(Ordering::SeqCst) {
                    yield_now().await;
                }
                for _ in 0..ROUNDS {
                    turns.lock().unwrap().push(task);
                    yield_now().await;
                }
            });
            executor.spawn(run).unwrap()
        });
        let tasks: Vec<_> = tasks.collect();
        gate.store(true, Ordering::SeqCst);
        for task in tasks {
            rt::block_on(passive(), task).unwrap().unwrap();
        }
        executor.shutdown(passive());
        let turns = turns.lock().unwrap();
        for round in turns.chunks(TASKS) {
            let mut tasks = round.to_vec();
            tasks.sort_unstable();
            assert_eq!(tasks, (0..TASKS).collect::<Vec<_>>(), "{turns:?}");
        }
    });
}

/// A task is polled once for each wake, by DPCs, threads and itself, and none is lost.
#[test]
fn no_wake_is_lost() {
    everywhere(|_| {
        let executor = DpcExecutor::new(passive(), 2).unwrap();
        let runtime = Runtime::new(passive(), 1).unwrap();
        let waker: Arc<Mutex<Option<Waker>>> = Arc::default();
        let count = Arc::new(AtomicUsize::new(0));
        let waits = {
            let (waker, count) = (Arc::clone(&waker), Arc::clone(&count));
            executor.spawn(at_dispatch(poll_fn(move |context| {
                *waker.lock().unwrap() = Some(context.waker().clone());
                if count.load(Ordering::SeqCst) == 30 { Poll::Ready(()) } else { Poll::Pending }
            })))
        };
        let wakes = |count: Arc<AtomicUsize>| {
            let waker = Arc::clone(&waker);
            async move {
                for _ in 0..10 {
                    count.fetch_add(1, Ordering::SeqCst);
                    let waker = waker.lock().unwrap().clone();
                    if let Some(waker) = waker {
                        waker.wake();
                    }
                    yield_now().await;
                }
            }
        };
        for _ in 0..2 {
            executor.spawn(wakes(Arc::clone(&count))).unwrap();
        }
        runtime.spawn(wakes(count)).unwrap();
        rt::block_on(passive(), waits.unwrap()).unwrap().unwrap();
        runtime.finish(passive());
        executor.shutdown(passive());
        let unused = waker.lock().unwrap().take();
        drop(unused);
    });
}

/// An executor makes two allocations and one for each queue, a task one, and a failure leaves nothing behind.
#[test]
fn allocations_are_few_and_may_fail() {
    let host = Host::new(Config::default());
    let _entered = host.enter();
    for queues in [0, DpcExecutor::MAX_QUEUES + 1] {
        let error = DpcExecutor::new(passive(), queues).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    assert_eq!(DpcExecutor::active_processors(), 1);
    for failing in 1..=5 {
        host.fail_allocation(failing);
        let error = DpcExecutor::new(passive(), 3).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
        wsk::unload(passive());
        assert_eq!(host.outstanding_allocations(), 0, "allocation {failing}");
    }
    let before = host.allocations();
    let executor = DpcExecutor::new(passive(), 3).unwrap();
    assert_eq!(host.allocations() - before, 5);
    let drops = Drops::default();
    let guard = drops.guard();
    let before = host.allocations();
    executor.spawn(async move { drop(guard) }).unwrap();
    assert_eq!(host.allocations() - before, 1);
    host.fail_allocation(1);
    let guard = drops.guard();
    let error = executor.spawn(async move { drop(guard) }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    executor.shutdown(passive());
    assert_eq!(drops.count(), 2);
    wsk::unload(passive());
    assert_eq!(host.outstanding_allocations(), 0);
}
