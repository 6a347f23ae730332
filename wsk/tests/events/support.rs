//! Hosts, and waiting for what callbacks do.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;

use wsk::events::EventMask;
use wsk_host::{Config, Timing};
use wsk_sys::*;

use crate::raw::{Client, set_events};

/// How events are enabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Enabling {
    /// Socket by socket.
    Dynamic,
    /// For all sockets of the client, from the beginning.
    Static,
}

/// Runs a scenario on both networks, with all timings, with both ways to enable events.
pub(crate) fn everywhere(mask: EventMask, scenario: impl Fn(&Client, Enabling)) {
    let seeds = if cfg!(miri) { 1 } else { 30 };
    let mut configs: Vec<Config> = [Timing::Inline, Timing::Deferred]
        .into_iter()
        .chain((0..seeds).map(Timing::Mixed))
        .map(|timing| Config::default().timing(timing))
        .collect();
    if !cfg!(miri) {
        configs.extend([Config::real(), Config::real().timing(Timing::Inline)]);
    }
    for config in configs {
        for enabling in [Enabling::Dynamic, Enabling::Static] {
            let client = Client::new(config);
            if enabling == Enabling::Static {
                assert_eq!(client.set_static_events(mask.bits()), STATUS_SUCCESS);
            }
            scenario(&client, enabling);
            client.end();
        }
    }
}

/// Enables events of a socket, unless they are static.
pub(crate) fn enable(socket: PWSK_SOCKET, mask: EventMask, enabling: Enabling) {
    if enabling == Enabling::Dynamic {
        assert_eq!(set_events(socket, mask.bits()), STATUS_SUCCESS);
    }
}

/// Set by callbacks, and waited for.
pub(crate) struct Signal(Box<UnsafeCell<KEVENT>>);

// SAFETY: an event is used by the kernel's functions only, which synchronise.
unsafe impl Send for Signal {}
// SAFETY: as above.
unsafe impl Sync for Signal {}

impl Default for Signal {
    fn default() -> Self {
        let event = Box::new(UnsafeCell::new(MaybeUninit::<KEVENT>::uninit()));
        // SAFETY: there is room for an event.
        unsafe { KeInitializeEvent(event.get().cast(), SynchronizationEvent, FALSE) };
        // SAFETY: it is initialised.
        Self(unsafe { Box::from_raw(Box::into_raw(event).cast()) })
    }
}

impl Signal {
    pub(crate) fn set(&self) {
        // SAFETY: it is initialised.
        unsafe { KeSetEvent(self.0.get(), 0, FALSE) };
    }

    /// Waits until something holds, which callbacks change before they set the signal.
    #[track_caller]
    pub(crate) fn wait_until(&self, holds: impl Fn() -> bool) {
        while !holds() {
            let mut timeout = LARGE_INTEGER { QuadPart: -10 * 10_000_000 };
            // SAFETY: as above.
            let status = unsafe {
                let event = self.0.get().cast();
                KeWaitForSingleObject(event, Executive, KernelMode, FALSE, &raw mut timeout)
            };
            assert_eq!(status, STATUS_SUCCESS, "nothing has happened for ten seconds");
        }
    }
}
