//! The common part of fast mutexes and push locks: an owner or readers, and a queue of waiting threads.
//!
//! A lock is the client's memory, which it may free as soon as nothing holds it. So its holders and
//! waiting threads are stored here by address, under one lock, and a thread that releases it passes it to the next.

use std::collections::hash_map::Entry as MapEntry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use crate::kernel::context::require_no_callback;
use crate::kernel::holdings::{give_back, take};
use crate::kernel::ke::dispatcher::Signal;
use crate::kernel::resources::Resource;
use crate::kernel::{Kernel, interrupt};
use crate::verifier::kernel_violation;

/// The locks that are held, by their address.
static HELD: Mutex<Option<HashMap<usize, LockState>>> = Mutex::new(None);

/// How a thread holds a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LockMode {
    Exclusive,
    Shared,
}

/// A held lock. If the mode is exclusive, it has one holder.
struct LockState {
    mode: LockMode,
    holders: Vec<ThreadId>,
    waiting: VecDeque<(LockMode, ThreadId, Arc<Signal>)>,
}

impl LockState {
    /// Whether a thread can share the lock without overtaking a waiting thread.
    fn admits(&self, mode: LockMode) -> bool {
        mode == LockMode::Shared && self.mode == LockMode::Shared && self.waiting.is_empty()
    }

    /// Passes a released lock to the next waiting threads. Returns whether the lock has a holder.
    fn hand_over(&mut self) -> bool {
        while let Some((mode, _, _)) = self.waiting.front() {
            if !self.holders.is_empty()
                && (self.mode == LockMode::Exclusive || *mode == LockMode::Exclusive)
            {
                break;
            }
            self.mode = *mode;
            let Some((_, thread, signal)) = self.waiting.pop_front() else { break };
            self.holders.push(thread);
            signal.set();
        }
        !self.holders.is_empty()
    }
}

fn held() -> MutexGuard<'static, Option<HashMap<usize, LockState>>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Stops a client that initializes or frees a lock that is held.
pub(super) fn require_free(lock: usize, function: &str) {
    if held().as_ref().is_some_and(|held| held.contains_key(&lock)) {
        kernel_violation(&format!("{function}: the lock is still held"));
    }
}

/// Stops a thread that ends with locks.
pub(crate) fn require_none(kernel: &Kernel, function: &str) {
    let me = thread::current().id();
    let held = held();
    let all = held.iter().flatten();
    let mut own: Vec<usize> =
        all.filter(|(_, state)| state.holders.contains(&me)).map(|(lock, _)| *lock).collect();
    drop(held);
    own.sort_unstable();
    let Some(first) = own.first() else { return };
    let resources = kernel.resources();
    let acquired = resources.origin(Resource::Lock, *first).map(ToString::to_string);
    let acquired = acquired.map_or_else(String::new, |origin| format!("\n  acquired: {origin}"));
    kernel_violation(&format!(
        "{function}: the thread has not released {} fast mutexes, push locks or resources{acquired}",
        own.len()
    ));
}

/// Acquires a lock if that needs no wait. Otherwise, unless the current thread holds it, runs `wait` on its state.
fn enter(
    lock: usize,
    mode: LockMode,
    me: ThreadId,
    wait: impl FnOnce(&mut LockState),
) -> Acquisition {
    let mut held = held();
    match held.get_or_insert_default().entry(lock) {
        MapEntry::Vacant(vacant) => {
            vacant.insert(LockState { mode, holders: vec![me], waiting: VecDeque::new() });
            Acquisition::Taken
        }
        MapEntry::Occupied(mut occupied) => {
            let state = occupied.get_mut();
            if state.admits(mode) {
                state.holders.push(me);
                Acquisition::Taken
            } else if state.holders.contains(&me) {
                Acquisition::HeldAlready
            } else {
                wait(state);
                Acquisition::Busy
            }
        }
    }
}

/// The outcome of an attempt to acquire a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Acquisition {
    Taken,
    HeldAlready,
    Busy,
}

/// Acquires a lock if that needs no wait.
pub(super) fn try_acquire(lock: usize, mode: LockMode, function: &'static str) -> bool {
    let is_taken = enter(lock, mode, thread::current().id(), |_| {}) == Acquisition::Taken;
    if is_taken {
        take(Resource::Lock, lock, function);
    }
    is_taken
}

/// Acquires a lock, waiting for it if necessary.
pub(super) fn acquire(lock: usize, mode: LockMode, function: &'static str) {
    require_no_callback(function);
    interrupt();
    let me = thread::current().id();
    let taken = Arc::new(Signal::new());
    let waits = |state: &mut LockState| state.waiting.push_back((mode, me, Arc::clone(&taken)));
    match enter(lock, mode, me, waits) {
        Acquisition::Taken => {}
        Acquisition::Busy => _ = taken.wait(function, None),
        Acquisition::HeldAlready => {
            kernel_violation(&format!("{function}: the current thread already holds the lock"));
        }
    }
    take(Resource::Lock, lock, function);
}

/// Converts the holder of an exclusive lock into a reader, and admits other readers.
pub(super) fn downgrade(lock: usize) {
    if let Some(state) = held().as_mut().and_then(|held| held.get_mut(&lock)) {
        state.mode = LockMode::Shared;
        state.hand_over();
    }
    interrupt();
}

/// Releases a lock.
pub(super) fn release(lock: usize, mode: LockMode, function: &str) {
    let me = thread::current().id();
    let mut held = held();
    let found = match held.as_mut().and_then(|held| held.get_mut(&lock)) {
        None => Some("the lock is not held"),
        Some(state) if state.mode != mode => Some("the lock is held in the other mode"),
        Some(state) => match state.holders.iter().position(|holder| *holder == me) {
            None => Some("the current thread does not hold the lock"),
            Some(index) => {
                state.holders.swap_remove(index);
                if state.holders.is_empty() && !state.hand_over() {
                    held.get_or_insert_default().remove(&lock);
                }
                None
            }
        },
    };
    drop(held);
    if let Some(found) = found {
        kernel_violation(&format!("{function}: {found}"));
    }
    give_back(Resource::Lock, lock);
    interrupt();
}
