//! Shared state of tasks, callbacks and threads.
//!
//! Names and behavior are those of `tokio::sync`. No function blocks a thread: a function that could wait returns a
//! future instead, and all others return at once. So everything may be used at up to `DISPATCH_LEVEL`, which makes a
//! callback a sender and a task its receiver:
//!
//! | type | use | allocations |
//! |---|---|---|
//! | [`Arc`] | one value, several owners | one, when it is created |
//! | [`CancellationToken`] | a request to end, for any number of tasks | two, when it is created; one for a child |
//! | [`Mutex`] | a value that one task at a time changes, and may hold while it waits | none |
//! | [`Notify`] | "look again", for one task or all | none |
//! | [`RwLock`] | as [`Mutex`], and many tasks may read at a time | none |
//! | [`mpsc`] | a bounded queue from many senders to one receiver | two, when it is created |
//! | [`oneshot`] | one value from one sender | one, when it is created |
//! | [`watch`] | the last of many values | one, when it is created |
//!
//! ```
//! use wsk::sync::oneshot;
//! use wsk::{Runtime, irql::Passive, rt};
//!
//! // SAFETY: on a host, an example runs at PASSIVE_LEVEL.
//! let passive = unsafe { Passive::assume() };
//! let runtime = Runtime::new(passive, 1)?;
//! let (sender, receiver) = oneshot::channel()?;
//! runtime.spawner().spawn(async move { sender.send("ready") })?;
//! assert_eq!(rt::block_on(passive, receiver)??, "ready");
//! runtime.shutdown(passive);
//! # extern crate wsk_host;
//! # Ok::<(), wsk::Error>(())
//! ```
//!
//! # Other crates' locks
//!
//! With the feature `embassy-sync`, `DispatchRawMutex` is the lock of embassy-sync's channels, signals and mutexes; with
//! `critical-section`, `DispatchCriticalSection` implements that crate. Both run closures at `DISPATCH_LEVEL`, for which the driver makes an `unsafe`
//! promise, `NeverWaits`.
//!
//! # Memory
//!
//! A spin lock protects the shared state of these types, so they must be in nonpaged memory: a static of the driver outside
//! of pageable sections, the memory of this crate (tasks, [`Arc`], [`PoolBox`](crate::pool::PoolBox)), or the stack of a
//! thread. A driver with its own global allocator must allocate nonpaged memory, as [`NonPaged`](crate::pool::NonPaged) does.
//!
//! # Wakers and drops
//!
//! While a lock is held, no waker is called, cloned or dropped, and no user value is dropped. A waker of a foreign executor
//! may drop sockets: the thread of their registration closes them, since the caller may be in a callback or a completion
//! routine.

mod cancellation_token;
#[cfg(feature = "critical-section")]
mod critical_section;
#[cfg(all(test, loom))]
pub(crate) mod model;
mod mutex;
#[cfg(any(feature = "critical-section", feature = "embassy-sync"))]
mod never_waits;
mod notify;
#[cfg(feature = "embassy-sync")]
mod raw_mutex;
mod ring;
mod rw_lock;
mod semaphore;
mod token_tree;
pub(crate) mod waker_slot;

pub mod mpsc;
pub mod oneshot;
pub mod watch;

pub use self::cancellation_token::{CancellationToken, DropGuard};
#[cfg(feature = "critical-section")]
#[cfg_attr(docsrs, doc(cfg(feature = "critical-section")))]
pub use self::critical_section::DispatchCriticalSection;
pub use self::mutex::{Mutex, MutexGuard};
#[cfg(any(feature = "critical-section", feature = "embassy-sync"))]
pub use self::never_waits::NeverWaits;
pub use self::notify::Notify;
#[cfg(feature = "embassy-sync")]
#[cfg_attr(docsrs, doc(cfg(feature = "embassy-sync")))]
pub use self::raw_mutex::DispatchRawMutex;
pub(crate) use self::ring::Ring;
pub use self::rw_lock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use crate::pool::arc::Arc;
