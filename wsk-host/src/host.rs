//! Hosts: a network, a clock of completions and a pool for each.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use crate::in_flight::InFlight;
use crate::wsk::{self, Completer, Stack};

/// When requests complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// Before the call that made them returns, wherever that is possible.
    Inline,
    /// After that call has returned or meanwhile, on another thread, at `DISPATCH_LEVEL`.
    Deferred,
    /// One or the other, as numbers from this seed decide.
    Mixed(u64),
}

/// What a host's sockets are connected by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// A network in memory, between the sockets of the host.
    Simulated,
    /// The network of the machine, so that any program can be the peer.
    Real,
}

/// How a host behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// What sockets are connected by.
    pub network: Network,
    /// When requests complete.
    pub timing: Timing,
    /// Answer `WskDisconnect` as Wine does: with `STATUS_NOT_IMPLEMENTED`, and without ever completing
    /// the IRP.
    pub refuse_disconnect: bool,
    /// Let captures fail with `STATUS_DEVICE_NOT_READY`.
    pub not_ready: bool,
    /// Bytes that a connection of the simulated network takes from its sender before the receiver has
    /// room.
    pub window: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            network: Network::Simulated,
            timing: Timing::Mixed(0),
            refuse_disconnect: false,
            not_ready: false,
            window: 64 << 10,
        }
    }
}

/// A kernel with a network of its own. Clones are the same host.
///
/// ```
/// use wsk_host::{Config, Host, Timing};
///
/// let host = Host::new(Config { timing: Timing::Deferred, ..Config::default() });
/// let entered = host.enter();
/// // What this thread calls now, and what system threads that it creates call, is this host's.
/// drop(entered);
/// assert_eq!(host.outstanding_allocations(), 0);
/// ```
#[derive(Clone)]
pub struct Host(pub(crate) Arc<State>);

pub(crate) struct State {
    pub(crate) config: Config,
    pub(crate) stack: Mutex<Stack>,
    pub(crate) completer: Completer,
    pub(crate) pool: Mutex<HashMap<usize, Allocation>>,
    in_flight: Mutex<InFlight>,
    random: AtomicU64,
    allocations: AtomicUsize,
    /// The number of the allocation that fails, or zero.
    failing_allocation: AtomicUsize,
}

pub(crate) struct Allocation {
    pub(crate) layout: std::alloc::Layout,
    pub(crate) tag: u32,
}

thread_local! {
    static CURRENT: RefCell<Option<Host>> = const { RefCell::new(None) };
}

static DEFAULT: LazyLock<Host> = LazyLock::new(|| Host::new(Config::default()));

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
        let seed = match config.timing {
            Timing::Mixed(seed) => seed,
            Timing::Inline | Timing::Deferred => 0,
        };
        let (stack, poller) = match config.network {
            Network::Simulated => (wsk::simulated(config.window), None),
            Network::Real => {
                let (stack, poller) = wsk::real().expect(NO_NETWORK);
                (stack, Some(poller))
            }
        };
        let state = Arc::new(State {
            config,
            stack: Mutex::new(stack),
            completer: Completer::start(),
            pool: Mutex::default(),
            in_flight: Mutex::default(),
            random: AtomicU64::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
            allocations: AtomicUsize::new(0),
            failing_allocation: AtomicUsize::new(0),
        });
        if let Some(poller) = poller {
            wsk::serve(poller, Arc::downgrade(&state)).expect(NO_NETWORK);
        }
        Self(state)
    }

    /// Makes the current thread this host's until the result is dropped.
    #[must_use = "the thread leaves the host when this is dropped"]
    pub fn enter(&self) -> Entered {
        let outer = CURRENT.with(|current| current.replace(Some(self.clone())));
        Entered { outer, not_send: std::marker::PhantomData }
    }

    /// The host of the current thread.
    pub(crate) fn current() -> Self {
        CURRENT.with(|current| current.borrow().clone()).unwrap_or_else(|| DEFAULT.clone())
    }

    /// Lets the allocation with this number fail, counted from 1, from now on.
    pub fn fail_allocation(&self, number: usize) {
        let made = self.0.allocations.load(Ordering::SeqCst);
        self.0.failing_allocation.store(made + number, Ordering::SeqCst);
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

    /// Waits until every completion that was put off has run.
    pub fn settle(&self) {
        self.0.completer.settle();
    }

    /// Counts an allocation, and says whether it may succeed.
    pub(crate) fn may_allocate(&self) -> bool {
        let number = self.0.allocations.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.failing_allocation.load(Ordering::SeqCst) != number
    }

    pub(crate) fn pool(&self) -> MutexGuard<'_, HashMap<usize, Allocation>> {
        self.0.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn in_flight(&self) -> MutexGuard<'_, InFlight> {
        self.0.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn stack(&self) -> MutexGuard<'_, Stack> {
        self.0.stack.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the next completion waits for the thread that does such.
    pub(crate) fn defers(&self) -> bool {
        match self.0.config.timing {
            Timing::Inline => false,
            Timing::Deferred => true,
            Timing::Mixed(_) => {
                let step = |state: u64| {
                    state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407)
                };
                let state =
                    self.0.random.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |state| {
                        Some(step(state))
                    });
                state.is_ok_and(|state| state >> 63 == 1)
            }
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
    outer: Option<Host>,
    not_send: std::marker::PhantomData<*mut ()>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.with(|current| *current.borrow_mut() = self.outer.take());
    }
}
