//! The settings of a registration.

use super::Registration;
use crate::client::ClientSetup;
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
}

impl RegistrationBuilder {
    pub(super) const NEW: Self = Self { static_events: EventMask::empty(), bypasses_tdi: false };

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

    /// Makes WSK bypass the transport driver interface (TDI), whose filters, from earlier systems, may lose the control
    /// messages of datagrams. Best effort: the system's status is ignored, because recent Windows may have no TDI.
    ///
    /// Minimum Windows: Windows Vista.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/network/wsk-tdi-behavior).
    pub const fn bypass_tdi(mut self) -> Self {
        self.bypasses_tdi = true;
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
        Registration::register_with(
            ClientSetup::new(self.static_events, self.bypasses_tdi),
            passive,
        )
    }
}
