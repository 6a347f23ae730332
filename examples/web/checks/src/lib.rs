//! What curl sees of the web server, wherever it runs: in Wine, on Windows, on a host.
//!
//! The page that the server fetches is Python's `http.server`'s. Neither program is ours. Every wait ends: a server
//! that hangs fails a check.

mod curl;
mod origin;

use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};

use anyhow::{Context, Result, ensure};

use self::curl::curl;
pub use self::origin::Origin;

/// A check by name, of a server whose `/page` is that of an [`Origin`].
pub type Check = (&'static str, fn(SocketAddr) -> Result<()>);

/// The checks that leave the server as they found it.
pub const CHECKS: [Check; 6] = [
    ("curl gets pages, with their status", pages),
    ("several requests on one connection", one_connection),
    ("64 requests, up to 32 at once", many_at_once),
    ("the page of a server that is not ours comes byte for byte", fetched),
    ("a client that leaves in the middle of a request", leaves_early),
    ("a client that sends what is no request", no_request),
];

const GREETING: &[u8] = b"Hello from Windows Kernel Sockets.\n";

/// Pages that there are and that there are not.
///
/// # Errors
///
/// What came instead.
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

/// Requests of one connection, which stays open between them.
///
/// # Errors
///
/// If an answer is wrong, or each has a connection of its own.
pub fn one_connection(server: SocketAddr) -> Result<()> {
    const REQUESTS: usize = 20;
    let answer = curl(server, &["/"; REQUESTS], &["--write-out", "%{stderr}%{num_connects} "])?;
    same(&GREETING.repeat(REQUESTS), &answer.bodies)?;
    // One connection for the first, and none for the others.
    let expected = format!("1 {}", "0 ".repeat(REQUESTS - 1));
    ensure!(
        answer.written == expected.trim(),
        "so many connections were made for each: {}",
        answer.written
    );
    Ok(())
}

/// Many connections, each with requests.
///
/// # Errors
///
/// If an answer is wrong.
pub fn many_at_once(server: SocketAddr) -> Result<()> {
    const REQUESTS: usize = 64;
    let together = ["--parallel", "--parallel-immediate", "--parallel-max", "32"];
    let answer = curl(server, &["/"; REQUESTS], &together)?;
    same(&GREETING.repeat(REQUESTS), &answer.bodies)
}

/// What the server has fetched from the other one.
///
/// # Errors
///
/// Where it differs, or what went wrong.
pub fn fetched(server: SocketAddr) -> Result<()> {
    for _ in 0..10 {
        let answer = curl(server, &["/page"], &[])?;
        ensure!(answer.written == "200", "the status is {}", answer.written);
        same(&origin::page(), &answer.bodies)?;
    }
    Ok(())
}

/// What the server says when the other one is not there any more, or has no such page.
///
/// # Errors
///
/// If it says something else, or is not served afterwards.
pub fn not_fetched(server: SocketAddr, status: &str) -> Result<()> {
    let answer = curl(server, &["/page"], &[])?;
    ensure!(answer.written == status, "the status is {}", answer.written);
    pages(server)
}

/// Leaves in the middle of a request, in order and not.
///
/// # Errors
///
/// If the server does not survive it.
pub fn leaves_early(server: SocketAddr) -> Result<()> {
    for sent in [&b""[..], b"GET", b"GET / HTTP/1.1\r\nHost: x\r\n", b"GET /page HTTP/1.1\r\n\r\n"]
    {
        for in_order in [false, true] {
            let mut stream = TcpStream::connect(server).context("cannot connect")?;
            stream.write_all(sent).context("cannot send")?;
            if in_order {
                stream.shutdown(Shutdown::Write)?;
            }
            drop(stream);
            pages(server).context("the next client")?;
        }
    }
    Ok(())
}

/// Sends what is no request, and more of a header than there is room for.
///
/// # Errors
///
/// If the server does not survive it.
pub fn no_request(server: SocketAddr) -> Result<()> {
    for sent in [b"\0".repeat(1000), b"HTTP? No.\r\n\r\n".to_vec(), b"GET / HTTP/1.1\r\n".to_vec()]
    {
        let mut stream = TcpStream::connect(server).context("cannot connect")?;
        // The server may close before it has read everything.
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
