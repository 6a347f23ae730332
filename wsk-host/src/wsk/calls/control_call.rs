//! A call of `WskControlSocket`: its arguments, and its completion.
//!
//! # Safety
//!
//! The functions are called through the provider's tables, and have the contracts of WSK's documentation. The provider
//! owns an IRP that it has taken over, and may use the memory of its request, until the IRP is completed.

#![expect(unsafe_code, reason = "the functions and objects are those of a C interface")]

use std::ptr;

use wsk_sys::fields::size_t;
use wsk_sys::{
    NTSTATUS, PIRP, PSIZE_T, PSOCKADDR, STATUS_BUFFER_OVERFLOW, STATUS_BUFFER_TOO_SMALL,
    STATUS_INVALID_PARAMETER, STATUS_SUCCESS, ULONG,
};

use super::{take_over_for, with_stack};
use crate::kernel::residency::require_allocated;
use crate::kernel::trace::{self, TraceEvent};
use crate::verifier::{Rule, rule_violation, tolerated_violation};
use crate::wsk::address;
use crate::wsk::category::Category;
use crate::wsk::object::InCall;
use crate::wsk::requests::SUCCESS;
use crate::wsk::stack::Stack;

pub(super) const FUNCTION: &str = "WskControlSocket";

/// A call of `WskControlSocket`.
///
/// # Invariants
///
/// `input` and `output` are null or valid for their sizes, `returned` is null or valid for a write, and `irp` is null
/// or an IRP of the client: until the call returns, or with an IRP until it has completed.
pub(super) struct ControlCall<'a> {
    pub(super) object: &'a InCall<'a>,
    pub(super) category: Category,
    pub(super) code: ULONG,
    pub(super) level: ULONG,
    pub(super) input: (*const u8, usize),
    pub(super) output: (*mut u8, usize),
    pub(super) returned: PSIZE_T,
    pub(super) irp: PIRP,
}

/// The result of a call: a status, and the number of bytes written.
pub(super) type ControlResult = Result<usize, NTSTATUS>;

impl ControlCall<'_> {
    /// Stops a client whose buffers are not as large as it says, or are freed.
    pub(super) fn require_buffers(&self) {
        let kernel = self.object.kernel();
        let input = ("the input buffer", self.input.0.addr(), self.input.1);
        let output = ("the output buffer", self.output.0.addr(), self.output.1);
        for (what, address, size) in [input, output] {
            if address != 0 && size > 0 {
                require_allocated(kernel, Rule::CONTROL_OUTPUT, address, size, what, FUNCTION);
            }
        }
    }

    /// A call that needs an IRP.
    pub(super) fn take_over(&self) {
        // SAFETY: the caller passes an IRP.
        unsafe { take_over_for(self.object, self.irp, FUNCTION, None) };
        if !self.returned.is_null() {
            let found = "both an IRP and OutputSizeReturned are passed";
            tolerated_violation(Rule::CONTROL_OUTPUT, FUNCTION, found, None);
        }
        let mut usage = self.object.kernel().usage();
        for (address, size) in
            [(self.input.0.addr(), self.input.1), (self.output.0.addr(), self.output.1)]
        {
            if size > 0 {
                usage.pin(self.irp, ("control buffer", Rule::CONTROL_OUTPUT), address, size);
            }
        }
    }

    /// A call that takes no IRP.
    pub(super) fn require_no_irp(&self) {
        let (function, socket) = (FUNCTION, self.object.id);
        self.object.kernel().record(TraceEvent::Call { function, socket, irp: 0, amount: None });
        if !self.irp.is_null() {
            let found = format!("the code {:#x} takes no IRP, but one is passed", self.code);
            rule_violation(Rule::CONTROL_OUTPUT, FUNCTION, &found, None);
        }
    }

    /// Answers with an IRP.
    pub(super) fn complete(&self, decide: impl FnOnce(&mut Stack) -> ControlResult) -> NTSTATUS {
        self.take_over();
        let (id, irp) = (self.object.id, self.irp);
        with_stack(self.object.kernel(), irp, |stack| {
            if let Some(actions) = stack.refuse_dead(id, irp) {
                return actions;
            }
            let result = match decide(stack) {
                Ok(0) => SUCCESS,
                Ok(written) => (STATUS_SUCCESS, trace::CallResult::Number(written)),
                Err(status) => (status, trace::CallResult::Nothing),
            };
            let actions = stack.complete(id, irp, result);
            stack.progress_with(id, actions)
        })
    }

    /// Refuses a call, with or without an IRP: a caller that passes one waits for it.
    pub(super) fn refuse(&self, status: NTSTATUS) -> NTSTATUS {
        if !self.irp.is_null() {
            return self.complete(|_| Err(status));
        }
        self.require_no_irp();
        status
    }

    pub(super) fn input_bytes(&self) -> &[u8] {
        if self.input.0.is_null() {
            return &[];
        }
        // SAFETY: the caller passes this many bytes, until the request completes.
        unsafe { std::slice::from_raw_parts(self.input.0, self.input.1) }
    }

    pub(super) fn input<T: Copy>(&self) -> Result<T, NTSTATUS> {
        if self.input.1 < size_of::<T>() || self.input.0.is_null() {
            return Err(STATUS_INVALID_PARAMETER);
        }
        // SAFETY: the caller passes this many bytes, and `T` is one of C's structures.
        Ok(unsafe { self.input.0.cast::<T>().read_unaligned() })
    }

    pub(super) fn write<T: Copy>(&self, value: T) -> ControlResult {
        if self.output.1 < size_of::<T>() || self.output.0.is_null() {
            return Err(STATUS_BUFFER_TOO_SMALL);
        }
        // SAFETY: the caller passes room for this many bytes.
        unsafe { self.output.0.cast::<T>().write_unaligned(value) };
        Ok(size_of::<T>())
    }

    /// The size of the output buffer in bytes.
    pub(super) fn room(&self) -> usize {
        if self.output.0.is_null() { 0 } else { self.output.1 }
    }

    /// Writes bytes that fit into the [output buffer](Self::room).
    pub(super) fn write_bytes(&self, bytes: &[u8]) -> ControlResult {
        if self.room() < bytes.len() {
            return Err(STATUS_BUFFER_TOO_SMALL);
        }
        // SAFETY: the caller passes room for this many bytes.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.output.0, bytes.len()) };
        Ok(bytes.len())
    }

    /// Writes bytes for a call without an IRP, or reports the required size.
    pub(super) fn write_sized(&self, bytes: &[u8]) -> NTSTATUS {
        if self.returned.is_null() {
            return STATUS_INVALID_PARAMETER;
        }
        // SAFETY: the caller passes room for a size.
        unsafe { self.returned.write_unaligned(size_t(bytes.len())) };
        if self.output.1 < bytes.len() || self.output.0.is_null() {
            return STATUS_BUFFER_OVERFLOW;
        }
        // SAFETY: the caller passes room for this many bytes.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.output.0, bytes.len()) };
        STATUS_SUCCESS
    }

    /// The address in the input, if any.
    pub(super) fn address(&self) -> Result<Option<std::net::SocketAddr>, NTSTATUS> {
        if self.input.1 == 0 || self.input.0.is_null() {
            return Ok(None);
        }
        if self.input.1 < address::size_of_family(self.object.family) {
            return Err(STATUS_INVALID_PARAMETER);
        }
        let pointer: PSOCKADDR = self.input.0.cast_mut().cast();
        // SAFETY: the caller passes an address of the socket's family.
        let address = unsafe { address::read(pointer, self.object.family, FUNCTION) };
        address.ok_or(STATUS_INVALID_PARAMETER).map(Some)
    }
}
