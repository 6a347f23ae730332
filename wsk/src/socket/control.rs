//! Options and ioctls of sockets.

use core::future::Future;
use core::ptr;

use wsk_sys::{PVOID, SIZE_T, ULONG, WSK_CONTROL_SOCKET_TYPE, WskSetOption};

use super::category::Category;
use super::handle::Handle;
use crate::dispatch::BasicDispatch;
use crate::operation::{ControlArea, Payload, Target};
use crate::status::{Result, known};

/// What is asked of a socket.
#[derive(Clone, Copy)]
pub(super) struct Control {
    pub(super) kind: WSK_CONTROL_SOCKET_TYPE,
    pub(super) code: ULONG,
    pub(super) level: ULONG,
}

/// A value that is given or taken is at most so long, in bytes: half of the area each, so that they do not
/// overlap.
pub(super) const MAX_VALUE: usize = ControlArea::SIZE / 2;

impl<C: Category> Handle<C> {
    /// Makes a request of `WskControlSocket` with a value of up to [`MAX_VALUE`] bytes in, and room for as
    /// many out (INV-27). `finish` takes the value that came out.
    ///
    /// # Safety
    ///
    /// The code is one that takes an IRP and such values, which have no pointers to what may go before the
    /// request completes; and is legal for the socket as it is.
    pub(super) unsafe fn control<T>(
        &self,
        control: Control,
        input: &[u8],
        output_size: usize,
        finish: impl FnOnce(&[u8]) -> T + Send,
    ) -> impl Future<Output = Result<T>> + Send {
        let shared = self.shared();
        let in_flight = if input.len() > MAX_VALUE || output_size > MAX_VALUE {
            Err(known::STATUS_INVALID_BUFFER_SIZE)
        } else {
            shared.idle().map(|mut idle| {
                let area = idle.payload().control.bytes_mut();
                area[..input.len()].copy_from_slice(input);
                area[MAX_VALUE..].fill(0);
                let (input_size, socket) = (input.len(), shared.socket());
                let call = |irp, payload: *mut Payload| {
                    // SAFETY: the payload is the request's, and stays until it completes (INV-27).
                    let area: PVOID = unsafe { ControlArea::start(&raw mut (*payload).control) };
                    let input = if input_size == 0 { ptr::null_mut() } else { area };
                    let output = if output_size == 0 {
                        ptr::null_mut()
                    } else {
                        // SAFETY: the area is twice as long.
                        unsafe { area.byte_add(MAX_VALUE) }
                    };
                    // SAFETY: the socket is open, and its table begins with the basic functions.
                    let dispatch = unsafe { BasicDispatch::of(socket) };
                    let nowhere: *mut SIZE_T = ptr::null_mut();
                    // SAFETY: the caller's promise. The size is told by the IRP.
                    unsafe {
                        dispatch.control_socket(
                            control.kind,
                            control.code,
                            control.level,
                            input_size,
                            input,
                            output_size,
                            output,
                            nowhere,
                            irp,
                        )
                    }
                };
                // SAFETY: the call is given the payload's area and nothing else; the handle is a hold.
                unsafe { idle.start(Target::Socket(self.as_ptr()), call) }
            })
        };
        async move {
            match in_flight?.await {
                crate::operation::Outcome::Completed(idle, result) => {
                    let (mut idle, information) = shared.completed(idle, result)?;
                    let output = &idle.payload().control.bytes()[MAX_VALUE..];
                    let value = finish(&output[..information.min(output_size)]);
                    shared.requests.put(idle);
                    Ok(value)
                }
                crate::operation::Outcome::Refused(error) => Err(error),
            }
        }
    }

    /// Sets an option that is a number, with a request.
    pub(super) async fn set_number(&self, level: ULONG, name: ULONG, value: ULONG) -> Result<()> {
        let control = Control { kind: WskSetOption, code: name, level };
        let value = value.to_ne_bytes();
        // SAFETY: the callers set options that are numbers, in a state where they can be set.
        unsafe { self.control(control, &value, 0, |_| ()) }.await
    }
}
