//! The server on a host, with the completion orders of many seeds.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Mutex;

use wsk::irql::Passive;
use wsk::{Buffer, ErrorKind, Provider, Registration, Result, Runtime, TcpListener, TcpStream, rt};
use wsk_host::{Config, Faults, Host, Timing};

/// The number of seeds of each scenario: few of them by default, and all where the environment asks for them.
fn seeds() -> u64 {
    if std::env::var_os("WSK_ALL_SEEDS").is_some() { 100 } else { 13 }
}

/// Runs clients against a server, stops the server before the clients' result is dropped, and checks that all memory
/// was freed.
fn serving<T>(clients: impl AsyncFn(Provider, SocketAddr) -> Result<T>) {
    serving_with(Faults::default(), clients);
}

/// The same on a network with faults.
fn serving_with<T>(faults: Faults, clients: impl AsyncFn(Provider, SocketAddr) -> Result<T>) {
    let timings = [Timing::Inline, Timing::Deferred].into_iter();
    for timing in timings.chain((0..seeds()).map(Timing::Mixed)) {
        // With a disconnect as on Windows, and without as in Wine.
        for refuse_disconnect in [false, true] {
            let config =
                Config { timing, refuse_disconnect, window: 1000, faults, ..Config::default() };
            let host = Host::new(config);
            let entered = host.enter();
            on_host(&clients).unwrap_or_else(|error| panic!("{config:?}: {error}"));
            host.settle();
            assert_eq!(host.outstanding_allocations(), 0, "{config:?}: not all memory was freed");
            let complaints = COMPLAINTS.lock().unwrap();
            assert!(complaints.is_empty(), "{config:?}: {complaints:?}");
            drop(entered);
        }
    }
}

fn on_host<T>(clients: impl AsyncFn(Provider, SocketAddr) -> Result<T>) -> Result<()> {
    // SAFETY: on a host, a test's thread runs at PASSIVE_LEVEL, outside any callback.
    let passive = unsafe { Passive::assume() };
    let registration = Registration::register(passive)?;
    let wsk = registration.try_capture()?;
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 7));
    let listener = rt::block_on(passive, TcpListener::bind(&wsk, local))??;
    let runtime = Runtime::new(passive, 2)?;
    let spawner = runtime.spawner();
    runtime.spawner().spawn(async move {
        if let Err(error) = echo::serve(listener, spawner, complain).await {
            complain(format_args!("no more connections: {error}"));
        }
    })?;
    let result = rt::block_on(passive, clients(wsk, local))?;
    runtime.shutdown(passive);
    // The registration waits for the clients' sockets.
    let result = result.map(drop);
    registration.deregister(passive);
    wsk::unload(passive);
    result
}

/// The messages of the server. There must be none: no client causes the server to report a failure.
static COMPLAINTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn complain(message: fmt::Arguments<'_>) {
    COMPLAINTS.lock().unwrap().push(message.to_string());
}

fn payload(size: usize) -> Vec<u8> {
    (0..size).map(|n| (n % 251).to_le_bytes()[0]).collect()
}

async fn send(stream: &TcpStream, bytes: &[u8]) -> Result<()> {
    stream.send_all(Buffer::try_from(bytes)?).await.into_result().map(drop)
}

async fn receive(stream: &TcpStream, size: usize) -> Result<Vec<u8>> {
    let mut received = Vec::new();
    while received.len() < size {
        let (count, buffer) =
            stream.recv(Buffer::new(size - received.len())?).await.into_result()?;
        assert_ne!(count, 0, "the server finished after {} of {size} bytes", received.len());
        received.extend_from_slice(&buffer[..count]);
    }
    Ok(received)
}

/// Checks that the server serves a well-behaved client.
async fn is_served(wsk: &Provider, server: SocketAddr) -> Result<()> {
    let stream = TcpStream::connect(wsk, server).await?;
    // Sizes that fit the window: this client sends and receives in turn.
    for size in [1, 2, 999, 1000] {
        send(&stream, &payload(size)).await?;
        assert_eq!(receive(&stream, size).await?, payload(size));
    }
    stream.close().await;
    Ok(())
}

#[test]
fn echoes_everything() {
    serving(async |wsk, server| {
        is_served(&wsk, server).await?;
        is_served(&wsk, server).await
    });
}

#[test]
fn disconnecting_clients_do_not_affect_others() {
    serving(async |wsk, server| {
        // Immediately, in the middle of a conversation, and without reading the response.
        for size in [0, 10, 1500] {
            let stream = TcpStream::connect(&wsk, server).await?;
            if size > 0 {
                send(&stream, &payload(size)).await?;
            }
            drop(stream);
            is_served(&wsk, server).await?;
        }
        Ok(())
    });
}

/// As where a client resets its connection, and the system then fails the accept.
#[test]
fn connections_reset_before_the_accept_do_not_affect_others() {
    serving_with(Faults { accept: 500, ..Faults::default() }, async |wsk, server| {
        let (mut served, mut lost) = (0, 0);
        while served < 5 || lost == 0 {
            match is_served(&wsk, server).await {
                Ok(()) => served += 1,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => lost += 1,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    });
}

#[test]
fn stops_with_open_connections() {
    serving(async |wsk, server| {
        let mut open = Vec::new();
        for number in 0..8 {
            let stream = TcpStream::connect(&wsk, server).await?;
            send(&stream, &payload(500)).await?;
            if number % 2 == 0 {
                assert_eq!(receive(&stream, 500).await?, payload(500));
            }
            open.push(stream);
        }
        Ok(open)
    });
}
