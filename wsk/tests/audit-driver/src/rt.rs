//! Running futures.

use core::fmt::Debug;
use core::future::Future;
use core::pin::Pin;
use core::task::Context;
use core::time::Duration;

use wsk::irql::Passive;
use wsk::rt::{
    AbortHandle, DpcExecutor, DpcSpawner, JoinHandle, JoinSet, LocalSpawner, TaskTracker,
    TaskTrackerToken,
};
use wsk::{Runtime, Spawner, rt};

use crate::entries::Foreign;

calls! {
    "rt::block_on": |(passive, future): (Passive, Foreign<8>)| rt::block_on(passive, future);
    "rt::block_on<1024>": |(passive, future): (Passive, Foreign<1024>)| {
        rt::block_on(passive, future)
    };
    "Runtime::new": |(passive, threads): (Passive, usize)| Runtime::new(passive, threads);
    "Runtime::spawner": |runtime: &'static Runtime| runtime.spawner();
    "Runtime::spawn": |(runtime, future): (&'static Runtime, Foreign<8>)| runtime.spawn(future);
    "Runtime::wait": |(runtime, passive): (&'static mut Runtime, Passive)| runtime.wait(passive);
    "Runtime::wait_timeout":
        |(runtime, passive, timeout): (&'static mut Runtime, Passive, Duration)| {
            runtime.wait_timeout(passive, timeout)
        };
    "Runtime::finish": |(runtime, passive): (Runtime, Passive)| runtime.finish(passive);
    "Runtime::shutdown": |(runtime, passive): (Runtime, Passive)| runtime.shutdown(passive);
    "DpcExecutor::new": |(passive, queues): (Passive, usize)| DpcExecutor::new(passive, queues);
    "DpcExecutor::active_processors": |()| DpcExecutor::active_processors();
    "DpcExecutor::spawner": |executor: &'static DpcExecutor| executor.spawner();
    "DpcExecutor::spawn": |(executor, future): (&'static DpcExecutor, Foreign<8>)| {
        executor.spawn(future)
    };
    "DpcExecutor::shutdown": |(executor, passive): (DpcExecutor, Passive)| {
        executor.shutdown(passive);
    };
    "DpcSpawner::spawn": |(spawner, future): (&'static DpcSpawner, Foreign<8>)| {
        spawner.spawn(future)
    };
    "DpcSpawner::clone": |spawner: &'static DpcSpawner| spawner.clone();
    "Spawner::spawn": |(spawner, future): (&'static Spawner, Foreign<8>)| spawner.spawn(future);
    // A spawned future is created in the pool, not on the stack.
    "Spawner::spawn<1024>": |(spawner, future): (&'static Spawner, Foreign<1024>)| {
        spawner.spawn(future)
    };
    "Spawner::spawn_pinned": |(spawner, create): (&'static Spawner, fn(LocalSpawner) -> Foreign<8>)| {
        spawner.spawn_pinned(create)
    };
    "Spawner::spawn_blocking": |(spawner, function): (&'static Spawner, fn(Passive) -> u64)| {
        spawner.spawn_blocking(function)
    };
    "LocalSpawner::spawn_local": |(local, future): (&'static LocalSpawner, Foreign<8>)| {
        local.spawn_local(future)
    };
    "LocalSpawner::spawner": |local: &'static LocalSpawner| local.spawner();
    "LocalSpawner::passive": |local: &'static LocalSpawner| local.passive();
    "Spawner::clone": |spawner: &'static Spawner| spawner.clone();
    "JoinHandle::is_finished": |handle: &'static JoinHandle<u64>| handle.is_finished();
    "JoinHandle::abort": |handle: &'static JoinHandle<u64>| handle.abort();
    "JoinHandle::abort_handle": |handle: &'static JoinHandle<u64>| handle.abort_handle();
    "AbortHandle::abort": |handle: &'static AbortHandle| handle.abort();
    "AbortHandle::is_finished": |handle: &'static AbortHandle| handle.is_finished();
    "AbortHandle::clone": |handle: &'static AbortHandle| handle.clone();
    "JoinSet::new": |spawner: Spawner| JoinSet::<()>::new(spawner);
    "JoinSet::len": |set: &'static JoinSet<()>| set.len();
    "JoinSet::is_empty": |set: &'static JoinSet<()>| set.is_empty();
    "JoinSet::abort_all": |set: &'static mut JoinSet<()>| set.abort_all();
    "JoinSet::spawn_local":
        |(set, local, future): (&'static mut JoinSet<()>, &'static LocalSpawner, Foreign<8>)| {
            set.spawn_local(local, future)
        };
    "JoinSet::spawn": |(set, future): (&'static mut JoinSet<()>, Foreign<8>)| set.spawn(future);
    "TaskTracker::new": |()| TaskTracker::new();
    "TaskTracker::spawn":
        |(tracker, spawner, future): (&'static TaskTracker, &'static Spawner, Foreign<8>)| {
            tracker.spawn(spawner, future)
        };
    "TaskTracker::token": |tracker: &'static TaskTracker| tracker.token();
    "TaskTracker::close": |tracker: &'static TaskTracker| tracker.close();
    "TaskTracker::reopen": |tracker: &'static TaskTracker| tracker.reopen();
    "TaskTracker::len": |tracker: &'static TaskTracker| tracker.len();
    "TaskTracker::is_empty": |tracker: &'static TaskTracker| tracker.is_empty();
    "JoinHandle::poll":
        |(handle, context): (Pin<&'static mut JoinHandle<u64>>, &'static mut Context<'static>)| {
            handle.poll(context)
        };
}

futures! {
    "rt::yield_now": |()| rt::yield_now();
    "JoinSet::join_next": |set: &'static mut JoinSet<()>| set.join_next();
    "JoinSet::shutdown": |set: &'static mut JoinSet<()>| set.shutdown();
    "TaskTracker::wait": |tracker: &'static TaskTracker| tracker.wait();
    "TaskTracker::track_future": |(tracker, future): (&'static TaskTracker, Foreign<8>)| {
        tracker.track_future(future)
    };
}

drops! {
    "Runtime::drop": Runtime;
    "DpcExecutor::drop": DpcExecutor;
    "DpcSpawner::drop": DpcSpawner;
    "Spawner::drop": Spawner;
    "LocalSpawner::drop": LocalSpawner;
    "JoinHandle::drop": JoinHandle<u64>;
    "AbortHandle::drop": AbortHandle;
    "JoinSet::drop": JoinSet<()>;
    "TaskTracker::drop": TaskTracker;
    "TaskTrackerToken::drop": TaskTrackerToken;
}

formats! {
    "Runtime::fmt<Debug>": Runtime as Debug;
    "LocalSpawner::fmt<Debug>": LocalSpawner as Debug;
    "DpcExecutor::fmt<Debug>": DpcExecutor as Debug;
    "DpcSpawner::fmt<Debug>": DpcSpawner as Debug;
    "Spawner::fmt<Debug>": Spawner as Debug;
    "AbortHandle::fmt<Debug>": AbortHandle as Debug;
    "JoinSet::fmt<Debug>": JoinSet<()> as Debug;
    "TaskTracker::fmt<Debug>": TaskTracker as Debug;
    "TaskTrackerToken::fmt<Debug>": TaskTrackerToken as Debug;
    "JoinHandle::fmt<Debug>": JoinHandle<u64> as Debug;
}
