//! Wakers of foreign executors, in completion routines.
//!
//! A completion routine must not call WSK ([INV-15](crate::rules#inv-15)). The wakers of this crate's tasks only queue their task, and free bare
//! memory: the future and the output of a task are dropped by its runtime or by its handle, never by a waker. A foreign
//! waker may run any code; the last one of a task may drop the task's future, with its sockets. While a completion
//! routine calls a foreign waker, values whose drop calls WSK defer that call to their client's thread. The same holds while
//! an owner of [lent memory](crate::Lent) is dropped, which a completion routine may do:
//!
//! | dropped by a foreign waker | effect |
//! |---|---|
//! | a socket, or a value that keeps one open | the client's thread closes it |
//! | a future in flight | its IRP is cancelled, by the kernel and not by WSK |
//! | retained data and datagrams, a pending inspection | the client's thread returns them to WSK. This allocates memory; if that fails, the routine itself returns them, against the rule, since otherwise they would never be returned |
//! | a provider | the client's thread releases it |
//! | a list of addresses, a security descriptor | the client's thread frees it, as always |
//! | a registration, a runtime | it ends by itself, as always |
//! | a handler of events | the client's thread drops it, as always |
//! | a timer | it is cancelled, by the kernel and not by WSK |
//! | a join handle | the task's output is dropped, by the rows above |
//! | a receive that waits for its turn | the next receive's waker is woken, still in this waker |
//! | an accept that waits | it leaves the queue; its request stays in flight |
//! | a buffer, a spawner | memory is freed |
//!
//! A future that is dropped in such a waker may complete its request in the same call, in another completion routine
//! that calls another foreign waker. So the stack is as deep as the driver nests its futures: one level for each task
//! that owns the only waker of the next one. The kernel's stack does not grow, and WSK has already used a part of it
//! when it completes a request. An executor whose tasks own each other in chains queues them, as the tasks of this
//! crate do.
//!
//! A foreign waker may also poll its task in place, or make calls. A future that is about to issue a request there is pending
//! instead, and is woken again by the client's thread; a call that is no future fails with
//! `STATUS_INVALID_DEVICE_REQUEST`. If there is no memory to wake the future later, it fails, too.
//! [`Client::outside_routines`](crate::client) says how.

use core::task::Waker;

#[cfg(not(loom))]
use super::{block_on, shared_waker, task};
use crate::rundown::Rundown;

/// Wakes the waker of a completed request, in its completion routine.
#[inline]
pub(crate) fn wake_in_completion_routine(waker: Waker) {
    if is_own(&waker) {
        waker.wake();
    } else {
        wake_foreign(waker);
    }
}

/// Wakes a waker, if there is one. The caller may run in a completion routine.
pub(crate) fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        wake_in_completion_routine(waker);
    }
}

/// Drops a waker, if there is one. The caller may run in a completion routine.
pub(crate) fn drop_waker(waker: Option<Waker>) {
    if let Some(waker) = waker {
        if is_own(&waker) {
            drop(waker);
        } else {
            drop_foreign(waker);
        }
    }
}

#[cfg(not(loom))]
#[inline]
fn is_own(waker: &Waker) -> bool {
    task::is_own(waker) || block_on::is_own(waker) || shared_waker::is_own(waker)
}

/// A model has no completion routines.
#[cfg(loom)]
fn is_own(_: &Waker) -> bool {
    true
}

#[inline(never)]
fn wake_foreign(waker: Waker) {
    Rundown::current().in_foreign_waker(|| waker.wake());
}

#[cold]
fn drop_foreign(waker: Waker) {
    Rundown::current().in_foreign_waker(|| drop(waker));
}
