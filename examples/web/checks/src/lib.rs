//! Checks of the web server with curl, wherever the server runs: in Wine, on Windows, on a host.
//!
//! Python's `http.server` provides the page that the server fetches. Every wait has a timeout: a server that hangs
//! fails a check.

mod curl;
mod origin;

use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};

use anyhow::{Context, Result, ensure};

use self::curl::curl;
pub use self::origin::Origin;

/// A check and its name. It expects a server whose `/page` is fetched from an [`Origin`].
pub type Check = (&'static str, fn(SocketAddr) -> Result<()>);

/// The checks that leave the server unchanged.
pub const CHECKS: [Check; 6] = [
    ("curl gets pages, with their status", pages),
    ("several requests on one connection", one_connection),
    ("64 requests, up to 32 at once", many_at_once),
    ("the page of another server arrives byte for byte", fetched),
    ("a client that disconnects in the middle of a request", disconnects_early),
    ("a client that sends an invalid request", invalid_request),
];

const GREETING: &[u8] = b"Hello from Windows Kernel Sockets.\n";

/// Requests existing and missing pages.
///
/// # Errors
///
/// The unexpected response.
pub fn pages(server: SocketAddr) -> Result<()> {
    for (path, status, body) in [
        ("/", "200", Some(GREETING)),
        ("/square/12345", "200", Some(&b"152399025\n"[..])),
        ("/square/4294967295", "200", Some(b"18446744065119617025\n")),
        ("/square/many", "404", None),
        ("/nowhere", "404", None),
    ] {
        let answer = curl(server, &[path], &[])?;
        ensure!(answer.written == status, "{path} has the status {}", answer.written);
        if let Some(body) = body {
            same(body, &answer.bodies).context(path)?;
        }
    }
    let posted = curl(server, &["/"], &["--data", "something"])?;
    ensure!(posted.written == "405", "a POST has the status {}", posted.written);
    Ok(())
}

/// Sends several requests on one connection.
///
/// # Errors
///
/// If a response is wrong, or more than one connection was opened.
pub fn one_connection(server: SocketAddr) -> Result<()> {
    const REQUESTS: usize = 20;
    let answer = curl(server, &["/"; REQUESTS], &["--write-out", "%{stderr}%{num_connects} "])?;
    same(&GREETING.repeat(REQUESTS), &answer.bodies)?;
    // One new connection for the first request, none for the others.
    let expected = format!("1 {}", "0 ".repeat(REQUESTS - 1));
    ensure!(answer.written == expected.trim(), "new connections per request: {}", answer.written);
    Ok(())
}

/// Sends requests on many connections at once.
///
/// # Errors
///
/// If a response is wrong.
pub fn many_at_once(server: SocketAddr) -> Result<()> {
    const REQUESTS: usize = 64;
    let together = ["--parallel", "--parallel-immediate", "--parallel-max", "32"];
    let answer = curl(server, &["/"; REQUESTS], &together)?;
    same(&GREETING.repeat(REQUESTS), &answer.bodies)
}

/// Requests the page that the server fetches from the origin.
///
/// # Errors
///
/// The position of the first difference, or the error.
pub fn fetched(server: SocketAddr) -> Result<()> {
    for _ in 0..10 {
        let answer = curl(server, &["/page"], &[])?;
        ensure!(answer.written == "200", "the status is {}", answer.written);
        same(&origin::page(), &answer.bodies)?;
    }
    Ok(())
}

/// Requests the page while the origin is unavailable or lacks it.
///
/// # Errors
///
/// If the status differs, or a later request fails.
pub fn not_fetched(server: SocketAddr, status: &str) -> Result<()> {
    let answer = curl(server, &["/page"], &[])?;
    ensure!(answer.written == status, "the status is {}", answer.written);
    pages(server)
}

/// Disconnects in the middle of a request, gracefully and abortively.
///
/// # Errors
///
/// If the next client is not served.
pub fn disconnects_early(server: SocketAddr) -> Result<()> {
    for sent in [&b""[..], b"GET", b"GET / HTTP/1.1\r\nHost: x\r\n", b"GET /page HTTP/1.1\r\n\r\n"]
    {
        for gracefully in [false, true] {
            let mut stream = TcpStream::connect(server).context("cannot connect")?;
            stream.write_all(sent).context("cannot send")?;
            if gracefully {
                stream.shutdown(Shutdown::Write)?;
            }
            drop(stream);
            pages(server).context("the next client")?;
        }
    }
    Ok(())
}

/// Sends invalid requests, and headers that exceed the buffer.
///
/// # Errors
///
/// If the next client is not served.
pub fn invalid_request(server: SocketAddr) -> Result<()> {
    for sent in [b"\0".repeat(1000), b"HTTP? No.\r\n\r\n".to_vec(), b"GET / HTTP/1.1\r\n".to_vec()]
    {
        let mut stream = TcpStream::connect(server).context("cannot connect")?;
        // The server may close the connection before it has read everything.
        let _ = stream.write_all(&sent).and_then(|()| stream.write_all(&[b'x'; 10_000]));
        pages(server).context("the next client")?;
    }
    Ok(())
}

/// Whether these bytes are the page of an [`Origin`].
#[must_use]
pub fn is_page(bytes: &[u8]) -> bool {
    bytes == origin::page()
}

fn same(expected: &[u8], found: &[u8]) -> Result<()> {
    ensure!(
        expected == found,
        "{} bytes were expected and {} came, equal up to byte {}",
        expected.len(),
        found.len(),
        expected.iter().zip(found).take_while(|(one, other)| one == other).count()
    );
    Ok(())
}
