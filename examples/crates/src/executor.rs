//! embassy-executor: its raw executor, polled by a task of `wsk` that stays on its thread.
//!
//! # Safety
//!
//! embassy's executor and its tasks are static. A claim is the only user of the executor at a time, and ends its tasks.

#![expect(unsafe_code, reason = "the raw executor; see Safety")]

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use embassy_executor::raw::Executor;
use wsk::TcpListener;
use wsk::sync::Arc;
use wsk::sync::{CancellationToken, Notify};

use crate::{Error, Result, http};

/// The number of connections at once.
const CONNECTIONS: usize = 2;

/// Serves connections in tasks of embassy's executor, until it is stopped. Only one call can run at a time. Dropping
/// the future also ends the tasks.
///
/// # Errors
///
/// [`Error::Busy`] if another call is running.
pub async fn serve(listener: TcpListener, stop: CancellationToken) -> Result<()> {
    let listener = Arc::new(listener)?;
    let claim = Claim::new(stop)?;
    let spawner = claim.executor.spawner();
    for _ in 0..CONNECTIONS {
        let task = connections(listener.clone(), claim.stop.clone(), Alive::new());
        // The tasks of the last claim have ended.
        spawner.spawn(task.map_err(|_| Error::Busy)?);
    }
    loop {
        claim.poll();
        if ALIVE.load(Ordering::Acquire) == 0 {
            return Ok(());
        }
        READY.notified().await;
    }
}

/// A task of embassy's.
#[embassy_executor::task(pool_size = CONNECTIONS)]
async fn connections(listener: Arc<TcpListener>, stop: CancellationToken, alive: Alive) {
    let serving = async {
        // Until the listener fails.
        while http::serve_connection(&listener).await.is_ok() {}
    };
    stop.run_until_cancelled(serving).await;
    drop(alive);
}

/// The executor has tasks to poll.
static READY: Notify = Notify::new();

/// embassy calls this from its executor, and from wakers: at any level up to `DISPATCH_LEVEL`.
#[unsafe(export_name = "__pender")]
fn pend(_context: *mut ()) {
    READY.notify_one();
}

/// The number of tasks that have not ended.
static ALIVE: AtomicUsize = AtomicUsize::new(0);

/// Counts a task.
struct Alive(());

impl Alive {
    fn new() -> Self {
        ALIVE.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Ordering::Release);
    }
}

/// The executor. embassy's tasks refer to it as long as the driver is loaded.
///
/// # Invariants
///
/// `state` is `CLAIMED` while a claim exists. Otherwise it is `NEW` before the first claim, and `FREE` after it. Only
/// the first claim writes `executor`, which is initialized once that claim exists.
struct Place {
    state: AtomicU8,
    executor: UnsafeCell<MaybeUninit<Executor>>,
}

const NEW: u8 = 0;
const FREE: u8 = 1;
const CLAIMED: u8 = 2;

// SAFETY: one claim at a time accesses the executor (Invariants). The parts that wakers on other threads access are
// made for that.
unsafe impl Sync for Place {}

static PLACE: Place =
    Place { state: AtomicU8::new(NEW), executor: UnsafeCell::new(MaybeUninit::uninit()) };

/// The right to use the executor. It stays on its thread, as a reference to an executor does.
///
/// # Invariants
///
/// At most one exists at a time.
struct Claim {
    executor: &'static Executor,
    stop: CancellationToken,
}

impl Claim {
    fn new(stop: CancellationToken) -> Result<Self> {
        let cell = PLACE.executor.get();
        match PLACE.state.swap(CLAIMED, Ordering::Acquire) {
            NEW => {
                // SAFETY: only the first claim writes it, before any reference exists (Invariants of `Place`).
                unsafe { (*cell).write(Executor::new(core::ptr::null_mut())) };
            }
            FREE => {}
            _ => return Err(Error::Busy),
        }
        // SAFETY: the executor is initialized, and only shared from now on.
        let executor = unsafe { (*cell).assume_init_ref() };
        // INVARIANT: the state was not `CLAIMED`.
        Ok(Self { executor, stop })
    }

    fn poll(&self) {
        // SAFETY: only a claim polls. There is one claim, on its own thread. It polls neither in `pend` nor in one of
        // embassy's tasks.
        unsafe { self.executor.poll() };
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Each remaining task ends when it is polled, and this polls all that were woken.
        self.stop.cancel();
        self.poll();
        PLACE.state.store(FREE, Ordering::Release);
    }
}
