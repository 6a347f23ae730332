//! `Rtl…GenericTable…Avl`: balanced trees in the client's memory.
//!
//! # Safety
//!
//! The exported functions require of their callers what Microsoft documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use std::ptr;

use wsk_sys::{BOOLEAN, FALSE, PVOID, TRUE, ULONG};

use crate::verifier::kernel_violation;

/// `RTL_BALANCED_LINKS`: a node, whose element follows.
///
/// # Invariants
///
/// In a tree, `children` are null or nodes of the same tree whose `parent` is this node, and `balance` is -1, 0 or 1.
#[repr(C)]
pub(crate) struct Links {
    parent: *mut Links,
    children: [*mut Links; 2],
    /// The height of the right child minus that of the left one.
    balance: i8,
    reserved: [u8; 3],
}

type Compare = unsafe extern "C" fn(*mut Table, PVOID, PVOID) -> u32;
type Allocate = unsafe extern "C" fn(*mut Table, ULONG) -> PVOID;
type Free = unsafe extern "C" fn(*mut Table, PVOID);

/// `RTL_AVL_TABLE`.
///
/// # Invariants
///
/// The right child of `root` is the tree, of nodes that `allocate` has given. In each node the heights of the
/// children differ by `balance`, which is -1, 0 or 1.
#[repr(C)]
pub(crate) struct Table {
    root: Links,
    ordered: PVOID,
    ordered_index: ULONG,
    count: ULONG,
    depth: ULONG,
    /// The node that was enumerated last.
    restart: *mut Links,
    deletions: ULONG,
    compare: Option<Compare>,
    allocate: Option<Allocate>,
    free: Option<Free>,
    context: PVOID,
}

const _: () = assert!(size_of::<Links>() == 0x20 && size_of::<Table>() == 0x68);

/// What a comparison says of its first element.
const LESS: u32 = 0;
const GREATER: u32 = 1;
const EQUAL: u32 = 2;

/// `TABLE_SEARCH_RESULT`.
const EMPTY_TREE: u32 = 0;
const FOUND_NODE: u32 = 1;
const INSERT_AS_LEFT: u32 = 2;
const INSERT_AS_RIGHT: u32 = 3;

/// The two sides of a node, by the index of their child.
const LEFT: usize = 0;
const RIGHT: usize = 1;

const fn other(side: usize) -> usize {
    1 - side
}

const fn weight(side: usize) -> i8 {
    if side == LEFT { -1 } else { 1 }
}

fn element(node: *mut Links) -> PVOID {
    if node.is_null() { ptr::null_mut() } else { node.wrapping_add(1).cast() }
}

/// The tree of a table, while no other thread uses it, for which the client is responsible.
///
/// # Invariants
///
/// The pointer is to an initialized table.
#[derive(Clone, Copy)]
struct Tree(*mut Table);

impl Tree {
    /// # Safety
    ///
    /// The pointer is to an initialized table that nothing else uses while this does.
    unsafe fn new(table: *mut Table, function: &str) -> Self {
        // SAFETY: the pointer is to a table (this function's contract).
        if unsafe { (*table).compare }.is_none() {
            kernel_violation(&format!("{function}: the table is not initialized"));
        }
        Self(table)
    }

    fn root(self) -> *mut Links {
        // SAFETY: by this type's invariant; the root is within the table.
        unsafe { &raw mut (*self.0).root }
    }

    fn first_node(self) -> *mut Links {
        child(self.root(), RIGHT)
    }

    /// Where an element is, or would be: the node or its parent, and a `TABLE_SEARCH_RESULT`.
    fn find(self, wanted: PVOID) -> (*mut Links, u32) {
        let mut node = self.first_node();
        if node.is_null() {
            return (ptr::null_mut(), EMPTY_TREE);
        }
        loop {
            // SAFETY: by this type's invariant; the client gave this routine for its elements.
            let order =
                unsafe { (*self.0).compare.map(|compare| compare(self.0, wanted, element(node))) };
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

    /// Puts a new node at a place that [`find`](Self::find) has found.
    fn insert(self, node: *mut Links, parent: *mut Links, result: u32) {
        let (parent, side) = match result {
            EMPTY_TREE => (self.root(), RIGHT),
            INSERT_AS_LEFT => (parent, LEFT),
            _ => (parent, RIGHT),
        };
        let links = Links { parent, children: [ptr::null_mut(); 2], balance: 0, reserved: [0; 3] };
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

    fn remove(self, node: *mut Links) {
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

fn child(node: *mut Links, side: usize) -> *mut Links {
    // SAFETY: nodes of a tree are valid, see `Table`.
    unsafe { (*node).children[side] }
}

/// Links a node, which may be null, below another.
fn set_child(parent: *mut Links, side: usize, node: *mut Links) {
    // SAFETY: nodes of a tree are valid, see `Table`.
    unsafe { (*parent).children[side] = node };
    if !node.is_null() {
        // SAFETY: nodes of a tree are valid, see `Table`.
        unsafe { (*node).parent = parent };
    }
}

fn parent_of(node: *mut Links) -> *mut Links {
    // SAFETY: nodes of a tree are valid, see `Table`.
    unsafe { (*node).parent }
}

/// Which child of its parent a node is.
fn side_of(node: *mut Links) -> usize {
    if child(parent_of(node), LEFT) == node { LEFT } else { RIGHT }
}

fn balance(node: *mut Links) -> i8 {
    // SAFETY: nodes of a tree are valid, see `Table`.
    unsafe { (*node).balance }
}

fn set_balance(node: *mut Links, balance: i8) {
    // SAFETY: nodes of a tree are valid, see `Table`.
    unsafe { (*node).balance = balance };
}

/// The last node on one side of a subtree.
fn outermost(mut node: *mut Links, side: usize) -> *mut Links {
    while !child(node, side).is_null() {
        node = child(node, side);
    }
    node
}

/// The next node on one side, in order; null behind the last.
fn neighbor(tree: Tree, mut node: *mut Links, side: usize) -> *mut Links {
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
fn rotate(node: *mut Links, side: usize) {
    let (above, above_side) = (parent_of(node), side_of(node));
    let raised = child(node, side);
    set_child(node, side, child(raised, other(side)));
    set_child(raised, other(side), node);
    set_child(above, above_side, raised);
}

/// Mends a node whose child on one side is too high by one. Returns whether the subtree is lower than before.
fn rebalance(node: *mut Links, side: usize) -> bool {
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

#[unsafe(no_mangle)]
unsafe extern "C" fn RtlInitializeGenericTableAvl(
    table: *mut Table,
    compare: Option<Compare>,
    allocate: Option<Allocate>,
    free: Option<Free>,
    context: PVOID,
) {
    if compare.is_none() || allocate.is_none() || free.is_none() {
        kernel_violation("RtlInitializeGenericTableAvl: a routine is null");
    }
    // SAFETY: the caller passes memory for a table, of which zeroes are an empty one.
    unsafe { table.write_bytes(0, 1) };
    // SAFETY: the memory was just initialized.
    let initialized = unsafe { &mut *table };
    initialized.root.parent = &raw mut initialized.root;
    initialized.compare = compare;
    initialized.allocate = allocate;
    initialized.free = free;
    initialized.context = context;
}

#[unsafe(no_mangle)]
unsafe extern "C" fn RtlInsertElementGenericTableFullAvl(
    table: *mut Table,
    buffer: PVOID,
    size: ULONG,
    is_new: *mut BOOLEAN,
    place: PVOID,
    result: u32,
) -> PVOID {
    // SAFETY: the caller passes an initialized table, and has it for itself.
    let tree = unsafe { Tree::new(table, "RtlInsertElementGenericTableAvl") };
    let give = |element: PVOID, flag: BOOLEAN| {
        if !is_new.is_null() {
            // SAFETY: the caller passes room for a flag, or null.
            unsafe { is_new.write(flag) };
        }
        element
    };
    if result == FOUND_NODE {
        return give(element(place.cast()), FALSE);
    }
    let header = ULONG::try_from(size_of::<Links>()).unwrap_or(0);
    let node: *mut Links = match size.checked_add(header) {
        // SAFETY: the client gave this routine for its table.
        Some(bytes) => unsafe {
            (*table).allocate.map_or(ptr::null_mut(), |allocate| allocate(table, bytes)).cast()
        },
        None => ptr::null_mut(),
    };
    if node.is_null() {
        return give(ptr::null_mut(), FALSE);
    }
    tree.insert(node, place.cast(), result);
    // SAFETY: the element has this size, and follows the node's links.
    unsafe { ptr::copy_nonoverlapping(buffer.cast::<u8>(), element(node).cast(), size as usize) };
    give(element(node), TRUE)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn RtlInsertElementGenericTableAvl(
    table: *mut Table,
    buffer: PVOID,
    size: ULONG,
    is_new: *mut BOOLEAN,
) -> PVOID {
    // SAFETY: the caller passes an initialized table, and has it for itself.
    let tree = unsafe { Tree::new(table, "RtlInsertElementGenericTableAvl") };
    let (place, result) = tree.find(buffer);
    // SAFETY: the caller passes a table that it owns, and the place was just found in it.
    unsafe {
        RtlInsertElementGenericTableFullAvl(table, buffer, size, is_new, place.cast(), result)
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn RtlDeleteElementGenericTableAvlEx(table: *mut Table, node: PVOID) {
    // SAFETY: the caller passes an initialized table, and has it for itself.
    let tree = unsafe { Tree::new(table, "RtlDeleteElementGenericTableAvl") };
    tree.remove(node.cast());
    // SAFETY: the client gave this routine for its nodes, of which this one is in no tree any more.
    unsafe {
        if let Some(free) = (*table).free {
            free(table, node);
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn RtlDeleteElementGenericTableAvl(table: *mut Table, buffer: PVOID) -> BOOLEAN {
    // SAFETY: the caller passes an initialized table, and has it for itself.
    let (node, result) =
        unsafe { Tree::new(table, "RtlDeleteElementGenericTableAvl") }.find(buffer);
    if result != FOUND_NODE {
        return FALSE;
    }
    // SAFETY: the caller passes a table that it owns, and the node was just found in it.
    unsafe { RtlDeleteElementGenericTableAvlEx(table, node.cast()) };
    TRUE
}

#[unsafe(no_mangle)]
unsafe extern "C" fn RtlLookupElementGenericTableFullAvl(
    table: *mut Table,
    buffer: PVOID,
    place: *mut PVOID,
    result: *mut u32,
) -> PVOID {
    // SAFETY: the caller passes an initialized table, and has it for itself.
    let (found, search) =
        unsafe { Tree::new(table, "RtlLookupElementGenericTableAvl") }.find(buffer);
    // SAFETY: the caller passes room for both.
    unsafe {
        place.write(found.cast());
        result.write(search);
    }
    if search == FOUND_NODE { element(found) } else { ptr::null_mut() }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn RtlLookupElementGenericTableAvl(table: *mut Table, buffer: PVOID) -> PVOID {
    let (mut place, mut result) = (ptr::null_mut(), 0);
    // SAFETY: the caller passes an initialized table that it owns, and both results are local variables.
    unsafe { RtlLookupElementGenericTableFullAvl(table, buffer, &raw mut place, &raw mut result) }
}

/// Goes on from a node to the next, or begins.
fn enumerate(tree: Tree, restart: &mut *mut Links) -> PVOID {
    let next = match (tree.first_node(), *restart) {
        (first, _) if first.is_null() => ptr::null_mut(),
        (first, last) if last.is_null() => outermost(first, LEFT),
        (_, last) => neighbor(tree, last, RIGHT),
    };
    if !next.is_null() {
        *restart = next;
    }
    element(next)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn RtlEnumerateGenericTableAvl(table: *mut Table, restart: BOOLEAN) -> PVOID {
    // SAFETY: the caller passes an initialized table, and has it for itself.
    let tree = unsafe { Tree::new(table, "RtlEnumerateGenericTableAvl") };
    // SAFETY: the tree's table is valid.
    let mut last = if restart == FALSE { unsafe { (*table).restart } } else { ptr::null_mut() };
    let found = enumerate(tree, &mut last);
    // SAFETY: the tree's table is valid.
    unsafe { (*table).restart = last };
    found
}

#[unsafe(no_mangle)]
unsafe extern "C" fn RtlEnumerateGenericTableWithoutSplayingAvl(
    table: *mut Table,
    restart: *mut *mut Links,
) -> PVOID {
    // SAFETY: the caller passes an initialized table, and has it for itself.
    let tree = unsafe { Tree::new(table, "RtlEnumerateGenericTableWithoutSplayingAvl") };
    // SAFETY: the caller passes its own place for where the enumeration is.
    enumerate(tree, unsafe { &mut *restart })
}

/// The element with a number, in order.
#[unsafe(no_mangle)]
unsafe extern "C" fn RtlGetElementGenericTableAvl(table: *mut Table, index: ULONG) -> PVOID {
    // SAFETY: the caller passes an initialized table, and has it for itself.
    let tree = unsafe { Tree::new(table, "RtlGetElementGenericTableAvl") };
    let mut last = ptr::null_mut();
    // SAFETY: the tree's table is valid.
    if index >= unsafe { (*table).count } {
        return ptr::null_mut();
    }
    (0..=index).map(|_| enumerate(tree, &mut last)).last().unwrap_or(ptr::null_mut())
}

#[unsafe(no_mangle)]
unsafe extern "C" fn RtlNumberGenericTableElementsAvl(table: *mut Table) -> ULONG {
    // SAFETY: the caller passes an initialized table.
    unsafe { (*table).count }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn RtlIsGenericTableEmptyAvl(table: *mut Table) -> BOOLEAN {
    // SAFETY: the caller passes an initialized table.
    if unsafe { RtlNumberGenericTableElementsAvl(table) } == 0 { TRUE } else { FALSE }
}

#[cfg(test)]
mod tests {
    use std::alloc::{Layout, alloc, dealloc};
    use std::collections::BTreeSet;
    use std::mem::MaybeUninit;

    use super::*;

    unsafe extern "C" fn compare(_: *mut Table, left: PVOID, right: PVOID) -> u32 {
        // SAFETY: the elements are numbers.
        let (left, right) = unsafe { (*left.cast::<u32>(), *right.cast::<u32>()) };
        match left.cmp(&right) {
            std::cmp::Ordering::Less => LESS,
            std::cmp::Ordering::Greater => GREATER,
            std::cmp::Ordering::Equal => EQUAL,
        }
    }

    const NODE: Layout = Layout::new::<(Links, u32)>();

    unsafe extern "C" fn allocate(_: *mut Table, size: ULONG) -> PVOID {
        assert_eq!(size, 0x24);
        // SAFETY: the size is not zero.
        unsafe { alloc(NODE) }.cast()
    }

    unsafe extern "C" fn free(_: *mut Table, node: PVOID) {
        // SAFETY: `allocate` gave it.
        unsafe { dealloc(node.cast(), NODE) };
    }

    /// The height of a subtree, all of whose nodes are linked and balanced.
    fn height(node: *mut Links, parent: *mut Links) -> i8 {
        if node.is_null() {
            return 0;
        }
        assert_eq!(parent_of(node), parent);
        let (left, right) = (height(child(node, LEFT), node), height(child(node, RIGHT), node));
        assert_eq!(balance(node), right - left);
        assert!(balance(node).abs() <= 1);
        1 + left.max(right)
    }

    #[test]
    fn a_table_is_a_balanced_set() {
        let mut table = MaybeUninit::<Table>::uninit();
        let table = table.as_mut_ptr();
        // SAFETY: there is memory for a table, and routines for numbers.
        unsafe {
            RtlInitializeGenericTableAvl(
                table,
                Some(compare),
                Some(allocate),
                Some(free),
                ptr::null_mut(),
            );
        }
        let mut expected = BTreeSet::new();
        let mut state = 1_u32;
        for step in 0..4000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let mut number = state >> 22;
            let buffer: PVOID = (&raw mut number).cast();
            // Grows first, and shrinks later.
            if (state >> 16) % 4 < if step < 2000 { 3 } else { 1 } {
                let mut is_new = 9;
                // SAFETY: the table is initialized, and the element is a number.
                let inserted =
                    unsafe { RtlInsertElementGenericTableAvl(table, buffer, 4, &raw mut is_new) };
                // SAFETY: it is an element.
                assert_eq!(unsafe { *inserted.cast::<u32>() }, number);
                assert_eq!(is_new != FALSE, expected.insert(number));
            } else {
                // SAFETY: the table is initialized, and the element is a number.
                let was = unsafe { RtlDeleteElementGenericTableAvl(table, buffer) };
                assert_eq!(was != FALSE, expected.remove(&number));
            }
            // SAFETY: the table is initialized.
            let tree = unsafe { Tree::new(table, "a test") };
            let depth = height(tree.first_node(), tree.root());
            // SAFETY: the table is initialized.
            unsafe {
                assert_eq!((*table).depth, u32::try_from(depth).unwrap());
                assert_eq!((*table).count as usize, expected.len());
            }
        }
        let (mut all, mut restart) = (Vec::new(), TRUE);
        loop {
            // SAFETY: the table is initialized.
            let next = unsafe { RtlEnumerateGenericTableAvl(table, restart) };
            if next.is_null() {
                break;
            }
            restart = FALSE;
            // SAFETY: it is an element.
            all.push(unsafe { *next.cast::<u32>() });
        }
        assert!(all.len() > 10 && all.iter().eq(&expected), "{all:?}");
        for (index, mut number) in all.into_iter().enumerate() {
            let index = u32::try_from(index).unwrap();
            // Each was the first just before.
            // SAFETY: the table is initialized.
            let found = unsafe { RtlGetElementGenericTableAvl(table, 0) };
            // SAFETY: it is an element.
            assert_eq!(unsafe { *found.cast::<u32>() }, number, "{index}");
            // SAFETY: the table is initialized.
            let was = unsafe { RtlDeleteElementGenericTableAvl(table, (&raw mut number).cast()) };
            assert_eq!(was, TRUE);
        }
        // SAFETY: the table is initialized.
        assert_eq!(unsafe { RtlIsGenericTableEmptyAvl(table) }, TRUE);
    }
}
