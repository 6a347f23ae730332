//! Requests on the client itself, instead of a socket.
//!
//! # Safety
//!
//! A provider owns a reference to its client.

#![expect(unsafe_code, reason = "see Safety")]

use wsk_sys::{NTSTATUS, PIRP};

use super::Provider;
use crate::operation::{Idle, InFlight, OptionalFunction, Payload, RequestKind, Target};
use crate::status::Result;

impl Provider {
    /// Makes a request like [`request`](Self::request), with a function that some systems lack.
    ///
    /// # Errors
    ///
    /// Those of [`request`](Self::request), and `STATUS_NOT_IMPLEMENTED` if this call or an earlier one was refused.
    ///
    /// # Safety
    ///
    /// As for [`Idle::start`], where the target is the client.
    pub(crate) unsafe fn request_of(
        &self,
        function: OptionalFunction,
        prepare: impl FnOnce(&mut Payload),
        call: impl FnOnce(PIRP, *mut Payload) -> NTSTATUS,
    ) -> Result<InFlight> {
        let client = self.client_ref();
        client.check_outside_routines()?;
        client.refusals.check(function)?;
        // SAFETY: the provider, whose reference keeps the client, is kept by the future that owns the request.
        let mut idle = unsafe { client.requests().take() }?;
        prepare(idle.payload());
        // SAFETY: the provider holds a reference to the client; the rest is this function's contract.
        let issued = unsafe { idle.start(self.client_ptr(), RequestKind::Other, call) };
        issued.in_flight_of(function, &client.refusals)
    }

    /// Issues a request on the client.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    ///
    /// # Safety
    ///
    /// As for [`Idle::start`], where the target is the client.
    pub(crate) unsafe fn request(
        &self,
        prepare: impl FnOnce(&mut Payload),
        call: impl FnOnce(PIRP, *mut Payload) -> NTSTATUS,
    ) -> Result<InFlight> {
        let client = self.client_ref();
        client.check_outside_routines()?;
        // SAFETY: the provider, whose reference keeps the client, is kept by the future that owns the request.
        let mut idle = unsafe { client.requests().take() }?;
        prepare(idle.payload());
        // SAFETY: the provider holds a reference to the client; the rest is this function's contract.
        Ok(unsafe { idle.start(self.client_ptr(), RequestKind::Other, call) }.in_flight())
    }

    /// Keeps an operation of the client for its next request.
    pub(crate) fn put(&self, idle: Idle) {
        self.client_ref().requests().put(idle);
    }
}
