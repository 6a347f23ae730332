//! Running futures.

use core::fmt::Debug;
use core::future::Future;
use core::pin::Pin;
use core::task::Context;
use core::time::Duration;

use wsk::irql::Passive;
use wsk::rt::JoinHandle;
use wsk::{Runtime, Spawner, rt};

use crate::entries::Foreign;

calls! {
    "rt::block_on": |(passive, future): (Passive, Foreign<8>)| rt::block_on(passive, future);
    "rt::block_on<1024>": |(passive, future): (Passive, Foreign<1024>)| {
        rt::block_on(passive, future)
    };
    "Runtime::new": |(passive, threads): (Passive, usize)| Runtime::new(passive, threads);
    "Runtime::spawner": |runtime: &'static Runtime| runtime.spawner();
    "Runtime::wait": |(runtime, passive): (&'static mut Runtime, Passive)| runtime.wait(passive);
    "Runtime::wait_timeout":
        |(runtime, passive, timeout): (&'static mut Runtime, Passive, Duration)| {
            runtime.wait_timeout(passive, timeout)
        };
    "Runtime::finish": |(runtime, passive): (Runtime, Passive)| runtime.finish(passive);
    "Runtime::shutdown": |(runtime, passive): (Runtime, Passive)| runtime.shutdown(passive);
    "Spawner::spawn": |(spawner, future): (&'static Spawner, Foreign<8>)| spawner.spawn(future);
    // A spawned future is created in the pool, not on the stack.
    "Spawner::spawn<1024>": |(spawner, future): (&'static Spawner, Foreign<1024>)| {
        spawner.spawn(future)
    };
    "Spawner::clone": |spawner: &'static Spawner| spawner.clone();
    "JoinHandle::is_finished": |handle: &'static JoinHandle<u64>| handle.is_finished();
    "JoinHandle::poll":
        |(handle, context): (Pin<&'static mut JoinHandle<u64>>, &'static mut Context<'static>)| {
            handle.poll(context)
        };
}

futures! {
    "rt::yield_now": |()| rt::yield_now();
}

drops! {
    "Runtime::drop": Runtime;
    "Spawner::drop": Spawner;
    "JoinHandle::drop": JoinHandle<u64>;
}

formats! {
    "Runtime::fmt<Debug>": Runtime as Debug;
    "Spawner::fmt<Debug>": Spawner as Debug;
    "JoinHandle::fmt<Debug>": JoinHandle<u64> as Debug;
}
