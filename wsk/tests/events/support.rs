//! Hosts, and waiting for what callbacks do.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Poll, Waker};
use std::time::Duration;

use wsk::events::{Callbacks, EventMask};
use wsk::socket::{Connection, ConnectionSocket, Family};
use wsk::time::timeout;
use wsk::{ErrorKind, Provider, Registration, Result, rt};
use wsk_host::{Config, Host, Timing};

use crate::host::{passive, pure_timings};

/// What every socket here is bound to.
pub(crate) const LOCAL: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

/// How events are enabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Enabling {
    /// Socket by socket.
    Dynamic,
    /// For all sockets of the client, from the beginning.
    Static,
}

/// Runs a scenario on both networks, with all timings.
#[allow(clippy::needless_pass_by_value, reason = "a closure is best written in place")]
pub(crate) fn everywhere(scenario: impl AsyncFn(&Host, Provider) -> Result<()>) {
    with_events(Enabling::Dynamic, EventMask::empty(), async |host, wsk, _| {
        scenario(host, wsk).await
    });
}

/// As [`everywhere`], with both ways to enable these events.
#[allow(clippy::needless_pass_by_value, reason = "a closure is best written in place")]
pub(crate) fn both_ways(
    events: EventMask,
    scenario: impl AsyncFn(&Host, Provider, Enabling) -> Result<()>,
) {
    with_events(Enabling::Dynamic, EventMask::empty(), &scenario);
    with_events(Enabling::Static, events, &scenario);
}

#[allow(clippy::needless_pass_by_value, reason = "a closure is best written in place")]
fn with_events(
    enabling: Enabling,
    statics: EventMask,
    scenario: impl AsyncFn(&Host, Provider, Enabling) -> Result<()>,
) {
    let seeds = if cfg!(miri) { 1 } else { 30 };
    let mut configs: Vec<Config> = pure_timings()
        .chain((0..seeds).map(Timing::Mixed))
        .map(|timing| Config::default().timing(timing))
        .collect();
    if !cfg!(miri) {
        configs.extend([Config::real(), Config::real().timing(Timing::Inline)]);
    }
    for config in configs {
        let host = Host::new(config);
        let result = host_with(&host, statics, async |wsk| scenario(&host, wsk, enabling).await);
        result.unwrap_or_else(|error| panic!("{enabling:?}, {config:?}: {error}"));
        let left = host.outstanding_allocations();
        assert_eq!(left, 0, "{enabling:?}, {config:?}: not all memory was freed");
    }
}

/// As [`on_host`](crate::host::on_host), with static events.
pub(crate) fn host_with<T>(
    host: &Host,
    statics: EventMask,
    scenario: impl AsyncFnOnce(Provider) -> Result<T>,
) -> Result<T> {
    let _entered = host.enter();
    let result = (|| {
        let registration = Registration::builder().static_events(statics).register(passive())?;
        let wsk = registration.try_capture()?;
        rt::block_on(passive(), scenario(wsk))?
    })();
    host.settle();
    result
}

/// A connection with a handler for its events.
pub(crate) async fn connect<H: Callbacks<Connection>>(
    wsk: &Provider,
    address: SocketAddr,
    handler: H,
) -> Result<ConnectionSocket<H>> {
    ConnectionSocket::builder(wsk, Family::INET).events(handler).connect(address).await
}

/// Set by callbacks, and waited for by one task.
#[derive(Debug, Default)]
pub(crate) struct Signal(Mutex<Option<Waker>>);

impl Signal {
    pub(crate) fn set(&self) {
        let waker = self.0.lock().unwrap().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Waits until something holds, which callbacks change before they set the signal.
    pub(crate) async fn wait_until(&self, holds: impl Fn() -> bool) {
        let wait = poll_fn(|context| {
            // Before the look: what changes after it wakes.
            *self.0.lock().unwrap() = Some(context.waker().clone());
            if holds() { Poll::Ready(()) } else { Poll::Pending }
        });
        let mut wait = pin!(wait);
        match timeout(Duration::from_secs(10), &mut wait).await {
            Ok(()) => {}
            // There is no memory for a timer, as the test wants it.
            Err(error) if error.kind() == ErrorKind::OutOfMemory => wait.await,
            Err(error) => panic!("nothing has happened for ten seconds: {error}"),
        }
        *self.0.lock().unwrap() = None;
    }
}

/// Runs a future until another one ends.
pub(crate) async fn until<T>(
    end: impl Future<Output = T>,
    meanwhile: impl Future<Output = ()>,
) -> T {
    let (mut end, mut meanwhile) = (pin!(end), pin!(meanwhile));
    let mut goes_on = true;
    poll_fn(|context| {
        if goes_on {
            goes_on = meanwhile.as_mut().poll(context).is_pending();
        }
        end.as_mut().poll(context)
    })
    .await
}
