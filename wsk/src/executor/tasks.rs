//! A run queue, and a list of tasks whose futures were not dropped.
//!
//! # Safety
//!
//! The lock over these protects the links of their tasks.

#![expect(unsafe_code, reason = "see Safety")]

use super::task::{Task, TaskLinks};

/// The tasks of one worker, or of several.
///
/// # Invariants
///
/// - It is accessed with its scheduler's lock.
/// - The list and the queue own a reference to each of their tasks.
pub(super) struct Tasks {
    first_queued: Option<Task>,
    last_queued: Option<Task>,
    /// The list of the tasks whose futures were not dropped, the newest first.
    first: Option<Task>,
    length: usize,
}

impl Tasks {
    pub(super) const fn new() -> Self {
        Self { first_queued: None, last_queued: None, first: None, length: 0 }
    }

    /// The number of tasks whose futures were not dropped.
    pub(super) const fn len(&self) -> usize {
        self.length
    }

    /// Appends a task to the run queue.
    pub(super) fn push(&mut self, task: Task) {
        links(self, task).next_queued = None;
        match self.last_queued.replace(task) {
            Some(last) => links(self, last).next_queued = Some(task),
            None => self.first_queued = Some(task),
        }
    }

    /// Removes the first task of the run queue.
    pub(super) fn pop(&mut self) -> Option<Task> {
        let task = self.first_queued?;
        self.first_queued = links(self, task).next_queued.take();
        if self.first_queued.is_none() {
            self.last_queued = None;
        }
        Some(task)
    }

    /// Adds a new task to the list.
    pub(super) fn link(&mut self, task: Task) {
        self.length += 1;
        let first = self.first.replace(task);
        links(self, task).next = first;
        if let Some(first) = first {
            links(self, first).previous = Some(task);
        }
    }

    /// Removes a task from the list.
    pub(super) fn unlink(&mut self, task: Task) {
        self.length -= 1;
        let (previous, next) = {
            let links = links(self, task);
            (links.previous.take(), links.next.take())
        };
        match previous {
            Some(previous) => links(self, previous).next = next,
            None => self.first = next,
        }
        if let Some(next) = next {
            links(self, next).previous = previous;
        }
    }

    /// Removes the newest task from the list.
    pub(super) fn unlink_newest(&mut self) -> Option<Task> {
        let task = self.first?;
        self.unlink(task);
        Some(task)
    }
}

/// The links of a task, for as long as the lock is held.
fn links(_lock: &mut Tasks, task: Task) -> &mut TaskLinks {
    let links = task.header().links.get();
    // SAFETY: the scheduler's lock protects the links of every task (Invariants of `TaskHeader`), and `_lock` is accessed with
    // it; the list or the queue owns a reference to the task, or the caller does.
    unsafe { &mut *links }
}
