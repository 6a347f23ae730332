//! `Ke…`: the IRQL, spin locks, dispatcher objects, waits, timers, deferred procedure calls, the time.

mod bug_check;
pub(crate) mod dispatcher;
mod dpc;
mod event;
pub(crate) mod irql;
mod semaphore;
mod spin_lock;
pub(crate) mod time;
mod timer;
pub(crate) mod timer_queue;
pub(crate) mod wait;
