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
use crate::time;

/// A [`TcpStream`] that reads into byte slices and writes from them, through its own buffers.
///
/// WSK needs exclusive memory until a request completes, so it cannot use borrowed slices. The stream has one receive
/// buffer and several send buffers, which it allocates when they are first needed and then reuses.
///
/// **Dropping a future loses no data**, nor does a timeout: the request stays in flight, and the next call continues with
/// it. All methods can therefore be used in `select` and with timeouts, except for [`read_exact`](Self::read_exact),
/// [`read_until`](Self::read_until), [`read_line`](Self::read_line), [`write_all`](Self::write_all) and
/// [`finish`](Self::finish), which consist of several steps.
///
/// **Data is sent when a buffer is full, or by [`flush`](Self::flush)**, as with `std::io::BufWriter`. The next call, and
/// every later one, reports an error of a send in the background: data is missing from there on.
///
/// Dropping it closes the socket without waiting. Data that was not flushed is lost.
#[doc = include_str!("../closing.md")]
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
/// let listener = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
/// let client = TcpStream::connect(&wsk, listener.local_addr().await?).await?;
/// let (server, _peer) = listener.accept().await?;
///
/// let mut client = BufferedStream::new(client);
/// client.write_all(b"two ").await?;
/// client.write_all(b"words").await?;
/// client.shutdown().await?; // Also flushes.
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
    /// The default size of each buffer in bytes.
    pub const CAPACITY: usize = 16 << 10;

    /// Creates a stream with buffers of the default size. Does not allocate.
    #[must_use]
    pub fn new(stream: TcpStream) -> Self {
        Self::with_capacity(stream, Self::CAPACITY, Self::CAPACITY)
    }

    /// Creates a stream with one receive buffer and up to [`BufferedWriter::SENDS`] send buffers of the given sizes in
    /// bytes, at least one. Does not allocate.
    #[must_use]
    pub fn with_capacity(stream: TcpStream, to_read: usize, to_write: usize) -> Self {
        let (reader, writer) = stream.into_split();
        Self {
            reader: BufferedReader::new(reader, to_read),
            writer: BufferedWriter::new(writer, to_write),
        }
    }

    /// See [`BufferedReader::read`].
    ///
    /// # Cancel safety
    ///
    /// That of that method.
    ///
    /// # Errors
    ///
    /// Those of that method.
    pub async fn read(&mut self, to: &mut [u8]) -> Result<usize> {
        self.reader.read(to).await
    }

    /// See [`BufferedReader::try_read`].
    ///
    /// # Errors
    ///
    /// Those of that method.
    pub fn try_read(&mut self, to: &mut [u8]) -> Result<usize> {
        self.reader.try_read(to)
    }

    /// See [`BufferedReader::read_exact`].
    ///
    /// # Cancel safety
    ///
    /// That of that method.
    ///
    /// # Errors
    ///
    /// Those of that method.
    pub async fn read_exact(&mut self, to: &mut [u8]) -> Result<()> {
        self.reader.read_exact(to).await
    }

    /// See [`BufferedReader::read_until`].
    ///
    /// # Cancel safety
    ///
    /// That of that method.
    ///
    /// # Errors
    ///
    /// Those of that method.
    pub async fn read_until(&mut self, end: u8, to: &mut [u8]) -> Result<usize> {
        self.reader.read_until(end, to).await
    }

    /// See [`BufferedReader::read_line`].
    ///
    /// # Cancel safety
    ///
    /// That of that method.
    ///
    /// # Errors
    ///
    /// Those of that method.
    pub async fn read_line<'a>(&mut self, to: &'a mut [u8]) -> Result<&'a str> {
        self.reader.read_line(to).await
    }

    /// See [`BufferedReader::fill_buf`].
    ///
    /// # Cancel safety
    ///
    /// That of that method.
    ///
    /// # Errors
    ///
    /// Those of that method.
    pub async fn fill_buf(&mut self) -> Result<&[u8]> {
        self.reader.fill_buf().await
    }

    /// See [`BufferedReader::consume`].
    pub fn consume(&mut self, count: usize) {
        self.reader.consume(count);
    }

    /// See [`BufferedReader::read_ready`].
    ///
    /// # Errors
    ///
    /// Those of that method.
    pub fn read_ready(&mut self) -> Result<bool> {
        self.reader.read_ready()
    }

    /// See [`BufferedWriter::write`].
    ///
    /// # Cancel safety
    ///
    /// That of that method.
    ///
    /// # Errors
    ///
    /// Those of that method.
    pub async fn write(&mut self, from: &[u8]) -> Result<usize> {
        self.writer.write(from).await
    }

    /// See [`BufferedWriter::try_write`].
    ///
    /// # Errors
    ///
    /// Those of that method.
    pub fn try_write(&mut self, from: &[u8]) -> Result<usize> {
        self.writer.try_write(from)
    }

    /// See [`BufferedWriter::write_all`].
    ///
    /// # Cancel safety
    ///
    /// That of that method.
    ///
    /// # Errors
    ///
    /// Those of that method.
    pub async fn write_all(&mut self, from: &[u8]) -> Result<()> {
        self.writer.write_all(from).await
    }

    /// See [`BufferedWriter::write_ready`].
    ///
    /// # Errors
    ///
    /// Those of that method.
    pub fn write_ready(&mut self) -> Result<bool> {
        self.writer.write_ready()
    }

    /// See [`BufferedWriter::push`].
    ///
    /// # Errors
    ///
    /// Those of that method.
    pub fn push(&mut self) -> Result<()> {
        self.writer.push()
    }

    /// See [`BufferedWriter::flush`].
    ///
    /// # Cancel safety
    ///
    /// That of that method.
    ///
    /// # Errors
    ///
    /// Those of that method.
    pub async fn flush(&mut self) -> Result<()> {
        self.writer.flush().await
    }

    /// See [`BufferedWriter::shutdown`].
    ///
    /// # Cancel safety
    ///
    /// That of that method.
    ///
    /// # Errors
    ///
    /// Those of that method.
    pub async fn shutdown(&mut self) -> Result<()> {
        self.writer.shutdown().await
    }

    /// See [`TcpStream::abort`].
    ///
    /// # Cancel safety
    ///
    /// That of that method.
    ///
    /// # Errors
    ///
    /// Those of that method.
    pub async fn abort(&self) -> Result<()> {
        self.stream().abort().await
    }

    /// See [`TcpStream::local_addr`].
    ///
    /// # Cancel safety
    ///
    /// That of that method.
    ///
    /// # Errors
    ///
    /// Those of that method.
    pub async fn local_addr(&self) -> Result<SocketAddr> {
        self.stream().local_addr().await
    }

    /// See [`TcpStream::peer_addr`].
    ///
    /// # Cancel safety
    ///
    /// That of that method.
    ///
    /// # Errors
    ///
    /// Those of that method.
    pub async fn peer_addr(&self) -> Result<SocketAddr> {
        self.stream().peer_addr().await
    }

    /// See [`BufferedReader::set_read_timeout`].
    ///
    /// # Errors
    ///
    /// Those of that method.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> Result<()> {
        self.reader.set_read_timeout(timeout)
    }

    /// See [`BufferedWriter::set_write_timeout`].
    ///
    /// # Errors
    ///
    /// Those of that method.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> Result<()> {
        self.writer.set_write_timeout(timeout)
    }

    /// Returns the underlying stream. Its sends and receives bypass the buffers, and its timeouts are separate from
    /// [those of this stream](Self::set_read_timeout).
    #[must_use]
    pub fn stream(&self) -> &TcpStream {
        self.reader.half().as_ref()
    }

    /// Borrows the two halves, to read and write concurrently.
    #[must_use]
    pub fn split(&mut self) -> (&mut BufferedReader, &mut BufferedWriter) {
        (&mut self.reader, &mut self.writer)
    }

    /// Splits the stream into two halves, for different tasks.
    #[must_use]
    pub fn into_split(self) -> (BufferedReader, BufferedWriter) {
        (self.reader, self.writer)
    }

    /// Reunites the two halves of a stream.
    ///
    /// # Errors
    ///
    /// The inner halves, as from [`into_inner`](BufferedReader::into_inner), if they belong to different streams.
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

    /// Returns the underlying stream, whose next receive returns the data that was not read. Written data that was not
    /// flushed is lost.
    ///
    /// If the halves are of different streams, since one was exchanged through [`split`](Self::split), returns the stream of the
    /// reader, and drops the other half.
    #[must_use]
    pub fn into_inner(self) -> TcpStream {
        let Self { reader, writer } = self;
        let (reader, writer) = (reader.into_inner(), writer.into_inner());
        match reader.reunite(writer) {
            Ok(stream) => stream,
            Err(ReuniteError(reader, _)) => reader.0,
        }
    }

    /// Sends buffered data, and ends the connection gracefully: see [`TcpStream::finish`].
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe, as [`TcpStream::finish`] is not.
    ///
    /// # Errors
    ///
    /// Those of [`flush`](Self::flush) and [`TcpStream::finish`]. The socket is closed nevertheless.
    pub async fn finish(mut self, timeout: Duration) -> Result<()> {
        let flush_and_finish = async {
            self.flush().await?;
            self.stream().finish_both_sides().await
        };
        let finished = time::timeout(timeout, flush_and_finish).await;
        self.close().await;
        finished?
    }

    /// Closes the socket, and waits until it is closed. Like dropping, this aborts the connection unless both sides have
    /// [finished sending](super#closing).
    ///
    /// # Cancel safety
    ///
    /// The close continues after a dropped future.
    pub async fn close(self) {
        self.into_inner().close().await;
    }
}

impl From<TcpStream> for BufferedStream {
    fn from(stream: TcpStream) -> Self {
        Self::new(stream)
    }
}
