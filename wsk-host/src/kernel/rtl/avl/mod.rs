//! `Rtl…GenericTable…Avl`: balanced trees in the client's memory.
//!
//! # Safety
//!
//! The exported functions have the contracts that Microsoft documents. They use the client's pointers during the call
//! only, unless a comment says otherwise.

#![expect(
    unsafe_code,
    reason = "the functions have the C ABI, and so have the objects behind their pointers"
)]

mod tree;

use std::ptr;

use wsk_sys::{BOOLEAN, FALSE, PVOID, TRUE, ULONG};

use self::tree::{
    Allocate, AvlTable, BalancedLinks, Compare, FOUND_NODE, Free, LEFT, RIGHT, Tree, element,
    neighbor, outermost,
};
use crate::kernel::abi::Routine as _;
use crate::verifier::kernel_violation;

#[wsk_host_macros::export]
unsafe extern "C" fn RtlInitializeGenericTableAvl(
    table: *mut AvlTable,
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

#[wsk_host_macros::export]
unsafe extern "C" fn RtlInsertElementGenericTableFullAvl(
    table: *mut AvlTable,
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
    let header = ULONG::try_from(size_of::<BalancedLinks>()).unwrap_or(0);
    let node: *mut BalancedLinks = match size.checked_add(header) {
        // SAFETY: the client gave this routine for its table.
        Some(bytes) => unsafe {
            (*table)
                .allocate
                .map_or(ptr::null_mut(), |allocate| allocate.invoke((table, bytes)))
                .cast()
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

#[wsk_host_macros::export]
unsafe extern "C" fn RtlInsertElementGenericTableAvl(
    table: *mut AvlTable,
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

#[wsk_host_macros::export]
unsafe extern "C" fn RtlDeleteElementGenericTableAvlEx(table: *mut AvlTable, node: PVOID) {
    // SAFETY: the caller passes an initialized table, and has it for itself.
    let tree = unsafe { Tree::new(table, "RtlDeleteElementGenericTableAvl") };
    tree.remove(node.cast());
    // SAFETY: the client gave this routine for its nodes, of which this one is in no tree any more.
    unsafe {
        if let Some(free) = (*table).free {
            free.invoke((table, node));
        }
    }
}

#[wsk_host_macros::export]
unsafe extern "C" fn RtlDeleteElementGenericTableAvl(
    table: *mut AvlTable,
    buffer: PVOID,
) -> BOOLEAN {
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

#[wsk_host_macros::export]
unsafe extern "C" fn RtlLookupElementGenericTableFullAvl(
    table: *mut AvlTable,
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

#[wsk_host_macros::export]
unsafe extern "C" fn RtlLookupElementGenericTableAvl(table: *mut AvlTable, buffer: PVOID) -> PVOID {
    let (mut place, mut result) = (ptr::null_mut(), 0);
    // SAFETY: the caller passes an initialized table that it owns, and both results are local variables.
    unsafe { RtlLookupElementGenericTableFullAvl(table, buffer, &raw mut place, &raw mut result) }
}

/// Goes on from a node to the next, or begins.
fn enumerate(tree: Tree, restart: &mut *mut BalancedLinks) -> PVOID {
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

#[wsk_host_macros::export]
unsafe extern "C" fn RtlEnumerateGenericTableAvl(table: *mut AvlTable, restart: BOOLEAN) -> PVOID {
    // SAFETY: the caller passes an initialized table, and has it for itself.
    let tree = unsafe { Tree::new(table, "RtlEnumerateGenericTableAvl") };
    // SAFETY: the tree's table is valid.
    let mut last = if restart == FALSE { unsafe { (*table).restart } } else { ptr::null_mut() };
    let found = enumerate(tree, &mut last);
    // SAFETY: the tree's table is valid.
    unsafe { (*table).restart = last };
    found
}

#[wsk_host_macros::export]
unsafe extern "C" fn RtlEnumerateGenericTableWithoutSplayingAvl(
    table: *mut AvlTable,
    restart: *mut *mut BalancedLinks,
) -> PVOID {
    // SAFETY: the caller passes an initialized table, and has it for itself.
    let tree = unsafe { Tree::new(table, "RtlEnumerateGenericTableWithoutSplayingAvl") };
    // SAFETY: the caller passes its own place for where the enumeration is.
    enumerate(tree, unsafe { &mut *restart })
}

/// The element with a number, in order.
#[wsk_host_macros::export]
unsafe extern "C" fn RtlGetElementGenericTableAvl(table: *mut AvlTable, index: ULONG) -> PVOID {
    // SAFETY: the caller passes an initialized table, and has it for itself.
    let tree = unsafe { Tree::new(table, "RtlGetElementGenericTableAvl") };
    let mut last = ptr::null_mut();
    // SAFETY: the tree's table is valid.
    if index >= unsafe { (*table).count } {
        return ptr::null_mut();
    }
    (0..=index).map(|_| enumerate(tree, &mut last)).last().unwrap_or(ptr::null_mut())
}

#[wsk_host_macros::export]
unsafe extern "C" fn RtlNumberGenericTableElementsAvl(table: *mut AvlTable) -> ULONG {
    // SAFETY: the caller passes an initialized table.
    unsafe { (*table).count }
}

#[wsk_host_macros::export]
unsafe extern "C" fn RtlIsGenericTableEmptyAvl(table: *mut AvlTable) -> BOOLEAN {
    // SAFETY: the caller passes an initialized table.
    if unsafe { RtlNumberGenericTableElementsAvl(table) } == 0 { TRUE } else { FALSE }
}

#[cfg(test)]
mod tests {
    use std::alloc::{Layout, alloc, dealloc};
    use std::collections::BTreeSet;
    use std::mem::MaybeUninit;

    use super::tree::{EQUAL, GREATER, LESS, balance, child, parent_of};
    use super::*;

    unsafe extern "C" fn compare(_: *mut AvlTable, left: PVOID, right: PVOID) -> u32 {
        // SAFETY: the elements are numbers.
        let (left, right) = unsafe { (*left.cast::<u32>(), *right.cast::<u32>()) };
        match left.cmp(&right) {
            std::cmp::Ordering::Less => LESS,
            std::cmp::Ordering::Greater => GREATER,
            std::cmp::Ordering::Equal => EQUAL,
        }
    }

    const NODE: Layout = Layout::new::<(BalancedLinks, u32)>();

    unsafe extern "C" fn allocate(_: *mut AvlTable, size: ULONG) -> PVOID {
        assert_eq!(size, 0x24);
        // SAFETY: the size is not zero.
        unsafe { alloc(NODE) }.cast()
    }

    unsafe extern "C" fn free(_: *mut AvlTable, node: PVOID) {
        // SAFETY: `allocate` gave it.
        unsafe { dealloc(node.cast(), NODE) };
    }

    /// The height of a subtree, all of whose nodes are linked and balanced.
    fn height(node: *mut BalancedLinks, parent: *mut BalancedLinks) -> i8 {
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
        let mut table = MaybeUninit::<AvlTable>::uninit();
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
