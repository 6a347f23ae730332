//! The inspection identifier of an accepted connection.
//!
//! # Safety
//!
//! The code takes no IRP, and has written its output when the call returns.

#![expect(unsafe_code, reason = "see Safety")]

use wsk_sys::{SIO_WSK_QUERY_INSPECT_ID, WSK_INSPECT_ID};

use super::ConnectionSocket;
use crate::events::InspectId;
use crate::status::{Result, check};

impl<H> ConnectionSocket<H> {
    /// Returns the identifier that the connection had when it was [inspected](crate::events::ConditionalListenEvents::inspect).
    ///
    /// IRQL: <= `DISPATCH_LEVEL`. Minimum Windows: Windows Vista.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/network/sio-wsk-query-inspect-id).
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_DEVICE_REQUEST` if the connection was not accepted, or its listener does not inspect connections, or in
    ///   a [foreign waker](crate::guide::executors#foreign-wakers) in a completion routine.
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket is no longer functional.
    /// - Any other status of `WskControlSocket`.
    pub fn inspect_id(&self) -> Result<InspectId> {
        let state = self.handle.state();
        state.check_alive()?;
        state.client().check_outside_routines()?;
        let mut id = WSK_INSPECT_ID { Key: 0, SerialNumber: 0 };
        let mut returned = 0;
        let output = ((&raw mut id).cast(), size_of::<WSK_INSPECT_ID>());
        // SAFETY: the code takes no IRP, and writes such a structure, and its size: a SIZE_T, although its page
        // states otherwise (INV-27).
        let status =
            unsafe { self.handle.control_now(SIO_WSK_QUERY_INSPECT_ID, output, &raw mut returned) };
        check(status).map_err(|error| state.note_error(error))?;
        Ok(InspectId::from_raw(&id))
    }
}
