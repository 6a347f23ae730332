//! The control port: lines of text over TCP.

use wsk::{BufferedStream, ErrorKind, Result, TcpListener};

use crate::message::{Message, Severity};
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
        match listener.accept().await {
            // A connection that fails ends by itself; the next one may work.
            Ok((stream, _peer)) => drop(serve(BufferedStream::new(stream), &sender).await),
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(error) => return Err(error),
        }
    }
}

async fn serve(mut stream: BufferedStream, sender: &Sender) -> Result<()> {
    let mut line = [0; LINE];
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
            // As a message, which is a text in a place of its own.
            let answer = Message::new(
                Severity::Informational,
                format_args!(
                    "sent {} dropped {} failed {}\n",
                    statistics.sent, statistics.dropped, statistics.failed
                ),
            );
            stream.write_all(answer.text().as_bytes()).await?;
        } else {
            stream.write_all(b"unknown command: use `log TEXT` or `stats`\n").await?;
        }
        stream.flush().await?;
    }
}
