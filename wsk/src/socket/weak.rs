//! What may outlive a socket's handles: uses for single calls, and weak holds.

use core::ptr::NonNull;

use wsk_sys::{PWSK_SOCKET, WSK_SOCKET};

use super::memory::Shared;
use crate::operation::Idle;
use crate::status::Result;

/// A weak hold on a socket's memory: neither the socket nor its handler nor the registration waits for it.
pub(crate) struct Weak(NonNull<Shared>);

// SAFETY: it is a weak hold on what is itself shared.
unsafe impl Send for Weak {}
// SAFETY: as above.
unsafe impl Sync for Weak {}

impl Weak {
    pub(crate) fn new(shared: &Shared) -> Self {
        shared.counts.hold_weakly();
        Self(shared.whole())
    }

    /// A use of the socket, if it is open.
    pub(crate) fn try_use(&self) -> Option<Use> {
        // SAFETY: the weak hold keeps the memory.
        Use::begin(unsafe { self.0.as_ref() })
    }

    /// As [`Shared::completed`], where the socket may be closed already.
    pub(crate) fn completed(&self, idle: Idle, result: Result<usize>) -> Result<()> {
        // SAFETY: the weak hold keeps the memory, and with it the requests.
        let shared = unsafe { self.0.as_ref() };
        shared.completed(idle, result).map(|(idle, _)| shared.requests.put(idle))
    }
}

impl Drop for Weak {
    fn drop(&mut self) {
        // SAFETY: it is a weak hold, and ends here.
        unsafe { Shared::release_weakly(self.0) };
    }
}

/// A use of an open socket.
#[derive(Debug)]
pub(crate) struct Use {
    shared: NonNull<Shared>,
    socket: NonNull<WSK_SOCKET>,
}

// SAFETY: it is a use of what is itself shared.
unsafe impl Send for Use {}
// SAFETY: as above.
unsafe impl Sync for Use {}

impl Use {
    /// A use of the socket, if it was delivered and its close has not begun.
    pub(crate) fn begin(shared: &Shared) -> Option<Self> {
        let socket = NonNull::new(shared.socket())?;
        if !shared.counts.try_begin_use() {
            return None;
        }
        // Not before: a value that is dropped would end a use that has not begun (INV-45).
        Some(Self { shared: shared.whole(), socket })
    }

    pub(crate) const fn socket(&self) -> PWSK_SOCKET {
        self.socket.as_ptr()
    }

    pub(crate) const fn as_ptr(&self) -> NonNull<Shared> {
        self.shared
    }
}

impl core::ops::Deref for Use {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        // SAFETY: it is a use.
        unsafe { self.shared.as_ref() }
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        // SAFETY: it is a use, and ends here.
        unsafe { Shared::end_use(self.shared) };
    }
}
