//! Hosts, and waiting for what callbacks do.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Poll, Waker};
use std::time::Duration;

use wsk::events::Callbacks;
use wsk::socket::{Connection, ConnectionSocket, Family};
use wsk::time::timeout;
use wsk::{ErrorKind, Provider, Result};
use wsk_host::{Config, Host, Timing};

use crate::host::on_host;

/// What every socket here is bound to.
pub(crate) const LOCAL: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

/// Runs a scenario on both networks, with all timings.
#[allow(clippy::needless_pass_by_value, reason = "a closure is best written in place")]
pub(crate) fn everywhere(scenario: impl AsyncFn(&Host, Provider) -> Result<()>) {
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
        let host = Host::new(config);
        on_host(&host, async |wsk| scenario(&host, wsk).await)
            .unwrap_or_else(|error| panic!("{config:?}: {error}"));
        assert_eq!(host.outstanding_allocations(), 0, "{config:?}: not all memory was freed");
    }
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
