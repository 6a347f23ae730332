//! Requests of `WskControlSocket`: options and ioctls.
//!
//! # Safety
//!
//! Each code is called with the values that it takes. The request owns them until it completes
//! ([INV-27](crate::rules#inv-27)).

#![expect(unsafe_code, reason = "see Safety")]

use core::future::Future;
use core::ptr;

use wsk_sys::fields::size_t;
use wsk_sys::{
    NTSTATUS, PIRP, PSIZE_T, PVOID, SIZE_T, ULONG, WSK_CONTROL_SOCKET_TYPE, WskIoctl, WskSetOption,
};

use super::handle::Handle;
use super::memory::SocketState;
use super::transfer::BufferRange;
use crate::buffer::MdlChain;
use crate::category::Category;
use crate::dispatch::BasicDispatch;
use crate::operation::{ControlBuffer, OptionalFunction, Payload, RequestKind, RequestOutcome};
use crate::options::{MAX_SIZE, MAX_SIZE_WRITE_ONLY};
use crate::status::{Result, known};

/// The target of a control request: an option or an ioctl.
#[derive(Clone, Copy)]
pub(super) struct ControlTarget {
    pub(super) kind: WSK_CONTROL_SOCKET_TYPE,
    pub(super) code: ULONG,
    pub(super) level: ULONG,
}

const _: () = assert!(MAX_SIZE <= ControlBuffer::HALF);
const _: () = assert!(MAX_SIZE <= ControlBuffer::SIZE - ControlBuffer::HALF);
const _: () = assert!(MAX_SIZE_WRITE_ONLY <= ControlBuffer::SIZE);

/// Memory that WSK reads or writes: its address and its size in bytes.
type MemoryRange = (PVOID, usize);

/// # Safety
///
/// As for `WskControlSocket` with an IRP.
unsafe fn call(
    state: &SocketState,
    control: ControlTarget,
    input: MemoryRange,
    output: MemoryRange,
    irp: PIRP,
) -> NTSTATUS {
    // An empty range is passed as null, not as a dangling pointer.
    let (input_size, output_size) = (input.1, output.1);
    let input = if input_size == 0 { ptr::null_mut() } else { input.0 };
    let output = if output_size == 0 { ptr::null_mut() } else { output.0 };
    // SAFETY: the caller's socket is open, and its table begins with the basic functions.
    let dispatch = unsafe { BasicDispatch::of(state.socket()) };
    // The IRP returns the size (INV-27).
    let nowhere: *mut SIZE_T = ptr::null_mut();
    // SAFETY: the socket is open, and the code, its values and the IRP are as `WskControlSocket` requires, by this
    // function's contract.
    unsafe {
        dispatch.control_socket(
            control.kind,
            control.code,
            control.level,
            size_t(input_size),
            input,
            size_t(output_size),
            output,
            nowhere,
            irp,
        )
    }
}

/// The value of `size` bytes that a request has written.
pub(super) fn written(payload: &Payload, size: usize) -> &[u8] {
    payload.control.output().get(..size).unwrap_or_default()
}

impl<C: Category> Handle<C> {
    /// Makes a request of `WskControlSocket` with a value of up to [`MAX_SIZE`] bytes in, and room for as many out, or with
    /// one of up to [`MAX_SIZE_WRITE_ONLY`] bytes in alone ([INV-27](crate::rules#inv-27)). `finish` takes the value that
    /// came out.
    ///
    /// # Safety
    ///
    /// The code is one that takes an IRP and such values, whose pointers are valid until the request completes; it is
    /// allowed in the socket's current state.
    pub(super) unsafe fn control<'a, T, F: FnOnce(&[u8]) -> T + Send>(
        &'a self,
        control: ControlTarget,
        input: &[u8],
        output_size: usize,
        finish: F,
    ) -> impl Future<Output = Result<T>> + Send + use<'a, C, T, F> {
        let finish = |payload: &mut Payload, size| finish(written(payload, size));
        // SAFETY: this function has the same contract.
        unsafe { self.control_prepared(control, input, output_size, |_| (), finish) }
    }

    /// Makes a request like [`control`](Self::control), for a payload that needs preparation, or contains more than the value.
    ///
    /// # Safety
    ///
    /// As for [`control`](Self::control); values may also point to memory that the payload owns.
    pub(super) unsafe fn control_prepared<'a, T, P, F>(
        &'a self,
        control: ControlTarget,
        input: &[u8],
        output_size: usize,
        prepare: P,
        finish: F,
    ) -> impl Future<Output = Result<T>> + Send + use<'a, C, T, P, F>
    where
        P: FnOnce(&mut Payload),
        F: FnOnce(&mut Payload, usize) -> T + Send,
    {
        let state = self.state();
        let max_input = if output_size == 0 { MAX_SIZE_WRITE_ONLY } else { MAX_SIZE };
        let in_flight = if input.len() > max_input || output_size > MAX_SIZE {
            Err(known::STATUS_INVALID_BUFFER_SIZE)
        } else {
            let refusals = &state.client().refusals;
            // SAFETY: the future below borrows the handle, which keeps the socket's memory.
            let idle = || unsafe { state.idle() };
            let idle = refusals.check(OptionalFunction::ControlSocket).and_then(|()| idle());
            idle.and_then(|mut idle| {
                let control_buffer = &mut idle.payload().control;
                control_buffer.output_mut().fill(0);
                // A long value, which has no output, fills both halves.
                let given = control_buffer.bytes_mut();
                given.iter_mut().zip(input).for_each(|(to, from)| *to = *from);
                prepare(idle.payload());
                let input_size = input.len();
                let call = |irp, payload: *mut Payload| {
                    // SAFETY: the payload is the request's, and stays until it completes (INV-27).
                    let area = unsafe { &raw mut (*payload).control };
                    // SAFETY: the payload is the request's, and stays until it completes (INV-27).
                    let input: PVOID = unsafe { ControlBuffer::start(area) };
                    // SAFETY: the area is longer than its first half.
                    let output = unsafe { input.byte_add(ControlBuffer::HALF) };
                    // SAFETY: the socket is open; the code takes such values, by this function's contract, and the
                    // payload keeps them.
                    unsafe { call(state, control, (input, input_size), (output, output_size), irp) }
                };
                // SAFETY: the call is given the payload's area and nothing else; the handle keeps the socket's memory.
                let issued = unsafe { idle.start(self.as_ptr(), RequestKind::Other, call) };
                issued.in_flight_of(OptionalFunction::ControlSocket, refusals)
            })
        };
        async move {
            match in_flight?.await {
                RequestOutcome::Completed(idle, result) => {
                    let (mut idle, information) = state.completed(idle, result)?;
                    let value = finish(idle.payload(), information.min(output_size));
                    state.requests.put(idle);
                    Ok(value)
                }
                RequestOutcome::Refused(error) => Err(error),
            }
        }
    }

    /// Calls `WskControlSocket` for an ioctl, with the bytes of buffers, which are returned
    /// ([INV-27](crate::rules#inv-27)). Returns the number of output bytes.
    ///
    /// # Safety
    ///
    /// The ioctl takes an IRP and any such bytes, and is allowed in the socket's current state.
    pub(super) async unsafe fn control_with_buffers(
        &self,
        code: ULONG,
        (input, input_start, input_end): BufferRange,
        (output, output_start, output_end): BufferRange,
    ) -> (Result<usize>, MdlChain, MdlChain) {
        let state = self.state();
        let output_size = output_end - output_start;
        let in_flight = {
            let refusals = &state.client().refusals;
            // SAFETY: this future borrows the handle, which keeps the socket's memory.
            let idle = || unsafe { state.idle() };
            let idle = refusals.check(OptionalFunction::ControlSocket).and_then(|()| idle());
            let mut idle = match idle {
                Ok(idle) => idle,
                Err(error) => return (Err(error), input, output),
            };
            let given = (input.at(input_start).cast(), input_end - input_start);
            let taken = (output.at(output_start).cast(), output_size);
            let payload = idle.payload();
            payload.buffer = Some(input);
            payload.output = Some(output);
            let control = ControlTarget { kind: WskIoctl, code, level: 0 };
            let call = |irp, _: *mut Payload| {
                // SAFETY: the socket is open; the ioctl takes an IRP and any bytes, by this function's contract, and
                // the payload keeps the buffers.
                unsafe { call(state, control, given, taken, irp) }
            };
            // SAFETY: the call is given the bytes of the payload's buffers and nothing else; the handle is a
            // hold.
            let issued = unsafe { idle.start(self.as_ptr(), RequestKind::Other, call) };
            match issued.in_flight_of(OptionalFunction::ControlSocket, refusals) {
                Ok(in_flight) => in_flight,
                // The system may still use the buffers.
                Err(error) => return (Err(error), MdlChain::empty(), MdlChain::empty()),
            }
        };
        match in_flight.await {
            RequestOutcome::Completed(mut idle, result) => {
                let payload = idle.payload();
                let input = payload.buffer.take().unwrap_or(MdlChain::empty());
                let output = payload.output.take().unwrap_or(MdlChain::empty());
                let result = state.completed(idle, result).map(|(idle, information)| {
                    state.requests.put(idle);
                    information.min(output_size)
                });
                (result, input, output)
            }
            // The system does not implement the call, and may still use the buffers.
            RequestOutcome::Refused(error) => (Err(error), MdlChain::empty(), MdlChain::empty()),
        }
    }

    /// Makes a call of `WskControlSocket` for an ioctl that takes no IRP and no value: it is done when this
    /// returns.
    ///
    /// # Safety
    ///
    /// The ioctl is such a one, writes to this room and to this size, and is legal for the socket as it is, at
    /// this level.
    pub(super) unsafe fn control_now(
        &self,
        code: ULONG,
        (output, output_size): MemoryRange,
        returned: PSIZE_T,
    ) -> NTSTATUS {
        let (none, a_null_irp) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the socket is open, and its table begins with the basic functions.
        let dispatch = unsafe { BasicDispatch::of(self.state().socket()) };
        // SAFETY: the ioctl takes no IRP and no input, and this room and this size are valid for it, by this function's
        // contract (INV-27).
        unsafe {
            dispatch.control_socket(
                WskIoctl,
                code,
                0,
                0,
                none,
                size_t(output_size),
                output,
                returned,
                a_null_irp,
            )
        }
    }

    /// Sets an option that is a number, with a request.
    pub(super) async fn set_number(&self, level: ULONG, name: ULONG, value: ULONG) -> Result<()> {
        let control = ControlTarget { kind: WskSetOption, code: name, level };
        let value = value.to_ne_bytes();
        // SAFETY: the callers set options that are numbers, in a state where they can be set.
        unsafe { self.control(control, &value, 0, |_| ()) }.await
    }
}
