//! Tasks: their outputs, their turns, and the end of all of them.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::future::pending;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread::{self, ThreadId};
use std::time::Duration;

use test_support::connection::{receive_all, streams};
use test_support::futures::poll_times;
use test_support::scenario::{on_host, passive, timings};
use wsk::rt::{self, AbortHandle, JoinHandle, JoinSet, LocalSpawner, TaskTracker, yield_now};
use wsk::sync::CancellationToken;
use wsk::{ErrorKind, Provider, Result, Runtime, sys, time};
use wsk_host::{Config, Host};

use crate::sync::at_dispatch_level;

/// Runs a scenario with some timings, on a host where it leaves nothing.
pub(crate) fn everywhere(scenario: impl Fn(&Host)) {
    for timing in timings().take(20) {
        let host = Host::new(Config::default().timing(timing));
        let entered = host.enter();
        scenario(&host);
        drop(entered);
        host.settle();
        assert_eq!(host.outstanding_allocations(), 0, "{timing:?}");
    }
}

/// Counts how often it was dropped, and at which level.
#[derive(Clone, Default)]
pub(crate) struct Drops(Arc<AtomicUsize>);

impl Drops {
    pub(crate) fn guard(&self) -> Guard {
        Guard(Arc::clone(&self.0))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[derive(Debug)]
pub(crate) struct Guard(Arc<AtomicUsize>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

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

/// An aborted task is dropped by its runtime at `PASSIVE_LEVEL`, once, wherever it is: queued, being polled, waiting, or done.
#[test]
fn a_task_can_be_aborted() {
    everywhere(|host| {
        let runtime = Runtime::new(passive(), 2).unwrap();
        let drops = Drops::default();
        let spawn = |polls: usize| {
            let guard = drops.guard();
            let run = async move {
                for _ in 0..polls {
                    yield_now().await;
                }
                if polls % 2 == 0 {
                    pending::<()>().await;
                }
                guard
            };
            runtime.spawn(run).unwrap()
        };
        for polls in 0..6 {
            let task = spawn(polls);
            let other = task.abort_handle();
            let before = host.allocations();
            at_dispatch_level(|| [task.abort(), other.clone().abort()]);
            assert_eq!(host.allocations(), before);
            match rt::block_on(passive(), task).unwrap() {
                Ok(guard) => {
                    assert_eq!(polls % 2, 1, "it never ends by itself");
                    drop(guard);
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::Cancelled),
            }
            assert!(other.is_finished());
            assert_eq!(drops.count(), polls + 1);
            other.abort();
        }
        // A task that aborts itself is dropped at its next wait.
        let (sender, receiver) = wsk::sync::oneshot::channel::<AbortHandle>().unwrap();
        let guard = drops.guard();
        let task = runtime.spawn(async move {
            let _guard = guard;
            receiver.await.unwrap().abort();
            yield_now().await;
            unreachable!("it was aborted");
        });
        let task: JoinHandle<()> = task.unwrap();
        sender.send(task.abort_handle()).unwrap();
        assert_eq!(
            rt::block_on(passive(), task).unwrap().unwrap_err().kind(),
            ErrorKind::Cancelled
        );
        assert_eq!(drops.count(), 7);
        let late = spawn(0);
        runtime.shutdown(passive());
        late.abort();
        assert_eq!((late.is_finished(), drops.count()), (true, 8));
    });
}

/// The outputs of a set come in the order of their tasks' ends. Aborted tasks and those of an ended runtime fail.
#[test]
fn a_join_set_returns_each_output_once() {
    everywhere(|host| {
        let runtime = Runtime::new(passive(), 2).unwrap();
        let mut set = JoinSet::new(runtime.spawner()).unwrap();
        assert!(rt::block_on(passive(), set.join_next()).unwrap().is_none());
        // One that is refused, after its task was allocated or before, is no task of the set.
        for allocation in 1..=2 {
            host.fail_allocation(allocation);
            assert_eq!(set.spawn(async { 9 }).unwrap_err().kind(), ErrorKind::OutOfMemory);
        }
        for number in 0..5_u64 {
            let task = async move {
                time::sleep(Duration::from_millis(100 * (7 * number % 5))).await.unwrap();
                number
            };
            set.spawn(task).unwrap();
        }
        assert_eq!(set.len(), 5);
        let next = |set: &mut JoinSet<u64>| rt::block_on(passive(), set.join_next()).unwrap();
        assert!(rt::block_on(passive(), poll_times(set.join_next(), 0)).unwrap().is_none());
        let numbers = [(); 5].map(|()| next(&mut set).unwrap().unwrap());
        assert_eq!(numbers.map(|number| 7 * number % 5), [0, 1, 2, 3, 4]);
        assert!(set.is_empty() && next(&mut set).is_none());

        set.spawn(pending()).unwrap();
        set.abort_all();
        set.spawn(async { 1 }).unwrap();
        let results = [next(&mut set).unwrap(), next(&mut set).unwrap()];
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
        let aborted = set.spawn(pending()).unwrap();
        aborted.abort();
        assert_eq!(next(&mut set).unwrap().unwrap_err().kind(), ErrorKind::Cancelled);

        let drops = Drops::default();
        for _ in 0..3 {
            let guard = drops.guard();
            set.spawn(async move {
                let _guard = guard;
                pending().await
            })
            .unwrap();
        }
        rt::block_on(passive(), set.shutdown()).unwrap();
        assert_eq!((drops.count(), set.len()), (3, 0));
        set.spawn(pending()).unwrap();
        drop(set);
        let mut set = JoinSet::new(runtime.spawner()).unwrap();
        set.spawn(pending::<u64>()).unwrap();
        runtime.shutdown(passive());
        assert!(next(&mut set).unwrap().is_err());
        assert_eq!(set.spawn(async { 1 }).unwrap_err().kind(), ErrorKind::Cancelled);
        assert!(next(&mut set).is_none());
    });
}

/// Pinned tasks and their local tasks stay on one thread: their counts are not atomic, which Miri would see, and the numbers
/// of the threads are compared. They end in order: the newest of a thread first, by that thread.
#[test]
fn pinned_tasks_stay_on_their_thread() {
    const PINNED: usize = 4;

    /// Records its number when it is dropped, on its thread.
    struct Local(Rc<RefCell<Vec<usize>>>, usize, ThreadId);

    impl Drop for Local {
        fn drop(&mut self) {
            assert_eq!(thread::current().id(), self.2);
            self.0.borrow_mut().push(self.1);
        }
    }

    everywhere(|_| {
        let runtime = Runtime::new(passive(), 2).unwrap();
        let spawner = runtime.spawner();
        let shared = Arc::new(AtomicUsize::new(0));
        for _ in 0..PINNED {
            let shared = Arc::clone(&shared);
            let runs_anywhere = async move {
                for _ in 0..10 {
                    shared.fetch_add(1, Ordering::SeqCst);
                    yield_now().await;
                }
            };
            spawner.spawn(runs_anywhere).unwrap();
        }
        let pinned = (0..PINNED).map(|number| {
            let create = move |local: LocalSpawner| async move {
                let (own, count) = (thread::current().id(), Rc::new(Cell::new(0)));
                let mut set = JoinSet::new(local.spawner()).unwrap();
                for _ in 0..3 {
                    let count = Rc::clone(&count);
                    let run = async move {
                        for _ in 0..5 {
                            assert_eq!(thread::current().id(), own);
                            count.set(count.get() + 1);
                            time::sleep(Duration::from_millis(1)).await.unwrap();
                        }
                        count
                    };
                    set.spawn_local(&local, run).unwrap();
                }
                while let Some(counted) = set.join_next().await {
                    assert!(Rc::ptr_eq(&counted.unwrap(), &count));
                }
                // A call that waits, with the token of this thread.
                Runtime::new(local.passive(), 1).unwrap().shutdown(local.passive());
                (number, own, count.get())
            };
            spawner.spawn_pinned(create).unwrap()
        });
        // All are spawned before the first one is awaited.
        let pinned: Vec<_> = pinned.collect();
        let ends: Vec<_> =
            pinned.into_iter().map(|end| rt::block_on(passive(), end).unwrap().unwrap()).collect();
        assert!(ends.iter().all(|end| end.2 == 15), "{ends:?}");
        let threads: HashSet<_> = ends.iter().map(|end| end.1).collect();
        assert_eq!(threads.len(), 2, "each thread has its share");
        let blocks = spawner.spawn_blocking(|passive| rt::block_on(passive, async { 7 }));
        assert_eq!(rt::block_on(passive(), blocks.unwrap()).unwrap().unwrap().unwrap(), 7);

        let (sender, receiver) = wsk::sync::oneshot::channel().unwrap();
        let ended = Arc::new(Mutex::new(Vec::new()));
        let end = Arc::clone(&ended);
        let parent = spawner.spawn_pinned(move |local| async move {
            struct Report(Rc<RefCell<Vec<usize>>>, Arc<Mutex<Vec<usize>>>);
            impl Drop for Report {
                fn drop(&mut self) {
                    self.1.lock().unwrap().clone_from(&self.0.borrow());
                }
            }
            let dropped = Rc::default();
            let own = thread::current().id();
            let _report = Report(Rc::clone(&dropped), end);
            for number in 0..3 {
                let local_value = Local(Rc::clone(&dropped), number, own);
                local
                    .spawn_local(async move {
                        pending::<()>().await;
                        drop(local_value);
                    })
                    .unwrap();
            }
            sender.send(()).unwrap();
            pending::<()>().await;
        });
        rt::block_on(passive(), receiver).unwrap().unwrap();
        // Never polled, and dropped as it is.
        let unused = Drops::default();
        let guard = unused.guard();
        let late = spawner.spawn_pinned(move |_| async move {
            drop(guard);
            pending::<()>().await;
        });
        runtime.shutdown(passive());
        assert_eq!(*ended.lock().unwrap(), [2, 1, 0]);
        assert!(parent.unwrap().is_finished() && late.unwrap().is_finished());
        assert_eq!(unused.count(), 1);
        let refused = spawner.spawn_pinned(|_| pending::<()>()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Cancelled);
    });
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

#[test]
fn handles_and_their_futures_are_send() {
    fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<JoinHandle<std::cell::Cell<u8>>>();
    is_send_and_sync::<Runtime>();
    is_send_and_sync::<AbortHandle>();
    is_send_and_sync::<JoinSet<u8>>();
    is_send_and_sync::<TaskTracker>();
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
