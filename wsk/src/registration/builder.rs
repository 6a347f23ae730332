//! The settings of a registration.
//!
//! # Safety
//!
//! The device of a builder exists whenever a registration is made. The registration takes its own reference to the
//! device.

#![expect(unsafe_code, reason = "see Safety")]

use core::ptr;

use wsk_sys::PDEVICE_OBJECT;

use super::Registration;
use crate::client::{ClientSetup, DeviceRef};
use crate::event_mask::EventMask;
use crate::irql::Passive;
use crate::status::{Result, known};

/// A builder of a registration. From [`Registration::builder`].
///
/// The first capture of the provider passes the settings to WSK, before a socket can exist ([INV-9](crate::rules#inv-9)).
/// That is done once: a concurrent capture by another thread waits for it, if it may wait, and otherwise fails with
/// `STATUS_DEVICE_NOT_READY`, as if WSK itself were not ready.
///
/// The version of WSK is always 1.0, the only one. [`Registration::provider_versions`] returns the versions that the
/// provider supports.
///
/// ```
/// use wsk::events::EventMask;
/// use wsk::{Registration, irql::Passive};
///
/// // SAFETY: an example runs at PASSIVE_LEVEL.
/// let passive = unsafe { Passive::assume() };
/// let registration = Registration::builder()
///     .static_events(EventMask::RECEIVE_FROM)
///     .bypass_tdi()
///     .register(passive)?;
/// let wsk = registration.try_capture()?;
/// # drop(wsk);
/// # extern crate wsk_host;
/// # Ok::<(), wsk::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is registered before `register`"]
pub struct RegistrationBuilder {
    static_events: EventMask,
    bypasses_tdi: bool,
    /// Null, or as `device_object` requires.
    device: PDEVICE_OBJECT,
}

// SAFETY: the pointer is only copied, and the device is the same in every thread.
unsafe impl Send for RegistrationBuilder {}
// SAFETY: the pointer is only copied, and the device is the same in every thread.
unsafe impl Sync for RegistrationBuilder {}

impl RegistrationBuilder {
    pub(super) const NEW: Self =
        Self { static_events: EventMask::empty(), bypasses_tdi: false, device: ptr::null_mut() };

    /// Enables events for every socket of their category, from its creation on and permanently. These static events cost
    /// WSK less than events that can be disabled ([INV-53](crate::rules#inv-53)).
    ///
    /// A socket's handler needs a method for each static event of its category:
    ///
    /// | event | of | without a method |
    /// |---|---|---|
    /// | `ACCEPT` | listening and stream sockets | the socket is not created: a connection that arrives while no accept waits would be rejected |
    /// | `RECEIVE_FROM` | datagram sockets | the socket is not created: a datagram that arrives while no receive waits would be lost |
    /// | `RECEIVE` | connections | data stays with the transport until it is received, as without the event |
    /// | `DISCONNECT`, `SEND_BACKLOG` | connections | the event is ignored |
    ///
    /// So [`TcpStream`](crate::TcpStream) works with every static event, [`TcpListener`](crate::TcpListener) not with
    /// `ACCEPT`, and [`UdpSocket`](crate::UdpSocket) not with `RECEIVE_FROM`.
    ///
    /// Minimum Windows: Windows Vista. Wine has no static events: captures fail there.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/network/wsk-set-static-event-callbacks).
    pub const fn static_events(mut self, events: EventMask) -> Self {
        self.static_events = events;
        self
    }

    /// Makes WSK bypass the Transport Driver Interface (TDI), whose legacy filters may strip the control messages of
    /// datagrams. Best effort: the system's status is ignored, because recent Windows versions may have no TDI.
    ///
    /// Minimum Windows: Windows Vista.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/network/wsk-tdi-behavior).
    pub const fn bypass_tdi(mut self) -> Self {
        self.bypasses_tdi = true;
        self
    }

    /// Makes the kernel keep the driver loaded until each completion routine has executed its last instruction
    /// (`IoSetCompletionRoutineEx`), by a reference to a device of the driver. Without it, [`unload`](crate::unload())
    /// waits until the routines have released their objects, and then for a tick of the system's clock;
    /// [the guide](crate::guide::unloading) describes the remaining risk.
    ///
    /// The kernel allocates memory for each request. If that fails, the request fails with
    /// `STATUS_INSUFFICIENT_RESOURCES` before it is issued. Three requests must not fail, and are then issued without this
    /// protection: a close, the decision about an inspected connection, and the receive of zero bytes with which
    /// [`events`](crate::socket::ConnectionSocket::events) resumes the indication of data.
    ///
    /// The registration has a reference to the device until its end. The driver may delete the device before that.
    ///
    /// Minimum Windows: Windows Vista. Wine does not implement it.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-iosetcompletionroutineex).
    ///
    /// # Safety
    ///
    /// Whenever this builder, or a copy of it, [registers](Self::register), `device` is a device object that this driver
    /// has created and not deleted.
    pub const unsafe fn device_object(mut self, device: PDEVICE_OBJECT) -> Self {
        self.device = device;
        self
    }

    /// Registers with WSK.
    ///
    /// IRQL: `PASSIVE_LEVEL`. Minimum Windows: Windows 8.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nf-wsk-wskregister).
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_PARAMETER` if the [static events](Self::static_events) have unknown bits.
    /// - As for [`Registration::register`].
    pub fn register(self, passive: Passive) -> Result<Registration> {
        if !EventMask::all().contains(self.static_events) {
            return Err(known::STATUS_INVALID_PARAMETER);
        }
        let device = (!self.device.is_null()).then(|| {
            // SAFETY: the device is this driver's, and exists (contract of `device_object`).
            unsafe { DeviceRef::new(self.device) }
        });
        let setup = ClientSetup::new(self.static_events, self.bypasses_tdi);
        Registration::register_with(setup, device, passive)
    }
}
