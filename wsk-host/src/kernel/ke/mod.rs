//! `Ke…`: the IRQL, spin locks, dispatcher objects, waits, timers, deferred procedure calls, the time.

mod bug_check;
mod clock;
pub(crate) mod dispatcher;
pub(crate) mod dpc;
pub(crate) mod dpc_spin_lock;
pub(crate) mod dpc_watchdog;
mod event;
pub(crate) mod event_calls;
pub(crate) mod irql;
mod mutex;
mod processor;
mod queue;
pub(crate) mod region;
mod semaphore;
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
pub(crate) mod shared_data;
mod spin_lock;
pub(crate) mod spinning;
pub(crate) mod time;
pub(crate) mod timer;
pub(crate) mod timer_queue;
pub(crate) mod wait;
