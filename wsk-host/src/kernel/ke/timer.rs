//! `Ke…`: timers, deferred procedure calls, and the time.
//!
//! Timers and deferred procedure calls are the client's memory, which it may free as soon as they are
//! neither set nor queued. So which of them are is kept here, and nothing of a timer is touched after it
//! was signalled, and nothing of a deferred procedure call after its routine was called.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use wsk_sys::fields;
use wsk_sys::{
    BOOLEAN, DISPATCH_LEVEL, FALSE, KDPC, KTIMER, LARGE_INTEGER, NotificationTimer, PASSIVE_LEVEL,
    PKDEFERRED_ROUTINE, PKDPC, PKTIMER, PLARGE_INTEGER, PRKDPC, PVOID, SynchronizationTimer,
    TIMER_TYPE, TRUE, ULONGLONG,
};

use crate::host::Host;
use crate::kernel::context::{deferred, require_no_callback};
use crate::kernel::ke::{
    NOTIFICATION_TIMER, SYNCHRONIZATION_TIMER, Signal, change, initialise, relative,
    require_at_most, system_time,
};
use crate::kernel::schedule::{JobId, interrupt, ticks};
use crate::verifier::{Origin, violation};

/// The timers that are set and the deferred procedure calls that are queued, by their address.
#[derive(Default)]
pub(crate) struct Timers {
    set: BTreeMap<usize, Set>,
    queued: BTreeMap<usize, Queued>,
    /// The numbers of the calls whose routine runs.
    running: Vec<u64>,
    /// The last number of a timer's setting, or of a call.
    last: u64,
    /// Who waits until the calls with numbers up to one have run.
    flushes: Vec<(u64, Arc<Signal>)>,
}

/// A timer that is set.
struct Set {
    number: u64,
    job: JobId,
    dpc: usize,
    origin: Origin,
}

/// A deferred procedure call that is queued.
struct Queued {
    number: u64,
    origin: Origin,
}

impl Timers {
    /// Stops a client that frees a timer that is set, or a deferred procedure call that is queued or will
    /// be.
    pub(crate) fn require_unused(&self, freed: &Range<usize>, call: &str) {
        for (timer, Set { dpc, origin, .. }) in &self.set {
            require_none(*timer, size_of::<KTIMER>(), freed, call, "a timer that is set", origin);
            let what = "the deferred procedure call of a timer that is set";
            require_none(*dpc, size_of::<KDPC>(), freed, call, what, origin);
        }
        for (dpc, Queued { origin, .. }) in &self.queued {
            let what = "a deferred procedure call that is queued";
            require_none(*dpc, size_of::<KDPC>(), freed, call, what, origin);
        }
    }

    /// How many timers are set.
    pub(crate) fn set(&self) -> usize {
        self.set.len()
    }

    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Whether a call with a number up to this one waits or runs.
    fn is_pending(&self, number: u64) -> bool {
        let queued = self.queued.values().map(|queued| queued.number);
        queued.chain(self.running.iter().copied()).any(|pending| pending <= number)
    }

    /// A call has run. Returns those who have waited for it, and wait for no other.
    fn ended(&mut self, number: u64) -> Vec<Arc<Signal>> {
        self.running.retain(|running| *running != number);
        let flushes = std::mem::take(&mut self.flushes);
        let (pending, done): (Vec<_>, Vec<_>) =
            flushes.into_iter().partition(|(number, _)| self.is_pending(*number));
        self.flushes = pending;
        done.into_iter().map(|(_, signal)| signal).collect()
    }
}

/// Stops a client that frees, or makes anew, an object of this size which is in use since a call.
pub(crate) fn require_none(
    object: usize,
    size: usize,
    freed: &Range<usize>,
    call: &str,
    what: &str,
    since: &Origin,
) {
    if object < freed.end && freed.start < object + size {
        violation(&format!("{call}: the memory is {what}\n  since:   {since}"));
    }
}

/// A client's object, for whichever thread takes it up. The client promises that any may.
struct Shared<T>(*mut T);

// SAFETY: see above.
unsafe impl<T> Send for Shared<T> {}

impl<T> Shared<T> {
    /// Takes the whole along, and not its field alone.
    fn get(&self) -> *mut T {
        self.0
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn KeInitializeTimer(timer: PKTIMER) {
    // SAFETY: the caller's promises are the same.
    unsafe { KeInitializeTimerEx(timer, NotificationTimer) };
}

#[unsafe(no_mangle)]
unsafe extern "C" fn KeInitializeTimerEx(timer: PKTIMER, kind: TIMER_TYPE) {
    require_at_most(DISPATCH_LEVEL, "KeInitializeTimerEx");
    let kind = match kind {
        NotificationTimer => NOTIFICATION_TIMER,
        SynchronizationTimer => SYNCHRONIZATION_TIMER,
        _ => violation("KeInitializeTimerEx: not a kind of timer"),
    };
    let memory = timer.addr()..timer.addr() + size_of::<KTIMER>();
    Host::current().timers().require_unused(&memory, "KeInitializeTimerEx");
    // SAFETY: the caller passes memory for a timer, of which zeroes are a valid one.
    unsafe { timer.write_bytes(0, 1) };
    // SAFETY: as above; nobody uses it yet.
    unsafe { initialise(&raw mut (*timer).Header, kind, 0) };
}

/// Stops a client whose timer is none.
///
/// # Safety
///
/// The memory is initialised.
unsafe fn require_timer(timer: PKTIMER, function: &str) {
    // SAFETY: the caller promises memory.
    let lock = unsafe { fields::dispatcher_lock(&raw mut (*timer).Header) };
    // SAFETY: as above; a timer's kind does not change.
    let kind = unsafe { lock.read() };
    if !matches!(kind, NOTIFICATION_TIMER | SYNCHRONIZATION_TIMER) {
        violation(&format!("{function}: not an initialised timer"));
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn KeSetTimer(timer: PKTIMER, due: LARGE_INTEGER, dpc: PKDPC) -> BOOLEAN {
    require_at_most(DISPATCH_LEVEL, "KeSetTimer");
    // SAFETY: the caller passes a timer.
    unsafe { require_timer(timer, "KeSetTimer") };
    let host = Host::current();
    let scheduler = &host.0.scheduler;
    let left = ticks(relative(fields::quad_part(&due)));
    let at = scheduler.now().saturating_add(left);
    let shared = (Shared(timer), Shared(dpc));
    let mut timers = host.timers();
    let former = timers.set.remove(&timer.addr());
    let is_set = former.is_some();
    let former = former.and_then(|former| scheduler.cancel_timer(former.job));
    // SAFETY: the timer is initialised, and who expires one has the lock over all timers.
    unsafe { change(&raw mut (*timer).Header, |_| 0) };
    // SAFETY: as above.
    unsafe { (&raw mut (*timer).DueTime.QuadPart).write(at) };
    // SAFETY: as above.
    unsafe { (&raw mut (*timer).Dpc).write(dpc) };
    let number = timers.next();
    let expires = move |host: &Host| expire(host, number, shared.0.get(), shared.1.get());
    // The job takes the lock first, so that it finds itself.
    let job = scheduler.set_timer(&host, at, Box::new(expires));
    let origin = Origin::here("KeSetTimer");
    timers.set.insert(timer.addr(), Set { number, job, dpc: dpc.addr(), origin });
    drop(timers);
    drop(former);
    interrupt();
    if is_set { TRUE } else { FALSE }
}

/// A timer's time has come.
fn expire(host: &Host, number: u64, timer: PKTIMER, dpc: PKDPC) {
    let mut timers = host.timers();
    // On the machine's network it may have been set or cancelled just before this had the lock.
    if timers.set.get(&timer.addr()).is_none_or(|set| set.number != number) {
        return;
    }
    timers.set.remove(&timer.addr());
    if !dpc.is_null() {
        queue(host, &mut timers, dpc);
    }
    // SAFETY: the timer was set until here, so it is valid; from here on it may be gone.
    unsafe { change(&raw mut (*timer).Header, |_| 1) };
}

#[unsafe(no_mangle)]
unsafe extern "C" fn KeCancelTimer(timer: PKTIMER) -> BOOLEAN {
    require_at_most(DISPATCH_LEVEL, "KeCancelTimer");
    interrupt();
    // SAFETY: the caller passes a timer.
    unsafe { require_timer(timer, "KeCancelTimer") };
    let host = Host::current();
    let former = host.timers().set.remove(&timer.addr());
    let Some(former) = former else { return FALSE };
    drop(host.0.scheduler.cancel_timer(former.job));
    TRUE
}

#[unsafe(no_mangle)]
unsafe extern "C" fn KeInitializeDpc(dpc: PRKDPC, routine: PKDEFERRED_ROUTINE, context: PVOID) {
    if routine.is_none() {
        violation("KeInitializeDpc: no routine");
    }
    let memory = dpc.addr()..dpc.addr() + size_of::<KDPC>();
    Host::current().timers().require_unused(&memory, "KeInitializeDpc");
    // SAFETY: the caller passes memory for a deferred procedure call, of which zeroes are a valid one.
    unsafe { dpc.write_bytes(0, 1) };
    // SAFETY: as above.
    unsafe { (&raw mut (*dpc).DeferredRoutine).write(routine) };
    // SAFETY: as above.
    unsafe { (&raw mut (*dpc).DeferredContext).write(context) };
}

/// Queues a call, unless it is queued already: then it runs once.
fn queue(host: &Host, timers: &mut Timers, dpc: PKDPC) {
    if timers.queued.contains_key(&dpc.addr()) {
        return;
    }
    let number = timers.next();
    let origin = Origin::here("a timer that has expired");
    timers.queued.insert(dpc.addr(), Queued { number, origin });
    let dpc = Shared(dpc);
    host.soon(Box::new(move |host| call(host, dpc.get(), number)));
}

/// Runs a call, which may be queued again as soon as its routine runs.
fn call(host: &Host, dpc: PKDPC, number: u64) {
    let mut timers = host.timers();
    timers.queued.remove(&dpc.addr());
    timers.running.push(number);
    drop(timers);
    // SAFETY: the client keeps what is queued until the routine was called.
    let routine = unsafe { (&raw const (*dpc).DeferredRoutine).read() };
    // SAFETY: as above.
    let context = unsafe { (&raw const (*dpc).DeferredContext).read() };
    // SAFETY: as above.
    let first = unsafe { (&raw const (*dpc).SystemArgument1).read() };
    // SAFETY: as above.
    let second = unsafe { (&raw const (*dpc).SystemArgument2).read() };
    let Some(routine) = routine else {
        violation("a deferred procedure call that is queued was not initialised");
    };
    // SAFETY: the client gave this routine for this context.
    deferred(|| unsafe { routine(dpc, context, first, second) });
    let done = host.timers().ended(number);
    for flush in done {
        flush.set();
    }
}

#[unsafe(no_mangle)]
extern "C" fn KeFlushQueuedDpcs() {
    require_at_most(PASSIVE_LEVEL, "KeFlushQueuedDpcs");
    require_no_callback("KeFlushQueuedDpcs");
    interrupt();
    let host = Host::current();
    let mut timers = host.timers();
    let last = timers.last;
    if !timers.is_pending(last) {
        return;
    }
    let done = Arc::new(Signal::new());
    timers.flushes.push((last, Arc::clone(&done)));
    drop(timers);
    done.wait("KeFlushQueuedDpcs", None);
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn KeQuerySystemTimePrecise(time: PLARGE_INTEGER) {
    let now = LARGE_INTEGER { QuadPart: system_time(&Host::current()) };
    // SAFETY: the caller passes room for a time.
    unsafe { time.write(now) };
}

/// A host is its system, which has been running for as long as the host exists.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn KeQueryUnbiasedInterruptTime() -> ULONGLONG {
    Host::current().0.scheduler.now()
}
