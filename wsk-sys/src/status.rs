//! Classification of status codes.

use crate::NTSTATUS;

/// Returns whether `Status` has success or informational severity.
///
/// [`STATUS_PENDING`](crate::STATUS_PENDING) and [`STATUS_EVENT_PENDING`](crate::STATUS_EVENT_PENDING) pass although
/// they are not success. [`STATUS_BUFFER_OVERFLOW`](crate::STATUS_BUFFER_OVERFLOW) does not pass although a size is
/// returned with it.
///
/// IRQL: any.
///
/// ```
/// use wsk_sys::{NT_SUCCESS, STATUS_CANCELLED, STATUS_PENDING};
///
/// assert!(NT_SUCCESS(STATUS_PENDING));
/// assert!(!NT_SUCCESS(STATUS_CANCELLED));
/// ```
#[must_use]
pub const fn NT_SUCCESS(Status: NTSTATUS) -> bool {
    Status >= 0
}
