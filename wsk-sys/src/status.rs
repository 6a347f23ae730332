//! The sign of a status.

use crate::NTSTATUS;

/// Whether a status is a success or an information.
///
/// [`STATUS_PENDING`](crate::STATUS_PENDING) and [`STATUS_EVENT_PENDING`](crate::STATUS_EVENT_PENDING)
/// pass and are not success; [`STATUS_BUFFER_OVERFLOW`](crate::STATUS_BUFFER_OVERFLOW) does not pass
/// although a size comes with it.
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
