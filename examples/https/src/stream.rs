//! A connection with TLS.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use embedded_io_async::{ErrorType, Read, Write};
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus,
};
use wsk::TcpStream;
use wsk::net::BufferedStream;

use crate::{Error, Roots};

/// The size of the largest record in bytes, with its header.
const RECORD: usize = 5 + 16 * 1024 + 256;

/// A client's connection with TLS 1.3.
///
/// Dropping it ends the connection without TLS's closing alert, which [`close`](Self::close) sends.
pub struct TlsStream {
    stream: BufferedStream,
    tls: UnbufferedClientConnection,
    /// Received bytes that are not processed yet: the first `received` ones.
    incoming: Vec<u8>,
    received: usize,
    /// Records to be sent, from `sent` on.
    outgoing: Vec<u8>,
    sent: usize,
    /// Decrypted bytes, from `taken` on.
    plaintext: Vec<u8>,
    taken: usize,
    /// The peer has ended the connection with TLS's closing alert.
    ended: bool,
}

/// The next action of the connection.
#[derive(Clone, Copy)]
enum Wish<'a> {
    /// Read.
    Nothing,
    Encrypt(&'a [u8]),
    Close,
}

/// The consequence of a protocol step.
enum Next {
    /// Another step.
    Step,
    /// Send the pending data, then take another step.
    Send,
    /// Receiving, and then another step.
    Receive,
    /// The requested action has succeeded.
    Granted,
    /// The peer has ended the connection.
    Ended,
}

impl TlsStream {
    /// Performs a handshake on a new connection, in which the server proves that it is `name`.
    ///
    /// # Errors
    ///
    /// [`Error::Tls`], [`Error::System`] or [`Error::Truncated`].
    pub async fn connect(
        stream: TcpStream,
        roots: &Roots,
        name: ServerName<'static>,
    ) -> Result<Self, Error> {
        let mut this = Self {
            stream: BufferedStream::new(stream),
            tls: UnbufferedClientConnection::new(roots.0.clone(), name)?,
            incoming: vec![0; RECORD],
            received: 0,
            outgoing: Vec::new(),
            sent: 0,
            plaintext: Vec::new(),
            taken: 0,
            ended: false,
        };
        // Sends no bytes: it only waits until sending is possible, which is after the handshake.
        if this.grant(Wish::Encrypt(&[])).await? { Ok(this) } else { Err(Error::Truncated) }
    }

    /// Ends the connection with TLS's closing alert, so that the peer knows that no data is missing.
    ///
    /// # Errors
    ///
    /// [`Error::Tls`], [`Error::System`] or [`Error::Truncated`].
    pub async fn close(mut self) -> Result<(), Error> {
        self.grant(Wish::Close).await?;
        Ok(self.stream.shutdown().await?)
    }

    /// Runs the protocol until the requested action has succeeded. Returns false if the peer has ended the connection
    /// instead.
    async fn grant(&mut self, wish: Wish<'_>) -> Result<bool, Error> {
        loop {
            match self.step(wish) {
                Ok(Next::Step) => {}
                Ok(Next::Send) => self.send().await?,
                Ok(Next::Receive) => self.receive().await?,
                Ok(Next::Granted) => {
                    self.send().await?;
                    return Ok(true);
                }
                Ok(Next::Ended) => return Ok(false),
                Err(error) => {
                    self.alert().await;
                    return Err(error);
                }
            }
        }
    }

    /// One step of the protocol.
    fn step(&mut self, wish: Wish<'_>) -> Result<Next, Error> {
        let Self { tls, incoming, received, outgoing, plaintext, taken, ended, .. } = self;
        let incoming = incoming.get_mut(..*received).unwrap_or_default();
        let UnbufferedStatus { discard, state } = tls.process_tls_records(incoming);
        let next = match state? {
            ConnectionState::EncodeTlsData(mut data) => {
                append(outgoing, |room| data.encode(room).map_err(not_encoded))?;
                Next::Step
            }
            ConnectionState::TransmitTlsData(data) => {
                data.done();
                Next::Send
            }
            ConnectionState::BlockedHandshake => Next::Receive,
            ConnectionState::ReadTraffic(mut data) => {
                plaintext.drain(..*taken);
                *taken = 0;
                while let Some(record) = data.next_record() {
                    plaintext.extend_from_slice(record?.payload);
                }
                Next::Step
            }
            ConnectionState::WriteTraffic(mut traffic) => match wish {
                Wish::Nothing if *taken < plaintext.len() => Next::Granted,
                Wish::Nothing => Next::Receive,
                Wish::Encrypt([]) => Next::Granted,
                Wish::Encrypt(bytes) => {
                    append(outgoing, |room| traffic.encrypt(bytes, room).map_err(not_encrypted))?;
                    Next::Granted
                }
                Wish::Close => {
                    append(outgoing, |room| {
                        traffic.queue_close_notify(room).map_err(not_encrypted)
                    })?;
                    Next::Granted
                }
            },
            // Early data, which only servers read, does not occur.
            _ => {
                *ended = true;
                Next::Ended
            }
        };
        self.incoming.copy_within(discard..self.received, 0);
        self.received -= discard;
        Ok(next)
    }

    /// Sends the pending data. If the future is dropped, the next call continues.
    async fn send(&mut self) -> Result<(), Error> {
        while let Some(rest) = self.outgoing.get(self.sent..).filter(|rest| !rest.is_empty()) {
            self.sent += self.stream.write(rest).await?;
        }
        self.outgoing.clear();
        self.sent = 0;
        Ok(self.stream.flush().await?)
    }

    /// Receives more of the next record.
    async fn receive(&mut self) -> Result<(), Error> {
        if self.received == self.incoming.len() {
            // A handshake message may have several records.
            self.incoming.resize(self.received + RECORD, 0);
        }
        let room = self.incoming.get_mut(self.received..).unwrap_or_default();
        match self.stream.read(room).await? {
            0 => Err(Error::Truncated),
            count => {
                self.received += count;
                Ok(())
            }
        }
    }

    /// Sends the alert that explains why the connection fails, if possible.
    async fn alert(&mut self) {
        while let UnbufferedStatus { state: Ok(state), .. } = self.tls.process_tls_records(&mut [])
        {
            let ConnectionState::EncodeTlsData(mut data) = state else {
                break;
            };
            if append(&mut self.outgoing, |room| data.encode(room).map_err(not_encoded)).is_err() {
                break;
            }
        }
        // The first error is the one to report.
        let _ = self.send().await;
    }
}

/// The reason why a record was not encoded, with the space that it needs if the buffer is too small.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn not_encoded(error: EncodeError) -> Option<usize> {
    match error {
        EncodeError::InsufficientSize(InsufficientSizeError { required_size }) => {
            Some(required_size)
        }
        EncodeError::AlreadyEncoded => None,
    }
}

/// The reason why a record was not encrypted, with the space that it needs if the buffer is too small.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn not_encrypted(error: EncryptError) -> Option<usize> {
    match error {
        EncryptError::InsufficientSize(InsufficientSizeError { required_size }) => {
            Some(required_size)
        }
        EncryptError::EncryptExhausted => None,
    }
}

/// Appends bytes to a vector with `write`. The vector grows by as much as `write` requires.
fn append(
    to: &mut Vec<u8>,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Option<usize>>,
) -> Result<(), Error> {
    let length = to.len();
    to.resize(length + 1024, 0);
    loop {
        match write(to.get_mut(length..).unwrap_or_default()) {
            Ok(count) => {
                to.truncate(length + count);
                return Ok(());
            }
            Err(Some(size)) => to.resize(length + size, 0),
            Err(None) => {
                to.truncate(length);
                return Err(rustls::Error::EncryptError.into());
            }
        }
    }
}

impl ErrorType for TlsStream {
    type Error = Error;
}

impl Read for TlsStream {
    async fn read(&mut self, to: &mut [u8]) -> Result<usize, Error> {
        if to.is_empty() {
            return Ok(0);
        }
        if self.taken == self.plaintext.len() && !self.ended {
            // The last bytes can arrive together with the end.
            self.grant(Wish::Nothing).await?;
        }
        let available = self.plaintext.get(self.taken..).unwrap_or_default();
        let count = available.len().min(to.len());
        if let (Some(from), Some(to)) = (available.get(..count), to.get_mut(..count)) {
            to.copy_from_slice(from);
        }
        self.taken += count;
        Ok(count)
    }
}

impl Write for TlsStream {
    async fn write(&mut self, from: &[u8]) -> Result<usize, Error> {
        let part = from.get(..from.len().min(16 * 1024)).unwrap_or_default();
        if self.grant(Wish::Encrypt(part)).await? { Ok(part.len()) } else { Err(Error::Truncated) }
    }

    async fn flush(&mut self) -> Result<(), Error> {
        self.send().await
    }
}

/// `reqwless` reads the body with [`Read`].
impl reqwless::TryBufRead for TlsStream {}

impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream").finish_non_exhaustive()
    }
}
