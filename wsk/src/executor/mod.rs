//! The executors: what polls futures, and what wakes them.
//!
//! [`rt`](crate::rt) is the public part, with the groups of tasks, which are built on [`sync`](crate::sync); that in turn wakes tasks
//! by this module.

mod block_on;
mod dpc;
pub(crate) mod foreign;
mod join;
mod local;
mod runtime;
mod scheduler;
pub(crate) mod shared_waker;
mod spawner;
mod task;
mod tasks;
pub(crate) mod wait_queue;
mod worker;
mod yield_now;

pub use block_on::block_on;
pub use dpc::{DpcExecutor, DpcSpawner};
pub(crate) use foreign::wake_in_completion_routine;
pub use join::{AbortHandle, JoinHandle};
pub use local::LocalSpawner;
pub use runtime::Runtime;
pub use spawner::Spawner;
pub use yield_now::yield_now;

#[cfg(all(test, loom))]
pub(crate) use scheduler::loom_tests::Workers;
