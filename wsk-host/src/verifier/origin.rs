//! Where an object came from.

use std::fmt;
use std::thread::Thread;

use super::place::Frames;

/// The call that made an object, its thread, and the place of the client that made the call.
pub(crate) struct Origin {
    call: &'static str,
    thread: Thread,
    frames: Frames,
}

impl Origin {
    pub(crate) fn call(&self) -> &'static str {
        self.call
    }

    /// The current call.
    pub(crate) fn here(call: &'static str) -> Self {
        Self { call, thread: std::thread::current(), frames: Frames::here() }
    }

    /// The call and its thread, without the place.
    pub(crate) fn headline(&self) -> String {
        let thread = self.thread.name().unwrap_or("unnamed");
        format!("by {} in the thread `{thread}`", self.call)
    }

    /// The place of the client, in lines after a line break each. Empty if it is not known.
    pub(crate) fn place(&self) -> String {
        self.frames.shown()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.headline(), self.place())
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.call)
    }
}
