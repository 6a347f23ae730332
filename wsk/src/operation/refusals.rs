//! Functions of WSK that the running system does not implement.
//!
//! The request of such a call keeps its memory until its target ends: see [`InFlight`](super::InFlight). So the first
//! call decides for a provider, and later ones fail before anything is allocated.

use core::sync::atomic::{AtomicU8, Ordering};

use crate::status::{Result, known};

/// A function that some systems lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum OptionalFunction {
    ControlClient = 1 << 0,
    ControlSocket = 1 << 1,
    Disconnect = 1 << 2,
    GetLocalAddress = 1 << 3,
    GetNameInfo = 1 << 4,
    GetRemoteAddress = 1 << 5,
    SocketConnect = 1 << 6,
}

/// The functions that a provider has refused.
pub(crate) struct Refusals(AtomicU8);

impl Refusals {
    pub(crate) const fn new() -> Self {
        Self(AtomicU8::new(0))
    }

    /// # Errors
    ///
    /// `STATUS_NOT_IMPLEMENTED` if the function was refused.
    pub(crate) fn check(&self, function: OptionalFunction) -> Result<()> {
        // A call that does not see the refusal yet is refused itself.
        if self.0.load(Ordering::Relaxed) & function as u8 == 0 {
            Ok(())
        } else {
            Err(known::STATUS_NOT_IMPLEMENTED)
        }
    }

    pub(crate) fn add(&self, function: OptionalFunction) {
        self.0.fetch_or(function as u8, Ordering::Relaxed);
    }
}
