//! Enabling and disabling a socket's events.

use core::ptr;

use wsk_sys::{
    NPI_WSK_INTERFACE_ID, NPIID, PVOID, SIZE_T, SO_WSK_EVENT_CALLBACK, SOL_SOCKET,
    WSK_EVENT_CALLBACK_CONTROL, WSK_EVENT_DISABLE, WskSetOption, ctypes::c_void,
};

use super::category::Category;
use super::control::Control;
use super::handle::Handle;
use crate::dispatch::BasicDispatch;
use crate::events::{Callbacks, EventMask};
use crate::status::{Result, check, known};

/// What says that the events are WSK's own.
static NPI: NPIID = NPI_WSK_INTERFACE_ID;

/// The context and the table for the creation of a socket: both null if there is nothing to be called
/// (INV-39).
pub(crate) fn callbacks<C, H: Callbacks<C>>(context: PVOID) -> (PVOID, *const c_void) {
    if H::WHEN_BOUND.is_empty() && H::WHEN_CONNECTED.is_empty() && !H::IS_CONDITIONAL {
        (ptr::null_mut(), ptr::null())
    } else {
        (context, H::TABLE)
    }
}

impl<C: Category> Handle<C> {
    /// Enables events, without a request. Those that are static are enabled from the beginning.
    ///
    /// The events must be those of the socket's table (INV-51), and the socket bound, or connected (INV-35).
    pub(crate) fn enable(&self, events: EventMask) -> Result<()> {
        let shared = self.shared();
        let events = events.difference(shared.core().static_events());
        if events.is_empty() {
            return Ok(());
        }
        shared.require_life()?;
        let npi = (&raw const NPI).cast_mut();
        let mut control = WSK_EVENT_CALLBACK_CONTROL { NpiId: npi, EventMask: events.bits() };
        // SAFETY: the socket is open, and its table begins with the basic functions.
        let dispatch = unsafe { BasicDispatch::of(shared.socket()) };
        let nowhere: *mut SIZE_T = ptr::null_mut();
        // SAFETY: the events are the table's. This is done when the call returns, and takes no IRP.
        let status = unsafe {
            dispatch.control_socket(
                WskSetOption,
                SO_WSK_EVENT_CALLBACK,
                SOL_SOCKET,
                size_of::<WSK_EVENT_CALLBACK_CONTROL>(),
                (&raw mut control).cast(),
                0,
                ptr::null_mut(),
                nowhere,
                ptr::null_mut(),
            )
        };
        check(status).map_err(|error| shared.note(error))
    }

    /// Disables one event, and waits until no callback of it runs (INV-52).
    pub(crate) async fn disable(&self, event: EventMask) -> Result<()> {
        if self.shared().core().static_events().contains(event) {
            // They cannot be disabled (INV-53).
            return Err(known::STATUS_NOT_SUPPORTED);
        }
        let control =
            Control { kind: WskSetOption, code: SO_WSK_EVENT_CALLBACK, level: SOL_SOCKET };
        // The structure, byte by byte: its end is padding, which has no value.
        const {
            assert!(core::mem::offset_of!(WSK_EVENT_CALLBACK_CONTROL, EventMask) == 8);
            assert!(size_of::<WSK_EVENT_CALLBACK_CONTROL>() == 16);
        }
        let mut input = [0; size_of::<WSK_EVENT_CALLBACK_CONTROL>()];
        let (npi, rest) = input.split_at_mut(8);
        npi.copy_from_slice(&(&raw const NPI).expose_provenance().to_ne_bytes());
        rest[..4].copy_from_slice(&(event.bits() | WSK_EVENT_DISABLE).to_ne_bytes());
        // SAFETY: the option takes an IRP when it disables; what it points to is static.
        unsafe { self.control(control, &input, 0, |_| ()) }.await
    }
}
