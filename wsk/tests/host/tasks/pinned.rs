//! Tasks that stay on their thread.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::future::pending;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;

use test_support::scenario::passive;
use wsk::rt::{JoinSet, LocalSpawner, yield_now};
use wsk::{ErrorKind, Runtime, rt, time};

use super::{Drops, everywhere};

/// Pinned tasks and their local tasks stay on one thread: their counts are not atomic, which Miri would see, and the numbers
/// of the threads are compared. They end in order: the newest of a thread first, by that thread.
#[test]
fn pinned_tasks_stay_on_their_thread() {
    const PINNED: usize = 4;

    /// Records its number when it is dropped, on its thread.
    struct Local(Rc<RefCell<Vec<usize>>>, usize, ThreadId);

    impl Drop for Local {
        fn drop(&mut self) {
            assert_eq!(thread::current().id(), self.2);
            self.0.borrow_mut().push(self.1);
        }
    }

    everywhere(|_| {
        let runtime = Runtime::new(passive(), 2).unwrap();
        let spawner = runtime.spawner();
        let shared = Arc::new(AtomicUsize::new(0));
        for _ in 0..PINNED {
            let shared = Arc::clone(&shared);
            let runs_anywhere = async move {
                for _ in 0..10 {
                    shared.fetch_add(1, Ordering::SeqCst);
                    yield_now().await;
                }
            };
            spawner.spawn(runs_anywhere).unwrap();
        }
        let pinned = (0..PINNED).map(|number| {
            let create = move |local: LocalSpawner| async move {
                let (own, count) = (thread::current().id(), Rc::new(Cell::new(0)));
                let mut set = JoinSet::new(local.spawner()).unwrap();
                for _ in 0..3 {
                    let count = Rc::clone(&count);
                    let run = async move {
                        for _ in 0..5 {
                            assert_eq!(thread::current().id(), own);
                            count.set(count.get() + 1);
                            time::sleep(Duration::from_millis(1)).await.unwrap();
                        }
                        count
                    };
                    set.spawn_local(&local, run).unwrap();
                }
                while let Some(counted) = set.join_next().await {
                    assert!(Rc::ptr_eq(&counted.unwrap(), &count));
                }
                // A call that waits, with the token of this thread.
                Runtime::new(local.passive(), 1).unwrap().shutdown(local.passive());
                (number, own, count.get())
            };
            spawner.spawn_pinned(create).unwrap()
        });
        // All are spawned before the first one is awaited.
        let pinned: Vec<_> = pinned.collect();
        let ends: Vec<_> =
            pinned.into_iter().map(|end| rt::block_on(passive(), end).unwrap().unwrap()).collect();
        assert!(ends.iter().all(|end| end.2 == 15), "{ends:?}");
        let threads: HashSet<_> = ends.iter().map(|end| end.1).collect();
        assert_eq!(threads.len(), 2, "each thread has its share");
        let blocks = spawner.spawn_blocking(|passive| rt::block_on(passive, async { 7 }));
        assert_eq!(rt::block_on(passive(), blocks.unwrap()).unwrap().unwrap().unwrap(), 7);

        let (sender, receiver) = wsk::sync::oneshot::channel().unwrap();
        let ended = Arc::new(Mutex::new(Vec::new()));
        let end = Arc::clone(&ended);
        let parent = spawner.spawn_pinned(move |local| async move {
            struct Report(Rc<RefCell<Vec<usize>>>, Arc<Mutex<Vec<usize>>>);
            impl Drop for Report {
                fn drop(&mut self) {
                    self.1.lock().unwrap().clone_from(&self.0.borrow());
                }
            }
            let dropped = Rc::default();
            let own = thread::current().id();
            let _report = Report(Rc::clone(&dropped), end);
            for number in 0..3 {
                let local_value = Local(Rc::clone(&dropped), number, own);
                local
                    .spawn_local(async move {
                        pending::<()>().await;
                        drop(local_value);
                    })
                    .unwrap();
            }
            sender.send(()).unwrap();
            pending::<()>().await;
        });
        rt::block_on(passive(), receiver).unwrap().unwrap();
        // Never polled, and dropped as it is.
        let unused = Drops::default();
        let guard = unused.guard();
        let late = spawner.spawn_pinned(move |_| async move {
            drop(guard);
            pending::<()>().await;
        });
        runtime.shutdown(passive());
        assert_eq!(*ended.lock().unwrap(), [2, 1, 0]);
        assert!(parent.unwrap().is_finished() && late.unwrap().is_finished());
        assert_eq!(unused.count(), 1);
        let refused = spawner.spawn_pinned(|_| pending::<()>()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Cancelled);
    });
}
