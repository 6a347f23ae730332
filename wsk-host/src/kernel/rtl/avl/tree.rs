//! The balanced tree of a table: search, insertion, removal and rebalancing.
//!
//! # Safety
//!
//! The nodes of a tree are in the client's memory. They are linked only by these functions, while no other thread uses the
//! table.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use std::ptr;

use wsk_sys::{PVOID, ULONG};

use crate::kernel::abi::Routine as _;
use crate::verifier::kernel_violation;

/// `RTL_BALANCED_LINKS`: a node, whose element follows.
///
/// # Invariants
///
/// In a tree, `children` are null or nodes of the same tree whose `parent` is this node, and `balance` is -1, 0 or 1.
#[repr(C)]
pub(super) struct BalancedLinks {
    pub(super) parent: *mut BalancedLinks,
    children: [*mut BalancedLinks; 2],
    /// The height of the right subtree minus that of the left one.
    pub(super) balance: i8,
    reserved: [u8; 3],
}

pub(super) type Compare = unsafe extern "C" fn(*mut AvlTable, PVOID, PVOID) -> u32;
pub(super) type Allocate = unsafe extern "C" fn(*mut AvlTable, ULONG) -> PVOID;
pub(super) type Free = unsafe extern "C" fn(*mut AvlTable, PVOID);

/// `RTL_AVL_TABLE`.
///
/// # Invariants
///
/// The right child of `root` is the tree, of nodes that `allocate` has given. In each node the heights of the
/// children differ by `balance`, which is -1, 0 or 1.
#[repr(C)]
pub(super) struct AvlTable {
    pub(super) root: BalancedLinks,
    ordered: PVOID,
    ordered_index: ULONG,
    pub(super) count: ULONG,
    pub(super) depth: ULONG,
    /// The node that was enumerated last.
    pub(super) restart: *mut BalancedLinks,
    deletions: ULONG,
    pub(super) compare: Option<Compare>,
    pub(super) allocate: Option<Allocate>,
    pub(super) free: Option<Free>,
    pub(super) context: PVOID,
}

const _: () = assert!(size_of::<BalancedLinks>() == 0x20 && size_of::<AvlTable>() == 0x68);

/// The result of a comparison, about its first element.
pub(super) const LESS: u32 = 0;
pub(super) const GREATER: u32 = 1;
pub(super) const EQUAL: u32 = 2;

/// `TABLE_SEARCH_RESULT`.
const EMPTY_TREE: u32 = 0;
pub(super) const FOUND_NODE: u32 = 1;
const INSERT_AS_LEFT: u32 = 2;
const INSERT_AS_RIGHT: u32 = 3;

/// The two sides of a node, by the index of their child.
pub(super) const LEFT: usize = 0;
pub(super) const RIGHT: usize = 1;

const fn other(side: usize) -> usize {
    1 - side
}

const fn weight(side: usize) -> i8 {
    if side == LEFT { -1 } else { 1 }
}

pub(super) fn element(node: *mut BalancedLinks) -> PVOID {
    if node.is_null() { ptr::null_mut() } else { node.wrapping_add(1).cast() }
}

/// The tree of a table. The client ensures that no other thread uses it at the same time.
///
/// # Invariants
///
/// The pointer is to an initialized table.
#[derive(Clone, Copy)]
pub(super) struct Tree(*mut AvlTable);

impl Tree {
    /// # Safety
    ///
    /// The pointer is to an initialized table that nothing else uses while this does.
    pub(super) unsafe fn new(table: *mut AvlTable, function: &str) -> Self {
        // SAFETY: the pointer is to a table (this function's contract).
        if unsafe { (*table).compare }.is_none() {
            kernel_violation(&format!("{function}: the table is not initialized"));
        }
        Self(table)
    }

    pub(super) fn root(self) -> *mut BalancedLinks {
        // SAFETY: by this type's invariant; the root is within the table.
        unsafe { &raw mut (*self.0).root }
    }

    pub(super) fn first_node(self) -> *mut BalancedLinks {
        child(self.root(), RIGHT)
    }

    /// The place of an element, or where it would be inserted: the node or its parent, and a `TABLE_SEARCH_RESULT`.
    pub(super) fn find(self, wanted: PVOID) -> (*mut BalancedLinks, u32) {
        let mut node = self.first_node();
        if node.is_null() {
            return (ptr::null_mut(), EMPTY_TREE);
        }
        loop {
            // SAFETY: by this type's invariant; the client gave this routine for its elements.
            let order = unsafe {
                (*self.0).compare.map(|compare| compare.invoke((self.0, wanted, element(node))))
            };
            let (side, result) = match order {
                Some(LESS) => (LEFT, INSERT_AS_LEFT),
                Some(GREATER) => (RIGHT, INSERT_AS_RIGHT),
                Some(EQUAL) => return (node, FOUND_NODE),
                _ => kernel_violation(
                    "the compare routine of an AVL table did not return an RTL_GENERIC_COMPARE_RESULTS",
                ),
            };
            let next = child(node, side);
            if next.is_null() {
                return (node, result);
            }
            node = next;
        }
    }

    /// Inserts a new node at a place that [`find`](Self::find) has returned.
    pub(super) fn insert(self, node: *mut BalancedLinks, parent: *mut BalancedLinks, result: u32) {
        let (parent, side) = match result {
            EMPTY_TREE => (self.root(), RIGHT),
            INSERT_AS_LEFT => (parent, LEFT),
            _ => (parent, RIGHT),
        };
        let links =
            BalancedLinks { parent, children: [ptr::null_mut(); 2], balance: 0, reserved: [0; 3] };
        // SAFETY: the caller passes memory for a node.
        unsafe { node.write(links) };
        set_child(parent, side, node);
        self.changed(1);
        let (mut node, mut parent) = (node, parent);
        while parent != self.root() {
            let side = side_of(node);
            match balance(parent) * weight(side) {
                0 => set_balance(parent, weight(side)),
                -1 => {
                    set_balance(parent, 0);
                    return;
                }
                _ => {
                    rebalance(parent, side);
                    return;
                }
            }
            node = parent;
            parent = parent_of(node);
        }
        self.grow(1);
    }

    pub(super) fn remove(self, node: *mut BalancedLinks) {
        // SAFETY: by this type's invariant.
        if unsafe { (*self.0).restart } == node {
            let before = neighbor(self, node, LEFT);
            // SAFETY: by this type's invariant.
            unsafe { (*self.0).restart = before };
        }
        let (left, right) = (child(node, LEFT), child(node, RIGHT));
        // Where a subtree has become lower.
        let (mut place, mut side) = if left.is_null() || right.is_null() {
            let place = (parent_of(node), side_of(node));
            let child = if left.is_null() { right } else { left };
            set_child(place.0, place.1, child);
            place
        } else {
            let successor = outermost(right, LEFT);
            let place = if successor == right {
                (successor, RIGHT)
            } else {
                let parent = parent_of(successor);
                set_child(parent, LEFT, child(successor, RIGHT));
                set_child(successor, RIGHT, right);
                (parent, LEFT)
            };
            set_child(parent_of(node), side_of(node), successor);
            set_child(successor, LEFT, left);
            set_balance(successor, balance(node));
            place
        };
        self.changed(-1);
        while place != self.root() {
            let above = (parent_of(place), side_of(place));
            match balance(place) * weight(side) {
                1 => set_balance(place, 0),
                0 => {
                    set_balance(place, -weight(side));
                    return;
                }
                _ => {
                    if !rebalance(place, other(side)) {
                        return;
                    }
                }
            }
            (place, side) = above;
        }
        self.grow(-1);
    }

    fn changed(self, by: i32) {
        // SAFETY: by this type's invariant.
        let table = unsafe { &mut *self.0 };
        table.count = table.count.wrapping_add_signed(by);
        table.ordered = ptr::null_mut();
        table.ordered_index = 0;
        if by < 0 {
            table.deletions = table.deletions.wrapping_add(1);
        }
    }

    fn grow(self, by: i32) {
        // SAFETY: by this type's invariant.
        let table = unsafe { &mut *self.0 };
        table.depth = table.depth.wrapping_add_signed(by);
    }
}

pub(super) fn child(node: *mut BalancedLinks, side: usize) -> *mut BalancedLinks {
    // SAFETY: nodes of a tree are valid, see `AvlTable`.
    unsafe { (*node).children[side] }
}

/// Links a node, which may be null, below another.
fn set_child(parent: *mut BalancedLinks, side: usize, node: *mut BalancedLinks) {
    // SAFETY: nodes of a tree are valid, see `AvlTable`.
    unsafe { (*parent).children[side] = node };
    if !node.is_null() {
        // SAFETY: nodes of a tree are valid, see `AvlTable`.
        unsafe { (*node).parent = parent };
    }
}

pub(super) fn parent_of(node: *mut BalancedLinks) -> *mut BalancedLinks {
    // SAFETY: nodes of a tree are valid, see `AvlTable`.
    unsafe { (*node).parent }
}

/// Which child of its parent a node is.
fn side_of(node: *mut BalancedLinks) -> usize {
    if child(parent_of(node), LEFT) == node { LEFT } else { RIGHT }
}

pub(super) fn balance(node: *mut BalancedLinks) -> i8 {
    // SAFETY: nodes of a tree are valid, see `AvlTable`.
    unsafe { (*node).balance }
}

fn set_balance(node: *mut BalancedLinks, balance: i8) {
    // SAFETY: nodes of a tree are valid, see `AvlTable`.
    unsafe { (*node).balance = balance };
}

/// The last node on one side of a subtree.
pub(super) fn outermost(mut node: *mut BalancedLinks, side: usize) -> *mut BalancedLinks {
    while !child(node, side).is_null() {
        node = child(node, side);
    }
    node
}

/// The next node on one side, in order; null behind the last.
pub(super) fn neighbor(
    tree: Tree,
    mut node: *mut BalancedLinks,
    side: usize,
) -> *mut BalancedLinks {
    let below = child(node, side);
    if !below.is_null() {
        return outermost(below, other(side));
    }
    while parent_of(node) != tree.root() {
        let from = side_of(node);
        node = parent_of(node);
        if from != side {
            return node;
        }
    }
    ptr::null_mut()
}

/// Rotates a node's child into the node's place.
fn rotate(node: *mut BalancedLinks, side: usize) {
    let (above, above_side) = (parent_of(node), side_of(node));
    let raised = child(node, side);
    set_child(node, side, child(raised, other(side)));
    set_child(raised, other(side), node);
    set_child(above, above_side, raised);
}

/// Mends a node whose child on one side is too high by one. Returns whether the subtree is lower than before.
fn rebalance(node: *mut BalancedLinks, side: usize) -> bool {
    let high = child(node, side);
    match balance(high) * weight(side) {
        -1 => {
            let middle = child(high, other(side));
            rotate(high, other(side));
            rotate(node, side);
            let of_middle = balance(middle) * weight(side);
            set_balance(node, if of_middle == 1 { -weight(side) } else { 0 });
            set_balance(high, if of_middle == -1 { weight(side) } else { 0 });
            set_balance(middle, 0);
            true
        }
        0 => {
            rotate(node, side);
            set_balance(node, weight(side));
            set_balance(high, -weight(side));
            false
        }
        _ => {
            rotate(node, side);
            set_balance(node, 0);
            set_balance(high, 0);
            true
        }
    }
}
