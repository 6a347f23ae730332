//! What a request owns, and what the system touches meanwhile besides the IRP.

use wsk_sys::WSK_BUF;

use super::ControlArea;
use crate::address::Storage;
use crate::batch::Batch;
use crate::buffer::Buffer;
use crate::pool::write_fields;
use crate::resolve::LookUp;
use crate::security::CachedSecurityDescriptor;
use crate::socket::{NewSocket, Sending};

/// What the system reads and writes while the request is in flight, and what the request owns.
pub(crate) struct Payload {
    pub(crate) local: Storage,
    pub(crate) remote: Storage,
    pub(crate) buffer: Option<Buffer>,
    /// Several buffers, with the list of them that WSK reads (INV-28).
    pub(crate) batch: Option<Batch>,
    /// Where an ioctl writes to.
    pub(crate) output: Option<Buffer>,
    /// The security descriptor that the request uses, or that it is to bring.
    pub(crate) security: Option<CachedSecurityDescriptor>,
    /// What describes the buffer to WSK, which may read it as long as it uses the buffer.
    pub(crate) descriptor: WSK_BUF,
    /// Control data of a datagram, or the value of an option or of an ioctl.
    pub(crate) control: ControlArea,
    /// What a socket that the request delivers will live in, made before it can arrive.
    pub(crate) delivered: Option<NewSocket>,
    /// What the look-up of a name reads and writes.
    pub(crate) look_up: Option<LookUp>,
    /// That the request sends, for its socket to know.
    pub(crate) sending: Option<Sending>,
}

impl Payload {
    /// As [`clear`](Self::clear), of a request with a buffer and nothing else, which was taken out.
    ///
    /// # Safety
    ///
    /// As there.
    #[inline]
    pub(super) unsafe fn clear_transfer(&mut self) {
        if let Some(sending) = self.sending.take() {
            // SAFETY: the caller's promise.
            unsafe { sending.end() };
        }
    }

    /// Drops what a completed request has no use for any more.
    ///
    /// # Safety
    ///
    /// If the request was sending, its socket's memory is there.
    pub(crate) unsafe fn clear(&mut self) {
        self.buffer = None;
        self.batch = None;
        self.output = None;
        self.security = None;
        self.delivered = None;
        self.look_up = None;
        if let Some(sending) = self.sending.take() {
            // SAFETY: the caller's promise.
            unsafe { sending.end() };
        }
    }

    /// Writes one that is empty.
    ///
    /// # Safety
    ///
    /// The place is memory for it, and nobody else's.
    pub(super) unsafe fn write(place: *mut Self) {
        // SAFETY: the caller's promise.
        write_fields!(
            place,
            Payload {
                local: Storage::EMPTY,
                remote: Storage::EMPTY,
                buffer: None,
                batch: None,
                output: None,
                security: None,
                descriptor: WSK_BUF { Mdl: core::ptr::null_mut(), Offset: 0, Length: 0 },
                control: ControlArea::EMPTY,
                delivered: None,
                look_up: None,
                sending: None,
            }
        );
    }
}
