//! What a request is counted as when it completes: nothing without the feature `counters`.
//!
//! # Safety
//!
//! The kind is written by the owner of an idle operation, and read by the completion routine.

#![expect(unsafe_code, reason = "see Safety")]

use super::{Packet, RequestKind};
#[cfg(feature = "counters")]
use crate::{counters, status::known};

#[cfg(feature = "counters")]
pub(super) struct Counted(core::cell::Cell<RequestKind>);

#[cfg(feature = "counters")]
impl Counted {
    pub(super) const fn new() -> Self {
        Self(core::cell::Cell::new(RequestKind::Other))
    }

    /// # Safety
    ///
    /// The caller owns the operation, which is idle.
    pub(super) unsafe fn set(&self, kind: RequestKind) {
        self.0.set(kind);
    }

    /// Counts the request.
    ///
    /// # Safety
    ///
    /// The request has completed. The operation and its packet are the caller's.
    pub(super) unsafe fn count(&self, packet: &Packet) {
        // SAFETY: the request has completed, and the caller owns its IRP.
        let result = unsafe { packet.result() };
        // SAFETY: the caller owns the IRP.
        let information = unsafe { packet.information() };
        // A message that was cut off has the number of its bytes, too.
        let is_transferred = matches!(result, Ok(_) | Err(known::STATUS_BUFFER_OVERFLOW));
        counters::completed(!is_transferred && result != Err(known::STATUS_CANCELLED));
        match self.0.get() {
            _ if !is_transferred => {}
            RequestKind::Sends | RequestKind::Transmits => counters::sent(information),
            RequestKind::Receives => counters::received(information),
            RequestKind::Other => {}
        }
    }
}

#[cfg(not(feature = "counters"))]
pub(super) struct Counted;

#[cfg(not(feature = "counters"))]
#[expect(clippy::unused_self, reason = "the functions are those of the other type")]
impl Counted {
    pub(super) const fn new() -> Self {
        Self
    }

    /// # Safety
    ///
    /// None.
    #[inline]
    pub(super) const unsafe fn set(&self, _: RequestKind) {}

    /// # Safety
    ///
    /// None.
    #[inline]
    pub(super) const unsafe fn count(&self, _: &Packet) {}
}
