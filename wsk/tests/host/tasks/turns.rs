//! The turns of tasks on few threads.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use test_support::futures::poll_times;
use test_support::scenario::passive;
use wsk::rt::yield_now;
use wsk::{Runtime, rt};
use wsk_host::{Config, Host};

use super::everywhere;

/// On one thread, yielding tasks run in turn.
#[test]
fn a_yielding_task_runs_last() {
    const TASKS: usize = 5;
    const ROUNDS: usize = 10;
    everywhere(|_| {
        let turns = Arc::new(Mutex::new(Vec::new()));
        let runtime = Runtime::new(passive(), 1).unwrap();
        let gate = Arc::new(AtomicBool::new(false));
        for task in 0..TASKS {
            let (turns, gate) = (Arc::clone(&turns), Arc::clone(&gate));
            let run = async move {
                // All tasks are spawned before the first one runs.
                while !gate.load(Ordering::SeqCst) {
                    yield_now().await;
                }
                for _ in 0..ROUNDS {
                    turns.lock().unwrap().push(task);
                    yield_now().await;
                }
            };
            runtime.spawner().spawn(run).unwrap();
        }
        gate.store(true, Ordering::SeqCst);
        runtime.finish(passive());
        let turns = turns.lock().unwrap();
        assert_eq!(turns.len(), TASKS * ROUNDS);
        for round in turns.chunks(TASKS) {
            let mut tasks = round.to_vec();
            tasks.sort_unstable();
            assert_eq!(tasks, (0..TASKS).collect::<Vec<_>>(), "{turns:?}");
        }
    });
}

/// Of many tasks on few threads, each has as many turns as the others.
#[test]
fn no_task_starves() {
    const TASKS: usize = 8;
    everywhere(|_| {
        let counts: Arc<[AtomicUsize; TASKS]> = Arc::default();
        let runtime = Runtime::new(passive(), 3).unwrap();
        let left = Arc::new(AtomicUsize::new(400));
        let began = Arc::new(AtomicUsize::new(0));
        for task in 0..TASKS {
            let (counts, left, began) =
                (Arc::clone(&counts), Arc::clone(&left), Arc::clone(&began));
            let take = |left: usize| left.checked_sub(1);
            let run = async move {
                began.fetch_add(1, Ordering::SeqCst);
                while began.load(Ordering::SeqCst) < TASKS {
                    yield_now().await;
                }
                while left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok() {
                    counts[task].fetch_add(1, Ordering::SeqCst);
                    yield_now().await;
                }
            };
            runtime.spawner().spawn(run).unwrap();
        }
        runtime.finish(passive());
        let counts: Vec<_> = counts.iter().map(|count| count.load(Ordering::SeqCst)).collect();
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        // One that is being polled on one thread may be overtaken on two others.
        assert!(*least * 2 >= *most, "{counts:?}");
    });
}

#[test]
fn yield_now_takes_two_polls() {
    let host = Host::new(Config::default());
    let _entered = host.enter();
    assert!(matches!(rt::block_on(passive(), poll_times(yield_now(), 1)), Ok(None)));
    let mut yields = Box::pin(yield_now());
    let mut context = Context::from_waker(Waker::noop());
    assert_eq!(yields.as_mut().poll(&mut context), Poll::Pending);
    assert_eq!(yields.as_mut().poll(&mut context), Poll::Ready(()));
}
