//! The close of a socket.
//!
//! # Safety
//!
//! A socket is closed once, when no open reference is left ([INV-45](crate::rules#inv-45)); the close has its own
//! memory reference.

#![expect(unsafe_code, reason = "see Safety")]

use core::future::Future;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll};

use wsk_sys::{NTSTATUS, PDEVICE_OBJECT, PIRP, PVOID, STATUS_MORE_PROCESSING_REQUIRED};

use super::memory::SocketState;
use crate::dispatch::BasicDispatch;
use crate::executor;
use crate::operation::{OnceOperation, Target as _};

/// Starts the close of a socket. The completion routine releases one memory reference. IRQL: <= `DISPATCH_LEVEL`.
///
/// # Safety
///
/// - The socket was delivered, and is closed once.
/// - No call to it is executing, and none follows.
/// - A memory reference is left for the completion routine to release.
pub(super) unsafe fn begin_close(state: NonNull<SocketState>) {
    // SAFETY: the memory reference for the completion routine keeps the memory until that has run.
    let memory = unsafe { state.as_ref() };
    let socket = memory.socket();
    let device = memory.header.device();
    // SAFETY: this is the one close, and its operation is used for nothing else.
    let irp = unsafe { memory.close.ready_once(closed, state.as_ptr().cast(), device) };
    // SAFETY: the memory reference is left until the close has completed, and no open reference, through which a request
    // would be issued.
    unsafe { memory.requests.end_borrowing(state) };
    // SAFETY: the socket is open, and its table begins with the basic functions.
    let dispatch = unsafe { BasicDispatch::of(socket) };
    // From here on, the memory may be freed. The returned status adds nothing to the one that the completion routine
    // gets (INV-12). SAFETY: no call to the socket is executing (this function's contract); the IRP is ready.
    unsafe { dispatch.close_socket(irp) };
}

/// The completion routine of a close.
unsafe extern "C" fn closed(_device: PDEVICE_OBJECT, _irp: PIRP, context: PVOID) -> NTSTATUS {
    // SAFETY: `begin_close` set this context.
    let state = unsafe { NonNull::new_unchecked(context.cast::<SocketState>()) };
    // SAFETY: this routine's memory reference keeps the memory.
    let waker = unsafe { state.as_ref() }.close.complete_once();
    if let Some(waker) = waker {
        executor::wake_in_completion_routine(waker);
    }
    // The last thing that this routine does: it may let the driver unload.
    // SAFETY: `begin_close` left a memory reference for this.
    unsafe { SocketState::release(state) };
    STATUS_MORE_PROCESSING_REQUIRED
}

/// A close in progress. Ready when the socket is closed; dropping it does not stop the close.
///
/// # Invariants
///
/// It owns a weak reference, whose pointer is to the whole memory of the socket: the registration does not wait for a close whose
/// future was forgotten. No other future waits for the close.
#[must_use = "the close has begun, but no future waits for its end"]
pub(crate) struct Close(NonNull<SocketState>);

// SAFETY: it owns a reference (Invariants) to a `SocketState`, which is `Sync`, and any thread may release it.
unsafe impl Send for Close {}
// SAFETY: it is a reference to a `SocketState`, which is `Sync`.
unsafe impl Sync for Close {}

impl Close {
    /// Releases an open reference, and waits for the close, which begins when there is no other.
    ///
    /// # Safety
    ///
    /// The caller gives up its open reference. No other future waits for the close.
    pub(super) unsafe fn start(state: NonNull<SocketState>) -> Self {
        // SAFETY: the caller's open reference keeps the memory.
        let memory = unsafe { state.as_ref() };
        memory.counts.retain_weak();
        // Before the reference is released, after which the close may begin in any thread.
        memory.close.expect_waiter();
        // SAFETY: the caller gives up its open reference.
        unsafe { SocketState::release_open(state) };
        // INVARIANT: `retain_weak` took a weak reference for this value.
        Self(state)
    }

    fn close(&self) -> &OnceOperation {
        // SAFETY: this value owns a weak reference (Invariants).
        unsafe { &self.0.as_ref().close }
    }
}

impl Future for Close {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.close().poll_once(context)
    }
}

impl Drop for Close {
    fn drop(&mut self) {
        self.close().detach_waiter();
        // SAFETY: this value owns a weak reference (Invariants), and ends here.
        unsafe { SocketState::release_weak(self.0) };
    }
}
