//! The kernel's synchronization objects that this crate uses.

mod delay;
#[cfg(not(loom))]
mod dpc;
#[cfg(not(loom))]
mod event;
#[cfg(loom)]
mod model;
mod spin_lock;
mod thread;
mod ticks;

pub(crate) use delay::delay;
#[cfg(not(loom))]
pub(crate) use dpc::{Dpc, active_processors};
#[cfg(not(loom))]
pub(crate) use event::Event;
#[cfg(loom)]
pub(crate) use model::{Dpc, Event, active_processors};
pub(crate) use spin_lock::SpinLock;
pub(crate) use thread::Thread;
pub(crate) use ticks::ticks;
