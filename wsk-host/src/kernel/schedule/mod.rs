//! Threads, time, and what is put off: in turns, or freely.
//!
//! On the simulated network only one thread of a host runs at a time, and which one is decided by the seed
//! ([`deterministic`]). On the machine's network threads run as the machine lets them ([`native`]).

mod deterministic;
mod native;

use std::sync::Arc;

use wsk_sys::DISPATCH_LEVEL;

use crate::config::{Config, Network};
use crate::host::Host;
use crate::kernel::ke::{KeLowerIrql, KfRaiseIrql, current_irql};

pub(crate) use deterministic::Turns;

/// Units of 100 ns since a host was made.
pub(crate) type Ticks = u64;

/// Ticks in a duration, at least.
pub(crate) fn ticks(duration: std::time::Duration) -> Ticks {
    Ticks::try_from(duration.as_nanos().div_ceil(100)).unwrap_or(Ticks::MAX)
}

/// What is put off: it runs at `DISPATCH_LEVEL`, in a thread of the host.
pub(crate) type Job = Box<dyn FnOnce(&Host) + Send>;

/// A job, by when it is due and in which order it came.
pub(crate) type JobId = (Ticks, u64);

/// A thread of a host, by number.
pub(crate) type ThreadId = u64;

/// How the threads of one host run.
pub(crate) enum Scheduler {
    Turns(Arc<Turns>),
    Free(native::Free),
}

impl Scheduler {
    pub(crate) fn new(config: &Config) -> Self {
        match config.network {
            Network::Simulated | Network::Null => Self::Turns(Turns::new(config)),
            Network::Real => Self::Free(native::Free::new()),
        }
    }

    pub(crate) fn now(&self) -> Ticks {
        match self {
            Self::Turns(turns) => turns.now(),
            Self::Free(free) => free.now(),
        }
    }

    /// Announces a thread that is about to be started.
    pub(crate) fn announce(&self) -> ThreadId {
        match self {
            Self::Turns(turns) => turns.announce(),
            Self::Free(free) => free.announce(),
        }
    }

    /// The announced thread, which is the current one, begins.
    pub(crate) fn begin(&self, thread: ThreadId) {
        if let Self::Turns(turns) = self {
            turns.begin(thread);
        }
    }

    /// The current thread leaves the host.
    pub(crate) fn end(&self, thread: ThreadId) {
        if let Self::Turns(turns) = self {
            turns.end(thread);
        }
    }

    /// The current thread does something elsewhere, or has done it.
    pub(crate) fn outside(&self, thread: ThreadId, is_outside: bool) {
        if let Self::Turns(turns) = self {
            turns.outside(thread, is_outside);
        }
    }

    /// Lets something run at a time.
    pub(crate) fn at(&self, host: &Host, due: Ticks, job: Job) {
        match self {
            Self::Turns(turns) => turns.at(due, job),
            Self::Free(free) => _ = free.at(host, due, job),
        }
    }

    /// Lets something run at a time that the client has chosen, and may put off for ever: those who want
    /// things to settle do not wait for it.
    pub(crate) fn set_timer(&self, host: &Host, due: Ticks, job: Job) -> JobId {
        match self {
            Self::Turns(turns) => turns.set_timer(due, job),
            Self::Free(free) => free.at(host, due, job),
        }
    }

    /// Takes back what [`set_timer`](Self::set_timer) was given, unless it has begun.
    pub(crate) fn cancel_timer(&self, id: JobId) -> Option<Job> {
        match self {
            Self::Turns(turns) => turns.cancel_timer(id),
            Self::Free(free) => free.cancel(id),
        }
    }

    /// Runs until nothing that was put off is left.
    pub(crate) fn settle(&self, host: &Host) {
        match self {
            Self::Turns(turns) => {
                let _entered = host.enter();
                turns.settle(host, Host::current_thread());
            }
            Self::Free(free) => free.settle(),
        }
    }
}

/// Runs a job as a deferred procedure call.
fn run(host: &Host, job: Job) {
    let irql = KfRaiseIrql(DISPATCH_LEVEL.max(current_irql()));
    job(host);
    KeLowerIrql(irql);
}

/// A point at which a processor could take up something else, and on the simulated network sometimes does.
/// No lock may be held that a completion routine or a callback takes.
pub(crate) fn interrupt() {
    if current_irql() >= DISPATCH_LEVEL {
        return;
    }
    let host = Host::current();
    if let Scheduler::Turns(turns) = &host.0.scheduler {
        turns.interrupt(&host, Host::current_thread());
    }
}
