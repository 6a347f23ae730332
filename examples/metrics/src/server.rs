//! The part of HTTP/1.1 that a scrape needs: one request per connection, and a response with its length.

use core::fmt::{self, Write as _};
use core::net::SocketAddr;
use core::time::Duration;

use wsk::{Buffer, ErrorKind, Result, Spawner, TcpListener, TcpStream, time};

use crate::metrics::Metrics;
use crate::text::{MEDIA_TYPE, Text, length};

/// Receives messages: sends them to the kernel debugger, or prints them.
pub type Log = fn(fmt::Arguments<'_>);

/// The maximum size of a request in bytes, and the size of an answer: the metrics take less than 1,500.
const SIZE: usize = 4096;

/// The media type of other responses.
const PLAIN: &str = "text/plain; charset=utf-8";

/// The timeout of a connection, from its request to its end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Serves `/metrics` until the listener fails or the runtime shuts down.
///
/// # Errors
///
/// The error for which no more connections can be accepted.
pub async fn serve(listener: TcpListener, spawner: Spawner, log: Log) -> Result<()> {
    loop {
        let report = |error| log(format_args!("cannot accept a connection: {error}"));
        let (stream, peer) = listener.accept_retrying(report).await?;
        let served = spawn(&spawner, stream, peer, log);
        match served {
            Ok(()) => {}
            // The runtime is shutting down and will drop this task.
            Err(error) if error.kind() == ErrorKind::Cancelled => return Ok(()),
            Err(error) => log(format_args!("cannot serve {peer}: {error}")),
        }
    }
}

/// Spawns a task that answers one request.
///
/// Not inlined: the future is on the stack until it becomes a task. In a function of its own, it occupies no stack while
/// the task of the listener runs.
#[inline(never)]
fn spawn(spawner: &Spawner, stream: TcpStream, peer: SocketAddr, log: Log) -> Result<()> {
    let serving = async move {
        match time::timeout(PATIENCE, answer(stream)).await.and_then(|answered| answered) {
            Ok(()) => {}
            Err(error) if is_caused_by_peer(error.kind()) => {}
            Err(error) => log(format_args!("the connection of {peer} failed: {error}")),
        }
    };
    spawner.spawn(serving).map(drop)
}

fn is_caused_by_peer(kind: ErrorKind) -> bool {
    // The timeout: the peer was silent for too long.
    kind.is_disconnect() || kind == ErrorKind::TimedOut
}

/// Reads one request, answers it, and ends the connection.
async fn answer(stream: TcpStream) -> Result<()> {
    let mut request = Buffer::new(SIZE)?;
    let mut length = 0;
    let answer = loop {
        let (received, filled) = stream.recv(request.slice(length..)?).await.into_result()?;
        request = filled.into_inner();
        length += received;
        match read(request.get(..length).unwrap_or_default()) {
            Some(answer) => break answer,
            // The peer ended the connection during its request or before it.
            None if received == 0 => return Ok(()),
            None if length == SIZE => break Answer::TooLarge,
            None => {}
        }
    };
    // The request is no longer needed.
    let length = write(answer, &mut request);
    stream.send_all(request.slice(..length)?).await.into_result()?;
    stream.finish(PATIENCE).await
}

/// The answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Metrics,
    /// The head of the same answer.
    Head,
    BadRequest,
    NotFound,
    MethodNotAllowed,
    TooLarge,
    /// The metrics do not fit.
    InternalError,
}

/// Parses a request that may be incomplete: its first line, and its headers up to the empty line after them.
///
/// Crates that parse HTTP can panic. A driver must not panic on data from the network.
fn read(bytes: &[u8]) -> Option<Answer> {
    // Data that does not begin with a method, such as a TLS handshake, may never contain an empty line.
    if !bytes.first()?.is_ascii_uppercase() {
        return Some(Answer::BadRequest);
    }
    if !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
        return None;
    }
    let line = bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target, version) = (words.next()?, words.next(), words.next());
    if !matches!(version, Some(b"HTTP/1.0" | b"HTTP/1.1")) || words.next().is_some() {
        return Some(Answer::BadRequest);
    }
    let path = target.and_then(|target| target.split(|byte| *byte == b'?').next());
    Some(match method {
        _ if path != Some(b"/metrics") => Answer::NotFound,
        b"GET" => Answer::Metrics,
        b"HEAD" => Answer::Head,
        _ => Answer::MethodNotAllowed,
    })
}

/// Writes an answer to the beginning of a buffer, and returns its length.
fn write(answer: Answer, to: &mut [u8]) -> usize {
    write_answer(answer, to)
        .or_else(|_| write_answer(Answer::InternalError, to))
        .unwrap_or_default()
}

fn write_answer(answer: Answer, to: &mut [u8]) -> core::result::Result<usize, fmt::Error> {
    let (status, media_type) = match answer {
        Answer::Metrics | Answer::Head => ("200 OK", MEDIA_TYPE),
        Answer::BadRequest => ("400 Bad Request", PLAIN),
        Answer::NotFound => ("404 Not Found", PLAIN),
        Answer::MethodNotAllowed => ("405 Method Not Allowed\r\nallow: GET, HEAD", PLAIN),
        Answer::TooLarge => ("431 Request Header Fields Too Large", PLAIN),
        Answer::InternalError => ("500 Internal Server Error", PLAIN),
    };
    let metrics = matches!(answer, Answer::Metrics | Answer::Head).then(Metrics::read);
    let body: &dyn fmt::Display = match &metrics {
        Some(metrics) => metrics,
        None if answer == Answer::NotFound => &"the metrics are at /metrics\n",
        None => &"",
    };
    let length = length(body)?;
    let mut text = Text::new(to);
    write!(
        text,
        "HTTP/1.1 {status}\r\ncontent-type: {media_type}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    )?;
    if answer != Answer::Head {
        write!(text, "{body}")?;
    }
    Ok(text.length())
}
