//! Streams of slices.

mod reader;
mod writer;

use core::net::SocketAddr;
use core::time::Duration;

pub use self::reader::BufferedReader;
pub use self::writer::BufferedWriter;
use super::TcpStream;
use super::tcp_stream::ReuniteError;
use crate::status::Result;

/// A [`TcpStream`] that reads into slices and writes from them, through buffers of its own.
///
/// WSK needs memory that it can have to itself until a request has completed, which no slice is. So there is a
/// buffer for what is received, and some for what is being sent; they are allocated when they are first needed,
/// and then used again and again.
///
/// **Nothing is lost when a future is dropped**, or when its time is up: a request that is in flight goes on,
/// and the next call takes up what it brings. So these may be used with `select`s and time-outs.
///
/// **What is written is sent when a buffer is full, or by [`flush`](Self::flush)**, as with
/// `std::io::BufWriter`. An error of what is sent in the background is told by the next call, and by all that
/// follow: from there on the peer would miss a part.
///
/// Dropping it closes the socket, as dropping the [`TcpStream`] does: what was not flushed is lost.
///
/// ```
/// use wsk::net::BufferedStream;
/// use wsk::{TcpListener, TcpStream};
///
/// # extern crate wsk_host;
/// # let passive = unsafe { wsk::irql::Passive::assume() };
/// # let registration = wsk::Registration::register(passive)?;
/// # let wsk = registration.try_capture()?;
/// # wsk::rt::block_on(passive, async move {
/// let mut listener = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
/// let client = TcpStream::connect(&wsk, listener.local_addr().await?).await?;
/// let (server, _peer) = listener.accept().await?;
///
/// let mut client = BufferedStream::new(client);
/// client.write_all(b"two ").await?;
/// client.write_all(b"words").await?;
/// client.shutdown().await?; // Flushes, too.
///
/// let mut server = server.buffered();
/// let mut words = [0; 9];
/// server.read_exact(&mut words).await?;
/// assert_eq!(&words, b"two words");
/// assert_eq!(server.read(&mut words).await?, 0);
/// # Ok::<(), wsk::Error>(())
/// # })??;
/// # Ok::<(), wsk::Error>(())
/// ```
#[derive(Debug)]
pub struct BufferedStream {
    reader: BufferedReader,
    writer: BufferedWriter,
}

impl BufferedStream {
    /// The size of each buffer, in bytes, unless it is chosen.
    pub const CAPACITY: usize = 16 << 10;

    /// A stream with buffers of the usual size. Nothing is allocated yet.
    #[must_use]
    pub fn new(stream: TcpStream) -> Self {
        Self::with_capacity(stream, Self::CAPACITY, Self::CAPACITY)
    }

    /// A stream with buffers of these sizes, in bytes; of at least one. There is one buffer that receives, and up to
    /// [`BufferedWriter::SENDS`] that send.
    #[must_use]
    pub fn with_capacity(stream: TcpStream, to_read: usize, to_write: usize) -> Self {
        let (reader, writer) = stream.into_split();
        Self {
            reader: BufferedReader::new(reader, to_read),
            writer: BufferedWriter::new(writer, to_write),
        }
    }

    /// As [`BufferedReader::read`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn read(&mut self, to: &mut [u8]) -> Result<usize> {
        self.reader.read(to).await
    }

    /// As [`BufferedReader::read_exact`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn read_exact(&mut self, to: &mut [u8]) -> Result<()> {
        self.reader.read_exact(to).await
    }

    /// As [`BufferedReader::fill_buf`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn fill_buf(&mut self) -> Result<&[u8]> {
        self.reader.fill_buf().await
    }

    /// As [`BufferedReader::consume`].
    pub fn consume(&mut self, count: usize) {
        self.reader.consume(count);
    }

    /// As [`BufferedReader::read_ready`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn read_ready(&mut self) -> Result<bool> {
        self.reader.read_ready()
    }

    /// As [`BufferedWriter::write`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn write(&mut self, from: &[u8]) -> Result<usize> {
        self.writer.write(from).await
    }

    /// As [`BufferedWriter::write_all`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn write_all(&mut self, from: &[u8]) -> Result<()> {
        self.writer.write_all(from).await
    }

    /// As [`BufferedWriter::write_ready`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn write_ready(&mut self) -> Result<bool> {
        self.writer.write_ready()
    }

    /// As [`BufferedWriter::push`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn push(&mut self) -> Result<()> {
        self.writer.push()
    }

    /// As [`BufferedWriter::flush`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn flush(&mut self) -> Result<()> {
        self.writer.flush().await
    }

    /// As [`BufferedWriter::shutdown`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn shutdown(&mut self) -> Result<()> {
        self.writer.shutdown().await
    }

    /// As [`TcpStream::abort`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn abort(&self) -> Result<()> {
        self.stream().abort().await
    }

    /// As [`TcpStream::local_addr`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn local_addr(&self) -> Result<SocketAddr> {
        self.stream().local_addr().await
    }

    /// As [`TcpStream::peer_addr`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn peer_addr(&self) -> Result<SocketAddr> {
        self.stream().peer_addr().await
    }

    /// As [`BufferedReader::set_read_timeout`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> Result<()> {
        self.reader.set_read_timeout(timeout)
    }

    /// As [`BufferedWriter::set_write_timeout`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> Result<()> {
        self.writer.set_write_timeout(timeout)
    }

    /// The stream, for what this does not have. What is sent or received with it goes past the buffers, and its
    /// time-outs are its own: set those of the buffers [here](Self::set_read_timeout).
    #[must_use]
    pub fn stream(&self) -> &TcpStream {
        self.reader.half().as_ref()
    }

    /// The parts, to read and to write at once.
    #[must_use]
    pub fn split(&mut self) -> (&mut BufferedReader, &mut BufferedWriter) {
        (&mut self.reader, &mut self.writer)
    }

    /// The parts, for different tasks.
    #[must_use]
    pub fn into_split(self) -> (BufferedReader, BufferedWriter) {
        (self.reader, self.writer)
    }

    /// Makes the two parts of a stream a stream again.
    ///
    /// # Errors
    ///
    /// If they are of different streams, their halves come back, as from
    /// [`into_inner`](BufferedReader::into_inner).
    pub fn reunite(
        reader: BufferedReader,
        writer: BufferedWriter,
    ) -> core::result::Result<Self, ReuniteError> {
        if reader.half().is_pair_of(writer.half()) {
            Ok(Self { reader, writer })
        } else {
            Err(ReuniteError(reader.into_inner(), writer.into_inner()))
        }
    }

    /// The stream. What was received and not read is lost, and so is what was written and not flushed.
    ///
    /// # Errors
    ///
    /// None: the parts are of one stream.
    #[must_use]
    pub fn into_inner(self) -> TcpStream {
        let Self { reader, writer } = self;
        let (reader, writer) = (reader.into_inner(), writer.into_inner());
        match reader.reunite(writer) {
            Ok(stream) => stream,
            Err(ReuniteError(reader, _)) => reader.0,
        }
    }

    /// Closes the connection, and waits until that is done. As dropping it does, this aborts a connection that was
    /// not shut down.
    ///
    /// Cancellation: the close goes on.
    pub async fn close(self) {
        self.into_inner().close().await;
    }
}

impl From<TcpStream> for BufferedStream {
    fn from(stream: TcpStream) -> Self {
        Self::new(stream)
    }
}
