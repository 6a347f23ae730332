//! The control port: lines of text over TCP.

use core::fmt::Write as _;

use wsk::pool::PoolBox;
use wsk::{Buffer, BufferedStream, Result, TcpListener, TcpStream};

use crate::message::{Cursor, Severity};
use crate::queue::Sender;

/// The maximum length of a line.
const LINE: usize = 512;

/// Serves one connection after another. Its commands are lines:
///
/// | command | effect |
/// |---|---|
/// | `log TEXT` | logs the text, and answers `ok` |
/// | `stats` | answers with the number of messages sent, dropped and refused |
///
/// # Errors
///
/// The error for which no more connections can be accepted.
pub async fn control(listener: TcpListener, sender: Sender) -> Result<()> {
    loop {
        let report = |error| {
            sender.log(Severity::Warning, format_args!("cannot accept a connection: {error}"));
        };
        let (stream, _peer) = listener.accept_retrying(report).await?;
        // A connection that fails ends on its own; the next one may work. Its state is in the pool: a task's own state
        // is on the stack while the task is spawned.
        if let Ok(connection) = PoolBox::pin_with(|| serve(stream, &sender)) {
            let _ = connection.await;
        }
    }
}

async fn serve(stream: TcpStream, sender: &Sender) -> Result<()> {
    let mut stream = BufferedStream::new(stream);
    let mut line = Buffer::new(LINE)?;
    let mut answer = Buffer::new(LINE)?;
    loop {
        let command = stream.read_line(&mut line).await?;
        if command.is_empty() {
            return stream.shutdown().await;
        }
        let command = command.trim_end();
        if let Some(text) = command.strip_prefix("log ") {
            sender.log(Severity::Informational, format_args!("{text}"));
            stream.write_all(b"ok\n").await?;
        } else if command == "stats" {
            let statistics = sender.statistics();
            let mut text = Cursor::new(&mut answer);
            // Three numbers always fit.
            let _ = writeln!(
                text,
                "sent {} dropped {} failed {}",
                statistics.sent, statistics.dropped, statistics.failed
            );
            stream.write_all(text.written()).await?;
        } else {
            stream.write_all(b"unknown command: use `log TEXT` or `stats`\n").await?;
        }
        stream.flush().await?;
    }
}
