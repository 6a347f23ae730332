//! Scenarios in which every allocation fails in turn.
//!
//! A new part of the surface needs a scenario of its own: what it does, once, and a [`sweep`] over it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use test_support::connection::{buffer, receive_all, streams};
use test_support::futures::{join, poll_times};
use test_support::scenario::{each_allocation, on_host, passive, seedless_timings};
use wsk::events::{DatagramEvents, Datagrams, Disposition};
use wsk::socket::{DatagramSocket, Family};
use wsk::time::{Sleep, sleep, timeout};
use wsk::{
    Buffer, ErrorKind, Provider, Result, Runtime, Spawner, TcpListener, TcpStream, UdpSocket,
};
use wsk_host::{Config, Host, Timing};

const LOCAL: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

/// More allocations than any scenario makes: one that tries again for ever is found.
const TOO_MANY: usize = 1000;

/// How much memory is lacking.
#[derive(Clone, Copy, Debug)]
enum Shortage {
    /// One allocation fails, and then there is memory again.
    Once,
    /// Every allocation from one on fails, those of the clean-up included.
    Lasting,
}

/// Runs a scenario as often as it allocates, with each allocation failing in turn: by itself, and with all that
/// follow. Every run must end, with an error that says so, and leave nothing behind. When nothing fails, the
/// scenario must succeed, and have made at least this many allocations.
#[track_caller]
pub(crate) fn sweep(at_least: usize, scenario: impl AsyncFn(Provider) -> Result<()>) {
    let seeds = if cfg!(miri) { 1 } else { 3 };
    for timing in seedless_timings().chain((0..seeds).map(Timing::Mixed)) {
        for shortage in [Shortage::Once, Shortage::Lasting] {
            let failed = each_allocation()
                .take_while(|number| *number < TOO_MANY)
                .find(|number| !fails(timing, shortage, *number, &scenario))
                .unwrap_or_else(|| panic!("{timing:?}: {TOO_MANY} allocations are too many"));
            let made = failed - 1;
            assert!(made >= at_least, "{timing:?}: only {made} allocations were made to fail");
        }
    }
}

/// Whether the scenario made this allocation, and has failed by it.
#[track_caller]
fn fails(
    timing: Timing,
    shortage: Shortage,
    number: usize,
    scenario: &impl AsyncFn(Provider) -> Result<()>,
) -> bool {
    let host = Host::new(Config::default().timing(timing));
    match shortage {
        Shortage::Once => host.fail_allocation(number),
        Shortage::Lasting => host.fail_allocations_from(number),
    }
    let result = on_host(&host, scenario);
    let run = format!("{timing:?}, {shortage:?}, allocation {number}");
    let left = host.outstanding_by_tag();
    assert!(left.is_empty(), "{run}: not all memory was freed: {left:?}");
    match result {
        Ok(()) => {
            assert!(host.allocations() < number, "{run}: its failure was not reported");
            false
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{run}: {error}");
            true
        }
    }
}

/// What a connection does in its life.
pub(crate) async fn conversation(wsk: Provider) -> Result<()> {
    let listener = TcpListener::bind(&wsk, LOCAL).await?;
    let client = TcpStream::connect(&wsk, listener.local_addr().await?).await?;
    let (server, _) = listener.accept().await?;
    client.send_all(buffer(b"hello")?).await.into_result()?;
    client.shutdown().await?;
    assert_eq!(receive_all(&server).await?, b"hello");
    client.close().await;
    listener.close().await;
    Ok(())
}

#[test]
fn every_allocation_of_a_connection_may_fail() {
    // Registration, reaper, provider, waker, three sockets, their requests, buffers: at least.
    sweep(10, conversation);
}

#[test]
fn every_allocation_of_a_listener_may_fail() {
    sweep(8, async |wsk| {
        let listener = TcpListener::bind(&wsk, LOCAL).await?;
        let address = listener.local_addr().await?;
        // An accept that is given up stays in flight, for the next one.
        if let Some(accepted) = poll_times(listener.accept(), 1).await {
            accepted?;
        }
        let client = TcpStream::connect(&wsk, address).await?;
        // One waits for the other, which allocates its place.
        let wait = poll_times(listener.accept(), 1);
        let (accepted, waited) = join(listener.accept(), wait).await;
        let server = match (accepted?, waited) {
            ((server, _), None) => server,
            (_, Some(waited)) => waited?.0,
        };
        let (first, second) = join(client.peer_addr(), server.local_addr()).await;
        assert_eq!((first?, second?), (address, address));
        drop(listener);
        Ok(())
    });
}

#[test]
fn every_allocation_of_many_requests_at_once_may_fail() {
    sweep(12, async |wsk| {
        let (client, server) = streams(&wsk).await?;
        for polls in 0..2 {
            if let Some(received) = poll_times(server.recv(Buffer::new(10)?), polls).await {
                received.into_result()?;
            }
        }
        client.send_all(buffer(b"123456")?).await.into_result()?;
        // What was given up may have taken some of it: then there is an end to receive.
        client.shutdown().await?;
        // More than a socket keeps requests for.
        let receive = async || server.recv(Buffer::new(1)?).await.into_result().map(drop);
        let two = async || {
            let (one, other) = join(receive(), receive()).await;
            one.and(other)
        };
        let (first, (second, third)) = join(two(), join(two(), two())).await;
        first.and(second).and(third)
    });
}

#[test]
fn every_allocation_of_datagrams_may_fail() {
    sweep(10, async |wsk| {
        let server = UdpSocket::bind(&wsk, LOCAL).await?;
        let mut client = UdpSocket::bind(&wsk, LOCAL).await?;
        let address = server.local_addr().await?;
        client.send_to(buffer(b"ping")?, address).await.into_result()?;
        let ((received, from), filled) = server.recv_from(Buffer::new(10)?).await.into_result()?;
        assert_eq!((&filled[..received], from), (&b"ping"[..], client.local_addr().await?));
        let client = client.connect(address).await?;
        client.send(buffer(b"pong")?).await.into_result()?;
        server.recv_from(filled.slice(2..)?).await.into_result()?;
        server.close().await;
        Ok(())
    });
}

#[test]
fn every_allocation_of_waiting_may_fail() {
    const WHILE: Duration = Duration::from_secs(1);
    sweep(8, async |wsk| {
        let socket = UdpSocket::bind(&wsk, LOCAL).await?;
        sleep(WHILE).await?;
        match timeout(WHILE, socket.recv_from(Buffer::new(10)?)).await {
            Err(error) if error.kind() == ErrorKind::TimedOut => {}
            Err(error) => return Err(error),
            Ok(received) => return received.into_result().map(drop),
        }
        let address = socket.local_addr().await?;
        timeout(WHILE, socket.send_to(buffer(b"in time")?, address)).await?.into_result()?;
        drop(Sleep::new(WHILE)?);
        Ok(())
    });
}

#[test]
fn every_allocation_of_tasks_may_fail() {
    sweep(15, async |wsk| {
        let runtime = Runtime::new(passive(), 2)?;
        let listener = TcpListener::bind(&wsk, LOCAL).await?;
        let address = listener.local_addr().await?;
        let ends = Arc::new(Mutex::new(Vec::new()));
        let (spawner, ends_of_tasks) = (runtime.spawner(), Arc::clone(&ends));
        runtime.spawner().spawn(async move {
            let end = serve_one(listener, spawner, &ends_of_tasks).await;
            ends_of_tasks.lock().unwrap().push(end);
        })?;
        let talk = async {
            let stream = TcpStream::connect(&wsk, address).await?;
            stream.send_all(buffer(b"hello")?).await.into_result()?;
            stream.shutdown().await?;
            receive_all(&stream).await
        };
        let end = talk.await;
        runtime.shutdown(passive());
        // A side that finds no memory ends the connection, which is another error for the other side.
        let is_cause = |error: &wsk::Error| error.kind() == ErrorKind::OutOfMemory;
        let ends = ends.lock().unwrap();
        if let Some(error) = ends.iter().find_map(|end| end.err().filter(is_cause)) {
            return Err(error);
        }
        assert_eq!(end?, b"hello");
        Ok(())
    });
}

/// Accepts one connection, and echoes what it sends in a task of its own.
async fn serve_one(
    listener: TcpListener,
    spawner: Spawner,
    ends: &Arc<Mutex<Vec<Result<()>>>>,
) -> Result<()> {
    let (stream, _) = listener.accept().await?;
    let ends = Arc::clone(ends);
    let spawned = spawner.spawn(async move {
        let echo = async {
            let received = receive_all(&stream).await?;
            stream.send_all(buffer(&received)?).await.into_result()?;
            stream.shutdown().await
        };
        let end = echo.await;
        ends.lock().unwrap().push(end);
    });
    spawned.map(drop)
}

/// Holds something, and takes no datagram.
struct Holder(#[expect(dead_code, reason = "it is only counted")] Arc<()>);

#[wsk::events]
impl DatagramEvents for Holder {
    fn receive_from(&self, _datagrams: Datagrams<'_>) -> Disposition {
        Disposition::Refused
    }
}

/// What is handed over for callbacks is dropped when there is no memory for it.
#[test]
fn a_handler_whose_socket_cannot_be_allocated_is_dropped() {
    let host = Host::new(Config::default());
    let failing = host.clone();
    let run = async move |wsk: Provider| {
        let value = Arc::new(());
        let builder = DatagramSocket::builder(&wsk, Family::INET).events(Holder(value.clone()));
        failing.fail_allocation(1);
        let error = builder.create().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
        assert_eq!(Arc::strong_count(&value), 1);
        Ok(())
    };
    on_host(&host, run).unwrap();
}
