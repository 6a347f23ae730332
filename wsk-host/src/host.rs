//! Hosts: a network, a schedule and a pool for each.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wsk_sys::NTSTATUS;

use crate::config::{Config, Network};
use crate::kernel::io::work_item::WorkItems;
use crate::kernel::ke::timer::Timers;
use crate::kernel::random::Random;
use crate::kernel::schedule::{Job, Scheduler, ThreadId};
use crate::kernel::trace::{self, Trace};
use crate::kernel::usage::InFlight;
use crate::wsk::{self, Fault, Stack};

/// A kernel with a network of its own. Clones are the same host.
///
/// ```
/// use wsk_host::{Config, Host, Timing};
///
/// let host = Host::new(Config::default().timing(Timing::Deferred));
/// let entered = host.enter();
/// // What this thread calls now, and what system threads that it creates call, is this host's.
/// drop(entered);
/// assert_eq!(host.outstanding_allocations(), 0);
/// ```
#[derive(Clone)]
pub struct Host(pub(crate) Arc<State>);

pub(crate) struct State {
    pub(crate) config: Config,
    pub(crate) scheduler: Scheduler,
    stack: Mutex<Stack>,
    pool: Mutex<BTreeMap<usize, Allocation>>,
    in_flight: Mutex<InFlight>,
    timers: Mutex<Timers>,
    work_items: Mutex<WorkItems>,
    random: Mutex<Random>,
    trace: Mutex<Trace>,
    allocations: AtomicUsize,
    /// The numbers of the first allocation that fails and of the last; zeros if none does.
    failing_allocations: Mutex<(usize, usize)>,
}

pub(crate) struct Allocation {
    pub(crate) layout: std::alloc::Layout,
    pub(crate) tag: u32,
}

thread_local! {
    static CURRENT: RefCell<Option<(Host, ThreadId)>> = const { RefCell::new(None) };
}

/// The host of threads that have entered none. They come and go unseen, so it leaves them to the machine.
static DEFAULT: LazyLock<Host> = LazyLock::new(|| {
    // Miri has no network.
    Host::new(if cfg!(miri) { Config::default() } else { Config::real() })
});

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Host {
    /// A host.
    ///
    /// # Panics
    ///
    /// If the machine's network is wanted and cannot be had: too many files are open, or too many
    /// threads run.
    #[must_use]
    pub fn new(config: Config) -> Self {
        const NO_NETWORK: &str = "the machine's network cannot be used";
        let (stack, poller) = match config.network {
            Network::Simulated => (wsk::simulated(&config), None),
            Network::Null => (wsk::null(&config), None),
            Network::Real => {
                let (stack, poller) = wsk::real(&config).expect(NO_NETWORK);
                (stack, Some(poller))
            }
        };
        let state = Arc::new(State {
            config,
            scheduler: Scheduler::new(&config),
            stack: Mutex::new(stack),
            pool: Mutex::default(),
            in_flight: Mutex::default(),
            timers: Mutex::default(),
            work_items: Mutex::default(),
            random: Mutex::new(Random::new(config.seed_or_zero())),
            trace: Mutex::default(),
            allocations: AtomicUsize::new(0),
            failing_allocations: Mutex::default(),
        });
        if let Some(poller) = poller {
            wsk::serve(poller, Arc::downgrade(&state)).expect(NO_NETWORK);
        }
        Self(state)
    }

    /// Makes the current thread this host's until the result is dropped.
    ///
    /// On the simulated network one thread of a host runs at a time: this waits for the thread's turn,
    /// which it keeps until it waits in the kernel or leaves. See [`outside`](Self::outside).
    #[must_use = "the thread leaves the host when this is dropped"]
    pub fn enter(&self) -> Entered {
        Entered::new(self.clone(), || self.0.scheduler.announce())
    }

    /// As [`enter`](Self::enter), for a thread that was announced before it began.
    pub(crate) fn enter_announced(&self, thread: ThreadId) -> Entered {
        Entered::new(self.clone(), || thread)
    }

    /// Runs something that blocks elsewhere than in the host's kernel, for instance until another thread
    /// of this process has ended. Meanwhile the thread is not the host's, whose other threads go on, and
    /// whose time is the machine's.
    pub fn outside<T>(&self, blocks: impl FnOnce() -> T) -> T {
        let inside = CURRENT.with(|current| match &*current.borrow() {
            Some((host, thread)) if Arc::ptr_eq(&host.0, &self.0) => Some(*thread),
            _ => None,
        });
        let Some(thread) = inside else {
            return blocks();
        };
        self.0.scheduler.outside(thread, true);
        let inside = CURRENT.take();
        let result = blocks();
        CURRENT.set(inside);
        self.0.scheduler.outside(thread, false);
        result
    }

    /// The host of the current thread: the one that it has [entered](Self::enter), or else the one that the
    /// process has from the beginning.
    #[must_use]
    pub fn current() -> Self {
        CURRENT
            .with(|current| current.borrow().as_ref().map(|(host, _)| host.clone()))
            .unwrap_or_else(|| DEFAULT.clone())
    }

    /// The current thread's number at its host; zero if it has not entered one.
    pub(crate) fn current_thread() -> ThreadId {
        CURRENT.with(|current| current.borrow().as_ref().map_or(0, |(_, thread)| *thread))
    }

    /// What the host was made with.
    #[must_use]
    pub fn config(&self) -> Config {
        self.0.config
    }

    /// How long the host has existed: in the machine's time on the machine's network, else in its own.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.0.scheduler.now().saturating_mul(100))
    }

    /// Lets the allocation with this number fail, counted from 1, from now on.
    pub fn fail_allocation(&self, number: usize) {
        let number = self.allocations() + number;
        *lock(&self.0.failing_allocations) = (number, number);
    }

    /// Lets the allocation with this number fail, counted from 1, from now on, and all that follow.
    pub fn fail_allocations_from(&self, number: usize) {
        *lock(&self.0.failing_allocations) = (self.allocations() + number, usize::MAX);
    }

    /// How many allocations were asked for.
    #[must_use]
    pub fn allocations(&self) -> usize {
        self.0.allocations.load(Ordering::SeqCst)
    }

    /// How many allocations were not freed.
    #[must_use]
    pub fn outstanding_allocations(&self) -> usize {
        self.pool().len()
    }

    /// The allocations that were not freed, by their tags: how many, and how many bytes.
    #[must_use]
    pub fn outstanding_by_tag(&self) -> BTreeMap<[u8; 4], (usize, usize)> {
        let mut tags = BTreeMap::<_, (usize, usize)>::new();
        for allocation in self.pool().values() {
            let (count, bytes) = tags.entry(allocation.tag.to_le_bytes()).or_default();
            *count += 1;
            *bytes += allocation.layout.size();
        }
        tags
    }

    /// Lets everything that was put off happen, and all threads go on until they wait.
    pub fn settle(&self) {
        self.0.scheduler.settle(self);
    }

    /// Gives a name an address, for name resolution. The simulated network knows no others but
    /// `localhost`; on the machine's network these come before the machine's own.
    ///
    /// Names are compared without regard to the case of ASCII's letters, and else as they are: unlike Windows, a
    /// host does not know that an internationalised name and its Punycode are the same.
    pub fn add_name(&self, name: &str, address: impl Into<IpAddr>) {
        self.stack().names.add(name, address.into());
    }

    /// Lets the next look-up of a name fail with this status. What is said several times is for as many look-ups.
    pub fn fail_name(&self, name: &str, status: NTSTATUS) {
        self.stack().names.add_fault(name, Fault::Failure(status));
    }

    /// Lets the next look-up of a name find nobody who answers: it does not complete until it is cancelled, or
    /// the registration ends. What is said several times is for as many look-ups.
    pub fn hold_name(&self, name: &str) {
        self.stack().names.add_fault(name, Fault::Silence);
    }

    /// Withdraws the WSK subsystem: captures fail from now on, and no socket is functional any more. Their
    /// requests fail with `STATUS_FILE_FORCED_CLOSED`, and callbacks are told so by null pointers.
    pub fn withdraw(&self) {
        self.note("the WSK subsystem is withdrawn".to_owned());
        wsk::withdraw(self);
    }

    /// Lets the machine's addresses and the transports change: requests for `SIO_ADDRESS_LIST_CHANGE` and
    /// `WSK_TRANSPORT_LIST_CHANGE` complete.
    pub fn change_network(&self) {
        let actions = self.stack().change_addresses();
        wsk::act(self, actions);
    }

    /// The last calls, completions and callbacks, one line for each.
    ///
    /// On the simulated network two runs with the same seed give the same lines.
    #[must_use]
    pub fn trace(&self) -> Vec<String> {
        lock(&self.0.trace).lines()
    }

    pub(crate) fn trace_tail(&self, count: usize) -> String {
        // Whoever reports a broken rule may be recording.
        self.0.trace.try_lock().map_or_else(|_| String::new(), |trace| trace.tail(count))
    }

    pub(crate) fn record(&self, what: trace::What) {
        let (time, thread) = (self.0.scheduler.now(), Self::current_thread());
        lock(&self.0.trace).record(trace::Entry { time, thread, what });
    }

    /// Records something that is neither a call nor its end.
    pub(crate) fn note(&self, text: String) {
        self.record(trace::What::Note(text));
    }

    /// Counts an allocation, and says whether it may succeed.
    pub(crate) fn may_allocate(&self) -> bool {
        let number = self.0.allocations.fetch_add(1, Ordering::SeqCst) + 1;
        let (first, last) = *lock(&self.0.failing_allocations);
        let fails = (first..=last).contains(&number);
        if fails {
            self.note(format!("allocation {number} fails"));
        }
        !fails
    }

    pub(crate) fn pool(&self) -> MutexGuard<'_, BTreeMap<usize, Allocation>> {
        lock(&self.0.pool)
    }

    pub(crate) fn in_flight(&self) -> MutexGuard<'_, InFlight> {
        lock(&self.0.in_flight)
    }

    pub(crate) fn timers(&self) -> MutexGuard<'_, Timers> {
        lock(&self.0.timers)
    }

    pub(crate) fn work_items(&self) -> MutexGuard<'_, WorkItems> {
        lock(&self.0.work_items)
    }

    pub(crate) fn stack(&self) -> MutexGuard<'_, Stack> {
        let mut stack = lock(&self.0.stack);
        stack.set_time(self.0.scheduler.now());
        stack
    }

    /// Decides something by chance.
    pub(crate) fn by_chance<T>(&self, decide: impl FnOnce(&mut Random) -> T) -> T {
        decide(&mut lock(&self.0.random))
    }

    /// Lets something run now, if that is before the call that caused it returns, or later.
    pub(crate) fn soon(&self, job: Job) {
        let now = self.0.scheduler.now();
        self.0.scheduler.at(self, now, job);
    }

    /// Whether the next completion is put off.
    pub(crate) fn defers(&self) -> bool {
        use crate::config::Timing;
        match self.0.config.timing {
            Timing::Inline => false,
            Timing::Deferred => true,
            Timing::Mixed(_) => self.by_chance(|random| random.below(2) == 0),
        }
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("config", &self.0.config).finish_non_exhaustive()
    }
}

/// A thread's stay at a host, see [`Host::enter`].
#[derive(Debug)]
pub struct Entered {
    outer: Option<(Host, ThreadId)>,
    /// False if the thread was the host's already.
    is_new: bool,
    not_send: std::marker::PhantomData<*mut ()>,
}

impl Entered {
    fn new(host: Host, announce: impl FnOnce() -> ThreadId) -> Self {
        let outer = CURRENT.with(|current| current.borrow().clone());
        let is_inside = outer.as_ref().is_some_and(|(current, _)| Arc::ptr_eq(&current.0, &host.0));
        if !is_inside {
            // A thread has its turn at one host at a time.
            if let Some((outer, thread)) = &outer {
                outer.0.scheduler.end(*thread);
            }
            let thread = announce();
            host.0.scheduler.begin(thread);
            CURRENT.set(Some((host, thread)));
        }
        Self { outer, is_new: !is_inside, not_send: std::marker::PhantomData }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        if !self.is_new {
            return;
        }
        let inner = CURRENT.replace(self.outer.take());
        if let Some((host, thread)) = inner {
            host.0.scheduler.end(thread);
        }
        let outer = CURRENT.with(|current| current.borrow().clone());
        if let Some((host, thread)) = outer {
            host.0.scheduler.begin(thread);
        }
    }
}
