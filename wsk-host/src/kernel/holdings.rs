//! Counting of the resources that the current thread's client acquires and releases.

use crate::kernel::current;
use crate::kernel::resources::Resource;
use crate::verifier::Origin;

/// Records that the current thread's client acquires a resource.
pub(crate) fn take(resource: Resource, key: usize, call: &'static str) {
    current().resources().take(resource, key, Origin::here(call));
}

/// Records that the current thread's client releases a resource.
pub(crate) fn give_back(resource: Resource, key: usize) {
    current().resources().give_back(resource, key);
}
