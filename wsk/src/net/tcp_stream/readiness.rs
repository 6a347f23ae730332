//! Calls on a stream that do not wait.

use super::{MAX_COPIED, TcpStream};
use crate::buffer::BufResult;
use crate::status::Result;

/// Readiness, under the names of tokio.
///
/// WSK has no notion of readiness: a request is made, and completes. So a receive that is in flight, or has completed, takes
/// the place of a readable socket, and the stream keeps it for the next call that receives. There is no `writable`: WSK has
/// no send buffer that could have room, and accepts every send. To wait, use [`send_all`](TcpStream::send_all), or a
/// [`BufferedStream`](crate::BufferedStream), which has send buffers and can [wait](crate::BufferedStream::flush) for them.
impl TcpStream {
    /// Waits until the next receive completes at once: with data, with the end of the stream, or with an error.
    ///
    /// Receives up to 2 KiB ahead, into a buffer of its own, from which the next receive copies them. If the next call
    /// receives anyway, [`recv`](Self::recv) alone is cheaper.
    ///
    /// ```
    /// use wsk::{Buffer, ErrorKind, TcpListener, TcpStream};
    ///
    /// # extern crate wsk_host;
    /// # let passive = unsafe { wsk::irql::Passive::assume() };
    /// # let registration = wsk::Registration::register(passive)?;
    /// # let wsk = registration.try_capture()?;
    /// # wsk::rt::block_on(passive, async move {
    /// # let listener = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
    /// # let client = TcpStream::connect(&wsk, listener.local_addr().await?).await?;
    /// # let (server, _peer) = listener.accept().await?;
    /// let mut bytes = [0; 100];
    /// let nothing_yet = server.try_recv(&mut bytes).unwrap_err();
    /// assert_eq!(nothing_yet.kind(), ErrorKind::NotReady);
    ///
    /// assert_eq!(client.try_send(b"hello")?, 5);
    /// server.readable().await?;
    /// assert!(server.try_recv(&mut bytes)? > 0);
    /// # Ok::<(), wsk::Error>(())
    /// # })??;
    /// # Ok::<(), wsk::Error>(())
    /// ```
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_receive).
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Dropping the future loses nothing: the receive stays in flight, and the next call that
    /// receives returns its data.
    ///
    /// # Errors
    ///
    /// - `STATUS_IO_TIMEOUT` if the [timeout](Self::set_read_timeout) expired. The receive stays in flight.
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket no longer works.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    pub async fn readable(&self) -> Result<()> {
        self.socket.handle().readable(&self.timeouts.reading()?).await
    }

    /// Receives into a slice without waiting, and returns the number of bytes. Zero means that the peer finished sending, or
    /// that the slice is empty.
    ///
    /// If no data has arrived, a receive into a buffer of the slice's size, at most 64 KiB, stays in flight; the next call
    /// that receives returns its data.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_receive).
    ///
    /// # Errors
    ///
    /// - `STATUS_DEVICE_NOT_READY` (kind [`NotReady`](crate::ErrorKind::NotReady)) if no data has arrived, or another receive
    ///   waits for data. Occasionally this also happens when data has arrived, as a task's budget requires.
    /// - Those of [`recv`](Self::recv), except for the timeout.
    pub fn try_recv(&self, to: &mut [u8]) -> Result<usize> {
        if to.is_empty() {
            return Ok(0);
        }
        self.socket.handle().try_receive(to, to.len().min(MAX_COPIED))
    }

    /// Sends up to 64 KiB without waiting, and returns the number of bytes that were copied into a buffer of the stream.
    ///
    /// At most one send of the stream may be in flight; so at most 64 KiB wait for the peer. The request continues after this
    /// returns. As with an operating system's socket, a later call reports its error, and closing or dropping the
    /// stream may lose the data, unless it was [shut down](Self::shutdown) before.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_send).
    ///
    /// # Errors
    ///
    /// - `STATUS_DEVICE_NOT_READY` (kind [`NotReady`](crate::ErrorKind::NotReady)) if a send is in flight; now and then also
    ///   if none is, as a task's budget requires.
    /// - Those of [`send`](Self::send), except for the timeout.
    pub fn try_send(&self, bytes: &[u8]) -> Result<usize> {
        if bytes.is_empty() {
            return self.socket.handle().state().check_alive().map(|()| 0);
        }
        let slice = self.pool.take_copy(bytes.get(..MAX_COPIED).unwrap_or(bytes))?;
        let BufResult(result, slice) = self.socket.handle().try_send(slice);
        self.pool.put(slice.into_inner());
        result
    }
}
