//! A small executor: [`block_on()`] for a thread that has nothing else to do, and a [`Runtime`] of system
//! threads for many tasks.
//!
//! A task that always finds its requests done lets others have their turn now and then, so that a busy
//! connection starves nobody.
//!
//! This crate's futures run on any executor. One that polls on a thread which may end takes that
//! thread's requests with it on Wine, though not on Windows; the threads of a [`Runtime`] live as long as
//! it does.
//!
//! ```
//! use wsk::{Runtime, irql::Passive, rt};
//!
//! // SAFETY: an example runs at PASSIVE_LEVEL.
//! let passive = unsafe { Passive::assume() };
//! let runtime = Runtime::new(passive, 2)?;
//! let hello = runtime.spawner().spawn(async { "hello from a task" })?;
//! assert_eq!(rt::block_on(passive, hello)??, "hello from a task");
//! runtime.shutdown(passive);
//! # extern crate wsk_host;
//! # Ok::<(), wsk::Error>(())
//! ```
//!
//! # Ends
//!
//! | | tasks that are left |
//! |---|---|
//! | [`Runtime::shutdown`], or dropping it | are dropped: their requests are cancelled, their sockets closed |
//! | [`Runtime::finish`] | are waited for, however long that takes |
//! | [`Runtime::wait_timeout`], and then `shutdown` | are waited for so long, and then dropped |
//!
//! None of these tells a task to come to its end: a server needs a way to be told.

mod block_on;
mod budget;
mod join;
mod runtime;
mod task;
mod yield_now;

pub use block_on::block_on;
pub(crate) use budget::{Budgeted, budgeted, poll_budget};
pub use join::JoinHandle;
pub use runtime::{Runtime, Spawner};
pub use yield_now::yield_now;
