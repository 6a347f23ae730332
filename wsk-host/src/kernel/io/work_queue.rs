//! The work items that are queued.

use std::collections::BTreeMap;
use std::ops::Range;

use wsk_sys::PVOID;

use crate::kernel::usage::{addresses_of, require_not_in_use};
use crate::verifier::Origin;

/// The memory of a work item.
///
/// # Invariants
///
/// In an initialized item, `object` is a device or a driver object, which is valid while the item is queued.
#[repr(C)]
pub(super) struct WorkItem {
    pub(super) state: usize,
    /// The device or driver object.
    pub(super) object: PVOID,
    pub(super) reserved: [usize; 6],
}

/// `WORK_QUEUE_ITEM`: the memory of an older work item, which is the client's.
///
/// # Invariants
///
/// In an initialized item, the routine may be called with the parameter.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct OldWorkItem {
    list: [PVOID; 2],
    pub(crate) routine: Option<unsafe extern "C" fn(PVOID)>,
    pub(crate) parameter: PVOID,
}

const _: () = assert!(size_of::<OldWorkItem>() == 32);

/// The items of one kernel that are queued, by address.
#[derive(Default)]
pub(crate) struct WorkQueue {
    items: BTreeMap<usize, Origin>,
    /// Those of `ExQueueWorkItem`.
    old_items: BTreeMap<usize, Origin>,
}

impl WorkQueue {
    /// Stops a client that frees or initializes an item that is queued.
    pub(crate) fn require_unused(&self, freed: &Range<usize>, call: &str) {
        let mut items = self.items.range(addresses_of::<WorkItem>(freed));
        let mut old_items = self.old_items.range(addresses_of::<OldWorkItem>(freed));
        if let Some((_, origin)) = items.next().or_else(|| old_items.next()) {
            require_not_in_use(call, "a queued work item", origin);
        }
    }

    pub(super) fn insert(&mut self, item: usize, origin: Origin) {
        self.items.insert(item, origin);
    }

    pub(super) fn remove(&mut self, item: usize) {
        self.items.remove(&item);
    }

    pub(crate) fn insert_old(&mut self, item: usize, origin: Origin) {
        self.old_items.insert(item, origin);
    }

    pub(crate) fn remove_old(&mut self, item: usize) {
        self.old_items.remove(&item);
    }
}
