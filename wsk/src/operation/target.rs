//! Whom requests are made to.

use core::ptr::NonNull;

use super::Operation;
use crate::registration::Core;
use crate::socket::Shared;

/// Whom a request is made to: who is kept while it is in flight.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    Nobody,
    Socket(NonNull<Shared>),
    /// The client itself, as for the resolution of a name.
    Client(NonNull<Core>),
}

impl Target {
    /// # Safety
    ///
    /// The caller has a hold on it.
    #[inline]
    pub(super) unsafe fn retain(self) {
        match self {
            Self::Nobody => {}
            // SAFETY: the caller's promise.
            Self::Socket(shared) => unsafe { shared.as_ref() }.retain(),
            // SAFETY: the caller's promise.
            Self::Client(core) => unsafe { core.as_ref() }.begin_request(),
        }
    }

    /// # Safety
    ///
    /// The caller has a hold, gives it up, and does not use the target any more.
    #[inline]
    pub(super) unsafe fn release(self) {
        match self {
            Self::Nobody => {}
            // SAFETY: the caller's promise.
            Self::Socket(shared) => unsafe { Shared::release(shared) },
            // SAFETY: the caller's promise.
            Self::Client(core) => unsafe { Core::end_request(core) },
        }
    }

    /// Keeps a request that was refused.
    ///
    /// # Safety
    ///
    /// The caller has a hold, the request was made to this target and orphaned, and nobody else adopts it.
    pub(super) unsafe fn adopt(self, operation: NonNull<Operation>) {
        let requests = match self {
            Self::Nobody => return,
            // SAFETY: the caller's promise.
            Self::Socket(shared) => unsafe { &(*shared.as_ptr()).requests },
            // SAFETY: the caller's promise.
            Self::Client(core) => unsafe { &(*core.as_ptr()).requests },
        };
        // SAFETY: the caller's promise.
        unsafe { requests.adopt(operation) };
    }
}
