//! The locks of other crates' traits.

use std::cell::Cell;
use std::sync::Arc;

use embassy_sync::blocking_mutex::Mutex;
use embassy_sync::channel::Channel;
use embassy_sync::signal::Signal;
use test_support::scenario::passive;
use wsk::rt::{self, DpcExecutor, yield_now};
use wsk::sync::{DispatchCriticalSection, DispatchRawMutex, NeverWaits};
use wsk::{Runtime, sys};
use wsk_host::{Config, Host};

use crate::sync::at_dispatch_level;
use crate::tasks::everywhere;

struct Tests;

// SAFETY: the closures of these tests count, and read the level.
unsafe impl NeverWaits for Tests {}

critical_section::set_impl!(DispatchCriticalSection<Tests>);

fn level() -> u8 {
    // SAFETY: reads the level.
    unsafe { sys::KeGetCurrentIrql() }
}

/// Adds to a count in a way that loses numbers unless it is locked.
fn add_one(count: &Cell<u32>) {
    let before = count.get();
    std::hint::black_box(&before);
    count.set(before + 1);
}

/// A lock excludes the tasks of threads and DPCs, and restores the level.
#[test]
fn a_lock_of_embassy_sync_is_held_by_one() {
    const ROUNDS: u32 = if cfg!(miri) { 5 } else { 50 };
    everywhere(|_| {
        let count = Arc::new(Mutex::<DispatchRawMutex<Tests>, _>::new(Cell::new(0)));
        let (runtime, executor) =
            (Runtime::new(passive(), 2).unwrap(), DpcExecutor::new(passive(), 2).unwrap());
        let counts = || {
            let count = Arc::clone(&count);
            async move {
                for _ in 0..ROUNDS {
                    let before = level();
                    count.lock(|count| {
                        assert_eq!(level(), sys::DISPATCH_LEVEL);
                        add_one(count);
                    });
                    assert_eq!(level(), before);
                    yield_now().await;
                }
            }
        };
        let of_threads = [(); 2].map(|()| runtime.spawn(counts()).unwrap());
        let of_dpcs = [(); 2].map(|()| executor.spawn(counts()).unwrap());
        for task in of_threads.into_iter().chain(of_dpcs) {
            rt::block_on(passive(), task).unwrap().unwrap();
        }
        runtime.finish(passive());
        executor.shutdown(passive());
        assert_eq!(count.lock(Cell::get), 4 * ROUNDS);
    });
}

#[test]
fn channels_and_signals_of_embassy_sync_work() {
    everywhere(|_| {
        type Lock = DispatchRawMutex<Tests>;
        let channel = Arc::new(Channel::<Lock, u32, 2>::new());
        let done = Arc::new(Signal::<Lock, u32>::new());
        let (runtime, executor) =
            (Runtime::new(passive(), 1).unwrap(), DpcExecutor::new(passive(), 1).unwrap());
        let (sends, receives, signals) =
            (Arc::clone(&channel), Arc::clone(&channel), Arc::clone(&done));
        runtime
            .spawn(async move {
                for number in 1..=10 {
                    sends.send(number).await;
                }
            })
            .unwrap();
        executor
            .spawn(async move {
                let mut sum = 0;
                for _ in 0..10 {
                    sum += receives.receive().await;
                }
                signals.signal(sum);
            })
            .unwrap();
        assert_eq!(rt::block_on(passive(), done.wait()).unwrap(), 55);
        runtime.finish(passive());
        executor.shutdown(passive());
    });
}

/// Sections exclude each other in all threads, may contain others, and the outermost one restores the level.
#[test]
fn a_critical_section_is_entered_by_one() {
    const ROUNDS: u32 = if cfg!(miri) { 5 } else { 1000 };
    static COUNT: critical_section::Mutex<Cell<u32>> = critical_section::Mutex::new(Cell::new(0));
    fn count() {
        let before = level();
        critical_section::with(|outer| {
            add_one(COUNT.borrow(outer));
            critical_section::with(|inner| add_one(COUNT.borrow(inner)));
            // Still in the outer one.
            assert_eq!(level(), sys::DISPATCH_LEVEL);
            add_one(COUNT.borrow(outer));
        });
        assert_eq!(level(), before);
    }

    let host = Host::new(Config::default());
    let threads = [(); 4].map(|()| {
        let host = host.clone();
        std::thread::spawn(move || {
            let _entered = host.enter();
            for _ in 0..ROUNDS / 2 {
                count();
                at_dispatch_level(count);
            }
        })
    });
    for thread in threads {
        thread.join().unwrap();
    }
    let _entered = host.enter();
    assert_eq!(
        critical_section::with(|section| COUNT.borrow(section).get()),
        12 * (ROUNDS / 2) * 2
    );
}
