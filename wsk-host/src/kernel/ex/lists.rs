//! `Ex…List`: lists under a spin lock, and sequenced lists (SLISTs).
//!
//! # Safety
//!
//! The exported functions have the contracts that Microsoft documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use wsk_sys::{LIST_ENTRY, PKSPIN_LOCK, SINGLE_LIST_ENTRY, USHORT};

use crate::verifier::kernel_violation;

/// Replaces the spin locks of all these lists: the guarded data is only reached through these functions, at
/// any IRQL, and none of them waits.
static LISTS: Mutex<()> = Mutex::new(());

fn guard() -> MutexGuard<'static, ()> {
    LISTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Null, if an entry is the head of its list.
fn unless_head(head: *mut LIST_ENTRY, entry: *mut LIST_ENTRY) -> *mut LIST_ENTRY {
    if head.addr() == entry.addr() { ptr::null_mut() } else { entry }
}

/// Puts an entry between two that are next to each other.
///
/// # Safety
///
/// All pointers are valid, and no other code uses the list.
unsafe fn link(before: *mut LIST_ENTRY, entry: *mut LIST_ENTRY, after: *mut LIST_ENTRY) {
    // SAFETY: the entries are valid (this function's contract).
    unsafe {
        entry.write(LIST_ENTRY { Flink: after, Blink: before });
        (*before).Flink = entry;
        (*after).Blink = entry;
    }
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExInterlockedInsertHeadList(
    head: *mut LIST_ENTRY,
    entry: *mut LIST_ENTRY,
    _lock: PKSPIN_LOCK,
) -> *mut LIST_ENTRY {
    let _guard = guard();
    // SAFETY: the caller passes an initialized list.
    let first = unsafe { (*head).Flink };
    // SAFETY: the caller passes an entry that is in no list, and the guard keeps others away.
    unsafe { link(head, entry, first) };
    unless_head(head, first)
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExInterlockedInsertTailList(
    head: *mut LIST_ENTRY,
    entry: *mut LIST_ENTRY,
    _lock: PKSPIN_LOCK,
) -> *mut LIST_ENTRY {
    let _guard = guard();
    // SAFETY: the caller passes an initialized list.
    let last = unsafe { (*head).Blink };
    // SAFETY: the caller passes an entry that is in no list, and the guard keeps others away.
    unsafe { link(last, entry, head) };
    unless_head(head, last)
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExInterlockedRemoveHeadList(
    head: *mut LIST_ENTRY,
    _lock: PKSPIN_LOCK,
) -> *mut LIST_ENTRY {
    let _guard = guard();
    // SAFETY: the caller passes an initialized list, and the guard keeps others away.
    unsafe {
        let first = (*head).Flink;
        if first.addr() == head.addr() {
            return ptr::null_mut();
        }
        let second = (*first).Flink;
        if (*second).Blink.addr() != first.addr() {
            kernel_violation("ExInterlockedRemoveHeadList: the list is corrupt");
        }
        (*head).Flink = second;
        (*second).Blink = head;
        first
    }
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExInterlockedPushEntryList(
    head: *mut SINGLE_LIST_ENTRY,
    entry: *mut SINGLE_LIST_ENTRY,
    _lock: PKSPIN_LOCK,
) -> *mut SINGLE_LIST_ENTRY {
    let _guard = guard();
    // SAFETY: the caller passes an initialized list and an entry, and the guard keeps others away.
    unsafe {
        let first = (*head).Next;
        (*entry).Next = first;
        (*head).Next = entry;
        first
    }
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExInterlockedPopEntryList(
    head: *mut SINGLE_LIST_ENTRY,
    _lock: PKSPIN_LOCK,
) -> *mut SINGLE_LIST_ENTRY {
    let _guard = guard();
    // SAFETY: the caller passes an initialized list, and the guard keeps others away.
    unsafe {
        let first = (*head).Next;
        if !first.is_null() {
            (*head).Next = (*first).Next;
        }
        first
    }
}

/// `SLIST_ENTRY`.
///
/// # Invariants
///
/// In a list, `next` is null or an entry of the same list. Other entries belong to the client.
#[repr(C, align(16))]
pub(crate) struct SListEntry {
    next: *mut SListEntry,
}

/// `SLIST_HEADER`. The first word has the depth in its lowest 16 bits, and in the others a number that changes with
/// each change of the list. The second word is the first entry.
///
/// # Invariants
///
/// `first` is null, or the first entry of a list of valid entries that the header owns. The module's lock protects it.
#[repr(C, align(16))]
pub(crate) struct SListHeader {
    depth_and_sequence: u64,
    first: *mut SListEntry,
}

const _: () = assert!(size_of::<SListHeader>() == 16 && size_of::<SListEntry>() == 16);

impl SListHeader {
    fn depth(&self) -> u16 {
        let [low, high, ..] = self.depth_and_sequence.to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    fn change(&mut self, depth: u16, first: *mut SListEntry) {
        let sequence = (self.depth_and_sequence >> 16).wrapping_add(1);
        self.depth_and_sequence = sequence << 16 | u64::from(depth);
        self.first = first;
    }
}

fn require_aligned(address: usize, function: &str, what: &str) {
    if address % 16 != 0 {
        kernel_violation(&format!("{function}: the {what} is not aligned to 16 bytes"));
    }
}

#[wsk_host_macros::export]
pub(crate) unsafe extern "C" fn InitializeSListHead(head: *mut SListHeader) {
    require_aligned(head.addr(), "InitializeSListHead", "head");
    // SAFETY: the caller passes memory for a head.
    unsafe { head.write(SListHeader { depth_and_sequence: 0, first: ptr::null_mut() }) };
}

#[wsk_host_macros::export]
pub(crate) unsafe extern "C" fn ExpInterlockedPushEntrySList(
    head: *mut SListHeader,
    entry: *mut SListEntry,
) -> *mut SListEntry {
    require_aligned(entry.addr(), "InterlockedPushEntrySList", "entry");
    let _guard = guard();
    // SAFETY: the caller passes an initialized head, and the guard keeps others away.
    let head = unsafe { &mut *head };
    let first = head.first;
    // SAFETY: the caller passes an entry that is in no list.
    unsafe { entry.write(SListEntry { next: first }) };
    head.change(head.depth().wrapping_add(1), entry);
    first
}

#[wsk_host_macros::export]
pub(crate) unsafe extern "C" fn ExpInterlockedPopEntrySList(
    head: *mut SListHeader,
) -> *mut SListEntry {
    let _guard = guard();
    // SAFETY: the caller passes an initialized head, and the guard keeps others away.
    let head = unsafe { &mut *head };
    let first = head.first;
    if !first.is_null() {
        // SAFETY: an entry stays valid while it is in a list.
        let next = unsafe { (*first).next };
        head.change(head.depth().wrapping_sub(1), next);
    }
    first
}

#[wsk_host_macros::export]
pub(crate) unsafe extern "C" fn ExpInterlockedFlushSList(
    head: *mut SListHeader,
) -> *mut SListEntry {
    let _guard = guard();
    // SAFETY: the caller passes an initialized head, and the guard keeps others away.
    let head = unsafe { &mut *head };
    let first = head.first;
    head.change(0, ptr::null_mut());
    first
}

#[wsk_host_macros::export]
pub(crate) unsafe extern "C" fn ExQueryDepthSList(head: *mut SListHeader) -> USHORT {
    let _guard = guard();
    // SAFETY: the caller passes an initialized head, and the guard keeps others away.
    unsafe { (*head).depth() }
}
