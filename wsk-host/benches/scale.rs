//! How the cost of one operation on a host depends on the number of others that wait.
//!
//! `cargo bench -p wsk-host --bench scale`. With `n` connections, each with a receive in flight, and `n` tasks that
//! sleep, it measures a connection, a round trip, a timer, and an allocation. A column that grows with `n` shows a
//! search where an index belongs.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use wsk::irql::Passive;
use wsk::time::sleep;
use wsk::{Buffer, Provider, Registration, TcpListener, TcpStream, rt};
use wsk_host::{Config, Host, Timing};

const HOUR: Duration = Duration::from_secs(3600);

fn main() {
    // As `cargo test` runs it: whether it runs at all.
    let is_test = !std::env::args().any(|argument| argument == "--bench");
    let (counts, rounds): (&[usize], u32) =
        if is_test { (&[10, 20], 10) } else { (&[1000, 2000, 4000, 8000], 1000) };
    println!(
        "microseconds for one of each, with n connections that receive and n tasks that sleep"
    );
    println!(
        "{:>8}{:>12}{:>12}{:>12}{:>12}",
        "n", "connection", "round trip", "timer", "allocation"
    );
    for &count in counts {
        let [connection, trip, timer, allocation] = measure(count, rounds).map(|each| each * 1e6);
        println!("{count:>8}{connection:>12.2}{trip:>12.2}{timer:>12.2}{allocation:>12.2}");
    }
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
