//! The end of one task, and of a set of tasks.

use std::future::pending;
use std::time::Duration;

use test_support::futures::poll_times;
use test_support::scenario::passive;
use wsk::rt::{AbortHandle, JoinHandle, JoinSet, yield_now};
use wsk::{ErrorKind, Runtime, rt, time};

use super::{Drops, everywhere};
use crate::sync::at_dispatch_level;

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
