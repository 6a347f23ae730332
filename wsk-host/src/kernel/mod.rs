//! The kernel: the functions of `ntoskrnl.exe` that a driver calls, each in the file of its prefix.
//!
//! A [`Kernel`] needs no WSK: a driver that uses no sockets can be run and tested on one alone.
//!
//! ```
//! use wsk_host::kernel::{Config, Kernel};
//!
//! let kernel = Kernel::new(Config::default());
//! let entered = kernel.enter();
//! // This thread, and the system threads that it creates, now call this kernel.
//! drop(entered);
//! assert_eq!(kernel.outstanding_allocations(), 0);
//! ```
//!
//! State and exports are separate layers. The parts of a kernel (`TimerQueue`, `WorkQueue`, `Blocks`, …) do not name
//! [`Kernel`]. The exported functions do, and no part names them.
//!
//! # Safety
//!
//! IRPs contain a pointer to their kernel; `Kernel::from_raw` requires another reference, which keeps the kernel alive.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

pub(crate) mod abi;
mod block_index;
pub(crate) mod blocks;
pub(crate) mod choices;
mod cng;
pub(crate) mod config;
pub(crate) mod context;
mod current;
pub(crate) mod ex;
mod fault;
mod file;
pub(crate) mod hang;
pub(crate) mod holdings;
mod image;
#[cfg(images)]
pub(crate) mod imports;
pub(crate) mod io;
mod jobs;
pub(crate) mod ke;
#[cfg(all(unix, not(miri)))]
pub(crate) mod last_words;
pub(crate) mod loaded_image;
pub(crate) mod mm;
mod ob;
pub(crate) mod panics;
pub(crate) mod progress;
pub(crate) mod protection;
pub(crate) mod ps;
pub(crate) mod quarantine;
mod random;
mod record;
pub(crate) mod registry;
mod report;
pub(crate) mod report_lock;
pub(crate) mod residency;
pub(crate) mod resources;
pub(crate) mod rtl;
pub(crate) mod schedule;
pub(crate) mod trace;
pub(crate) mod usage;
mod zw;

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use wsk_sys::ctypes::c_void;

use blocks::Blocks;
use choices::{Choices, Run};
pub use config::{Config, Threads, Timing, Windows};
pub use current::Entered;
pub(crate) use current::{current, interrupt};
use hang::OpenObjects;
use io::device_table::Devices;
use io::work_queue::WorkQueue;
use ke::event_calls::EventCallCounter;
pub use ke::event_calls::EventCalls;
pub use ke::irql::current_irql;
use ke::timer_queue::TimerQueue;
use loaded_image::LoadedImage;
use registry::Registry;
use resources::Resources;
use schedule::{Scheduler, ThreadId, Ticks};
use trace::Trace;
use usage::MemoryUsage;

use crate::verifier::Levels;

/// A user-mode NT kernel: its threads, its clock and its pool. Clones refer to the same kernel.
#[derive(Clone)]
pub struct Kernel(Arc<KernelState>);

/// A weak reference to a kernel.
pub(crate) struct WeakKernel(Weak<KernelState>);

struct KernelState {
    config: Config,
    /// The configuration's levels, overridden by those of the environment.
    rules: Levels,
    /// The configuration, for a report.
    description: String,
    scheduler: Scheduler,
    /// Whether other kernels may have the same scheduler. A thread that runs a job then enters the job's kernel first.
    is_of_world: bool,
    blocks: Mutex<Blocks>,
    usage: Mutex<MemoryUsage>,
    timers: Mutex<TimerQueue>,
    event_calls: EventCallCounter,
    work_items: Mutex<WorkQueue>,
    devices: Mutex<Devices>,
    registry: Mutex<Registry>,
    resources: Mutex<Resources>,
    image: Mutex<LoadedImage>,
    /// Notified when a call of the client's code has ended.
    call_ended: Condvar,
    /// The kernel's own choices.
    choices: Mutex<Choices>,
    /// The run, if it is not that of a seed alone.
    run: Option<Arc<Run>>,
    trace: Mutex<Trace>,
    /// The state of a driver stack above, as a device extension is.
    extension: OnceLock<Box<dyn Any + Send + Sync>>,
    /// Lists the open objects of that driver stack, for a report.
    survey: OnceLock<fn(&Kernel) -> OpenObjects>,
    /// The command that repeats the test.
    again: OnceLock<String>,
    /// Whether a hang of native threads was reported.
    is_hang_reported: AtomicBool,
}

/// The lines of the trace in a report about a replayed run.
const STORY: usize = 300;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Kernel {
    /// Creates a kernel.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self::described(config, &config, None)
    }

    /// The configuration, as reports name it.
    pub(crate) fn description(&self) -> &str {
        &self.0.description
    }

    /// Creates a kernel that reports describe by `description`, and whose choices are those of a run, or of the seed alone.
    pub(crate) fn described(
        config: Config,
        description: &dyn fmt::Debug,
        run: Option<Arc<Run>>,
    ) -> Self {
        let scheduler = Scheduler::new(&config, run.as_ref());
        Self::with_scheduler(config, description, run, (scheduler, false))
    }

    /// Creates a kernel of a world: the first one, or one that shares the scheduler and the clock of the first. Its threads
    /// are deterministic.
    #[cfg(feature = "world")]
    pub(crate) fn of_world(
        config: Config,
        description: &dyn fmt::Debug,
        run: Option<Arc<Run>>,
        first: Option<&Self>,
    ) -> Self {
        let shared = first.and_then(|first| first.0.scheduler.share());
        let scheduler = shared.unwrap_or_else(|| Scheduler::new(&config, run.as_ref()));
        Self::with_scheduler(config, description, run, (scheduler, true))
    }

    fn with_scheduler(
        config: Config,
        description: &dyn fmt::Debug,
        run: Option<Arc<Run>>,
        (scheduler, is_of_world): (Scheduler, bool),
    ) -> Self {
        Self::install_reports();
        Self(Arc::new(KernelState {
            config,
            rules: Self::levels(config.rules),
            description: format!("{description:?}"),
            scheduler,
            is_of_world,
            blocks: Mutex::default(),
            usage: Mutex::default(),
            timers: Mutex::default(),
            event_calls: EventCallCounter::default(),
            work_items: Mutex::default(),
            devices: Mutex::default(),
            registry: Mutex::default(),
            resources: Mutex::default(),
            image: Mutex::default(),
            call_ended: Condvar::new(),
            choices: Mutex::new(Choices::new(config.timing.seed_or_zero(), 0, run.clone())),
            run,
            trace: Mutex::default(),
            extension: OnceLock::new(),
            survey: OnceLock::new(),
            again: OnceLock::new(),
            is_hang_reported: AtomicBool::new(false),
        }))
    }

    /// Announces a thread that is about to be started, so that its number does not depend on when the machine
    /// starts it.
    pub(crate) fn announce(&self) -> ThreadId {
        self.0.scheduler.announce()
    }

    /// Withdraws an announced thread that could not be started.
    pub(crate) fn withdraw_announced(&self, thread: ThreadId) {
        self.0.scheduler.withdraw(thread);
    }

    /// Whether two references refer to the same kernel.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The configuration with which the kernel was created.
    #[must_use]
    pub fn config(&self) -> Config {
        self.0.config
    }

    /// The time since the kernel was created: real time with [`Threads::Native`], otherwise the kernel's virtual time.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.now().saturating_mul(100))
    }

    /// Fails one allocation: the `number`th after this call, counted from 1. It replaces an earlier setting.
    pub fn fail_allocation(&self, number: usize) {
        lock(&self.0.blocks).fail(number, number);
    }

    /// Fails the `number`th allocation after this call, counted from 1, and every later one. It replaces an earlier
    /// setting.
    pub fn fail_allocations_from(&self, number: usize) {
        lock(&self.0.blocks).fail(number, usize::MAX);
    }

    /// The number of requested allocations, including failed ones, since the kernel was created.
    #[must_use]
    pub fn allocations(&self) -> usize {
        lock(&self.0.blocks).requested()
    }

    /// The number of allocations that are not freed.
    #[must_use]
    pub fn outstanding_allocations(&self) -> usize {
        lock(&self.0.blocks).outstanding()
    }

    /// The allocations that are not freed, by pool tag: their number, and their total size in bytes.
    #[must_use]
    pub fn outstanding_by_tag(&self) -> BTreeMap<[u8; 4], (usize, usize)> {
        lock(&self.0.blocks).outstanding_by_tag()
    }

    /// Returns how often the client has signaled an event and waited for an object so far: never for the messages of a client that
    /// uses no thread.
    #[must_use]
    pub fn event_calls(&self) -> EventCalls {
        self.0.event_calls.read()
    }

    /// The number of timers that are set.
    #[must_use]
    pub fn set_timers(&self) -> usize {
        self.timers().set_count()
    }

    /// Runs all deferred work, and all threads until they wait.
    pub fn settle(&self) {
        let _entered = self.enter();
        self.0.scheduler.settle(Self::current_thread());
    }

    /// The last calls, completions and callbacks, one line for each.
    ///
    /// With [`Threads::Deterministic`], two runs with the same seed produce the same lines.
    #[must_use]
    pub fn trace(&self) -> Vec<String> {
        lock(&self.0.trace).lines()
    }

    /// The last `count` lines of the trace, each after a line break.
    pub(crate) fn trace_tail(&self, count: usize) -> String {
        // A report may interrupt a recording.
        let is_told = self.0.run.as_ref().is_some_and(|run| run.is_told());
        // The story of a run with few choices is told from its start.
        let count = if is_told { count.max(STORY) } else { count };
        report_lock::lock(&self.0.trace).map_or_else(String::new, |mut trace| {
            self.record_story(&mut trace);
            trace.tail(count)
        })
    }

    /// Counts a requested allocation, and returns whether it may succeed.
    pub(crate) fn may_allocate(&self) -> bool {
        let failing = lock(&self.0.blocks).request();
        if let Some(number) = failing {
            self.note(format!("allocation {number} fails"));
        }
        failing.is_none()
    }

    pub(crate) fn pool(&self) -> MutexGuard<'_, Blocks> {
        lock(&self.0.blocks)
    }

    pub(crate) fn usage(&self) -> MutexGuard<'_, MemoryUsage> {
        lock(&self.0.usage)
    }

    pub(crate) fn timers(&self) -> MutexGuard<'_, TimerQueue> {
        lock(&self.0.timers)
    }

    pub(crate) fn work_items(&self) -> MutexGuard<'_, WorkQueue> {
        lock(&self.0.work_items)
    }

    pub(crate) fn devices(&self) -> MutexGuard<'_, Devices> {
        lock(&self.0.devices)
    }

    pub(crate) fn registry(&self) -> MutexGuard<'_, Registry> {
        lock(&self.0.registry)
    }

    pub(crate) fn resources(&self) -> MutexGuard<'_, Resources> {
        lock(&self.0.resources)
    }

    fn image(&self) -> MutexGuard<'_, LoadedImage> {
        lock(&self.0.image)
    }

    pub(crate) fn scheduler(&self) -> &Scheduler {
        &self.0.scheduler
    }

    /// The state of the driver stack above this kernel, which may be set once.
    pub(crate) fn extension(&self) -> &OnceLock<Box<dyn Any + Send + Sync>> {
        &self.0.extension
    }

    /// Sets the function that lists the open objects of the driver stack above this kernel, for a report.
    pub(crate) fn set_survey(&self, survey: fn(&Self) -> OpenObjects) {
        self.0.survey.get_or_init(|| survey);
    }

    /// Sets the command that repeats the test on this kernel.
    pub(crate) fn set_again(&self, command: String) {
        self.0.again.get_or_init(|| command);
    }

    /// The time in ticks since the kernel was created.
    pub(crate) fn now(&self) -> Ticks {
        self.0.scheduler.now()
    }

    /// Draws from the kernel's own choices.
    pub(crate) fn by_chance<T>(&self, decide: impl FnOnce(&mut Choices) -> T) -> T {
        decide(&mut lock(&self.0.choices))
    }

    /// The choices of a part above this kernel. Each part has a stream of its own, a number that no other part uses.
    pub(crate) fn choices(&self, stream: u64) -> Choices {
        Choices::new(self.0.config.timing.seed_or_zero(), stream, self.0.run.clone())
    }

    /// The kernel as a pointer, for the driver context of an IRP.
    pub(crate) fn as_raw(&self) -> *const c_void {
        Arc::as_ptr(&self.0).cast()
    }

    /// A reference to the kernel behind a pointer.
    ///
    /// # Safety
    ///
    /// [`as_raw`](Self::as_raw) returned the pointer, and the kernel has another reference.
    pub(crate) unsafe fn from_raw(pointer: *const c_void) -> Self {
        let state: *const KernelState = pointer.cast();
        // SAFETY: the pointer is an `Arc`'s, which another reference keeps, by this function's contract.
        unsafe { Arc::increment_strong_count(state) };
        // SAFETY: the count was incremented for the new reference.
        Self(unsafe { Arc::from_raw(state) })
    }

    pub(crate) fn downgrade(&self) -> WeakKernel {
        WeakKernel(Arc::downgrade(&self.0))
    }
}

impl WeakKernel {
    /// The kernel, unless its last reference was dropped.
    pub(crate) fn upgrade(&self) -> Option<Kernel> {
        self.0.upgrade().map(Kernel)
    }
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kernel").field("config", &self.0.config).finish_non_exhaustive()
    }
}

/// Returns the status with a number, for statuses that `wsk-sys` does not name.
pub(crate) const fn status(code: u32) -> wsk_sys::NTSTATUS {
    wsk_sys::NTSTATUS::from_ne_bytes(code.to_ne_bytes())
}

/// Whether a status is an error. A warning is not: its request returns data.
pub(crate) const fn is_error(status: wsk_sys::NTSTATUS) -> bool {
    u32::from_ne_bytes(status.to_ne_bytes()) >> 30 == 3
}
