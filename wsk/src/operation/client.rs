//! Requests to the client itself, and to none of its sockets.

use wsk_sys::{NTSTATUS, PIRP};

use super::{InFlight, Payload, Target};
use crate::registration::Provider;
use crate::status::Result;

impl Provider {
    /// Makes a request to the client.
    ///
    /// # Safety
    ///
    /// As for [`Idle::start`](super::Idle::start), where the target is the client.
    pub(crate) unsafe fn request(
        &self,
        prepare: impl FnOnce(&mut Payload),
        call: impl FnOnce(PIRP, *mut Payload) -> NTSTATUS,
    ) -> Result<InFlight> {
        let mut idle = self.core().requests.take()?;
        prepare(idle.payload());
        // SAFETY: the caller's promise. The client stays as long as its provider is captured, and its registration
        // waits for the request.
        Ok(unsafe { idle.start(Target::Client(self.core_pointer()), call) })
    }
}
