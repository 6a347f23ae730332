//! Copying from one stream to another.

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;

use super::TcpStream;
use crate::buffer::Buffer;
use crate::status::Result;

/// The default size of each buffer in bytes.
const CAPACITY: usize = 64 << 10;

/// Copies what `reader` receives to `writer`, until the peer of `reader` finishes sending. Returns the number of bytes.
///
/// The bytes are not copied in memory: a buffer that a receive has filled is sent. The next receive fills a second buffer
/// in the meantime; each has 64 KiB. `writer` can still send afterwards.
///
/// Each side is a [`TcpStream`], a reference to one, or one of its halves.
///
/// ```
/// use wsk::{Buffer, TcpListener, TcpStream, net};
///
/// # extern crate wsk_host;
/// # let passive = unsafe { wsk::irql::Passive::assume() };
/// # let registration = wsk::Registration::register(passive)?;
/// # let wsk = registration.try_capture()?;
/// # wsk::rt::block_on(passive, async move {
/// # let listener = TcpListener::bind(&wsk, "127.0.0.1:0").await?;
/// # let address = listener.local_addr().await?;
/// # let (client, (from, _)) = (TcpStream::connect(&wsk, address).await?, listener.accept().await?);
/// # let (server, (to, _)) = (TcpStream::connect(&wsk, address).await?, listener.accept().await?);
/// client.shutdown_with(Buffer::try_from(b"hello")?).await.into_result()?;
/// assert_eq!(net::copy(&from, &to).await?, 5);
/// # Ok::<(), wsk::Error>(())
/// # })??;
/// # Ok::<(), wsk::Error>(())
/// ```
///
/// IRQL: `PASSIVE_LEVEL`, where futures are polled.
///
/// # Cancel safety
///
/// This function is not cancel safe. Bytes that were received and not sent are lost.
///
/// # Errors
///
/// Bytes that were received and not sent are lost.
///
/// - Those of [`TcpStream::recv`] for `reader`, and of [`TcpStream::send_all`] for `writer`.
/// - `STATUS_INSUFFICIENT_RESOURCES` if the buffers cannot be allocated. Nothing was received.
pub async fn copy<R: AsRef<TcpStream>, W: AsRef<TcpStream>>(reader: R, writer: W) -> Result<u64> {
    copy_with_size(reader.as_ref(), writer.as_ref(), CAPACITY).await
}

/// Copies in both directions, until both peers finish sending. Returns the number of bytes from `a` to `b`, and from `b` to
/// `a`.
///
/// When one peer finishes sending, the other stream is [shut down](TcpStream::shutdown), and the other direction continues. An
/// error in one direction ends both: the streams are not shut down then, so dropping them aborts both connections.
///
/// ```
/// use wsk::{Provider, TcpListener, TcpStream, net};
///
/// /// A proxy: forwards one connection to a server.
/// async fn forward(wsk: &Provider, client: TcpStream, server: &str) -> wsk::Result<()> {
///     let server = TcpStream::connect(wsk, server).await?;
///     let (sent, received) = net::copy_bidirectional(&client, &server).await?;
///     # let _ = (sent, received);
///     // Both sides have finished.
///     client.close().await;
///     server.close().await;
///     Ok(())
/// }
/// ```
///
/// IRQL: `PASSIVE_LEVEL`, where futures are polled.
///
/// # Cancel safety
///
/// This function is not cancel safe, as [`copy`] is not.
///
/// # Errors
///
/// Those of [`copy`] and [`TcpStream::shutdown`]. Wine cannot shut down a connection (kind
/// [`Unsupported`](crate::ErrorKind::Unsupported)).
pub async fn copy_bidirectional<A: AsRef<TcpStream>, B: AsRef<TcpStream>>(
    a: A,
    b: B,
) -> Result<(u64, u64)> {
    copy_bidirectional_with_sizes(a, b, CAPACITY, CAPACITY).await
}

/// Copies in both directions like [`copy_bidirectional`], with two buffers of `a_to_b` bytes, and two of `b_to_a` bytes, each
/// of at least one.
///
/// # Cancel safety
///
/// As for [`copy_bidirectional`].
///
/// # Errors
///
/// Those of [`copy_bidirectional`], and `STATUS_INVALID_BUFFER_SIZE` if a size exceeds [`Buffer::MAX_SIZE`].
pub async fn copy_bidirectional_with_sizes<A: AsRef<TcpStream>, B: AsRef<TcpStream>>(
    a: A,
    b: B,
    a_to_b: usize,
    b_to_a: usize,
) -> Result<(u64, u64)> {
    let (a, b) = (a.as_ref(), b.as_ref());
    let mut forth = pin!(copy_and_shut_down(a, b, a_to_b));
    let mut back = pin!(copy_and_shut_down(b, a, b_to_a));
    let (mut sent, mut received) = (None, None);
    poll_fn(|context| {
        if sent.is_none() {
            if let Poll::Ready(result) = forth.as_mut().poll(context) {
                sent = Some(result?);
            }
        }
        if received.is_none() {
            if let Poll::Ready(result) = back.as_mut().poll(context) {
                received = Some(result?);
            }
        }
        match (sent, received) {
            (Some(sent), Some(received)) => Poll::Ready(Ok((sent, received))),
            _ => Poll::Pending,
        }
    })
    .await
}

async fn copy_and_shut_down(reader: &TcpStream, writer: &TcpStream, size: usize) -> Result<u64> {
    let count = copy_with_size(reader, writer, size).await?;
    writer.shutdown().await?;
    Ok(count)
}

async fn copy_with_size(reader: &TcpStream, writer: &TcpStream, size: usize) -> Result<u64> {
    let size = size.max(1);
    let (mut empty, mut spare) = (Buffer::new(size)?, Some(Buffer::new(size)?));
    let mut count = 0;
    let (mut received, mut filled) = reader.recv(empty).await.into_result()?;
    loop {
        if received == 0 {
            return Ok(count);
        }
        empty = match spare.take() {
            Some(spare) => spare,
            None => Buffer::new(size)?,
        };
        let part = filled.slice(..received)?;
        let mut sending = pin!(writer.send_all(part));
        let mut receiving = pin!(reader.recv(empty));
        let (mut sent, mut next) = (None, None);
        // Both, or the first error: a peer that sends nothing must not hold up the error of the other.
        let result = poll_fn(|context| {
            if sent.is_none() {
                if let Poll::Ready(result) = sending.as_mut().poll(context) {
                    sent = Some(result.into_result()?);
                }
            }
            if next.is_none() {
                if let Poll::Ready(result) = receiving.as_mut().poll(context) {
                    next = Some(result);
                }
            }
            match (sent.take(), next.take()) {
                (Some(sent), Some(next)) => Poll::Ready(Ok((sent, next))),
                (one, other) => {
                    (sent, next) = (one, other);
                    Poll::Pending
                }
            }
        });
        let ((sent, part), next) = result.await?;
        // NO-OVERFLOW: a buffer has less than 16 MiB.
        count += sent as u64;
        spare = Some(part.into_inner());
        (received, filled) = next.into_result()?;
    }
}
