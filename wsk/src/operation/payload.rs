//! The memory that a request owns, and that the system uses besides the IRP.
//!
//! # Safety
//!
//! The payload is written in place, field by field, into memory that was just allocated.

#![expect(unsafe_code, reason = "see Safety")]

use wsk_sys::{PSOCKADDR, PWSK_BUF, WSK_BUF};

use super::ControlBuffer;
use super::attachment::AttachmentSlot;
use super::kept::KeptReceive;
use crate::address::Storage;
use crate::buffer::MdlChain;
use crate::pool::write_fields;

/// The memory that the system reads and writes while the request is in flight, and the values that the request owns.
pub(crate) struct Payload {
    pub(crate) local: Storage,
    pub(crate) remote: Storage,
    pub(crate) buffer: Option<MdlChain>,
    /// The output buffer of an ioctl.
    pub(crate) output: Option<MdlChain>,
    /// The descriptor of the buffer. WSK may read it as long as it uses the buffer.
    pub(crate) descriptor: WSK_BUF,
    /// Control data of a datagram, or the value of an option or of an ioctl.
    pub(crate) control: ControlBuffer,
    /// The [attachment](super::Attachment) of the request.
    pub(crate) attachment: AttachmentSlot,
    /// The state of a receive that is kept after its future was dropped.
    pub(crate) kept: KeptReceive,
}

impl Payload {
    /// Drops the values that a completed request no longer needs.
    #[expect(clippy::inline_always, reason = "one frame less on the deepest stacks; two callers")]
    #[inline(always)]
    pub(super) fn clear(&mut self) {
        self.buffer = None;
        self.output = None;
        self.attachment = AttachmentSlot::EMPTY;
    }

    /// Writes an empty payload.
    ///
    /// # Safety
    ///
    /// `place` is valid for writes of a payload, and no one else uses it.
    pub(super) unsafe fn write(place: *mut Self) {
        // SAFETY: `place` is valid for writes, by this function's contract.
        write_fields!(
            place,
            Payload {
                local: Storage::EMPTY,
                remote: Storage::EMPTY,
                buffer: None,
                output: None,
                descriptor: WSK_BUF { Mdl: core::ptr::null_mut(), Offset: 0, Length: 0 },
                control: ControlBuffer::EMPTY,
                attachment: AttachmentSlot::EMPTY,
                kept: KeptReceive::NONE,
            }
        );
    }

    /// The descriptor of the payload's buffer, as an argument for WSK's functions.
    ///
    /// # Safety
    ///
    /// `payload` is the pointer that [`Idle::start`](super::Idle::start) passes to its closure.
    pub(crate) const unsafe fn descriptor(payload: *mut Self) -> PWSK_BUF {
        // SAFETY: `payload` points to a payload, by this function's contract.
        unsafe { &raw mut (*payload).descriptor }
    }

    /// The local address, as an argument for WSK's functions.
    ///
    /// # Safety
    ///
    /// `payload` is the pointer that [`Idle::start`](super::Idle::start) passes to its closure.
    pub(crate) const unsafe fn local(payload: *mut Self) -> PSOCKADDR {
        // SAFETY: `payload` points to a payload, by this function's contract.
        unsafe { &raw mut (*payload).local }.cast()
    }

    /// The remote address, as an argument for WSK's functions.
    ///
    /// # Safety
    ///
    /// `payload` is the pointer that [`Idle::start`](super::Idle::start) passes to its closure.
    pub(crate) const unsafe fn remote(payload: *mut Self) -> PSOCKADDR {
        // SAFETY: `payload` points to a payload, by this function's contract.
        unsafe { &raw mut (*payload).remote }.cast()
    }

    /// The control buffer, which has functions for its parts.
    ///
    /// # Safety
    ///
    /// `payload` is the pointer that [`Idle::start`](super::Idle::start) passes to its closure.
    pub(crate) const unsafe fn control(payload: *mut Self) -> *mut ControlBuffer {
        // SAFETY: `payload` points to a payload, by this function's contract.
        unsafe { &raw mut (*payload).control }
    }
}
