//! A system thread.
//!
//! # Safety
//!
//! A thread's routine may use its context until the thread was joined.

#![expect(unsafe_code, reason = "see Safety")]

use core::ptr;

use wsk_sys::{
    FALSE, HANDLE, OBJ_KERNEL_HANDLE, OBJECT_ATTRIBUTES, PVOID, PsCreateSystemThread,
    THREAD_ALL_ACCESS, ULONG, ZwClose, ZwWaitForSingleObject,
};

use crate::irql::Passive;
use crate::status::{Result, check};

/// A thread of the system process, whose end must be waited for with [`Thread::join`].
#[must_use]
pub(crate) struct Thread(HANDLE);

// SAFETY: a kernel handle is valid in every thread.
unsafe impl Send for Thread {}
// SAFETY: a kernel handle is valid in every thread; it has no methods on a shared reference.
unsafe impl Sync for Thread {}

impl Thread {
    /// Starts a thread.
    ///
    /// # Errors
    ///
    /// What `PsCreateSystemThread` reports, such as `STATUS_INSUFFICIENT_RESOURCES`.
    ///
    /// # Safety
    ///
    /// `routine` may be called with `context` in another thread until [`Thread::join`] has returned.
    pub(crate) unsafe fn start(
        _passive: Passive,
        routine: unsafe extern "C" fn(PVOID),
        context: PVOID,
    ) -> Result<Self> {
        #[expect(clippy::cast_possible_truncation, reason = "48 bytes")]
        let mut attributes = OBJECT_ATTRIBUTES {
            Length: size_of::<OBJECT_ATTRIBUTES>() as ULONG,
            RootDirectory: ptr::null_mut(),
            ObjectName: ptr::null_mut(),
            // Valid in every process: the thread may be joined from another one's.
            Attributes: OBJ_KERNEL_HANDLE,
            SecurityDescriptor: ptr::null_mut(),
            SecurityQualityOfService: ptr::null_mut(),
        };
        let mut handle = ptr::null_mut();
        // SAFETY: the token says PASSIVE_LEVEL; the two structures are valid during the call, and the
        // caller promises routine and context.
        let status = unsafe {
            PsCreateSystemThread(
                &raw mut handle,
                THREAD_ALL_ACCESS,
                &raw mut attributes,
                ptr::null_mut(),
                ptr::null_mut(),
                Some(routine),
                context,
            )
        };
        check(status).map(|()| Self(handle))
    }

    /// Waits until the thread has ended: none of its instructions will run any more.
    pub(crate) fn join(self, _passive: Passive) {
        // The status says nothing: the wait has no time-out and is not alertable.
        // SAFETY: the handle is open, and the token says that this thread may wait.
        unsafe { ZwWaitForSingleObject(self.0, FALSE, ptr::null_mut()) };
        // SAFETY: the handle is this value's, which ends here.
        unsafe { ZwClose(self.0) };
    }
}
