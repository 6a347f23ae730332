//! The resources that a client holds besides memory (handles, references, locks, lists), each with the call that took it.

use std::collections::BTreeMap;

use crate::verifier::Origin;

/// A kind of resource that a client acquires and releases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Resource {
    ThreadHandle,
    KeyHandle,
    ThreadReference,
    ProcessReference,
    RundownProtection,
    Lock,
    LookasideList,
    WorkItem,
}

impl Resource {
    /// The words of a report for a resource that is left.
    fn left(self) -> &'static str {
        match self {
            Self::ThreadHandle => "a handle of a thread, not closed, opened",
            Self::KeyHandle => "a handle of a registry key, not closed, opened",
            Self::ThreadReference => "a reference to a thread, not released, taken",
            Self::ProcessReference => "a reference to the process, not released, taken",
            Self::RundownProtection => "a rundown protection, not released, acquired",
            Self::Lock => "a fast mutex or push lock, not released, acquired",
            Self::LookasideList => "a lookaside list, not deleted, initialized",
            Self::WorkItem => "a work item, not uninitialized, initialized",
        }
    }
}

/// The resources that the clients of one kernel hold, by kind and address or handle.
#[derive(Default)]
pub(crate) struct Resources(BTreeMap<(Resource, usize), Vec<Origin>>);

impl Resources {
    pub(crate) fn take(&mut self, resource: Resource, key: usize, origin: Origin) {
        self.0.entry((resource, key)).or_default().push(origin);
    }

    /// Releases the resource that was acquired last. Does nothing if a thread of another kernel has acquired it.
    pub(crate) fn give_back(&mut self, resource: Resource, key: usize) {
        if let Some(origins) = self.0.get_mut(&(resource, key)) {
            origins.pop();
            if origins.is_empty() {
                self.0.remove(&(resource, key));
            }
        }
    }

    /// Where a resource that is held was taken last.
    pub(crate) fn origin(&self, resource: Resource, key: usize) -> Option<&Origin> {
        self.0.get(&(resource, key))?.last()
    }

    /// Those that are held, for a report.
    pub(crate) fn left(&self) -> impl Iterator<Item = (String, &Origin)> {
        self.0.iter().flat_map(|((resource, _), origins)| {
            origins.iter().map(|origin| (resource.left().to_owned(), origin))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_resource_is_counted_by_its_address() {
        let mut resources = Resources::default();
        for key in [1, 1, 2] {
            resources.take(Resource::Lock, key, Origin::here("test"));
        }
        resources.take(Resource::ThreadHandle, 1, Origin::here("test"));
        for _ in 0..3 {
            resources.give_back(Resource::Lock, 1);
        }
        let left: Vec<String> = resources.left().map(|(left, _)| left).collect();
        assert_eq!(left, [Resource::ThreadHandle.left(), Resource::Lock.left()]);
    }
}
