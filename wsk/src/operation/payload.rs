//! What a request owns, and what the system uses meanwhile besides the IRP.
//!
//! # Safety
//!
//! The payload is written in place, field by field, into memory that was just allocated.

#![expect(unsafe_code, reason = "see Safety")]

use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};

use wsk_sys::{PSOCKADDR, PWSK_BUF, WSK_BUF};

use super::ControlBuffer;
use super::attachment::AttachmentSlot;
use super::kept::KeptReceive;
use crate::address::Storage;
use crate::buffer::Buffer;
use crate::pool::write_fields;

/// What the system reads and writes while the request is in flight, and what the request owns.
pub(crate) struct Payload {
    pub(crate) local: Storage,
    pub(crate) remote: Storage,
    pub(crate) buffer: Option<Buffer>,
    /// Where an ioctl writes to.
    pub(crate) output: Option<Buffer>,
    /// What describes the buffer to WSK, which may read it as long as it uses the buffer.
    pub(crate) descriptor: WSK_BUF,
    /// Control data of a datagram, or the value of an option or of an ioctl.
    pub(crate) control: ControlBuffer,
    /// Other state that this kind of request owns.
    pub(crate) attachment: AttachmentSlot,
    /// What a receive is kept with when its future was dropped.
    pub(crate) kept: KeptReceive,
    /// The count that the request is part of until it completes.
    pub(crate) counted: Option<Counted>,
}

/// A request that is counted while it is in flight, as those that send are among their socket's.
///
/// It ends by [`end`](Self::end) only: a request that the system has kept for good is not over.
///
/// # Invariants
///
/// The count includes this.
pub(crate) struct Counted(NonNull<AtomicUsize>);

// SAFETY: it is a reference to an atomic, which any thread may use.
unsafe impl Send for Counted {}

impl Counted {
    #[inline]
    pub(crate) fn new(count: &AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        // INVARIANT: it was counted just now.
        Self(NonNull::from(count))
    }

    /// # Safety
    ///
    /// The count still exists.
    #[inline]
    pub(crate) unsafe fn end(self) {
        // SAFETY: the count exists, by this function's contract.
        unsafe { self.0.as_ref() }.fetch_sub(1, Ordering::Release);
    }
}

impl Payload {
    /// Drops the rest of a request with a buffer and nothing else, which was taken out.
    ///
    /// # Safety
    ///
    /// If the request is counted, the count still exists.
    #[inline]
    pub(super) unsafe fn clear_transfer(&mut self) {
        if let Some(counted) = self.counted.take() {
            // SAFETY: the count exists, by this function's contract.
            unsafe { counted.end() };
        }
    }

    /// Drops what a completed request has no use for any more.
    ///
    /// # Safety
    ///
    /// If the request is counted, the count still exists.
    pub(super) unsafe fn clear(&mut self) {
        self.buffer = None;
        self.output = None;
        self.attachment = AttachmentSlot::EMPTY;
        // SAFETY: the count exists, by this function's contract.
        unsafe { self.clear_transfer() };
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
                counted: None,
            }
        );
    }

    /// What describes the payload's buffer, as WSK's functions take it.
    ///
    /// # Safety
    ///
    /// `payload` is what [`Idle::start`](super::Idle::start) gives to its call.
    pub(crate) const unsafe fn descriptor(payload: *mut Self) -> PWSK_BUF {
        // SAFETY: `payload` points to a payload, by this function's contract.
        unsafe { &raw mut (*payload).descriptor }
    }

    /// The local address, as WSK's functions take it.
    ///
    /// # Safety
    ///
    /// `payload` is what [`Idle::start`](super::Idle::start) gives to its call.
    pub(crate) const unsafe fn local(payload: *mut Self) -> PSOCKADDR {
        // SAFETY: `payload` points to a payload, by this function's contract.
        unsafe { &raw mut (*payload).local }.cast()
    }

    /// The remote address, as WSK's functions take it.
    ///
    /// # Safety
    ///
    /// `payload` is what [`Idle::start`](super::Idle::start) gives to its call.
    pub(crate) const unsafe fn remote(payload: *mut Self) -> PSOCKADDR {
        // SAFETY: `payload` points to a payload, by this function's contract.
        unsafe { &raw mut (*payload).remote }.cast()
    }

    /// The control buffer, which has functions for its parts.
    ///
    /// # Safety
    ///
    /// `payload` is what [`Idle::start`](super::Idle::start) gives to its call.
    pub(crate) const unsafe fn control(payload: *mut Self) -> *mut ControlBuffer {
        // SAFETY: `payload` points to a payload, by this function's contract.
        unsafe { &raw mut (*payload).control }
    }
}
