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

/// The items of one kernel that are queued, by address.
#[derive(Default)]
pub(crate) struct WorkQueue(BTreeMap<usize, Origin>);

impl WorkQueue {
    /// Stops a client that frees or initializes an item that is queued.
    pub(crate) fn require_unused(&self, freed: &Range<usize>, call: &str) {
        let items = self.0.range(addresses_of::<WorkItem>(freed));
        if let Some((_, origin)) = items.into_iter().next() {
            require_not_in_use(call, "a queued work item", origin);
        }
    }

    pub(super) fn insert(&mut self, item: usize, origin: Origin) {
        self.0.insert(item, origin);
    }

    pub(super) fn remove(&mut self, item: usize) {
        self.0.remove(&item);
    }
}
