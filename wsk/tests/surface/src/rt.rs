//! Running futures.

use core::fmt::Debug;

use wsk::irql::Passive;
use wsk::{Runtime, Spawner, rt};

use crate::entries::Foreign;

calls! {
    "rt::block_on": |(passive, future): (Passive, Foreign<8>)| rt::block_on(passive, future);
    "rt::block_on<1024>": |(passive, future): (Passive, Foreign<1024>)| {
        rt::block_on(passive, future)
    };
    "Runtime::new": |(passive, threads): (Passive, usize)| Runtime::new(passive, threads);
    "Runtime::spawner": |runtime: &'static Runtime| runtime.spawner();
    "Runtime::shutdown": |(runtime, passive): (Runtime, Passive)| runtime.shutdown(passive);
    "Spawner::spawn": |(spawner, future): (&'static Spawner, Foreign<8>)| spawner.spawn(future);
    // What is spawned goes to the pool, and not by way of the stack.
    "Spawner::spawn<1024>": |(spawner, future): (&'static Spawner, Foreign<1024>)| {
        spawner.spawn(future)
    };
    "Spawner::clone": |spawner: &'static Spawner| spawner.clone();
}

drops! {
    "Runtime::drop": Runtime;
    "Spawner::drop": Spawner;
}

formats! {
    "Runtime::fmt<Debug>": Runtime as Debug;
    "Spawner::fmt<Debug>": Spawner as Debug;
}
