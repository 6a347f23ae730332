//! The time driver of embassy-time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Wake, Waker};
use std::time::Duration;

use embassy_time_driver::{Driver as _, TICK_HZ};
use test_support::scenario::passive;
use wsk::time::EmbassyTimeDriver;
use wsk::{Runtime, rt};
use wsk_host::{Config, Host};

use crate::tasks::everywhere;

/// A second in ticks.
const SECOND: u64 = TICK_HZ;

/// Waits until a tick, as embassy-time's timers do. Returns how often the task was polled.
async fn until<const N: usize>(driver: &EmbassyTimeDriver<N>, at: u64) -> u32 {
    let mut polls = 0;
    std::future::poll_fn(|context| {
        polls += 1;
        if driver.now() >= at {
            return Poll::Ready(polls);
        }
        driver.schedule_wake(at, context.waker());
        Poll::Pending
    })
    .await
}

/// Each task is woken when it is due, and only then, also one that begins to wait after another that waits longer.
#[test]
fn tasks_are_woken_when_they_are_due() {
    everywhere(|_| {
        let driver = Arc::new(EmbassyTimeDriver::<4>::new());
        let runtime = Runtime::new(passive(), 2).unwrap();
        let runs = Arc::clone(&driver);
        runtime.spawn(async move { runs.run().await }).unwrap();
        let start = driver.now();
        let tasks = [9, 3, 6, 1].map(|seconds| {
            let driver = Arc::clone(&driver);
            let task = async move {
                let polls = until(&driver, start + seconds * SECOND).await;
                (polls, driver.now())
            };
            (seconds, runtime.spawn(task).unwrap())
        });
        for (seconds, task) in tasks {
            let (polls, ended) = rt::block_on(passive(), task).unwrap().unwrap();
            assert_eq!(polls, 2, "after {seconds} s");
            let late = ended - (start + seconds * SECOND);
            assert!(late < SECOND / 10, "{late} ticks after {seconds} s");
        }
        runtime.shutdown(passive());
    });
}

/// More tasks than timers: some are woken early, and wait again.
#[test]
fn a_task_without_a_timer_is_not_forgotten() {
    everywhere(|_| {
        let driver = Arc::new(EmbassyTimeDriver::<2>::new());
        let runtime = Runtime::new(passive(), 1).unwrap();
        let runs = Arc::clone(&driver);
        runtime.spawn(async move { runs.run().await }).unwrap();
        let start = driver.now();
        let tasks = [1, 2, 3].map(|ticks| {
            let (driver, at) = (Arc::clone(&driver), start + ticks * 200);
            runtime
                .spawn(async move {
                    // A busy task leaves no time to the others unless it yields.
                    until(&driver, at).await;
                    driver.now() >= at
                })
                .unwrap()
        });
        for task in tasks {
            assert!(rt::block_on(passive(), task).unwrap().unwrap());
        }
        runtime.shutdown(passive());
    });
}

/// Tasks that still wait at the end leave nothing behind, whatever ends first, and those that begin to wait later neither. The
/// driver can be used again.
#[test]
fn nothing_is_left_at_the_end() {
    let driver = Arc::new(EmbassyTimeDriver::<4>::new());
    everywhere(|host| {
        let runtime = Runtime::new(passive(), 1).unwrap();
        let runs = Arc::clone(&driver);
        let running = runtime.spawn(async move { runs.run().await }).unwrap();
        let waits = |seconds| {
            let driver = Arc::clone(&driver);
            runtime.spawn(async move { until(&driver, driver.now() + seconds * SECOND).await })
        };
        let _hour = waits(3600).unwrap();
        let second = waits(1).unwrap();
        assert_eq!(rt::block_on(passive(), second).unwrap().unwrap(), 2);
        running.abort();
        rt::block_on(passive(), running).unwrap().unwrap_err();
        let _later = waits(3600).unwrap();
        host.settle();
        runtime.shutdown(passive());
    });
}

/// A driver's second `run` goes on when its first ends, also if that has been told of the next alarm.
#[test]
fn one_of_two_runs_ends() {
    everywhere(|_| {
        let driver = Arc::new(EmbassyTimeDriver::<4>::new());
        let runtime = Runtime::new(passive(), 2).unwrap();
        let run = || {
            let driver = Arc::clone(&driver);
            runtime.spawn(async move { driver.run().await }).unwrap()
        };
        let first = run();
        let long = Arc::clone(&driver);
        let start = driver.now();
        let waiting = runtime.spawn(async move { until(&long, start + 5 * SECOND).await }).unwrap();
        rt::block_on(passive(), wsk::time::sleep(Duration::from_millis(100))).unwrap().unwrap();
        let second = run();
        rt::block_on(passive(), wsk::time::sleep(Duration::from_millis(100))).unwrap().unwrap();
        first.abort();
        assert!(rt::block_on(passive(), first).unwrap().is_err());
        rt::block_on(passive(), waiting).unwrap().unwrap();
        let later = Arc::clone(&driver);
        let at = driver.now() + SECOND;
        let waiting = runtime.spawn(async move { until(&later, at).await }).unwrap();
        assert_eq!(rt::block_on(passive(), waiting).unwrap().unwrap(), 2);
        drop(second);
        runtime.shutdown(passive());
    });
}

/// If there are too few timers, the task that is due last waits without one, and not the others.
#[test]
fn a_late_task_does_not_take_an_earlier_ones_timer() {
    let driver = EmbassyTimeDriver::<1>::new();
    let (early, late) = (Arc::new(Counts::default()), Arc::new(Counts::default()));
    let host = Host::new(Config::default());
    let _entered = host.enter();
    let wakers = [&early, &late].map(|counts| Waker::from(Arc::clone(counts)));
    driver.schedule_wake(10 * SECOND, &wakers[0]);
    driver.schedule_wake(20 * SECOND, &wakers[1]);
    assert_eq!((early.count(), late.count()), (0, 1));
    driver.schedule_wake(SECOND, &wakers[1]);
    assert_eq!((early.count(), late.count()), (1, 1));
}

/// Counts how often it is woken.
#[derive(Default)]
struct Counts(AtomicUsize);

impl Counts {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Counts {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
