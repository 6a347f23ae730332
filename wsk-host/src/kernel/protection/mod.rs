//! Pages of freed memory, which no access reaches, and the report about an access.
//!
//! A processor's fault ends where the report about it is written: on the stack of the thread that has made the access,
//! outside of any signal handler. Only Linux on x64 has this. Elsewhere, and under Miri, no page is protected.

mod access;
#[cfg(all(unix, not(miri)))]
mod former_handler;
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
mod linux;
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
use linux as system;

#[cfg(not(all(target_os = "linux", target_arch = "x86_64", not(miri))))]
mod none;
#[cfg(not(all(target_os = "linux", target_arch = "x86_64", not(miri))))]
use none as system;

use std::ops::Range;

pub(crate) use access::{Access, set_report};
#[cfg(all(unix, not(miri)))]
pub(crate) use former_handler::pass_on;

/// The size of the pages that can be protected. None if this system protects none.
pub(crate) fn page_size() -> Option<usize> {
    system::page_size()
}

/// Whether an address is in protected pages.
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
pub(crate) fn contains(address: usize) -> bool {
    linux::contains(address)
}

/// Protected pages. They are accessible again when this is dropped.
pub(crate) struct Protected {
    pages: Range<usize>,
    slot: system::ProtectionSlot,
}

impl Protected {
    /// Protects pages, unless the system refuses, or too many ranges are protected.
    ///
    /// # Safety
    ///
    /// The pages are whole, and belong to an allocation of the caller that is not used while they are protected.
    #[expect(unsafe_code, reason = "the caller's memory becomes inaccessible")]
    pub(crate) unsafe fn new(pages: Range<usize>) -> Option<Self> {
        if pages.is_empty() {
            return None;
        }
        // SAFETY: the caller owns the pages, and does not use them (this function's contract).
        let slot = unsafe { system::protect(&pages) }?;
        Some(Self { pages, slot })
    }

    pub(crate) fn pages(&self) -> Range<usize> {
        self.pages.clone()
    }
}

impl Drop for Protected {
    fn drop(&mut self) {
        system::unprotect(&self.pages, &self.slot);
    }
}
