//! The number of objects of each kind.

#[cfg(loom)]
use loom::sync::atomic::{AtomicUsize, Ordering};

#[cfg(not(loom))]
use core::sync::atomic::{AtomicUsize, Ordering};

/// A kind of counted object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ObjectKind {
    Thread,
    DpcQueue,
    Registration,
    Provider,
    Socket,
    Timer,
}

/// Every kind, with its name in a message. The code of an object begins objects of its own kind and of those that follow,
/// and ends afterwards: a thread creates an executor's DPC queue and registers, a registration's provider creates a socket, whose
/// completion routine sets a timer. So reading the counts in this order finds one that is not zero as long as any object is counted.
pub(super) const KINDS: [(ObjectKind, &str); 6] = [
    (ObjectKind::Thread, "threads"),
    (ObjectKind::DpcQueue, "DPC queues"),
    (ObjectKind::Registration, "registrations"),
    (ObjectKind::Provider, "providers"),
    (ObjectKind::Socket, "sockets"),
    (ObjectKind::Timer, "set timers"),
];

// The counts are indexed by kind, so each kind's position is its number.
const _: () = {
    let mut index = 0;
    while index < KINDS.len() {
        assert!(KINDS[index].0 as usize == index);
        index += 1;
    }
};

/// A count for each kind.
pub(super) struct ObjectCounts([AtomicUsize; KINDS.len()]);

impl ObjectCounts {
    #[cfg(not(loom))]
    pub(super) const fn new() -> Self {
        Self([const { AtomicUsize::new(0) }; KINDS.len()])
    }

    #[cfg(loom)]
    pub(super) fn new() -> Self {
        Self([(); KINDS.len()].map(|()| AtomicUsize::new(0)))
    }

    /// Counts one object, until [`end`](Self::end).
    pub(super) fn begin(&self, kind: ObjectKind) {
        // The code that begins an object belongs to another one, which ends later, with a release.
        self.0[kind as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Uncounts one object that [`begin`](Self::begin) has counted.
    pub(super) fn end(&self, kind: ObjectKind) {
        // The accesses of the object happen before the driver is unloaded.
        self.0[kind as usize].fetch_sub(1, Ordering::Release);
    }

    /// Whether every count is zero.
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|count| count.load(Ordering::Acquire) == 0)
    }

    /// Each count that is not zero, with the name of its kind.
    pub(super) fn left(&self) -> impl Iterator<Item = (&'static str, usize)> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        KINDS.iter().map(|(_, noun)| *noun).zip(counts).filter(|(_, count)| *count != 0)
    }
}

#[cfg(all(test, loom))]
#[expect(unsafe_code, reason = "loom's cells")]
mod loom_tests {
    //! All interleavings of counted objects that create others and end, and of the thread that unloads. Run by `cargo xtask
    //! test loom`.

    use loom::cell::UnsafeCell;
    use loom::sync::Arc;
    use loom::thread;

    use super::*;

    /// The driver's image, which its code uses and the unloading thread overwrites.
    struct Driver {
        counts: ObjectCounts,
        image: UnsafeCell<u32>,
    }

    impl Driver {
        /// Runs code of the driver, for an object that is counted.
        fn run(&self) {
            // SAFETY: loom checks that no other thread writes to it meanwhile.
            self.image.with(|image| assert_eq!(unsafe { *image }, 0, "the driver is unloaded"));
        }

        /// Unloads the driver if nothing is counted. Returns whether it was unloaded.
        fn unload(&self) -> bool {
            let is_empty = self.counts.is_empty();
            if is_empty {
                // SAFETY: loom checks that no other thread uses it meanwhile.
                self.image.with_mut(|image| unsafe { *image = 1 });
            }
            is_empty
        }
    }

    fn driver(kind: ObjectKind) -> Arc<Driver> {
        let driver = Arc::new(Driver { counts: ObjectCounts::new(), image: UnsafeCell::new(0) });
        driver.counts.begin(kind);
        driver
    }

    /// An object creates another one, of its own kind or of a later one, which runs in another thread.
    fn begins(parent: ObjectKind, child: ObjectKind) {
        loom::model(move || {
            let driver = driver(parent);
            let code = {
                let driver = Arc::clone(&driver);
                thread::spawn(move || {
                    driver.counts.begin(child);
                    let other = {
                        let driver = Arc::clone(&driver);
                        thread::spawn(move || {
                            driver.run();
                            driver.counts.end(child);
                        })
                    };
                    driver.run();
                    driver.counts.end(parent);
                    other.join().unwrap();
                })
            };
            let was_unloaded = driver.unload();
            code.join().unwrap();
            assert!(was_unloaded || driver.unload());
        });
    }

    #[test]
    fn a_driver_is_unloaded_after_all_that_its_code_has_begun() {
        begins(ObjectKind::Thread, ObjectKind::Registration);
        begins(ObjectKind::Thread, ObjectKind::Timer);
        begins(ObjectKind::Thread, ObjectKind::DpcQueue);
        begins(ObjectKind::DpcQueue, ObjectKind::Socket);
        begins(ObjectKind::Provider, ObjectKind::Socket);
        begins(ObjectKind::Socket, ObjectKind::Timer);
        begins(ObjectKind::Timer, ObjectKind::Timer);
    }
}
