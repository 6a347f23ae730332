//! Counting of the resources that the current thread's client takes and gives back.

use crate::kernel::Kernel;
use crate::kernel::resources::Resource;
use crate::verifier::Origin;

/// The current thread's client takes a resource.
pub(crate) fn take(resource: Resource, key: usize, call: &'static str) {
    Kernel::current().resources().take(resource, key, Origin::here(call));
}

/// The current thread's client gives a resource back.
pub(crate) fn give_back(resource: Resource, key: usize) {
    Kernel::current().resources().give_back(resource, key);
}
