//! All interleavings of the owners of a cache's operations: they are added, used, put home, refused and completed late. Run by
//! `cargo xtask test loom`.

use std::boxed::Box;
use std::vec::Vec;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread::{self, JoinHandle};

use super::super::state::loom_tests::Request;
use super::super::state::{LeaveOutcome, RequestKind};
use super::*;

/// An operation, with a payload that is written by each of its users: loom fails if two can use it at once, or if it can be
/// freed while it is used.
pub(crate) struct Node {
    pub(crate) request: Request,
    links: CacheLinks<Self>,
    payload: UnsafeCell<u32>,
}

impl Cached for Node {
    fn links(&self) -> &CacheLinks<Self> {
        &self.links
    }

    fn state(&self) -> &OperationState {
        &self.request.0
    }
}

impl Node {
    fn allocate() -> NonNull<Self> {
        NonNull::from(Box::leak(Box::new(Self {
            request: Request::default(),
            links: CacheLinks::new(),
            payload: UnsafeCell::new(0),
        })))
    }

    /// Uses the payload, either as the owner of the request or as its completion routine.
    pub(crate) fn use_payload(&self) {
        // SAFETY: loom checks that no other thread uses it meanwhile.
        self.payload.with_mut(|uses| unsafe { *uses += 1 });
    }
}

/// A cache of nodes, which it frees.
pub(crate) struct CacheModel(OwnedObjects<Node>);

// SAFETY: the list is made for all threads, and loom checks the payloads.
unsafe impl Send for CacheModel {}
// SAFETY: the list is made for all threads, and loom checks the payloads.
unsafe impl Sync for CacheModel {}

/// A node in use: its owner's, as an `Idle` or an `InFlight` has it.
#[derive(Clone, Copy)]
pub(crate) struct NodeRef(NonNull<Node>);

// SAFETY: the model keeps the node, and loom checks its use.
unsafe impl Send for NodeRef {}

impl std::ops::Deref for NodeRef {
    type Target = Node;

    fn deref(&self) -> &Node {
        // SAFETY: the model keeps the node as long as a thread has this.
        unsafe { self.0.as_ref() }
    }
}

impl CacheModel {
    pub(crate) fn new() -> Self {
        Self(OwnedObjects::new())
    }

    /// As `Cache::take`.
    pub(crate) fn take(&self) -> NodeRef {
        let taken = self.0.take_first().or_else(|| self.0.take_any()).unwrap_or_else(|| {
            let node = Node::allocate();
            // SAFETY: it was just allocated, and is freed by `drop`, or by `put` if it has no home.
            unsafe { self.0.add(node) };
            node
        });
        NodeRef(taken)
    }

    /// As the drop of an `Idle`. Returns whether the node has a home.
    pub(crate) fn put(&self, node: NodeRef) -> bool {
        // SAFETY: the caller owns the node, and the cache exists.
        match unsafe { node.links.home() } {
            Some(home) => {
                home.put(node.0);
                true
            }
            None => {
                // SAFETY: the caller owns the node, which is in no list.
                drop(unsafe { Box::from_raw(node.0.as_ptr()) });
                false
            }
        }
    }

    /// As `InFlight::leave` of a refused request. Returns whether the request was left, and whether it had a reference.
    pub(crate) fn orphan(&self, node: NodeRef) -> Option<bool> {
        let had_reference = node.request.0.orphan()?;
        // SAFETY: the request was orphaned by its owner, the caller.
        unsafe { self.0.adopt(node.0) };
        Some(had_reference)
    }

    pub(crate) fn is_sending(&self) -> bool {
        self.0.is_sending()
    }

    pub(crate) fn end_borrowing(&self, retain: impl Fn(), release: impl Fn()) {
        self.0.end_borrowing(retain, release);
    }

    /// As the drop of a `Cache`. Returns the number of freed nodes.
    pub(crate) fn end(&mut self) -> usize {
        let mut count = 0;
        while let Some(node) = self.0.pop() {
            NodeRef(node).use_payload();
            // SAFETY: the node was taken out of the list, and no other thread is left.
            drop(unsafe { Box::from_raw(node.as_ptr()) });
            count += 1;
        }
        count
    }
}

impl Drop for CacheModel {
    fn drop(&mut self) {
        self.end();
    }
}

fn spawn<T: 'static>(
    cache: &Arc<CacheModel>,
    run: impl FnOnce(&CacheModel) -> T + 'static,
) -> JoinHandle<T> {
    let cache = Arc::clone(cache);
    thread::spawn(move || run(&cache))
}

/// The number of nodes that the cache owns when it ends.
fn end(cache: Arc<CacheModel>) -> usize {
    Arc::try_unwrap(cache).ok().expect("no other thread is left").end()
}

/// Two threads need an operation at once, and put it home; then both are taken again. The list has each once. (More rounds
/// are not modelled: loom lets an exchange miss the last of several stores of another thread, which no processor does.)
#[test]
fn an_operation_is_added_once_and_used_by_one() {
    loom::model(|| {
        let cache = Arc::new(CacheModel::new());
        let use_once = |cache: &CacheModel| {
            let node = cache.take();
            node.use_payload();
            assert!(cache.put(node), "a home is left for each thread");
        };
        let other = spawn(&cache, use_once);
        use_once(&cache);
        other.join().unwrap();
        let nodes = [cache.take(), cache.take()];
        for node in &nodes {
            node.use_payload();
        }
        assert!(nodes[0].0 != nodes[1].0);
        nodes.into_iter().for_each(|node| _ = cache.put(node));
        assert!((1..=2).contains(&end(cache)));
    });
}

/// An operation is refused, and completes late, while another thread gets its home: the orphan stays with the list, and is
/// never used again.
#[test]
fn the_home_of_an_orphan_is_free_for_another() {
    loom::model(|| {
        let cache = Arc::new(CacheModel::new());
        let node = cache.take();
        node.use_payload();
        node.request.0.start_borrowing(RequestKind::Other);
        let completion = spawn(&cache, move |_| {
            let is_owners = node.request.complete(|| (), || (), || ());
            if !is_owners {
                // The clean-up of an orphan.
                node.use_payload();
            }
            is_owners
        });
        let other = spawn(&cache, |cache| {
            let node = cache.take();
            node.use_payload();
            assert!(cache.put(node));
        });
        let left = cache.orphan(node);
        if left.is_none() {
            node.use_payload();
            assert!(cache.put(node), "it keeps its home");
        }
        other.join().unwrap();
        assert_eq!(completion.join().unwrap(), left.is_none());
        if left.is_some() {
            let next = [cache.take(), cache.take()];
            assert!(next.iter().all(|next| next.0 != node.0), "an orphan is used again");
            next.into_iter().for_each(|node| _ = cache.put(node));
            let has_home = |node: &NodeRef| !node.links.home.load(Ordering::Relaxed).is_null();
            assert!(next.iter().all(has_home), "the home of the orphan is free");
        }
        assert!((1..=3).contains(&end(cache)));
    });
}

/// Two operations are refused at once, one that has a home and one that has none; a third takes a home.
#[test]
fn each_orphan_is_owned_once() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let cache = Arc::new(CacheModel::new());
        let nodes: Vec<NodeRef> = (0..=super::super::homes::COUNT).map(|_| cache.take()).collect();
        for node in &nodes {
            node.request.0.start(RequestKind::Other);
        }
        let (first, last) = (nodes[0], nodes[nodes.len() - 1]);
        let other = spawn(&cache, move |cache| assert_eq!(cache.orphan(last), Some(true)));
        let third = spawn(&cache, |cache| {
            let node = cache.take();
            node.use_payload();
            cache.put(node)
        });
        assert_eq!(cache.orphan(first), Some(true));
        other.join().unwrap();
        let has_home = third.join().unwrap();
        // The others are in flight, and never complete: the list frees them.
        assert_eq!(end(cache), nodes.len() + usize::from(has_home));
    });
}

/// The owner leaves a request while it completes. Whichever side then owns it puts it home, while another thread takes
/// from there.
#[test]
fn an_operation_that_is_left_is_put_home_once() {
    loom::model(|| {
        let cache = Arc::new(CacheModel::new());
        let node = cache.take();
        node.request.0.start_borrowing(RequestKind::Other);
        let completion = spawn(&cache, move |cache| {
            // The result, which the request's last user reads.
            node.use_payload();
            if !node.request.complete(|| (), || (), || ()) {
                node.use_payload();
                cache.put(node);
            }
        });
        let other = spawn(&cache, |cache| {
            let node = cache.take();
            node.use_payload();
            cache.put(node);
        });
        if node.request.0.abandon() == LeaveOutcome::Completed {
            node.use_payload();
            cache.put(node);
        }
        completion.join().unwrap();
        other.join().unwrap();
        assert!((1..=2).contains(&end(cache)));
    });
}
