//! Small executors: [`block_on()`] for a single future, a [`Runtime`] of system threads for many tasks, and a [`DpcExecutor`] for tasks
//! at `DISPATCH_LEVEL`.
//!
//! A task whose requests always complete immediately yields regularly, on every executor: each socket counts its
//! requests, and the task that makes the 128th yields. So a busy connection does not starve other tasks.
//!
//! This crate's futures run on any executor. In Wine, unlike Windows, a thread that ends takes its requests with it; the
//! threads of a [`Runtime`] live as long as the runtime.
//!
//! ```
//! use wsk::{Runtime, irql::Passive, rt};
//!
//! // SAFETY: on a host, an example runs at PASSIVE_LEVEL.
//! let passive = unsafe { Passive::assume() };
//! let runtime = Runtime::new(passive, 2)?;
//! let hello = runtime.spawner().spawn(async { "hello from a task" })?;
//! assert_eq!(rt::block_on(passive, hello)??, "hello from a task");
//! runtime.shutdown(passive);
//! # extern crate wsk_host;
//! # Ok::<(), wsk::Error>(())
//! ```
//!
//! # Threads
//!
//! A task moves between the threads of its runtime, so its future is `Send`. A [pinned](Spawner::spawn_pinned) task stays on
//! one thread, and spawns [local](LocalSpawner::spawn_local) tasks there; their futures need not be `Send`. Calls that wait
//! for other things than futures need a [`Passive`](crate::irql::Passive): a pinned task
//! [has one](LocalSpawner::passive), any other leaves such a call to [`spawn_blocking`](Spawner::spawn_blocking).
//!
//! # Ends
//!
//! | method | effect on unfinished tasks |
//! |---|---|
//! | [`Runtime::shutdown`], or dropping the runtime, which does not wait | drops them: their requests are cancelled, their sockets closed |
//! | [`Runtime::finish`] | waits for them, without a timeout |
//! | [`Runtime::wait_timeout`], then `shutdown` | waits for them until the timeout expires, then drops them |
//!
//! None of these asks a task to finish: a server gives its tasks a
//! [`CancellationToken`](crate::sync::CancellationToken), and waits for a [`TaskTracker`]. [`JoinHandle::abort`] ends a
//! single task, and dropping a [`JoinSet`] ends the tasks of the set.
//!
//! # Errors and panics
//!
//! An error that a task returns is its output: awaiting its [`JoinHandle`] or [`JoinSet::join_next`] returns it. The output of
//! a detached task is dropped, so such a task handles its errors itself. A panic of a task does not end the task only: in a
//! driver it stops the system, as any panic does, and on a host it ends the test with a report.

mod join_set;
mod task_tracker;

pub use self::join_set::JoinSet;
pub use self::task_tracker::{TaskTracker, TaskTrackerToken};
pub use crate::executor::{
    AbortHandle, DpcExecutor, DpcSpawner, JoinHandle, LocalSpawner, Runtime, Spawner, block_on,
    yield_now,
};
