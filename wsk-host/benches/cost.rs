//! What a host costs: a round trip on the machine's network beside one of plain sockets, and requests per
//! second on the simulated network.
//!
//! `cargo bench -p wsk-host --bench cost`. Each figure is the best of several rounds, and the two that are
//! compared take turns in one run.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use polling::{Event, Events, Poller};
use test_support::raw::{Client, PoolBuffer, Request, close, receive, send};
use wsk_host::{Config, Timing};
use wsk_sys::PWSK_SOCKET;

const SIZE: usize = 64;
const ROUNDS: usize = 20;
const ROUND_TRIPS: u32 = 1000;

fn main() {
    // As `cargo test` runs it: whether it runs at all.
    let is_test = !std::env::args().any(|argument| argument == "--bench");
    let (rounds, trips) = if is_test { (1, 10) } else { (ROUNDS, ROUND_TRIPS) };

    let (plain, host) = round_trips(rounds, trips);
    println!("round trip of {SIZE} bytes on the machine's network, microseconds");
    println!("  plain sockets that do not block   {:8.2}", microseconds(plain));
    println!("  raw WSK calls on wsk-host         {:8.2}", microseconds(host));
    println!(
        "  ratio                             {:8.2}",
        microseconds(host) / microseconds(plain)
    );

    println!("requests of {SIZE} bytes on the simulated network, thousands per second and core");
    for (name, timing) in [
        ("inline", Timing::Inline),
        ("deferred", Timing::Deferred),
        ("mixed, by a seed", Timing::Mixed(7)),
    ] {
        let each = simulated(timing, rounds, trips);
        println!("  {name:<34}{:8.0}", 1000.0 / microseconds(each));
    }
}

fn microseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// The time of the fastest round, for one of its parts.
fn best(rounds: usize, parts: u32, mut round: impl FnMut()) -> Duration {
    let time = |round: &mut dyn FnMut()| {
        let start = Instant::now();
        round();
        start.elapsed()
    };
    (0..rounds).map(|_| time(&mut round)).min().unwrap_or_default() / parts
}

/// An echo server that serves one connection after the other.
fn echo_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                stream.set_nodelay(true).unwrap();
                let mut bytes = [0; SIZE];
                while stream.read_exact(&mut bytes).is_ok() && stream.write_all(&bytes).is_ok() {}
            });
        }
    });
    address
}

/// A socket that does not block, and what waits for it.
struct Plain {
    stream: TcpStream,
    poller: Poller,
    events: Events,
}

impl Plain {
    fn connect(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_nonblocking(true).unwrap();
        let poller = Poller::new().unwrap();
        // SAFETY: the poller is dropped before the stream.
        unsafe { poller.add(&stream, Event::none(1)) }.unwrap();
        Self { stream, poller, events: Events::new() }
    }

    fn round_trip(&mut self) {
        let mut bytes = [7; SIZE];
        assert_eq!(self.stream.write(&bytes).unwrap(), SIZE);
        let mut received = 0;
        while received < SIZE {
            match self.stream.read(&mut bytes[received..]) {
                Ok(count) => received += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.poller.modify(&self.stream, Event::readable(1)).unwrap();
                    self.events.clear();
                    self.poller.wait(&mut self.events, None).unwrap();
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// One way with reused IRPs and buffers, as drivers have them.
struct Raw {
    socket: PWSK_SOCKET,
    out: PoolBuffer,
    back: PoolBuffer,
}

impl Raw {
    fn round_trip(&self) {
        let sent = send(self.socket, &self.out);
        let received = receive(self.socket, &self.back, 0);
        assert_eq!(sent.succeed(), SIZE);
        assert_eq!(received.succeed(), SIZE);
    }
}

fn round_trips(rounds: usize, trips: u32) -> (Duration, Duration) {
    let server = echo_server();
    let mut plain = Plain::connect(server);
    let client = Client::new(Config::real().timing(Timing::Inline));
    let socket = client.connected_to(server, std::ptr::null_mut(), std::ptr::null());
    let raw = Raw { socket, out: PoolBuffer::with(&[7; SIZE]), back: PoolBuffer::new(SIZE) };
    let mut times = Vec::new();
    // In turns, so that what the machine does meanwhile meets both.
    for _ in 0..rounds {
        let of_plain = best(1, trips, || (0..trips).for_each(|_| plain.round_trip()));
        let of_host = best(1, trips, || (0..trips).for_each(|_| raw.round_trip()));
        times.push((of_plain, of_host));
    }
    close(socket);
    drop(raw);
    client.end();
    let plain = times.iter().map(|times| times.0).min().unwrap_or_default();
    let host = times.iter().map(|times| times.1).min().unwrap_or_default();
    (plain, host)
}

/// The time of one request between two sockets of a host: half of them send, half receive.
fn simulated(timing: Timing, rounds: usize, trips: u32) -> Duration {
    let client = Client::new(Config::default().timing(timing).partial_receives(false));
    let sockets = client.connections();
    let [_, from, to] = sockets;
    let (out, back) = (PoolBuffer::with(&[7; SIZE]), PoolBuffer::new(SIZE));
    let time = best(rounds, trips * 2, || {
        for _ in 0..trips {
            let requests: [Request; 2] = [receive(to, &back, 0), send(from, &out)];
            for request in requests {
                assert_eq!(request.succeed(), SIZE);
            }
        }
    });
    sockets.into_iter().for_each(close);
    drop((out, back));
    client.end();
    time
}
