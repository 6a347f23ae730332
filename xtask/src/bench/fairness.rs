//! The latency of the echo drivers in Wine with several busy connections: whether some run while others wait.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use crate::wine;

const CONNECTIONS: usize = 16;

/// The bytes of a message.
const SIZE: usize = 64;

/// The messages of each connection before those that count, and those that do.
const WARM_UP: usize = 200;
const MESSAGES: usize = 2000;

/// The runs of each driver, which alternate.
const RUNS: usize = 5;

/// The round trips of the messages of all connections, at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct RoundTrips {
    pub(super) median: Duration,
    /// The 99th percentile.
    pub(super) slow: Duration,
    /// Messages per second, of all connections.
    pub(super) rate: f64,
}

/// Measures the echo drivers in Wine, each several times. The results have the medians.
pub(super) fn measure(images: &[&Path]) -> Result<Vec<RoundTrips>> {
    let runs = wine::with_echo(images, RUNS, RoundTrips::of)?;
    Ok(runs.iter().map(|runs| RoundTrips::middle_of(runs)).collect())
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

impl RoundTrips {
    fn middle_of(runs: &[Self]) -> Self {
        let mut rates: Vec<f64> = runs.iter().map(|run| run.rate).collect();
        rates.sort_by(f64::total_cmp);
        Self {
            median: middle(runs.iter().map(|run| run.median).collect()),
            slow: middle(runs.iter().map(|run| run.slow).collect()),
            rate: rates.get(rates.len() / 2).copied().unwrap_or_default(),
        }
    }

    fn of(server: SocketAddr) -> Result<Self> {
        let barrier = Barrier::new(CONNECTIONS);
        let started = Instant::now();
        let times = thread::scope(|scope| {
            let clients: Vec<_> =
                (0..CONNECTIONS).map(|_| scope.spawn(|| talk(server, &barrier))).collect();
            let mut times = Vec::new();
            for client in clients {
                times.extend(client.join().map_err(|_| anyhow!("a client panicked"))??);
            }
            Ok::<_, anyhow::Error>(times)
        })?;
        #[expect(clippy::cast_precision_loss, reason = "some ten thousand messages")]
        let rate = times.len() as f64 / started.elapsed().as_secs_f64();
        Self::from_times(times, rate).context("no message was echoed")
    }

    fn from_times(mut times: Vec<Duration>, rate: f64) -> Option<Self> {
        times.sort();
        let slow = *times.get(times.len() * 99 / 100)?;
        Some(Self { median: *times.get(times.len() / 2)?, slow, rate })
    }
}

/// One connection: sends a message, waits for its echo, and so on. Returns the time of each round trip that counts.
fn talk(server: SocketAddr, barrier: &Barrier) -> Result<Vec<Duration>> {
    const PATIENCE: Duration = Duration::from_secs(30);
    let connected = connect(server, PATIENCE);
    // Each one gets here, or the others would wait for ever.
    barrier.wait();
    let mut stream = connected?;
    let (message, mut echo) = ([7; SIZE], [0; SIZE]);
    let mut times = Vec::with_capacity(MESSAGES);
    for number in 0..WARM_UP + MESSAGES {
        let sent = Instant::now();
        stream.write_all(&message)?;
        stream.read_exact(&mut echo)?;
        if number >= WARM_UP {
            times.push(sent.elapsed());
        }
    }
    Ok(times)
}

fn connect(server: SocketAddr, patience: Duration) -> Result<TcpStream> {
    let stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_99th_percentile_is_of_all_messages() {
        let times = (1..=1000).map(Duration::from_micros).collect();
        let trips = RoundTrips::from_times(times, 1.0).unwrap();
        assert_eq!(trips.median, Duration::from_micros(501));
        assert_eq!(trips.slow, Duration::from_micros(991));
        assert!(RoundTrips::from_times(Vec::new(), 1.0).is_none());
        assert_eq!(middle(vec![trips.slow, trips.median, trips.slow]), trips.slow);
    }
}
