//! Client-side checks of the echo server, wherever the server runs: in Wine, on Windows, on a host.
//!
//! The clients use `std::net` and share no code with the server. Every wait has a timeout: a server that hangs fails a
//! check.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};

/// The timeout of a single read or write.
const PATIENCE: Duration = Duration::from_secs(30);

/// A check and its name.
pub type Check = (&'static str, fn(SocketAddr) -> Result<()>);

/// The checks that leave the server unchanged.
pub const CHECKS: [Check; 5] = [
    ("payloads of 1 byte to 1 MiB are echoed byte for byte", payloads),
    ("32 connections at once", many_at_once),
    ("a client that closes early", closes_early),
    ("a client that resets", resets),
    ("a client that sends and never reads", never_reads),
];

/// Sends payloads of many sizes and compares them with the echo.
///
/// # Errors
///
/// The first difference between payload and echo, or the I/O error.
pub fn payloads(server: SocketAddr) -> Result<()> {
    for size in [1, 2, 100, 1460, 4096, 65_535, 65_536, 65_537, 300_000, 1 << 20] {
        let stream = connect(server)?;
        exchange(&stream, size, 1).with_context(|| format!("a payload of {size} bytes"))?;
    }
    Ok(())
}

/// Opens 32 connections before any of them sends.
///
/// # Errors
///
/// The number of the failed connection, and its error.
pub fn many_at_once(server: SocketAddr) -> Result<()> {
    const CONNECTIONS: u64 = 32;
    let barrier = Barrier::new(32);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CONNECTIONS)
            .map(|number| {
                let barrier = &barrier;
                scope.spawn(move || {
                    let stream = connect(server);
                    barrier.wait();
                    exchange(&stream?, 200_000, number)
                })
            })
            .collect();
        for (number, client) in clients.into_iter().enumerate() {
            let result = client.join().map_err(|_| anyhow!("the client panicked"))?;
            result.with_context(|| format!("connection {number}"))?;
        }
        Ok(())
    })
}

/// Sends, and closes without reading the echo.
///
/// # Errors
///
/// If the next client is not served.
pub fn closes_early(server: SocketAddr) -> Result<()> {
    for size in [0, 10, 100_000] {
        let mut stream = connect(server)?;
        stream.write_all(&payload(size, 2)).context("cannot send")?;
        drop(stream);
        exchange(&connect(server)?, 1000, 2).context("the next client")?;
    }
    Ok(())
}

/// Resets the connection, immediately and in the middle of a conversation.
///
/// # Errors
///
/// If the next client is not served.
pub fn resets(server: SocketAddr) -> Result<()> {
    for size in [0, 10, 100_000] {
        let mut stream = connect(server)?;
        stream.write_all(&payload(size, 3)).context("cannot send")?;
        // Closing with a linger time of zero resets the connection.
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        drop(stream);
        exchange(&connect(server)?, 1000, 3).context("the next client")?;
    }
    Ok(())
}

/// Sends without reading until the server, whose echo is stuck, stops receiving. Meanwhile it must serve other clients.
///
/// # Errors
///
/// If the server receives without bound, or does not serve other clients.
pub fn never_reads(server: SocketAddr) -> Result<()> {
    const BOUND: usize = 64 << 20;
    let mut stream = connect(server)?;
    stream.set_write_timeout(Some(Duration::from_millis(500)))?;
    let chunk = payload(64 << 10, 4);
    let mut sent = 0;
    loop {
        match stream.write(&chunk) {
            Ok(count) => sent += count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                break;
            }
            Err(error) => return Err(error).context("cannot send"),
        }
        ensure!(sent < BOUND, "the server received {sent} bytes although its echo is not read");
    }
    exchange(&connect(server)?, 100_000, 4).context("another client meanwhile")?;
    drop(stream);
    exchange(&connect(server)?, 1000, 4).context("another client afterwards")
}

/// Opens connections one after another, each with a short exchange and a graceful end.
///
/// # Errors
///
/// The number of the failed connection, and its error.
pub fn one_after_another(server: SocketAddr, connections: u64) -> Result<()> {
    for number in 0..connections {
        let stream = connect(server).with_context(|| format!("connection {number}"))?;
        exchange(&stream, 64, number).with_context(|| format!("connection {number}"))?;
    }
    Ok(())
}

/// Opens connections and returns them after one exchange each. A quarter of them have unread data in flight.
///
/// # Errors
///
/// The number of the failed connection, and its error.
pub fn open(server: SocketAddr, connections: u64) -> Result<Vec<TcpStream>> {
    (0..connections)
        .map(|number| {
            let mut stream = connect(server)?;
            let sent = payload(1000, number);
            stream.write_all(&sent)?;
            let mut received = vec![0; sent.len()];
            stream.read_exact(&mut received)?;
            compare(&sent, &received)?;
            if number % 4 == 0 {
                stream.write_all(&payload(10_000, number))?;
            }
            Ok(stream)
        })
        .enumerate()
        .map(|(number, stream): (_, Result<_>)| {
            stream.with_context(|| format!("connection {number}"))
        })
        .collect()
}

/// Checks that the server has ended a connection, gracefully or with a reset.
///
/// # Errors
///
/// If the connection is still open when the read times out.
pub fn has_ended(mut stream: TcpStream) -> Result<()> {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(()),
        Err(error) => Err(error).context("the connection is still open"),
    }
}

fn connect(server: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&server, PATIENCE)
        .with_context(|| format!("cannot connect to {server}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sends a payload while receiving its echo, finishes sending, and waits until the server finishes.
fn exchange(stream: &TcpStream, size: usize, seed: u64) -> Result<()> {
    let sent = payload(size, seed);
    let received = thread::scope(|scope| -> Result<Vec<u8>> {
        let sender = scope.spawn(|| -> Result<()> {
            let mut stream = stream;
            stream.write_all(&sent).context("cannot send")?;
            stream.shutdown(Shutdown::Write).context("cannot finish sending")
        });
        let mut stream = stream;
        let mut received = Vec::new();
        let result = stream.read_to_end(&mut received);
        sender.join().map_err(|_| anyhow!("the sender panicked"))??;
        result.with_context(|| format!("cannot receive after {} bytes", received.len()))?;
        Ok(received)
    })?;
    compare(&sent, &received)
}

fn compare(sent: &[u8], received: &[u8]) -> Result<()> {
    if sent.len() != received.len() {
        bail!("sent {} bytes, but received {}", sent.len(), received.len());
    }
    match sent.iter().zip(received).position(|(sent, received)| sent != received) {
        None => Ok(()),
        Some(place) => bail!(
            "byte {place} of {}: sent {:02x}, but received {:02x}",
            sent.len(),
            sent[place],
            received[place]
        ),
    }
}

/// Pseudo-random bytes (a linear congruential generator), so that a misplaced block is detected.
fn payload(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(size).collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Starts a server on this machine that handles each connection with `serve`.
    fn server(serve: fn(TcpStream)) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || serve(stream));
            }
        });
        address
    }

    fn echo(mut stream: TcpStream) {
        let mut copy = stream.try_clone().unwrap();
        // This fails if the client resets the connection, which is expected.
        let _ = std::io::copy(&mut stream, &mut copy);
    }

    #[test]
    fn an_echo_server_passes() {
        let server = server(echo);
        for (name, check) in CHECKS {
            check(server).unwrap_or_else(|error| panic!("{name}: {error:#}"));
        }
        one_after_another(server, 10).unwrap();
        assert_eq!(open(server, 8).unwrap().len(), 8);
    }

    #[test]
    fn a_server_that_changes_a_byte_fails() {
        let server = server(|mut stream| {
            let mut data = Vec::new();
            stream.read_to_end(&mut data).unwrap();
            if let Some(byte) = data.get_mut(70_000) {
                *byte ^= 1;
            }
            let _ = stream.write_all(&data);
        });
        let error = payloads(server).unwrap_err();
        assert!(format!("{error:#}").contains("byte 70000"), "{error:#}");
    }

    #[test]
    fn a_server_that_drops_the_end_fails() {
        let server = server(|mut stream| {
            let mut data = Vec::new();
            stream.read_to_end(&mut data).unwrap();
            let _ = stream.write_all(&data[..data.len() - 1]);
        });
        let error = payloads(server).unwrap_err();
        assert!(format!("{error:#}").contains("sent 1 bytes, but received 0"), "{error:#}");
    }
}
