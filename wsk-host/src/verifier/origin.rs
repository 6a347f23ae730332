//! Where an object came from.

use std::fmt;

use super::place::Frames;

/// The call that made an object, its thread, and the place of the client that made the call. A clone allocates nothing.
#[derive(Clone)]
pub(crate) struct Origin {
    call: &'static str,
    frames: Frames,
}

impl Origin {
    pub(crate) fn call(&self) -> &'static str {
        self.call
    }

    /// The current call.
    pub(crate) fn here(call: &'static str) -> Self {
        Self { call, frames: Frames::here() }
    }

    /// The call and its thread, without the place.
    pub(crate) fn headline(&self) -> String {
        let thread = self.frames.thread().unwrap_or("unnamed");
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
