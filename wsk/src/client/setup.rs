//! The settings of a client, which WSK receives once, before the client has a socket.
//!
//! # Safety
//!
//! The event is initialized in its final place before any other use.

#![expect(unsafe_code, reason = "see Safety")]

use core::ptr;
use core::sync::atomic::{AtomicU8, Ordering};

use wsk_sys::{
    NPI_WSK_INTERFACE_ID, NPIID, NTSTATUS, PVOID, ULONG, WSK_EVENT_CALLBACK_CONTROL,
    WSK_SET_STATIC_EVENT_CALLBACKS, WSK_TDI_BEHAVIOR, WSK_TDI_BEHAVIOR_BYPASS_TDI,
};

use crate::event_mask::EventMask;
use crate::irql::Passive;
use crate::kernel::Event;
use crate::status::{Result, check, known};

/// The interface of the static events: WSK's own.
static NPI: NPIID = NPI_WSK_INTERFACE_ID;

const NEW: u8 = 0;
/// A thread is applying it.
const IN_PROGRESS: u8 = 1;
const DONE: u8 = 2;

/// The settings of a client, and whether WSK has received them.
///
/// # Invariants
///
/// `ended` is initialized before anything but [`ClientSetup::new`] is called.
pub(crate) struct ClientSetup {
    static_events: EventMask,
    bypasses_tdi: bool,
    step: AtomicU8,
    /// Signaled when the step is no longer `IN_PROGRESS`.
    ended: Event,
}

impl ClientSetup {
    pub(crate) const fn new(static_events: EventMask, bypasses_tdi: bool) -> Self {
        let has_any = !static_events.is_empty() || bypasses_tdi;
        let step = AtomicU8::new(if has_any { NEW } else { DONE });
        Self { static_events, bypasses_tdi, step, ended: Event::new() }
    }

    /// Initializes the setup, before any other use.
    ///
    /// # Safety
    ///
    /// The setup is in nonpaged memory, does not move afterwards, and was not initialized before.
    pub(super) unsafe fn initialize(&self) {
        // INVARIANT: the event is initialized.
        // SAFETY: the event is a field of the setup, which is nonpaged, does not move, and is initialized once (this
        // function's contract).
        unsafe { self.ended.initialize() };
    }

    pub(crate) const fn static_events(&self) -> EventMask {
        self.static_events
    }

    /// Applies the settings, unless they were applied. `control` calls `WskControlClient` with a code and an input of
    /// the given size, without an output. The caller has captured the provider, and shares it only after this has
    /// succeeded, so the client has no socket yet ([INV-9](crate::rules#inv-9)).
    ///
    /// IRQL: <= `DISPATCH_LEVEL`. With a token, it waits for another thread that is applying them.
    ///
    /// # Errors
    ///
    /// - `STATUS_DEVICE_NOT_READY` without a token, if another thread is applying them.
    /// - The status of `WskControlClient` for static events. The next call tries again.
    ///
    /// # Safety
    ///
    /// `control` may be called while the provider is captured, with any code that takes no IRP, and a valid input for
    /// that code.
    pub(crate) unsafe fn ensure_applied(
        &self,
        control: impl Fn(ULONG, PVOID, usize) -> NTSTATUS,
        passive: Option<Passive>,
    ) -> Result<()> {
        loop {
            let begun =
                self.step.compare_exchange(NEW, IN_PROGRESS, Ordering::Acquire, Ordering::Acquire);
            match begun {
                Ok(_) => {
                    let result = self.apply(&control);
                    let step = if result.is_ok() { DONE } else { NEW };
                    self.step.store(step, Ordering::Release);
                    // SAFETY: the event is initialized (Invariants).
                    unsafe { self.ended.set() };
                    return result;
                }
                Err(IN_PROGRESS) => {
                    // Spinning could last forever: this thread may have preempted the other one.
                    let passive = passive.ok_or(known::STATUS_DEVICE_NOT_READY)?;
                    // The other thread does not wait.
                    // SAFETY: the event is initialized (Invariants).
                    unsafe { self.ended.wait(passive) };
                    // The event has released one thread; signal it for the next one. Not while settings are applied: the signal
                    // came from an earlier attempt, and this thread would spin on it. The end of the current attempt sets it.
                    if self.step.load(Ordering::Acquire) != IN_PROGRESS {
                        // SAFETY: the event is initialized (Invariants).
                        unsafe { self.ended.set() };
                    }
                }
                Err(_) => return Ok(()),
            }
        }
    }

    fn apply(&self, control: &impl Fn(ULONG, PVOID, usize) -> NTSTATUS) -> Result<()> {
        if self.bypasses_tdi {
            let mut behavior: ULONG = WSK_TDI_BEHAVIOR_BYPASS_TDI;
            // The code takes a ULONG. The status is ignored: a system without TDI has no filter to bypass.
            let _ = control(WSK_TDI_BEHAVIOR, (&raw mut behavior).cast(), size_of::<ULONG>());
        }
        if self.static_events.is_empty() {
            return Ok(());
        }
        let npi = ptr::from_ref(&NPI).cast_mut();
        let mut events =
            WSK_EVENT_CALLBACK_CONTROL { NpiId: npi, EventMask: self.static_events.bits() };
        let size = size_of::<WSK_EVENT_CALLBACK_CONTROL>();
        // The code takes this structure, which points to a static.
        check(control(WSK_SET_STATIC_EVENT_CALLBACKS, (&raw mut events).cast(), size))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use core::cell::Cell;

    use wsk_sys::{STATUS_INVALID_PARAMETER, STATUS_SUCCESS};

    use super::*;
    use crate::pool::PoolBox;

    /// If WSK refuses the events, each call tries again, and none succeeds before WSK accepts them.
    #[test]
    fn a_setup_that_is_refused_is_tried_again() {
        let new = || ClientSetup::new(EventMask::RECEIVE, true);
        let setup = PoolBox::new_with(new).unwrap();
        // SAFETY: the setup stays in this allocation, which is nonpaged.
        unsafe { setup.initialize() };
        let (calls, is_refused) = (Cell::new(0), Cell::new(true));
        let control = |code, _input, _size| {
            calls.set(calls.get() + 1);
            let is_refused = is_refused.get() && code == WSK_SET_STATIC_EVENT_CALLBACKS;
            if is_refused { STATUS_INVALID_PARAMETER } else { STATUS_SUCCESS }
        };
        for expected in [2, 4, 6, 8] {
            // SAFETY: the closure calls no function of WSK.
            let error = unsafe { setup.ensure_applied(control, None) }.unwrap_err();
            assert_eq!((error.status(), calls.get()), (STATUS_INVALID_PARAMETER, expected));
        }
        is_refused.set(false);
        for _ in 0..2 {
            // SAFETY: the closure calls no function of WSK.
            assert!(unsafe { setup.ensure_applied(control, None) }.is_ok());
            assert_eq!(calls.get(), 10);
        }
    }

    /// A refused setup leaves the event signaled. The next thread that waits must wait for the thread that applies the
    /// settings again: if it spins, that thread gets no turn, and this test never ends.
    #[test]
    fn a_thread_waits_for_another_one_after_a_refusal() {
        use std::sync::Arc;
        use std::thread;

        use wsk_host::kernel::{Config, Kernel, Threads, Timing};

        let kernel = Kernel::new(Config {
            threads: Threads::Deterministic,
            timing: Timing::Deferred,
            ..Config::default()
        });
        let _entered = kernel.enter();
        let new = || ClientSetup::new(EventMask::RECEIVE, false);
        let setup = Arc::new(PoolBox::new_with(new).unwrap());
        // SAFETY: the setup stays in this allocation, which is nonpaged.
        unsafe { setup.initialize() };
        // SAFETY: the closure calls no function of WSK.
        let refused = unsafe { setup.ensure_applied(|_, _, _| STATUS_INVALID_PARAMETER, None) };
        assert!(refused.is_err());
        let waiting = Cell::new(None);
        let control = |_, _, _| {
            let (owned, setup) = (kernel.clone(), Arc::clone(&setup));
            let (entered, has_entered) = std::sync::mpsc::channel();
            waiting.set(Some(thread::spawn(move || {
                let _entered = owned.enter();
                entered.send(()).unwrap();
                // SAFETY: a test runs at PASSIVE_LEVEL.
                let passive = unsafe { Passive::assume() };
                // SAFETY: the closure calls no function of WSK.
                unsafe { setup.ensure_applied(|_, _, _| STATUS_INVALID_PARAMETER, Some(passive)) }
            })));
            kernel.blocking(|| has_entered.recv()).unwrap();
            STATUS_SUCCESS
        };
        // SAFETY: the closure calls no function of WSK.
        assert!(unsafe { setup.ensure_applied(control, None) }.is_ok());
        let waiting = waiting.take().unwrap();
        assert!(kernel.blocking(|| waiting.join()).unwrap().is_ok());
    }
}
