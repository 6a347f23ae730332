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
//! use std::time::Duration;
//! use wsk::{Registration, Runtime, irql::Passive};
//!
//! // SAFETY: an example runs at PASSIVE_LEVEL.
//! let passive = unsafe { Passive::assume() };
//! let runtime = Runtime::new(passive, 2)?;
//! let (sender, receiver) = std::sync::mpsc::channel();
//! runtime.spawner().spawn(async move { sender.send("hello from a task").unwrap() })?;
//! assert_eq!(receiver.recv().unwrap(), "hello from a task");
//! runtime.shutdown(passive);
//! # extern crate wsk_host;
//! # Ok::<(), wsk::Error>(())
//! ```

mod block_on;
mod budget;
mod runtime;
mod task;

pub use block_on::block_on;
pub(crate) use budget::proceed;
pub use runtime::{Runtime, Spawner};
