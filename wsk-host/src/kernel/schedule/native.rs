//! Threads as the machine schedules them, and one more that runs deferred jobs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Job, JobId, ThreadId, Ticks, run, ticks};
use crate::verifier::kernel_violation;

/// The clock and the deferred jobs of a kernel with native threads.
pub(crate) struct Native {
    start: Instant,
    last_thread: AtomicU64,
    /// The threads that have entered the kernel, and how many of them block elsewhere.
    threads: AtomicUsize,
    blocking: AtomicUsize,
    jobs: Arc<Jobs>,
}

#[derive(Default)]
struct Jobs {
    queue: Mutex<JobQueue>,
    changed: Condvar,
}

#[derive(Default)]
struct JobQueue {
    /// By due time, and then by order of deferral.
    jobs: BTreeMap<JobId, Job>,
    last: u64,
    busy: bool,
    over: bool,
}

impl Jobs {
    fn queue(&self) -> MutexGuard<'_, JobQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Native {
    pub(crate) fn new() -> Self {
        let jobs = Arc::<Jobs>::default();
        let (shared, start) = (Arc::clone(&jobs), Instant::now());
        let thread = std::thread::Builder::new().name("deferred procedure calls".to_owned());
        if let Err(error) = thread.spawn(move || serve(&shared, start)) {
            kernel_violation(&format!("cannot start the thread for deferred jobs: {error}"));
        }
        Self {
            start,
            last_thread: AtomicU64::new(0),
            threads: AtomicUsize::new(0),
            blocking: AtomicUsize::new(0),
            jobs,
        }
    }

    pub(crate) fn now(&self) -> Ticks {
        ticks(self.start.elapsed())
    }

    pub(crate) fn announce(&self) -> ThreadId {
        self.last_thread.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn begin(&self) {
        self.threads.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn end(&self) {
        self.threads.fetch_sub(1, Ordering::SeqCst);
    }

    /// The current thread begins to block elsewhere than in the kernel, or has returned.
    pub(crate) fn set_blocking(&self, is_blocking: bool) {
        if is_blocking {
            self.blocking.fetch_add(1, Ordering::SeqCst);
        } else {
            self.blocking.fetch_sub(1, Ordering::SeqCst);
        }
    }

    pub(crate) fn blocking(&self) -> usize {
        self.blocking.load(Ordering::SeqCst)
    }

    /// The number of threads that have entered the kernel, and do not block elsewhere.
    pub(crate) fn threads(&self) -> usize {
        self.threads.load(Ordering::SeqCst).saturating_sub(self.blocking())
    }

    /// Whether no job runs or is to run.
    pub(crate) fn has_no_jobs(&self) -> bool {
        let queue = self.jobs.queue();
        queue.jobs.is_empty() && !queue.busy
    }

    pub(crate) fn at(&self, due: Ticks, job: Job) -> JobId {
        let mut queue = self.jobs.queue();
        queue.last += 1;
        let id = (due, queue.last);
        queue.jobs.insert(id, job);
        self.jobs.changed.notify_all();
        id
    }

    /// Cancels a job, unless it has begun.
    pub(crate) fn cancel(&self, id: JobId) -> Option<Job> {
        let removed = self.jobs.queue().jobs.remove(&id);
        self.jobs.changed.notify_all();
        removed
    }

    /// Waits until everything that is due has run.
    pub(crate) fn settle(&self) {
        let is_busy = |queue: &mut JobQueue| {
            let first = queue.jobs.first_key_value();
            queue.busy || first.is_some_and(|((due, _), _)| *due <= self.now())
        };
        let idle = self.jobs.changed.wait_while(self.jobs.queue(), is_busy);
        drop(idle.unwrap_or_else(PoisonError::into_inner));
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        self.jobs.queue().over = true;
        self.jobs.changed.notify_all();
    }
}

fn serve(jobs: &Jobs, start: Instant) {
    let mut queue = jobs.queue();
    loop {
        if queue.over {
            return;
        }
        let now = ticks(start.elapsed());
        let Some((&(due, _), _)) = queue.jobs.first_key_value() else {
            queue = jobs.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        if due > now {
            let left = Duration::from_nanos((due - now).saturating_mul(100));
            queue = jobs
                .changed
                .wait_timeout(queue, left)
                .map_or_else(|error| error.into_inner().0, |(queue, _)| queue);
            continue;
        }
        if let Some((_, job)) = queue.jobs.pop_first() {
            queue.busy = true;
            // A job may drop the last reference on its kernel, whose end sets `over` under the lock.
            drop(queue);
            run(job);
            queue = jobs.queue();
            queue.busy = false;
            jobs.changed.notify_all();
        }
    }
}
