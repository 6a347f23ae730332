//! Enabling and disabling a socket's events.
//!
//! # Safety
//!
//! Only events in the socket's own table are enabled ([INV-51](crate::rules#inv-51)).

#![expect(unsafe_code, reason = "see Safety")]

use core::ptr;

use wsk_sys::fields::size_t;
use wsk_sys::{
    NPI_WSK_INTERFACE_ID, NPIID, SIZE_T, SO_WSK_EVENT_CALLBACK, SOL_SOCKET,
    WSK_EVENT_CALLBACK_CONTROL, WSK_EVENT_DISABLE, WskSetOption,
};

use super::Socket;
use super::control::ControlTarget;
use super::handle::Handle;
use super::state::{Bound, Connected, Listening};
use crate::category::{Accepts, Category, Connects, Datagram};
use crate::dispatch::BasicDispatch;
use crate::event_mask::EventMask;
use crate::events::Callbacks;
use crate::status::{Result, check, known};

/// The identifier of the events that WSK itself defines.
static NPI: NPIID = NPI_WSK_INTERFACE_ID;

/// The functions of sockets that have events in their state ([INV-35](crate::rules#inv-35)): the handler's
/// events, and those of them that belong to the socket itself.
macro_rules! events_of {
    ([$($generics:tt)*] $socket:ty, $events:ident, $own:expr) => {
        impl<$($generics)*> $socket {
            /// Enables events of the handler that were disabled by [`disable_events`](Self::disable_events)
            /// or by WSK, after datagrams were [refused](crate::events::Disposition::Refused)
            /// ([INV-56](crate::rules#inv-56)). Enabling an enabled event has no effect. Static
            /// events are always enabled.
            ///
            /// IRQL: <= `DISPATCH_LEVEL`.
            /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/network/so-wsk-event-callback).
            ///
            /// # Errors
            ///
            /// - `STATUS_INVALID_DEVICE_REQUEST` in a [foreign waker](crate::guide::executors#foreign-wakers) in a completion routine.
            /// - `STATUS_INVALID_PARAMETER` for events that the handler does not have
            ///   ([INV-51](crate::rules#inv-51)).
            /// - `STATUS_FILE_FORCED_CLOSED` if the socket is no longer functional.
            /// - Any other status of `WskControlSocket`.
            pub fn enable_events(&self, events: EventMask) -> Result<()> {
                if !H::$events.contains(events) {
                    return Err(known::STATUS_INVALID_PARAMETER);
                }
                self.handle.enable(events)
            }

            /// Disables events of the handler, one after the other, and waits until none of their callbacks
            /// runs: none starts after that ([INV-52](crate::rules#inv-52)). Do not await it in such a callback, which
            /// would wait for itself.
            ///
            /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
            /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/network/so-wsk-event-callback).
            ///
            /// # Cancel safety
            ///
            /// This method is not cancel safe. After dropping the future, it is unspecified which events are disabled,
            /// and whether callbacks run.
            ///
            /// # Errors
            ///
            /// Some of the events may be disabled nevertheless.
            ///
            /// - `STATUS_INVALID_PARAMETER` for events that the handler does not have
            ///   ([INV-51](crate::rules#inv-51)), or that the socket has for the connections that it accepts
            ///   ([INV-60](crate::rules#inv-60)).
            /// - `STATUS_NOT_SUPPORTED` for events that are static ([INV-53](crate::rules#inv-53)).
            /// - `STATUS_FILE_FORCED_CLOSED` if the socket is no longer functional.
            /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
            /// - Any other status of `WskControlSocket`.
            pub async fn disable_events(&self, events: EventMask) -> Result<()> {
                if !H::$events.intersection($own).contains(events) {
                    return Err(known::STATUS_INVALID_PARAMETER);
                }
                if self.handle.state().client().static_events().intersects(events) {
                    return Err(known::STATUS_NOT_SUPPORTED);
                }
                for event in events {
                    self.handle.disable(event).await?;
                }
                Ok(())
            }
        }
    };
}

/// The events of a connection.
const OF_CONNECTIONS: EventMask =
    EventMask::RECEIVE.union(EventMask::DISCONNECT).union(EventMask::SEND_BACKLOG);

events_of!([C: Accepts, H: Callbacks<C>] Socket<C, Listening, H>, WHEN_BOUND, EventMask::ACCEPT);
events_of!([H: Callbacks<Datagram>] Socket<Datagram, Bound, H>, WHEN_BOUND, EventMask::RECEIVE_FROM);
events_of!([C: Connects, H: Callbacks<C>] Socket<C, Connected, H>, WHEN_CONNECTED, OF_CONNECTIONS);

impl<C: Category> Handle<C> {
    /// Enables events, without a request. Those that are static are enabled from the beginning.
    ///
    /// The events must be those of the socket's table ([INV-51](crate::rules#inv-51)), and the socket bound, or
    /// connected ([INV-35](crate::rules#inv-35)).
    pub(crate) fn enable(&self, events: EventMask) -> Result<()> {
        let state = self.state();
        let events = events.difference(state.client().static_events());
        if events.is_empty() {
            return Ok(());
        }
        state.check_alive()?;
        state.client().check_outside_routines()?;
        let npi = (&raw const NPI).cast_mut();
        let mut control = WSK_EVENT_CALLBACK_CONTROL { NpiId: npi, EventMask: events.bits() };
        // SAFETY: the socket is open, and its table begins with the basic functions.
        let dispatch = unsafe { BasicDispatch::of(state.socket()) };
        let nowhere: *mut SIZE_T = ptr::null_mut();
        // SAFETY: the events are the table's. This is done when the call returns, and takes no IRP.
        let status = unsafe {
            dispatch.control_socket(
                WskSetOption,
                SO_WSK_EVENT_CALLBACK,
                SOL_SOCKET,
                size_t(size_of::<WSK_EVENT_CALLBACK_CONTROL>()),
                (&raw mut control).cast(),
                0,
                ptr::null_mut(),
                nowhere,
                ptr::null_mut(),
            )
        };
        check(status).map_err(|error| state.note_error(error))
    }

    /// Disables one event, and waits until its callback is not running ([INV-52](crate::rules#inv-52)).
    async fn disable(&self, event: EventMask) -> Result<()> {
        self.outside_routines().await;
        let control =
            ControlTarget { kind: WskSetOption, code: SO_WSK_EVENT_CALLBACK, level: SOL_SOCKET };
        // Written byte by byte: the padding at the structure's end is uninitialized.
        const {
            assert!(core::mem::offset_of!(WSK_EVENT_CALLBACK_CONTROL, EventMask) == 8);
            assert!(size_of::<WSK_EVENT_CALLBACK_CONTROL>() == 16);
        }
        let mut input = [0; size_of::<WSK_EVENT_CALLBACK_CONTROL>()];
        let (npi, rest) = input.split_at_mut(8);
        npi.copy_from_slice(&(&raw const NPI).expose_provenance().to_ne_bytes());
        rest[..4].copy_from_slice(&(event.bits() | WSK_EVENT_DISABLE).to_ne_bytes());
        // SAFETY: the option takes an IRP when it disables an event; the identifier that it points to is static.
        unsafe { self.control(control, &input, 0, |_| ()) }.await
    }
}
