//! How the cost of one operation on a host depends on the number of others that wait.
//!
//! `cargo bench -p wsk-host --bench scale`. With `n` connections, each with a receive in flight, and `n` tasks that
//! sleep, it measures a connection, a round trip, a timer, and an allocation. A column that grows with `n` shows a
//! search where an index belongs. Numbers as arguments replace those of connections. As a test, it compares the processor
//! time of few connections with that of eight times as many.
//!
//! At the end, it makes more short connections on the machine's network than the machine has local ports, each closed by
//! the client first.

use std::future::Future;
use std::io::Read;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use wsk::irql::Passive;
use wsk::time::sleep;
use wsk::{Buffer, Provider, Registration, TcpListener, TcpStream, rt};
use wsk_host::{Config, Host, Network, Timing};

const HOUR: Duration = Duration::from_secs(3600);

fn main() {
    let is_test = !std::env::args().any(|argument| argument == "--bench");
    let given: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let (counts, rounds, short): (&[usize], u32, u32) = match (is_test, &given[..]) {
        (true, []) => (&[FEW, 8 * FEW], 10, 100),
        (true, given) => (given, 10, 100),
        (false, []) => (&[1000, 2000, 4000, 8000], 1000, 30_000),
        (false, given) => (given, 1000, 30_000),
    };
    println!(
        "microseconds for one of each, with n connections that receive and n tasks that sleep"
    );
    println!(
        "{:>8}{:>12}{:>12}{:>12}{:>12}{:>18}",
        "n", "connection", "round trip", "timer", "allocation", "all, processor s"
    );
    let mut times = Vec::new();
    for &count in counts {
        let before = processor_time();
        let [connection, trip, timer, allocation] = measure(count, rounds).map(|each| each * 1e6);
        let time = processor_time() - before;
        println!(
            "{count:>8}{connection:>12.2}{trip:>12.2}{timer:>12.2}{allocation:>12.2}{time:>18.3}"
        );
        times.push(time);
    }
    if is_test && given.is_empty() {
        // With a search for each connection, it would be 64 times as much.
        let ratio = times[1] / times[0];
        assert!(ratio < 24.0, "{FEW} and 8 times as many took {times:?} s");
    }
    let each = short_connections(short);
    println!("{short} short connections on this machine's network: {each:.2} microseconds each");
}

/// The number of connections that a test measures first.
const FEW: usize = 200;

/// The processor time of this process in seconds, where the system has a clock for it.
#[cfg(not(unix))]
fn processor_time() -> f64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_secs_f64()
}

/// The processor time of this process in seconds.
#[cfg(unix)]
fn processor_time() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: there is room for a time.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    assert_eq!(result, 0, "this process has no clock");
    let (seconds, nanoseconds) =
        (time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap());
    Duration::new(seconds, nanoseconds).as_secs_f64()
}

/// Connects to a server of `std`'s, one connection after the other, and returns the microseconds of each.
fn short_connections(count: u32) -> f64 {
    let server = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = server.local_addr().unwrap();
    let serving = std::thread::spawn(move || {
        for _ in 0..count {
            let (mut stream, _) = server.accept().unwrap();
            // The client closes first.
            assert_eq!(stream.read(&mut [0]).unwrap(), 0);
        }
    });
    let config = Config { network: Network::Real, ..Config::default() }.timing(Timing::Inline);
    let host = Host::new(config);
    let _entered = host.enter();
    // SAFETY: this thread is at PASSIVE_LEVEL, and in no callback.
    let passive = || unsafe { Passive::assume() };
    let registration = Registration::builder().register(passive()).unwrap();
    let wsk = registration.try_capture().unwrap();
    let connects = each(count, async || {
        let stream = TcpStream::connect(&wsk, address).await?;
        stream.shutdown().await?;
        assert_eq!(stream.recv(Buffer::new(1)?).await.0?, 0);
        Ok(())
    });
    let time = rt::block_on(passive(), connects).unwrap().unwrap();
    serving.join().unwrap();
    time * 1e6
}

fn measure(count: usize, rounds: u32) -> [f64; 4] {
    // SAFETY: this thread is at PASSIVE_LEVEL, and in no callback.
    let passive = || unsafe { Passive::assume() };
    let host = Host::new(Config::default().timing(Timing::Inline));
    let _entered = host.enter();
    let registration = Registration::builder().register(passive()).unwrap();
    let wsk = registration.try_capture().unwrap();
    rt::block_on(passive(), scenario(&wsk, count, rounds)).unwrap().unwrap()
}

/// The seconds that one repetition takes.
async fn each(rounds: u32, mut run: impl AsyncFnMut() -> wsk::Result<()>) -> wsk::Result<f64> {
    let start = Instant::now();
    for _ in 0..rounds {
        run().await?;
    }
    Ok(start.elapsed().as_secs_f64() / f64::from(rounds))
}

/// Starts a future that waits.
fn start<F: Future>(future: F) -> Pin<Box<F>> {
    let mut future = Box::pin(future);
    let poll = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(poll, Poll::Pending), "it was to wait");
    future
}

async fn scenario(wsk: &Provider, count: usize, rounds: u32) -> wsk::Result<[f64; 4]> {
    let mut listener = TcpListener::bind(wsk, ([127, 0, 0, 1], 0)).await?;
    let address = listener.local_addr().await?;
    let mut pairs: Vec<(TcpStream, TcpStream)> = Vec::new();
    let connections = u32::try_from(count).unwrap();
    let connection = each(connections, async || {
        let client = TcpStream::connect(wsk, address).await?;
        pairs.push((client, listener.accept().await?.0));
        Ok(())
    })
    .await?;

    let (client, server) = pairs.pop().unwrap();
    let receives: Vec<_> = pairs
        .iter()
        .map(|(_, server)| Ok(start(server.recv(Buffer::new(64)?))))
        .collect::<wsk::Result<_>>()?;
    let sleeps: Vec<_> = (0..count).map(|_| start(sleep(HOUR))).collect();

    let trip = each(rounds, async || {
        for (from, to) in [(&client, &server), (&server, &client)] {
            from.send_all(Buffer::new(64)?).await.into_result()?;
            to.recv_exact(Buffer::new(64)?).await.into_result()?;
        }
        Ok(())
    })
    .await?;
    let timer = each(rounds, async || {
        drop(start(sleep(HOUR)));
        Ok(())
    })
    .await?;
    let allocation = each(rounds, async || Buffer::new(64).map(drop)).await?;
    drop((receives, sleeps));
    Ok([connection, trip, timer, allocation])
}
