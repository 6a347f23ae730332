//! The kernel's synchronization objects that this crate uses.

mod delay;
mod dpc;
mod event;
#[cfg(loom)]
mod model;
mod spin_lock;
mod thread;
mod ticks;

pub(crate) use delay::delay;
pub(crate) use dpc::{Dpc, active_processors};
pub(crate) use event::Event;
pub(crate) use spin_lock::SpinLock;
pub(crate) use thread::Thread;
pub(crate) use ticks::ticks;
