//! The output of a task, and its handle.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Waker};

use test_support::futures::poll_times;
use test_support::scenario::passive;
use wsk::rt::{AbortHandle, JoinHandle, JoinSet, TaskTracker, yield_now};
use wsk::{ErrorKind, Result, Runtime, rt, sys};
use wsk_host::{Config, Host};

use super::{Drops, everywhere};

#[test]
fn a_join_handle_returns_the_tasks_output() {
    everywhere(|_| {
        let runtime = Runtime::new(passive(), 2).unwrap();
        let spawner = runtime.spawner();
        let numbers: Vec<JoinHandle<Vec<usize>>> = (0..10)
            .map(|number| {
                spawner.spawn(async move {
                    for _ in 0..number {
                        yield_now().await;
                    }
                    vec![number; number]
                })
            })
            .collect::<Result<_>>()
            .unwrap();
        let sum = spawner
            .spawn(async move {
                let mut sum = 0;
                for number in numbers {
                    sum += number.await.unwrap().into_iter().sum::<usize>();
                }
                sum
            })
            .unwrap();
        let expected: usize = (0..10).map(|number| number * number).sum();
        assert_eq!(rt::block_on(passive(), sum).unwrap(), Ok(expected));
        runtime.finish(passive());
    });
}

/// An output is dropped once, whether it was taken or not, and whether the handle is dropped before or after it.
#[test]
fn an_unclaimed_output_is_dropped() {
    everywhere(|_| {
        let drops = Drops::default();
        let runtime = Runtime::new(passive(), 1).unwrap();
        let spawn = || {
            let guard = drops.guard();
            runtime.spawner().spawn(async move {
                yield_now().await;
                guard
            })
        };
        drop(spawn().unwrap());
        let kept = spawn().unwrap();
        let awaited = rt::block_on(passive(), spawn().unwrap()).unwrap().unwrap();
        runtime.finish(passive());
        assert_eq!(drops.count(), 1, "the one without a handle");
        assert!(kept.is_finished());
        assert_eq!(format!("{kept:?}"), "JoinHandle { is_finished: true }");
        // SAFETY: it is lowered below.
        let level = unsafe { sys::KfRaiseIrql(sys::DISPATCH_LEVEL) };
        drop(kept);
        // SAFETY: this is the level from before.
        unsafe { sys::KeLowerIrql(level) };
        assert_eq!(drops.count(), 2);
        drop(awaited);
        assert_eq!(drops.count(), 3);
    });
}

/// A task that the runtime has dropped has no output, and its handle says so; also when it is polled again.
#[test]
fn a_dropped_task_has_no_output() {
    everywhere(|_| {
        let drops = Drops::default();
        let runtime = Runtime::new(passive(), 1).unwrap();
        let guard = drops.guard();
        let mut handle = runtime
            .spawner()
            .spawn(async move {
                let _guard = guard;
                pending::<u32>().await
            })
            .unwrap();
        let polled = rt::block_on(passive(), poll_times(&mut handle, 1)).unwrap();
        assert!(polled.is_none() && !handle.is_finished());
        runtime.shutdown(passive());
        assert_eq!(drops.count(), 1);
        for _ in 0..2 {
            let error = rt::block_on(passive(), &mut handle).unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Cancelled);
        }
    });
}

/// Only the last waker is woken, and none is kept after the handle is gone.
#[test]
fn a_handle_may_move_between_tasks() {
    everywhere(|_| {
        let woken = Arc::new(Count::default());
        let (first, second) = (Waker::from(Arc::clone(&woken)), Waker::noop());
        let runtime = Runtime::new(passive(), 1).unwrap();
        let gate = Arc::new(AtomicBool::new(false));
        let opens = Arc::clone(&gate);
        let task = async move {
            while !opens.load(Ordering::SeqCst) {
                yield_now().await;
            }
            7
        };
        let mut handle = Box::pin(runtime.spawner().spawn(task).unwrap());
        assert!(handle.as_mut().poll(&mut Context::from_waker(&first)).is_pending());
        assert!(handle.as_mut().poll(&mut Context::from_waker(second)).is_pending());
        gate.store(true, Ordering::SeqCst);
        assert_eq!(rt::block_on(passive(), handle).unwrap(), Ok(7));
        runtime.finish(passive());
        drop(first);
        assert_eq!((woken.0.load(Ordering::SeqCst), Arc::strong_count(&woken)), (0, 1));
    });
}

#[derive(Default)]
struct Count(AtomicUsize);

impl std::task::Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A task is one allocation, whatever its output and with its handle; and none if there is no memory for it.
#[test]
fn a_task_allocates_once() {
    let host = Host::new(Config::default());
    let _entered = host.enter();
    let drops = Drops::default();
    let runtime = Runtime::new(passive(), 1).unwrap();
    let before = host.allocations();
    let handle = runtime.spawner().spawn(async { [1_u64; 100] }).unwrap();
    assert_eq!(host.allocations() - before, 1);
    host.fail_allocation(1);
    let guard = drops.guard();
    let error = runtime.spawner().spawn(async move { guard }).unwrap_err();
    assert_eq!((error.kind(), drops.count()), (ErrorKind::OutOfMemory, 1));
    let outside = host.allocations();
    runtime.finish(passive());
    assert_eq!(host.allocations(), outside, "an end needs no memory");
    drop(handle);
    assert_eq!(host.outstanding_allocations(), 0);
}

#[test]
fn handles_and_their_futures_are_send() {
    fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<JoinHandle<std::cell::Cell<u8>>>();
    is_send_and_sync::<Runtime>();
    is_send_and_sync::<AbortHandle>();
    is_send_and_sync::<JoinSet<u8>>();
    is_send_and_sync::<TaskTracker>();
}
