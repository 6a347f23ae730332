//! Scenarios with callbacks, and waiting for a callback.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Poll, Waker};
use std::time::Duration;

use wsk::events::{Callbacks, EventMask};
use wsk::socket::{Connection, ConnectionSocket, Family};
use wsk::time::timeout;
use wsk::{ErrorKind, Provider, Result};
use wsk_host::{Config, Host, Timing};

use crate::scenario::{on_host_with_events, seedless_timings};
use crate::seeds::seeds;

/// The way in which events are enabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enabling {
    /// Socket by socket.
    Dynamic,
    /// For all sockets of the client, from the beginning.
    Static,
}

/// Runs a scenario on both networks, with all timings.
#[allow(clippy::needless_pass_by_value, reason = "a closure is best written in place")]
pub fn on_both_networks(scenario: impl AsyncFn(&Host, Provider) -> Result<()>) {
    with_events(Enabling::Dynamic, EventMask::empty(), async |host, wsk, _| {
        scenario(host, wsk).await
    });
}

/// As [`on_both_networks`], once with `events` enabled socket by socket, and once for all sockets.
#[allow(clippy::needless_pass_by_value, reason = "a closure is best written in place")]
pub fn with_both_enablings(
    events: EventMask,
    scenario: impl AsyncFn(&Host, Provider, Enabling) -> Result<()>,
) {
    with_events(Enabling::Dynamic, EventMask::empty(), &scenario);
    with_events(Enabling::Static, events, &scenario);
}

#[allow(clippy::needless_pass_by_value, reason = "a closure is best written in place")]
fn with_events(
    enabling: Enabling,
    static_events: EventMask,
    scenario: impl AsyncFn(&Host, Provider, Enabling) -> Result<()>,
) {
    let mut configs: Vec<Config> = seedless_timings()
        .chain((0..seeds(30, 1)).map(Timing::Mixed))
        .map(|timing| Config::default().timing(timing))
        .collect();
    if !cfg!(miri) {
        configs.extend([Config::real(), Config::real().timing(Timing::Inline)]);
    }
    for config in configs {
        let host = Host::new(config);
        let run = async |wsk| scenario(&host, wsk, enabling).await;
        let result = on_host_with_events(&host, static_events, run);
        result.unwrap_or_else(|error| panic!("{enabling:?}, {config:?}: {error}"));
        let left = host.outstanding_allocations();
        assert_eq!(left, 0, "{enabling:?}, {config:?}: not all memory was freed");
    }
}

/// Connects a socket with a handler for its events.
pub async fn connect<H: Callbacks<Connection>>(
    wsk: &Provider,
    address: SocketAddr,
    handler: H,
) -> Result<ConnectionSocket<H>> {
    ConnectionSocket::builder(wsk, Family::INET).events(handler).connect(address).await
}

/// Set by callbacks; one task waits for it.
#[derive(Debug, Default)]
pub struct Signal(Mutex<Option<Waker>>);

impl Signal {
    /// Wakes the waiting task.
    pub fn set(&self) {
        let waker = self.0.lock().unwrap().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Waits until `holds` returns true. Callbacks change its outcome before they set the signal.
    pub async fn wait_until(&self, holds: impl Fn() -> bool) {
        let wait = poll_fn(|context| {
            // Stored before `holds` is called: a change after the call wakes this task.
            *self.0.lock().unwrap() = Some(context.waker().clone());
            if holds() { Poll::Ready(()) } else { Poll::Pending }
        });
        let mut wait = pin!(wait);
        match timeout(Duration::from_secs(10), &mut wait).await {
            Ok(()) => {}
            // The test lets the timer's allocation fail.
            Err(error) if error.kind() == ErrorKind::OutOfMemory => wait.await,
            Err(error) => panic!("the condition did not hold within ten seconds: {error}"),
        }
        *self.0.lock().unwrap() = None;
    }
}
