//! What a request is counted as when it completes: nothing without the feature `counters`.
//!
//! # Safety
//!
//! The kind is written by the owner of an idle operation, and read by the completion routine.

#![expect(unsafe_code, reason = "see Safety")]

use super::{Packet, RequestKind};

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
        crate::counters::completed(self.0.get(), result, information);
    }
}

#[cfg(not(feature = "counters"))]
pub(super) struct Counted;

#[cfg(not(feature = "counters"))]
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
