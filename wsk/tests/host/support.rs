//! Running a scenario on hosts.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use wsk::irql::Passive;
use wsk::socket::{ConnectionSocket, Family, ListenSocket};
use wsk::{
    Buffer, Provider, Registration, RegistrationBuilder, Result, TcpListener, TcpStream, rt,
};
use wsk_host::{Config, Host, Timing};

/// As many seeds as a scenario is run with. Miri takes long for each.
const SEEDS: u64 = if cfg!(miri) { 1 } else { 100 };

/// A token for the thread of a test.
pub(crate) fn passive() -> Passive {
    // SAFETY: a test's thread is at PASSIVE_LEVEL, and is no callback.
    unsafe { Passive::assume() }
}

/// The ways in which completions are timed.
pub(crate) fn timings() -> impl Iterator<Item = Timing> {
    pure_timings().chain((0..SEEDS).map(Timing::Mixed))
}

/// Those without chance. Miri, which takes long for each, sees the mixed ones only.
pub(crate) fn pure_timings() -> impl Iterator<Item = Timing> {
    [Timing::Inline, Timing::Deferred].into_iter().take(if cfg!(miri) { 0 } else { 2 })
}

/// Those of some timings that Miri sees too: the last.
pub(crate) fn seen<const N: usize>(timings: [Timing; N]) -> impl Iterator<Item = Timing> {
    timings.into_iter().skip(if cfg!(miri) { N - 1 } else { 0 })
}

/// The allocations that are made to fail in turn, without end. Miri, as above, sees some.
pub(crate) fn each_allocation() -> impl Iterator<Item = usize> {
    (1..).step_by(if cfg!(miri) { 13 } else { 1 })
}

/// Runs a scenario with every timing.
pub(crate) fn everywhere(scenario: impl AsyncFn(Provider) -> Result<()>) {
    for timing in timings() {
        let config = Config { timing, ..Config::default() };
        on(config, &scenario).unwrap_or_else(|error| panic!("{timing:?}: {error}"));
    }
}

/// As [`everywhere`], where a receive gets everything that has come.
pub(crate) fn everywhere_whole(scenario: impl AsyncFn(Provider) -> Result<()>) {
    for timing in timings() {
        let config = Config::default().timing(timing).partial_receives(false);
        on(config, &scenario).unwrap_or_else(|error| panic!("{timing:?}: {error}"));
    }
}

/// Runs a scenario on a host, and checks that it leaves nothing behind.
pub(crate) fn on<T>(
    config: Config,
    scenario: impl AsyncFnOnce(Provider) -> Result<T>,
) -> Result<T> {
    let host = Host::new(config);
    let result = on_host(&host, scenario);
    assert_eq!(host.outstanding_allocations(), 0, "{config:?}: not all memory was freed");
    result
}

/// Runs a scenario on a host. When this returns, nothing of it runs any more.
pub(crate) fn on_host<T>(
    host: &Host,
    scenario: impl AsyncFnOnce(Provider) -> Result<T>,
) -> Result<T> {
    on_host_as(host, Registration::builder(), scenario)
}

/// As [`on_host`], with a registration of another kind.
pub(crate) fn on_host_as<T>(
    host: &Host,
    builder: RegistrationBuilder,
    scenario: impl AsyncFnOnce(Provider) -> Result<T>,
) -> Result<T> {
    let _entered = host.enter();
    let result = (|| {
        let registration = builder.register(passive())?;
        let wsk = registration.try_capture()?;
        rt::block_on(passive(), scenario(wsk))?
    })();
    host.settle();
    result
}

/// A connection, from both sides.
pub(crate) async fn pair(wsk: &Provider) -> Result<(TcpStream, TcpStream)> {
    let mut listener = TcpListener::bind(wsk, ([127, 0, 0, 1], 0)).await?;
    let client = TcpStream::connect(wsk, listener.local_addr().await?).await?;
    let (server, _) = listener.accept().await?;
    Ok((client, server))
}

/// As [`pair`], as sockets: who has connected, and who was accepted.
pub(crate) async fn connections(wsk: &Provider) -> Result<(ConnectionSocket, ConnectionSocket)> {
    let mut listener = ListenSocket::builder(wsk, Family::INET).bind(([127, 0, 0, 1], 0)).await?;
    let address = listener.local_addr().await?;
    let socket = ConnectionSocket::builder(wsk, Family::INET).connect(address).await?;
    Ok((socket, listener.accept().await?.0))
}

/// A buffer with these bytes.
pub(crate) fn buffer(bytes: &[u8]) -> Result<Buffer> {
    Buffer::try_from(bytes)
}

/// Receives until the peer has finished.
pub(crate) async fn receive_all(stream: &TcpStream) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut buffer = Buffer::new(1000)?;
    loop {
        let (received, filled) = stream.recv(buffer).await.into_result()?;
        if received == 0 {
            return Ok(all);
        }
        all.extend_from_slice(&filled[..received]);
        buffer = filled;
    }
}

/// Runs two futures at once, to the end of both.
pub(crate) async fn join<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let mut a = pin!(a);
    let mut b = pin!(b);
    let mut results = (None, None);
    poll_fn(move |context| {
        poll_into(a.as_mut(), &mut results.0, context);
        poll_into(b.as_mut(), &mut results.1, context);
        match (results.0.take(), results.1.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                results = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}

fn poll_into<F: Future>(
    future: Pin<&mut F>,
    result: &mut Option<F::Output>,
    context: &mut Context<'_>,
) {
    if result.is_none()
        && let Poll::Ready(output) = future.poll(context)
    {
        *result = Some(output);
    }
}

/// Polls a future at most so many times, and then drops it.
pub(crate) async fn poll_times<F: Future>(future: F, times: usize) -> Option<F::Output> {
    let mut future = Some(Box::pin(future));
    let mut left = times;
    poll_fn(move |context| {
        let Some(polled) = &mut future else {
            return Poll::Ready(None);
        };
        if left == 0 {
            future = None;
            return Poll::Ready(None);
        }
        left -= 1;
        match polled.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => {
                future = None;
                Poll::Ready(None)
            }
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// As [`pair`], as sockets.
pub(crate) async fn sockets(wsk: &Provider) -> Result<(ConnectionSocket, ConnectionSocket)> {
    let any = ([127, 0, 0, 1], 0);
    let mut listener = ListenSocket::builder(wsk, Family::INET).bind(any).await?;
    let address = listener.local_addr().await?;
    let client = ConnectionSocket::builder(wsk, Family::INET).connect(address).await?;
    let (server, _) = listener.accept().await?;
    Ok((client, server))
}
