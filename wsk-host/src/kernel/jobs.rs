//! Work that a kernel runs later, on its clock or beside its threads.

use crate::kernel::choices::ChoiceKind;
use crate::kernel::current;
use crate::kernel::schedule::{Job, JobId, Scheduler, Ticks};
use crate::kernel::{Kernel, Timing};

impl Kernel {
    /// Runs a job at a point in time, as a DPC.
    pub(crate) fn at(&self, due: Ticks, run: impl FnOnce(&Self) + Send + 'static) {
        self.0.scheduler.at(due, self.job(run));
    }

    /// Runs a job on the next thread of the kernel that executes deferred work.
    pub(crate) fn soon(&self, run: impl FnOnce(&Self) + Send + 'static) {
        self.at(self.now(), run);
    }

    /// Runs a job at a point in time, for a client's timer: [`settle`](Self::settle) does not wait for it.
    pub(crate) fn set_timer(&self, due: Ticks, run: impl FnOnce(&Self) + Send + 'static) -> JobId {
        self.0.scheduler.set_timer(due, self.job(run))
    }

    /// Cancels a job of [`set_timer`](Self::set_timer), unless it has begun.
    pub(crate) fn cancel_timer(&self, id: JobId) -> Option<Job> {
        self.0.scheduler.cancel_timer(id)
    }

    fn job(&self, run: impl FnOnce(&Self) + Send + 'static) -> Job {
        match self.0.scheduler {
            // It runs in a thread of any kernel of the world. The scheduler may outlive this kernel.
            Scheduler::Deterministic(_) if self.0.is_of_world => {
                let kernel = self.downgrade();
                Box::new(move || {
                    if let Some(kernel) = kernel.upgrade() {
                        let _entered = kernel.enter();
                        run(&kernel);
                    }
                })
            }
            // It runs in a thread that has entered this kernel, which owns it.
            Scheduler::Deterministic(_) => Box::new(move || run(&current())),
            // It keeps the kernel.
            Scheduler::Native(_) => {
                let kernel = self.clone();
                Box::new(move || {
                    let _entered = kernel.enter();
                    run(&kernel);
                })
            }
        }
    }

    /// Whether to defer the next job.
    pub(crate) fn should_defer(&self) -> bool {
        match self.0.config.timing {
            Timing::Inline => false,
            Timing::Deferred => true,
            Timing::Mixed(_) => self.by_chance(|choices| choices.one_in(ChoiceKind::Deferral, 2)),
        }
    }
}
