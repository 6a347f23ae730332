//! Released objects, which are kept for a while.

use std::collections::VecDeque;

/// The last objects that a client has released. They are kept to detect their use.
pub(crate) struct Quarantine<T> {
    objects: VecDeque<T>,
    capacity: usize,
}

impl<T> Quarantine<T> {
    /// A quarantine for a number of objects.
    pub(crate) const fn new(capacity: usize) -> Self {
        Self { objects: VecDeque::new(), capacity }
    }

    /// Adds an object, and returns the oldest one if there are too many.
    #[must_use = "the oldest object is to be freed without the quarantine's lock"]
    pub(crate) fn add(&mut self, object: T) -> Option<T> {
        self.objects.push_back(object);
        if self.objects.len() > self.capacity { self.objects.pop_front() } else { None }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.objects.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::Quarantine;

    #[test]
    fn the_oldest_object_leaves_when_there_are_too_many() {
        let mut quarantine = Quarantine::new(2);
        assert_eq!(
            [1, 2, 3, 4].map(|object| quarantine.add(object)),
            [None, None, Some(1), Some(2)]
        );
        assert!(quarantine.iter().eq(&[3, 4]));
    }
}
