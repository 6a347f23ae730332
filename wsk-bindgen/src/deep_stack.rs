//! Threads with room for deeply nested declarations, which clang, bindgen and this crate walk recursively.

use std::io;
use std::thread::{Builder, Scope, ScopedJoinHandle};

/// In bytes. Pages that are not touched cost nothing.
pub const SIZE: usize = 256 << 20;

/// Runs `work` in a scoped thread with a stack of [`SIZE`] bytes.
pub(crate) fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> io::Result<ScopedJoinHandle<'scope, T>> {
    Builder::new().stack_size(SIZE).spawn_scoped(scope, work)
}
