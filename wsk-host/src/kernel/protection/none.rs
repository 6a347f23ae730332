//! A system on which no page is protected.

use std::ops::Range;

/// No pages have one.
pub(super) enum ProtectionSlot {}

pub(super) fn page_size() -> Option<usize> {
    None
}

/// Protects nothing.
///
/// # Safety
///
/// None is required.
#[expect(unsafe_code, reason = "the contract is that of the systems that protect pages")]
pub(super) unsafe fn protect(_pages: &Range<usize>) -> Option<ProtectionSlot> {
    None
}

pub(super) fn unprotect(_pages: &Range<usize>, slot: &ProtectionSlot) {
    match *slot {}
}
