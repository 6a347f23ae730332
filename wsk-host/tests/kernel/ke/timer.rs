//! Timers, deferred procedure calls and times.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use test_support::kernel::*;
use wsk_host::Timing;
use wsk_sys::*;

unsafe extern "C" fn writes(dpc: *mut KDPC, context: PVOID, _: PVOID, _: PVOID) {
    assert_eq!(wsk_host::current_irql(), DISPATCH_LEVEL);
    // SAFETY: the test passes a valid entry.
    unsafe {
        assert_eq!((*dpc).DeferredContext, context);
        LogEntry::write(context);
    }
}

#[test]
fn timers_expire_in_the_order_of_their_due_times() {
    on_hosts(|host| {
        let log = Pool::new(CallLog::default());
        let entries = [0, 1, 2, 3].map(|number| LogEntry::new(&log, number));
        let dpcs = entries.each_ref().map(|entry| dpc(Some(writes), entry.raw()));
        let timers = [(); 4].map(|()| timer(NotificationTimer));
        // Relative and absolute ones. Their due times have this order if all are set within a few milliseconds, for which
        // a thread of the machine's may have to try again.
        let start = loop {
            let start = now();
            for (index, due) in [-30, 10, 40, -20].into_iter().enumerate() {
                let due = due * MILLISECOND;
                let due = if due < 0 { due } else { start.0 + due };
                assert!(!set(&timers[index], due, Some(&dpcs[index])));
            }
            if now().0 - start.0 < 5 * MILLISECOND {
                break start;
            }
            assert!(!is_simulated(host), "setting a timer takes time");
            for timer in &timers {
                // SAFETY: the timer is initialized.
                unsafe { KeCancelTimer(timer.0) };
            }
            flush();
            log.take();
        };
        assert!(wait(&timers[3], None));
        assert_passed(host, start, 20 * MILLISECOND);
        assert!(wait(&timers[2], Some(-HOUR)));
        assert_passed(host, start, 40 * MILLISECOND);
        flush();
        assert_eq!(log.take(), [1, 3, 0, 2]);
    });
}

#[test]
fn an_hour_takes_no_time() {
    let start = Instant::now();
    on_simulated_hosts(|host| {
        let begin = now();
        let hour = timer(NotificationTimer);
        for due in [-HOUR, begin.0 + 2 * HOUR] {
            set(&hour, due, None);
            assert!(wait(&hour, None));
        }
        assert_passed(host, begin, 2 * HOUR);
        delay(-HOUR);
        delay(begin.0 + 4 * HOUR);
        assert_passed(host, begin, 4 * HOUR);
    });
    assert!(start.elapsed() < Duration::from_secs(300));
}

#[test]
fn a_timer_stays_signaled_or_resets_itself() {
    on_hosts(|_| {
        for (kind, stays) in [(NotificationTimer, true), (SynchronizationTimer, false)] {
            let timer = timer(kind);
            assert!(!wait(&timer, Some(0)));
            set(&timer, -MILLISECOND, None);
            assert!(wait(&timer, None));
            assert_eq!(wait(&timer, Some(0)), stays);
            // Setting it again also resets it.
            set(&timer, -HOUR, None);
            assert!(!wait(&timer, Some(0)));
            assert!(cancel(&timer));
        }
        // SAFETY: there is room for a timer.
        let timer = object(|timer| unsafe { KeInitializeTimer(timer) });
        // A time that has passed.
        for due in [0, 1, now().0] {
            set(&timer, due, None);
            assert!(wait(&timer, None) && wait(&timer, Some(0)));
        }
    });
}

#[test]
fn a_cancelled_timer_never_expires_and_a_reset_one_once() {
    on_hosts(|host| {
        let log = Pool::new(CallLog::default());
        let [first, second] = [1, 2].map(|number| LogEntry::new(&log, number));
        let first_dpc = dpc(Some(writes), first.raw());
        let second_dpc = dpc(Some(writes), second.raw());
        let timer = timer(NotificationTimer);
        let start = now();
        assert!(!cancel(&timer));
        assert!(!set(&timer, -5 * MILLISECOND, Some(&first_dpc)));
        assert!(cancel(&timer) && !cancel(&timer));
        assert!(!wait(&timer, Some(-10 * MILLISECOND)));
        assert_passed(host, start, 10 * MILLISECOND);
        assert_eq!(log.take(), []);

        assert!(!set(&timer, -HOUR, Some(&first_dpc)));
        assert!(set(&timer, -5 * MILLISECOND, Some(&second_dpc)));
        assert!(wait(&timer, None));
        assert_passed(host, start, 15 * MILLISECOND);
        flush();
        assert_eq!(log.take(), [2]);
        assert!(!cancel(&timer));
    });
}

/// The steps of a driver before it frees a timer and its call.
#[test]
fn a_flush_after_a_late_cancel_waits_for_the_dpc() {
    static CANCELLED: AtomicUsize = AtomicUsize::new(0);
    static LATE: AtomicUsize = AtomicUsize::new(0);
    on_hosts(|host| {
        // On the machine's network nothing but repetition finds the moment in between.
        for _ in 0..if is_simulated(host) { 5 } else { 5000 } {
            let log = Pool::new(CallLog::default());
            let entry = LogEntry::new(&log, 0);
            let dpc = dpc(Some(writes), entry.raw());
            let timer = timer(NotificationTimer);
            set(&timer, 0, Some(&dpc));
            let is_cancelled = cancel(&timer);
            flush();
            assert_eq!(log.take().len(), usize::from(!is_cancelled));
            let counter = if is_cancelled { &CANCELLED } else { &LATE };
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });
    // A seed decides.
    let counts = (CANCELLED.load(Ordering::Relaxed), LATE.load(Ordering::Relaxed));
    assert!(cfg!(miri) || (counts.0 > 0 && counts.1 > 0), "{counts:?}");
}

#[test]
fn a_dpc_queued_twice_runs_once() {
    on_simulated_hosts(|host| {
        let log = Pool::new(CallLog::default());
        let entry = LogEntry::new(&log, 0);
        let dpc = dpc(Some(writes), entry.raw());
        let timers = [(); 2].map(|()| timer(NotificationTimer));
        for timer in &timers {
            set(timer, -MILLISECOND, Some(&dpc));
        }
        delay(-2 * MILLISECOND);
        flush();
        // With a seed it may have run before the second timer expires.
        let most = if matches!(host.config().timing, Timing::Mixed(_)) { 2 } else { 1 };
        assert!((1..=most).contains(&log.take().len()));
        assert!(timers.iter().all(|timer| wait(timer, Some(0))));
    });
}

#[test]
fn settling_does_not_wait_for_a_timer() {
    on_hosts(|host| {
        let log = Pool::new(CallLog::default());
        let entry = LogEntry::new(&log, 0);
        let dpc = dpc(Some(writes), entry.raw());
        let (late, due) = (timer(NotificationTimer), timer(NotificationTimer));
        set(&late, -HOUR, None);
        set(&due, 0, Some(&dpc));
        host.settle();
        assert_eq!(log.take(), [0]);
        assert!(host.elapsed() < Duration::from_secs(60));
        assert!(cancel(&late));
    });
}

/// The context of a call that sets its timer anew.
struct Period {
    timer: PKTIMER,
    times: AtomicUsize,
}

unsafe extern "C" fn repeats(dpc: *mut KDPC, context: PVOID, _: PVOID, _: PVOID) {
    // SAFETY: the test passes such a context, whose timer and call are initialized.
    unsafe {
        let period = context.cast::<Period>();
        (*period).times.fetch_add(1, Ordering::Relaxed);
        KeSetTimer((*period).timer, time(-MILLISECOND), dpc);
    }
}

#[test]
fn a_dpc_sets_its_timer_again() {
    on_hosts(|host| {
        let timer = timer(SynchronizationTimer);
        let period = Pool::new(Period { timer: timer.0, times: AtomicUsize::new(0) });
        let dpc = dpc(Some(repeats), period.raw());
        let start = now();
        set(&timer, -MILLISECOND, Some(&dpc));
        // This ends, although there is always a timer set.
        host.settle();
        for _ in 0..5 {
            assert!(wait(&timer, None));
        }
        assert_passed(host, start, 5 * MILLISECOND);
        // A driver does this when it unloads: the call may be queued, and set the timer once more.
        while !cancel(&timer) {
            flush();
        }
        flush();
        assert!(period.times.load(Ordering::Relaxed) >= 4);
    });
}

#[test]
fn waits_and_delays_end_at_absolute_times() {
    on_hosts(|host| {
        let event = event();
        let start = now();
        assert!(!wait(&event, Some(start.0 + 5 * MILLISECOND)));
        assert_passed(host, start, 5 * MILLISECOND);
        delay(start.0 + 9 * MILLISECOND);
        assert_passed(host, start, 9 * MILLISECOND);
        // Times that have passed.
        let start = now();
        assert!(!wait(&event, Some(start.0 - HOUR)));
        delay(start.0 - HOUR);
        delay(1);
        assert_passed(host, start, 0);
    });
}
