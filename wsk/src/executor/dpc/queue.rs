//! A run queue, and the DPC that polls its tasks.
//!
//! The DPC has turns, which never overlap: the code that finds the queue idle and ends that, under the lock, queues the DPC; the
//! DPC either queues itself for the next turn, or makes the queue idle again.
//!
//! # Safety
//!
//! The DPC owns a reference to the scheduler from its creation until its last turn.

#![expect(unsafe_code, reason = "see Safety")]

use core::mem::ManuallyDrop;

use wsk_sys::image::LONG_WAIT;
use wsk_sys::{KDPC, PVOID};

use crate::executor::task::{Schedule, Task};
use crate::executor::tasks::Tasks;
use crate::irql::Passive;
use crate::kernel::{Dpc, Event, SpinLock};
use crate::pool::Arc;
use crate::rundown::{ObjectKind, Rundown};
use crate::status::Result;

/// The maximum number of tasks of one turn ([INV-71](crate::rules#inv-71)). Each makes up to 128 requests for each of its sockets.
const BUDGET: usize = 16;

/// The scheduler of one DPC.
///
/// # Invariants
///
/// - Once it is shared, the DPC and the event are initialized, and stay in their nonpaged allocation. The DPC's routine is
///   [`run`], with the address of this scheduler as its context.
/// - The DPC is queued or running exactly if `is_idle` is false, until its last turn. One turn at a time polls or drops the tasks.
pub(in crate::executor) struct DpcScheduler {
    state: SpinLock<DpcState>,
    dpc: Dpc,
    /// Set in the last turn.
    end: Event,
    /// Counts the queue until the end of the last turn.
    rundown: &'static Rundown,
}

struct DpcState {
    tasks: Tasks,
    is_idle: bool,
    stopping: bool,
}

/// An executor's part of a scheduler. Dropping it stops the DPC.
pub(super) struct DpcQueue(Arc<DpcScheduler>);

/// The end of a turn.
#[derive(PartialEq, Eq)]
enum TurnEnd {
    /// Another one follows, or a wake queues the DPC.
    Ended,
    /// This was the last turn.
    Last,
}

impl DpcQueue {
    /// Creates an empty queue, whose DPC runs on a processor.
    ///
    /// # Errors
    ///
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any status of `KeSetTargetProcessorDpcEx`.
    pub(super) fn new(processor: usize) -> Result<Self> {
        let state = DpcState { tasks: Tasks::new(), is_idle: true, stopping: false };
        let scheduler = Arc::new_with(|| DpcScheduler {
            state: SpinLock::new(state),
            dpc: Dpc::new(),
            end: Event::new(),
            rundown: Rundown::current(),
        })?;
        // INVARIANT: the event and the DPC are initialized before the scheduler is shared.
        // SAFETY: the event stays in its allocation, which is nonpaged.
        unsafe { scheduler.end.initialize() };
        let context = scheduler.clone().into_raw();
        // SAFETY: the DPC stays in its allocation, which is nonpaged, and its routine takes a reference from `into_raw`.
        let initialized =
            unsafe { scheduler.dpc.initialize(run, context.cast_mut().cast(), processor) };
        if let Err(error) = initialized {
            // SAFETY: the reference is from `into_raw` above, and the DPC will not run.
            drop(unsafe { Arc::from_raw(context) });
            return Err(error);
        }
        scheduler.rundown.begin(ObjectKind::DpcQueue);
        Ok(Self(scheduler))
    }

    pub(super) const fn scheduler(&self) -> &Arc<DpcScheduler> {
        &self.0
    }

    /// Refuses new tasks, and has the DPC drop all that are left.
    pub(super) fn stop(&self) {
        let mut state = self.0.state.lock();
        state.stopping = true;
        let was_idle = core::mem::take(&mut state.is_idle);
        drop(state);
        self.0.queue_if(was_idle);
    }

    /// Waits for the last turn after a [`stop`](Self::stop), for which one thread may wait. Calls `report` after times that double.
    pub(super) fn wait(&self, passive: Passive, report: impl Fn()) {
        let mut patience = LONG_WAIT;
        while let Some(time) = patience {
            // SAFETY: the event is initialized (Invariants).
            if unsafe { self.0.end.wait_for(passive, time) } {
                return;
            }
            report();
            patience = Some(time.saturating_mul(2));
        }
        // SAFETY: the event is initialized (Invariants).
        unsafe { self.0.end.wait(passive) };
    }
}

impl Drop for DpcQueue {
    fn drop(&mut self) {
        self.stop();
    }
}

impl DpcScheduler {
    /// Queues the DPC for the caller that has found it idle.
    fn queue_if(&self, was_idle: bool) {
        if was_idle {
            // SAFETY: the DPC is initialized (Invariants), and its last turn follows.
            unsafe { self.dpc.queue() };
        }
    }

    /// Polls tasks within the budget, or drops them if the executor ends.
    fn turn(&self) -> TurnEnd {
        for _ in 0..BUDGET {
            let mut state = self.state.lock();
            if state.stopping {
                let task = state.tasks.unlink_newest();
                let queued = if task.is_none() { state.tasks.pop() } else { None };
                drop(state);
                if let Some(task) = task {
                    task.finish();
                    task.release();
                } else if let Some(queued) = queued {
                    queued.release();
                } else {
                    // SAFETY: the event is initialized (Invariants).
                    unsafe { self.end.set() };
                    return TurnEnd::Last;
                }
                continue;
            }
            let Some(task) = state.tasks.pop() else {
                // INVARIANT: the turn has ended, and the next wake queues the DPC.
                state.is_idle = true;
                return TurnEnd::Ended;
            };
            drop(state);
            task.run();
        }
        // SAFETY: the DPC is initialized (Invariants), is running, and so is not queued; its last turn follows.
        unsafe { self.dpc.queue() };
        TurnEnd::Ended
    }
}

impl Schedule for DpcScheduler {
    fn admit(&self, task: Task) -> bool {
        let mut state = self.state.lock();
        if state.stopping {
            return false;
        }
        state.tasks.link(task);
        state.tasks.push(task);
        let was_idle = core::mem::take(&mut state.is_idle);
        drop(state);
        self.queue_if(was_idle);
        true
    }

    fn queue(&self, task: Task) {
        let mut state = self.state.lock();
        if state.stopping {
            drop(state);
            task.release();
            return;
        }
        state.tasks.push(task);
        let was_idle = core::mem::take(&mut state.is_idle);
        drop(state);
        self.queue_if(was_idle);
    }

    fn forget(&self, task: Task) {
        self.state.lock().tasks.unlink(task);
    }
}

/// The routine of the DPC.
///
/// # Safety
///
/// The context is the DPC's reference to its scheduler, from [`Arc::into_raw`].
unsafe extern "C" fn run(_dpc: *mut KDPC, context: PVOID, _first: PVOID, _second: PVOID) {
    // SAFETY: the context is a reference from `into_raw` (this function's contract), which is kept for the next turn.
    let own =
        ManuallyDrop::new(unsafe { Arc::from_raw(context.cast_const().cast::<DpcScheduler>()) });
    // Once this turn has made the queue idle, the last turn may end on another processor before this one returns.
    let scheduler = Arc::clone(&own);
    if scheduler.turn() == TurnEnd::Last {
        let rundown = scheduler.rundown;
        drop((ManuallyDrop::into_inner(own), scheduler));
        // The last step: the driver may be unloaded once this routine has returned, and `unload` flushes the DPCs to
        // wait for that.
        rundown.end(ObjectKind::DpcQueue);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    //! All interleavings, with few preemptions, of the turns of a DPC, and of threads that wake and end its tasks. Run by
    //! `cargo xtask test loom`.

    use core::future::{Future, pending};

    use loom::sync::Arc as LoomArc;
    use loom::thread;

    use super::*;
    use crate::executor::join::JoinHandle;
    use crate::executor::scheduler::loom_tests::{Gate, owned};
    use crate::executor::spawner::spawn_on;
    use crate::status::known;
    use crate::sync::model::{block_on, with_few_preemptions, with_preemptions};

    fn passive() -> Passive {
        // SAFETY: a model has no levels.
        unsafe { Passive::assume() }
    }

    fn spawn<F>(queue: &DpcQueue, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        // SAFETY: the future and its output are `Send`.
        unsafe { spawn_on(queue.scheduler(), None, future) }.unwrap()
    }

    /// The turns do not overlap, and no wake is lost.
    #[test]
    fn a_task_that_is_woken_is_polled_in_a_turn() {
        with_few_preemptions(|| {
            let (queue, gate) = (DpcQueue::new(0).unwrap(), Gate::new());
            let (mut owned, witness) = owned();
            let opened = LoomArc::clone(&gate);
            let task = spawn(&queue, async move {
                owned.touch();
                opened.opened().await;
                owned.touch();
                7
            });
            gate.open();
            assert_eq!(block_on(task), Ok(7));
            assert!(witness.was_dropped_once());
            queue.stop();
            queue.wait(passive(), || ());
        });
    }

    /// A task is woken while its executor ends: its future is dropped once, before the end of the last turn.
    #[test]
    fn a_task_is_woken_while_its_queue_stops() {
        with_preemptions(2, || {
            let (queue, gate) = (DpcQueue::new(0).unwrap(), Gate::new());
            let (mut owned, witness) = owned();
            let opened = LoomArc::clone(&gate);
            let task = spawn(&queue, async move {
                owned.touch();
                opened.opened().await;
                owned.touch();
            });
            let opener = thread::spawn(move || gate.open());
            queue.stop();
            queue.wait(passive(), || ());
            assert!(witness.was_dropped_once());
            assert!(matches!(block_on(task), Ok(()) | Err(known::STATUS_CANCELLED)));
            opener.join().unwrap();
        });
    }

    #[test]
    fn a_task_is_aborted_in_a_turn() {
        with_few_preemptions(|| {
            let queue = DpcQueue::new(0).unwrap();
            let (mut owned, witness) = owned();
            let task = spawn(&queue, async move {
                owned.touch();
                pending::<()>().await;
            });
            task.abort();
            assert_eq!(block_on(task), Err(known::STATUS_CANCELLED));
            assert!(witness.was_dropped_once());
            queue.stop();
            queue.wait(passive(), || ());
        });
    }
}
