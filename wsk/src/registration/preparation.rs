//! What WSK is told of a client once, before the client can have a socket.

use core::ptr;
use core::sync::atomic::{AtomicU8, Ordering};

use wsk_sys::{
    NPI_WSK_INTERFACE_ID, NPIID, ULONG, WSK_EVENT_CALLBACK_CONTROL, WSK_SET_STATIC_EVENT_CALLBACKS,
    WSK_TDI_BEHAVIOR, WSK_TDI_BEHAVIOR_BYPASS_TDI,
};

use super::{Captured, RegistrationBuilder};
use crate::events::EventMask;
use crate::irql::Passive;
use crate::status::{Result, check, known};
use crate::sync::Event;

/// What says that the events are WSK's own.
static NPI: NPIID = NPI_WSK_INTERFACE_ID;

const NEW: u8 = 0;
/// A thread tells it.
const UNDER_WAY: u8 = 1;
const DONE: u8 = 2;

/// What is to be told, and whether it was.
pub(super) struct Preparation {
    static_events: EventMask,
    bypasses_tdi: bool,
    step: AtomicU8,
    /// Signalled when the step is no longer `UNDER_WAY`.
    ended: Event,
}

impl Preparation {
    pub(super) const fn new(builder: RegistrationBuilder) -> Self {
        let RegistrationBuilder { static_events, bypasses_tdi } = builder;
        let has_any = !static_events.is_empty() || bypasses_tdi;
        let step = AtomicU8::new(if has_any { NEW } else { DONE });
        Self { static_events, bypasses_tdi, step, ended: Event::new() }
    }

    /// # Safety
    ///
    /// As for [`Event::initialise`].
    pub(super) unsafe fn initialise(&self) {
        // SAFETY: the caller's promise.
        unsafe { self.ended.initialise() };
    }

    pub(super) const fn static_events(&self) -> EventMask {
        self.static_events
    }

    /// Tells WSK what is to be told, unless that was done. The caller has captured the provider, and given it to
    /// nobody until this succeeds: so there is no socket yet (INV-9).
    ///
    /// IRQL: <= `DISPATCH_LEVEL`; with a token it may wait for another thread that does it.
    ///
    /// # Errors
    ///
    /// - `STATUS_DEVICE_NOT_READY` if another thread does it at this moment, and this one may not wait.
    /// - What `WskControlClient` reports of static events. The next call tries again.
    pub(super) fn require(&self, provider: &Captured, passive: Option<Passive>) -> Result<()> {
        loop {
            let begun =
                self.step.compare_exchange(NEW, UNDER_WAY, Ordering::Acquire, Ordering::Acquire);
            match begun {
                Ok(_) => {
                    let result = self.tell(provider);
                    let step = if result.is_ok() { DONE } else { NEW };
                    self.step.store(step, Ordering::Release);
                    // SAFETY: the event was initialised.
                    unsafe { self.ended.set() };
                    return result;
                }
                Err(UNDER_WAY) => {
                    // To spin would be to wait for ever, if the other thread is one that this one has interrupted.
                    let passive = passive.ok_or(known::STATUS_DEVICE_NOT_READY)?;
                    // What the other does does not wait.
                    // SAFETY: the event was initialised.
                    unsafe { self.ended.wait(passive) };
                    // The event has let one thread pass, and there may be more.
                    // SAFETY: as above.
                    unsafe { self.ended.set() };
                }
                Err(_) => return Ok(()),
            }
        }
    }

    fn tell(&self, provider: &Captured) -> Result<()> {
        if self.bypasses_tdi {
            let mut behaviour: ULONG = WSK_TDI_BEHAVIOR_BYPASS_TDI;
            // Where there is no TDI, nothing has to be passed by.
            // SAFETY: the code takes a ULONG and no IRP, and there is no socket yet.
            let _ = unsafe { provider.tell(WSK_TDI_BEHAVIOR, &mut behaviour) };
        }
        if self.static_events.is_empty() {
            return Ok(());
        }
        let npi = (&raw const NPI).cast_mut();
        let mut control =
            WSK_EVENT_CALLBACK_CONTROL { NpiId: npi, EventMask: self.static_events.bits() };
        // SAFETY: the code takes this structure and no IRP, and there is no socket yet. What the structure points
        // to is static.
        check(unsafe { provider.tell(WSK_SET_STATIC_EVENT_CALLBACKS, &mut control) })
    }
}

impl Captured {
    /// Makes a call of `WskControlClient` with a value and nothing else.
    ///
    /// # Safety
    ///
    /// The code takes such a value, and no IRP.
    unsafe fn tell<T>(&self, code: ULONG, value: &mut T) -> wsk_sys::NTSTATUS {
        let input = ptr::from_mut(value).cast();
        // SAFETY: the caller's promise. Nothing comes out.
        unsafe {
            self.control(code, (input, size_of::<T>()), (ptr::null_mut(), 0), ptr::null_mut())
        }
    }
}
