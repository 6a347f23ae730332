//! Dispatcher objects (events, semaphores, timers, threads) and the threads that wait for them.
//!
//! An event is the client's memory, which it may free as soon as a wait on it has returned. One lock guards
//! all dispatcher objects of the process, and each is accessed only under it.
//!
//! # Safety
//!
//! Objects are raw pointers to the client's memory. The unsafe functions here require that the object is
//! initialized and stays valid for as long as it is accessed or waited for; the lock excludes data races.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use std::cell::{Cell, UnsafeCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use wsk_sys::fields;
use wsk_sys::{DISPATCHER_HEADER, LIST_ENTRY, LONG, NTSTATUS, STATUS_SUCCESS, WAIT_TYPE, WaitAll};

use crate::kernel::schedule::{Deterministic, ThreadId, Ticks};
use crate::verifier::place_of_client;

/// The kinds of dispatcher objects, as in the lowest byte of a header.
pub(crate) const NOTIFICATION_EVENT: LONG = 0;
pub(crate) const SYNCHRONIZATION_EVENT: LONG = 1;
pub(crate) const MUTANT: LONG = 2;
pub(crate) const QUEUE: LONG = 4;
pub(crate) const SEMAPHORE: LONG = 5;
pub(crate) const THREAD: LONG = 6;
pub(crate) const NOTIFICATION_TIMER: LONG = 8;
pub(crate) const SYNCHRONIZATION_TIMER: LONG = 9;

/// The waiting threads, and the signal for native ones.
static DISPATCHER: Mutex<Option<Waiters>> = Mutex::new(None);
static SIGNALED: Condvar = Condvar::new();

/// The waiting threads by number, which is their order of arrival, and by the objects that they wait for.
#[derive(Default)]
struct Waiters {
    by_number: BTreeMap<u64, Waiter>,
    by_object: HashMap<usize, BTreeSet<u64>>,
    last: u64,
    /// The number of mutexes that each thread owns.
    owned: HashMap<Token, usize>,
}

/// A number for a thread of this process.
pub(crate) type Token = usize;

/// The current thread's number. It is not zero.
pub(crate) fn token() -> Token {
    static LAST: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static TOKEN: Cell<Token> = const { Cell::new(0) };
    }
    if TOKEN.get() == 0 {
        TOKEN.set(LAST.fetch_add(1, Ordering::Relaxed) + 1);
    }
    TOKEN.get()
}

/// `KMUTANT`, a mutex. Its signal state is 1 while no thread owns it, and one less for each wait of its owner.
#[repr(C)]
pub(crate) struct Mutant {
    header: DISPATCHER_HEADER,
    list_entry: LIST_ENTRY,
    /// The owner's number, or zero.
    owner: Token,
    flags: u8,
    apc_disable: u8,
}

const _: () = assert!(size_of::<Mutant>() == 0x38);

struct Waiter {
    objects: Vec<WaitObject>,
    wait_type: WAIT_TYPE,
    /// The thread, if the deterministic scheduler runs it.
    thread: Option<(Arc<Deterministic>, ThreadId)>,
    waiting: WaitingThread,
    /// Whether a report asks for the thread's place, and the place.
    place: WaitPlace,
    /// The status of the wait, set when the wait is satisfied. The object is consumed then, and not when the
    /// thread next runs: by that time the object may not be signaled any more.
    result: Option<NTSTATUS>,
}

/// A thread that waits, for a report.
#[derive(Clone, Debug)]
pub(crate) struct WaitingThread {
    /// The address of the thread's kernel.
    pub(crate) kernel: usize,
    pub(crate) thread: ThreadId,
    pub(crate) machine_thread: std::thread::Thread,
    pub(crate) function: &'static str,
    pub(crate) since: Ticks,
    pub(crate) has_timeout: bool,
}

/// Where a native thread waits, if a report asks.
enum WaitPlace {
    Unasked,
    Asked,
    Known(String),
}

/// An object that a thread waits for.
///
/// # Invariants
///
/// The header is valid until the wait ends, and is accessed only under the dispatcher lock.
#[derive(Clone, Copy)]
struct WaitObject(*mut DISPATCHER_HEADER, Token);

// SAFETY: the header is valid, and accessed only under the dispatcher lock (Invariants).
unsafe impl Send for WaitObject {}

impl WaitObject {
    /// Requires the dispatcher lock.
    fn is_signaled(&self) -> bool {
        if self.mutant().is_some_and(|mutant| self.is_own(mutant)) {
            return true;
        }
        // SAFETY: `Wait::new` and `try_wait` require initialized objects that stay valid during the wait,
        // and the dispatcher lock is held.
        unsafe { (*self.0).SignalState > 0 }
    }

    /// The mutex that the object is. Requires the dispatcher lock.
    fn mutant(self) -> Option<*mut Mutant> {
        // SAFETY: the object is initialized and valid during the wait, and the dispatcher lock is held.
        let kind = unsafe { fields::dispatcher_lock(self.0).read() };
        (kind == MUTANT).then(|| self.0.cast())
    }

    /// Whether the waiting thread owns the mutex. Requires the dispatcher lock.
    fn is_own(self, mutant: *mut Mutant) -> bool {
        // SAFETY: the mutex is valid during the wait, and the dispatcher lock is held.
        unsafe { (&raw const (*mutant).owner).read() == self.1 }
    }

    /// Changes the object as a satisfied wait does, such as resetting a synchronization event. Requires the dispatcher lock.
    fn take(self, owned: &mut HashMap<Token, usize>) {
        if let Some(mutant) = self.mutant() {
            if !self.is_own(mutant) {
                *owned.entry(self.1).or_default() += 1;
            }
            // SAFETY: the mutex is valid during the wait, and the dispatcher lock excludes every other access.
            unsafe {
                (&raw mut (*mutant).owner).write(self.1);
                (*self.0).SignalState -= 1;
            }
            return;
        }
        // SAFETY: the object is initialized and valid during the wait, and the dispatcher lock is held.
        let kind = unsafe { fields::dispatcher_lock(self.0).read() };
        // SAFETY: the object is valid, and the dispatcher lock excludes every other access.
        let object = unsafe { &mut *self.0 };
        if matches!(kind, SYNCHRONIZATION_EVENT | QUEUE | SEMAPHORE | SYNCHRONIZATION_TIMER) {
            object.SignalState -= 1;
        }
    }
}

/// Satisfies a wait if it can be, and returns its status. Requires the dispatcher lock.
fn try_take(
    objects: &[WaitObject],
    wait_type: WAIT_TYPE,
    owned: &mut HashMap<Token, usize>,
) -> Option<NTSTATUS> {
    if wait_type == WaitAll {
        let all = !objects.is_empty() && objects.iter().all(WaitObject::is_signaled);
        all.then(|| objects.iter().for_each(|object| object.take(owned))).map(|()| STATUS_SUCCESS)
    } else {
        let first = objects.iter().position(WaitObject::is_signaled)?;
        objects[first].take(owned);
        // STATUS_WAIT_0 to STATUS_WAIT_63.
        Some(NTSTATUS::try_from(first).unwrap_or(STATUS_SUCCESS))
    }
}

fn lock() -> DispatcherGuard {
    DispatcherGuard(DISPATCHER.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The dispatcher lock.
struct DispatcherGuard(MutexGuard<'static, Option<Waiters>>);

impl DispatcherGuard {
    fn waiters(&mut self) -> &mut Waiters {
        self.0.get_or_insert_default()
    }
}

/// The header of an object of this crate's own.
pub(crate) fn header(kind: LONG, signal_state: LONG) -> DISPATCHER_HEADER {
    let unused = LIST_ENTRY { Flink: ptr::null_mut(), Blink: ptr::null_mut() };
    fields::dispatcher_header(kind, signal_state, unused)
}

/// Initializes memory as an object.
///
/// # Safety
///
/// The pointer is to memory for an object that no thread uses.
pub(crate) unsafe fn initialize(object: *mut DISPATCHER_HEADER, kind: LONG, state: LONG) {
    let _guard = lock();
    // SAFETY: the memory has room for a header and no other user, by this function's contract.
    unsafe { object.write(header(kind, state)) };
}

/// Initializes memory as a mutex.
///
/// # Safety
///
/// The pointer is to memory for a mutex that no thread uses.
pub(super) unsafe fn initialize_mutant(mutant: *mut Mutant) {
    let _guard = lock();
    let list_entry = LIST_ENTRY { Flink: ptr::null_mut(), Blink: ptr::null_mut() };
    let new = Mutant { header: header(MUTANT, 1), list_entry, owner: 0, flags: 0, apc_disable: 1 };
    // SAFETY: the memory has room for a mutex and no other user, by this function's contract.
    unsafe { mutant.write(new) };
}

/// Releases a mutex once, and returns its former state. Returns `None` if the current thread does not own it.
///
/// # Safety
///
/// The pointer is to an initialized mutex.
pub(super) unsafe fn release_mutant(mutant: *mut Mutant) -> Option<LONG> {
    let guard = lock();
    // SAFETY: the mutex is initialized, by this function's contract, and the dispatcher lock is held.
    let owner = unsafe { (&raw const (*mutant).owner).read() };
    drop(guard);
    if owner != token() {
        return None;
    }
    let free = |state: LONG| {
        if state == 0 {
            // SAFETY: the mutex is initialized, by this function's contract, and `change` holds the lock.
            unsafe { (&raw mut (*mutant).owner).write(0) };
        }
        state + 1
    };
    let is_last = |former: LONG| former == 0;
    // SAFETY: a mutex begins with its header, and is initialized by this function's contract.
    let former = unsafe {
        change_and(mutant.cast(), free, |waiters, former| {
            if is_last(former) {
                if let Some(owned) = waiters.owned.get_mut(&owner) {
                    *owned -= 1;
                    if *owned == 0 {
                        waiters.owned.remove(&owner);
                    }
                }
            }
        })
    };
    Some(former)
}

/// The number of mutexes that the current thread owns.
pub(crate) fn owned_mutexes() -> usize {
    lock().waiters().owned.get(&token()).copied().unwrap_or(0)
}

/// Changes an object's signal state, satisfies the waits that this allows, and returns the former state.
///
/// # Safety
///
/// The pointer is to an initialized object.
pub(crate) unsafe fn change(
    object: *mut DISPATCHER_HEADER,
    state: impl FnOnce(LONG) -> LONG,
) -> LONG {
    // SAFETY: the object is initialized, by this function's contract.
    unsafe { change_and(object, state, |_, _| {}) }
}

/// Changes an object like [`change`], and calls `also` under the same lock before waits are satisfied.
///
/// # Safety
///
/// The pointer is to an initialized object.
unsafe fn change_and(
    object: *mut DISPATCHER_HEADER,
    state: impl FnOnce(LONG) -> LONG,
    also: impl FnOnce(&mut Waiters, LONG),
) -> LONG {
    let mut guard = lock();
    // SAFETY: the object is initialized, by this function's contract, and the dispatcher lock is held.
    let place = unsafe { &mut (*object).SignalState };
    let old = std::mem::replace(place, state(*place));
    // Under the lock: a thread whose wait is satisfied may free the object.
    let waiters = guard.waiters();
    also(waiters, old);
    let of_object = waiters.by_object.get(&object.addr());
    for number in of_object.into_iter().flatten() {
        let Some(waiter) = waiters.by_number.get_mut(number) else { continue };
        if waiter.result.is_some() {
            continue;
        }
        waiter.result = try_take(&waiter.objects, waiter.wait_type, &mut waiters.owned);
        match (&waiter.result, &waiter.thread) {
            (Some(_), Some((scheduler, thread))) => scheduler.wake(*thread),
            (Some(_), None) => SIGNALED.notify_all(),
            (None, _) => {}
        }
    }
    old
}

/// A wait of the current thread that could not be satisfied at once.
pub(crate) struct Wait {
    guard: DispatcherGuard,
    number: u64,
}

impl Wait {
    /// Satisfies a wait at once, or registers it.
    ///
    /// # Safety
    ///
    /// The objects are initialized, and stay so until the wait is finished.
    pub(crate) unsafe fn begin(
        objects: &[*mut DISPATCHER_HEADER],
        wait_type: WAIT_TYPE,
        may_wait: bool,
        thread: impl FnOnce() -> Option<(Arc<Deterministic>, ThreadId)>,
        waiting: impl FnOnce() -> WaitingThread,
    ) -> Result<Option<NTSTATUS>, Self> {
        let me = token();
        let objects: Vec<WaitObject> =
            objects.iter().map(|object| WaitObject(*object, me)).collect();
        let mut guard = lock();
        let result = try_take(&objects, wait_type, &mut guard.waiters().owned);
        if result.is_some() || !may_wait {
            return Ok(result);
        }
        let waiters = guard.waiters();
        waiters.last += 1;
        let number = waiters.last;
        for object in &objects {
            waiters.by_object.entry(object.0.addr()).or_default().insert(number);
        }
        let (thread, waiting) = (thread(), waiting());
        let place = WaitPlace::Unasked;
        let waiter = Waiter { objects, wait_type, thread, waiting, place, result: None };
        waiters.by_number.insert(number, waiter);
        Err(Self { guard, number })
    }

    /// Whether the wait is satisfied.
    pub(crate) fn is_satisfied(&mut self) -> bool {
        let waiter = self.guard.waiters().by_number.get(&self.number);
        waiter.is_some_and(|waiter| waiter.result.is_some())
    }

    /// Runs a closure without the dispatcher lock.
    pub(crate) fn unlocked(self, run: impl FnOnce()) -> Self {
        let number = self.number;
        drop(self.guard);
        run();
        Self { guard: lock(), number }
    }

    /// Blocks a native thread until an object is signaled, or a point in time.
    pub(crate) fn block(self, deadline: Option<Instant>) -> Self {
        let Self { guard, number } = self;
        let guard = match deadline {
            None => SIGNALED.wait(guard.0).unwrap_or_else(PoisonError::into_inner),
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                SIGNALED
                    .wait_timeout(guard.0, left)
                    .map_or_else(|error| error.into_inner().0, |(guard, _)| guard)
            }
        };
        let mut wait = Self { guard: DispatcherGuard(guard), number };
        if wait.is_requested() {
            let number = wait.number;
            let mut place = String::new();
            wait = wait.unlocked(|| place = place_of_client());
            if let Some(waiter) = wait.guard.waiters().by_number.get_mut(&number) {
                waiter.place = WaitPlace::Known(place);
            }
            SIGNALED.notify_all();
        }
        wait
    }

    /// Whether a report asks where this thread is.
    fn is_requested(&mut self) -> bool {
        let waiter = self.guard.waiters().by_number.get(&self.number);
        waiter.is_some_and(|waiter| matches!(waiter.place, WaitPlace::Asked))
    }

    /// Ends the wait and returns its status, if it was satisfied.
    pub(crate) fn finish(mut self) -> Option<NTSTATUS> {
        let waiters = self.guard.waiters();
        let waiter = waiters.by_number.remove(&self.number)?;
        for object in &waiter.objects {
            let address = object.0.addr();
            if let Some(numbers) = waiters.by_object.get_mut(&address) {
                numbers.remove(&self.number);
                if numbers.is_empty() {
                    waiters.by_object.remove(&address);
                }
            }
        }
        waiter.result
    }
}

/// The waiting threads of a kernel, with the kind and the address of each awaited object.
pub(crate) fn waiting(kernel: usize) -> Vec<(WaitingThread, Vec<(LONG, usize)>)> {
    let mut guard = lock();
    let of_kernel = |waiter: &&Waiter| waiter.waiting.kernel == kernel && waiter.result.is_none();
    let kinds = |object: &WaitObject| {
        // SAFETY: `Wait::begin` requires objects that stay valid during the wait, and the lock is held.
        (unsafe { fields::dispatcher_lock(object.0).read() }, object.0.addr())
    };
    let describe =
        |waiter: &Waiter| (waiter.waiting.clone(), waiter.objects.iter().map(kinds).collect());
    guard.waiters().by_number.values().filter(of_kernel).map(describe).collect()
}

/// Asks each waiting native thread of a kernel for its place, and returns the places by the threads' numbers.
pub(crate) fn native_places(
    kernel: usize,
    me: ThreadId,
    patience: Duration,
) -> BTreeMap<ThreadId, String> {
    let mut guard = lock();
    for waiter in guard.waiters().by_number.values_mut() {
        let waiting = &waiter.waiting;
        if waiting.kernel == kernel && waiting.thread != me && waiter.thread.is_none() {
            waiter.place = WaitPlace::Asked;
        }
    }
    SIGNALED.notify_all();
    let is_requested = |waiters: &mut Option<Waiters>| {
        let mut all = waiters.iter().flat_map(|waiters| waiters.by_number.values());
        all.any(|w| w.waiting.kernel == kernel && matches!(w.place, WaitPlace::Asked))
    };
    let waited = SIGNALED.wait_timeout_while(guard.0, patience, is_requested);
    let mut guard = waited.map_or_else(|error| error.into_inner().0, |(guard, _)| guard);
    let of_kernel = guard.iter_mut().flat_map(|waiters| waiters.by_number.values_mut());
    let known = of_kernel.filter(|waiter| waiter.waiting.kernel == kernel).filter_map(|waiter| {
        match std::mem::replace(&mut waiter.place, WaitPlace::Unasked) {
            WaitPlace::Known(place) => Some((waiter.waiting.thread, place)),
            WaitPlace::Unasked | WaitPlace::Asked => None,
        }
    });
    let mut places: BTreeMap<ThreadId, String> = known.collect();
    drop(guard);
    places.insert(me, place_of_client());
    places
}

/// An event that the host itself uses. It stays signaled until it is cleared.
///
/// # Invariants
///
/// The header is initialized, and is accessed only under the dispatcher lock.
pub(crate) struct Signal(pub(super) UnsafeCell<DISPATCHER_HEADER>);

// SAFETY: the header is accessed only under the dispatcher lock, by the type's invariant.
unsafe impl Send for Signal {}
// SAFETY: the header is accessed only under the dispatcher lock, by the type's invariant.
unsafe impl Sync for Signal {}

impl Signal {
    pub(crate) fn new() -> Self {
        // INVARIANT: the header is initialized here.
        Self(UnsafeCell::new(header(0, 0)))
    }

    pub(crate) fn set(&self) {
        // SAFETY: the header is initialized, by the type's invariant, and `self` keeps it valid.
        unsafe { change(self.0.get(), |_| 1) };
    }

    pub(crate) fn clear(&self) {
        // SAFETY: the header is initialized, by the type's invariant, and `self` keeps it valid.
        unsafe { change(self.0.get(), |_| 0) };
    }
}
