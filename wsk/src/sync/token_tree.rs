//! The tree of a cancellation token and its children.
//!
//! One lock protects the links of all nodes of a tree. A walk over the tree takes it for one step at a time, and needs no stack,
//! so a cancellation holds the lock and the processor no longer when the tree is deep or wide.
//!
//! # Safety
//!
//! A node stays in its allocation as long as it has owners, which are counted under the tree's lock. Its links are those of
//! nodes with owners.

#![expect(unsafe_code, reason = "see Safety")]

use core::cell::UnsafeCell;
use core::ptr::NonNull;
use core::task::Waker;

#[cfg(loom)]
use loom::sync::atomic::{AtomicBool, Ordering};

#[cfg(not(loom))]
use core::sync::atomic::{AtomicBool, Ordering};

use crate::executor::wait_queue::{Wait, WaitList, WaitQueue};
use crate::kernel::SpinLock;
use crate::pool::{Arc, PoolBox};
use crate::status::Result;

/// Proves, by an exclusive reference, that the lock of a tree is held.
struct TreeLocked;

/// A token of the tree.
///
/// # Invariants
///
/// - It is in an allocation of a [`PoolBox`], and does not move.
/// - The tree's lock protects `links`, whose nodes belong to the same tree.
/// - It is freed when its last owner ends, after it was taken out of its parent's list and has no children.
struct Node {
    tree: Arc<SpinLock<TreeLocked>>,
    is_cancelled: AtomicBool,
    waiting: WaitQueue<CancelWait>,
    links: UnsafeCell<NodeLinks>,
}

struct NodeLinks {
    owners: usize,
    parent: Option<NonNull<Node>>,
    first_child: Option<NonNull<Node>>,
    /// The siblings, which are linked in both directions.
    previous: Option<NonNull<Node>>,
    next: Option<NonNull<Node>>,
}

/// A future that waits. The state is whether the token is cancelled.
pub(super) struct CancelWait;

impl Wait for CancelWait {
    type State = bool;

    fn serve(is_cancelled: &mut bool, waiting: &mut WaitList<Self>) -> Option<Waker> {
        if *is_cancelled { waiting.pop() } else { None }
    }

    fn give_up(&mut self, _: &mut bool) {}
}

/// An owner of a node.
///
/// # Invariants
///
/// It is counted in the node's `owners`.
pub(super) struct TreeToken(NonNull<Node>);

// SAFETY: the fields of a node are atomic or behind locks (Invariants of `Node`), and the memory is freed by one thread.
unsafe impl Send for TreeToken {}
// SAFETY: the methods on a shared reference access fields that are atomic or behind locks (Invariants of `Node`).
unsafe impl Sync for TreeToken {}

/// A step of a cancellation.
enum CancelStep {
    /// A child is cancelled, and its futures must be woken.
    Cancelled(TreeToken),
    /// A grandchild has become a child.
    Moved,
    /// No child is left.
    Done,
}

/// The links of a node, for as long as its tree's lock is held.
///
/// # Safety
///
/// The node is valid, and of this tree.
unsafe fn links(_tree: &mut TreeLocked, node: NonNull<Node>) -> &mut NodeLinks {
    // SAFETY: the node is valid (this function's contract).
    let links = unsafe { node.as_ref() }.links.get();
    // SAFETY: the tree's lock protects the links (Invariants of `Node`). It is held, and the result borrows it, so no other
    // reference to the links is used during that time.
    unsafe { &mut *links }
}

/// Links a node as the first child of a parent.
///
/// # Safety
///
/// Both are valid nodes of the tree whose lock is held, and the child has no parent.
unsafe fn attach(tree: &mut TreeLocked, parent: NonNull<Node>, child: NonNull<Node>) {
    // SAFETY: the parent is valid, and its lock is held (this function's contract).
    let former = unsafe { links(tree, parent) }.first_child.replace(child);
    // SAFETY: the child is valid, and its lock is held (this function's contract).
    let own = unsafe { links(tree, child) };
    own.parent = Some(parent);
    own.next = former;
    if let Some(former) = former {
        // SAFETY: a linked child is valid, and is another node; the lock is held (this function's contract).
        unsafe { links(tree, former) }.previous = Some(child);
    }
}

/// Takes a node out of its parent's list.
///
/// # Safety
///
/// The node is valid, and its tree's lock is held.
unsafe fn detach(tree: &mut TreeLocked, node: NonNull<Node>) {
    // SAFETY: the node is valid, and its lock is held (this function's contract).
    let own = unsafe { links(tree, node) };
    let (parent, previous, next) = (own.parent.take(), own.previous.take(), own.next.take());
    if let Some(next) = next {
        // SAFETY: a linked sibling is valid, and is another node; the lock is held (this function's contract).
        unsafe { links(tree, next) }.previous = previous;
    }
    if let Some(previous) = previous {
        // SAFETY: a linked sibling is valid, and is another node; the lock is held (this function's contract).
        unsafe { links(tree, previous) }.next = next;
    } else if let Some(parent) = parent {
        // SAFETY: the parent of a linked node is valid; the lock is held (this function's contract).
        unsafe { links(tree, parent) }.first_child = next;
    }
}

impl TreeToken {
    /// Creates a tree of one token.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    pub(super) fn new() -> Result<Self> {
        Self::in_tree(Arc::new(SpinLock::new(TreeLocked))?)
    }

    fn in_tree(tree: Arc<SpinLock<TreeLocked>>) -> Result<Self> {
        let links =
            NodeLinks { owners: 1, parent: None, first_child: None, previous: None, next: None };
        let node = PoolBox::new_with(|| Node {
            tree,
            is_cancelled: AtomicBool::new(false),
            waiting: WaitQueue::new(false),
            links: UnsafeCell::new(links),
        })?;
        // INVARIANT: this value is the only owner.
        Ok(Self(node.into_raw()))
    }

    const fn node(&self) -> &Node {
        // SAFETY: this owner keeps the node (Invariants).
        unsafe { self.0.as_ref() }
    }

    /// Creates a token that is cancelled when this one is.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    pub(super) fn child(&self) -> Result<Self> {
        let child = Self::in_tree(self.node().tree.clone())?;
        let mut tree = self.node().tree.lock();
        let is_cancelled = self.is_cancelled();
        if !is_cancelled {
            // SAFETY: both owners keep their nodes, which are of one tree, whose lock is held; the child is new.
            unsafe { attach(&mut tree, self.0, child.0) };
        }
        drop(tree);
        if is_cancelled {
            child.cancel();
        }
        Ok(child)
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.node().is_cancelled.load(Ordering::Acquire)
    }

    /// The queue of waiting futures.
    pub(super) const fn waiting(&self) -> &WaitQueue<CancelWait> {
        &self.node().waiting
    }

    /// Cancels the token, and then its children and theirs, one after the other. When this returns, all are cancelled.
    pub(super) fn cancel(&self) {
        let tree = self.node().tree.lock();
        self.node().is_cancelled.store(true, Ordering::Release);
        drop(tree);
        self.wake();
        loop {
            match self.next_step() {
                // Without the lock: wakers are foreign code.
                CancelStep::Cancelled(child) => child.wake(),
                CancelStep::Moved => {}
                CancelStep::Done => return,
            }
        }
    }

    /// A step of a cancellation, with the lock: takes a child without children out of the tree and marks it, or moves a
    /// grandchild up to the children.
    fn next_step(&self) -> CancelStep {
        let mut tree = self.node().tree.lock();
        // SAFETY: this owner keeps the node, whose lock is held.
        let Some(child) = (unsafe { links(&mut tree, self.0) }).first_child else {
            return CancelStep::Done;
        };
        // SAFETY: a linked child is valid, and the lock is held.
        let of_the_child = unsafe { links(&mut tree, child) };
        if let Some(grandchild) = of_the_child.first_child {
            // SAFETY: a linked child is valid, and the lock is held.
            unsafe { detach(&mut tree, grandchild) };
            // SAFETY: both nodes are linked or owned, and so valid, and the lock is held; the grandchild was detached.
            unsafe { attach(&mut tree, self.0, grandchild) };
            return CancelStep::Moved;
        }
        of_the_child.owners += 1;
        // SAFETY: the child is valid, and the lock is held.
        unsafe { detach(&mut tree, child) };
        // INVARIANT: the owner was counted.
        let child = Self(child);
        child.node().is_cancelled.store(true, Ordering::Release);
        CancelStep::Cancelled(child)
    }

    /// Wakes the futures that wait for a cancelled token.
    fn wake(&self) {
        self.node().waiting.change(|is_cancelled| *is_cancelled = true);
    }
}

impl Clone for TreeToken {
    fn clone(&self) -> Self {
        let mut tree = self.node().tree.lock();
        // INVARIANT: the new owner is counted.
        // SAFETY: this owner keeps the node, whose lock is held.
        unsafe { links(&mut tree, self.0) }.owners += 1;
        Self(self.0)
    }
}

impl Drop for TreeToken {
    fn drop(&mut self) {
        // Kept for the guards: the node is freed.
        let lock = self.node().tree.clone();
        loop {
            let mut tree = lock.lock();
            // SAFETY: this owner keeps the node, whose lock is held.
            let own = unsafe { links(&mut tree, self.0) };
            if own.owners > 1 {
                own.owners -= 1;
                return;
            }
            let (parent, child) = (own.parent, own.first_child);
            let Some(child) = child else {
                // SAFETY: this owner keeps the node, whose lock is held.
                unsafe { detach(&mut tree, self.0) };
                drop(tree);
                // SAFETY: the node is from `into_raw`. This was the last owner, and no list has a pointer to the node.
                drop(unsafe { PoolBox::from_raw(self.0) });
                return;
            };
            // One child after the other belongs to the parent instead.
            // SAFETY: a linked child is valid, and the lock is held.
            unsafe { detach(&mut tree, child) };
            if let Some(parent) = parent {
                // SAFETY: the parent of a linked node is valid, as was the linked child; the lock is held, and the child was detached.
                unsafe { attach(&mut tree, parent, child) };
            }
        }
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    //! All interleavings of the ends of tokens and of the code that cancels. Run by `cargo xtask test loom`.

    use loom::thread;

    use super::super::model::with_few_preemptions;
    use super::*;

    /// A child that is created, dropped and cancelled concurrently is freed once, and no other is forgotten.
    #[test]
    fn a_grandchild_is_cancelled_while_its_parent_is_dropped() {
        loom::model(|| {
            let token = TreeToken::new().unwrap();
            let child = token.child().unwrap();
            let grandchild = child.child().unwrap();
            let drops = thread::spawn(move || drop(child));
            token.cancel();
            assert!(grandchild.is_cancelled());
            drops.join().unwrap();
        });
    }

    #[test]
    fn a_child_that_is_created_meanwhile_is_cancelled() {
        loom::model(|| {
            let token = TreeToken::new().unwrap();
            let cancels = {
                let token = token.clone();
                thread::spawn(move || token.cancel())
            };
            let child = token.child().unwrap();
            cancels.join().unwrap();
            assert!(child.is_cancelled());
        });
    }

    #[test]
    fn a_parent_and_its_child_are_cancelled_at_once() {
        with_few_preemptions(|| {
            let token = TreeToken::new().unwrap();
            let child = token.child().unwrap();
            let grandchild = child.child().unwrap();
            let cancels = thread::spawn(move || child.cancel());
            token.cancel();
            assert!(grandchild.is_cancelled());
            drop((token, grandchild));
            cancels.join().unwrap();
        });
    }
}
