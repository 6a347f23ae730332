//! A small executor: [`block_on()`] for a single future, and a [`Runtime`] of system threads for many tasks.
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
//! None of these asks a task to finish: a server gives its tasks a [`CancellationToken`](crate::sync::CancellationToken),
//! and waits for a [`TaskTracker`]. A single task is ended by [`JoinHandle::abort`], and those of a [`JoinSet`] by dropping it.
//!
//! # Errors and panics
//!
//! An error that a task returns is its output: awaiting its [`JoinHandle`] or [`JoinSet::join_next`] returns it. The output of
//! a detached task is dropped, so such a task handles its errors itself. A panic of a task does not end the task only: in a
//! driver it stops the system, as any panic does, and on a host it ends the test with a report.

mod block_on;
pub(crate) mod foreign;
mod join;
mod join_set;
mod local;
mod runtime;
mod task;
mod task_tracker;
mod yield_now;

pub use block_on::block_on;
pub(crate) use foreign::wake_in_completion_routine;
pub use join::{AbortHandle, JoinHandle};
pub use join_set::JoinSet;
pub use local::LocalSpawner;
pub use runtime::{Runtime, Spawner};
pub use task_tracker::{TaskTracker, TaskTrackerToken};
pub use yield_now::yield_now;
