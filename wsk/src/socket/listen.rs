//! Stream sockets that listen.
//!
//! # Safety
//!
//! The call is made on a bound stream socket, through a handle that keeps it open.

#![expect(unsafe_code, reason = "see Safety")]

use wsk_sys::PIRP;

use super::Socket;
use super::state::{Bound, Listening};
use crate::category::Stream;
use crate::dispatch::StreamDispatch;
use crate::events::Callbacks;
use crate::operation::Payload;
use crate::status::Result;
use crate::time::Never;

impl<H: Callbacks<Stream>> Socket<Stream, Bound, H> {
    /// Makes the socket listen until it is closed: it cannot connect any more ([INV-40](crate::rules#inv-40)). The
    /// listener's events are enabled.
    ///
    /// ```
    /// use wsk::socket::{Family, StreamSocket};
    ///
    /// # extern crate wsk_host;
    /// # let passive = unsafe { wsk::irql::Passive::assume() };
    /// # let registration = wsk::Registration::register(passive)?;
    /// # let wsk = registration.try_capture()?;
    /// # wsk::rt::block_on(passive, async move {
    /// let local = ([127, 0, 0, 1], 0);
    /// let socket = StreamSocket::builder(&wsk, Family::INET).bind(local).await?;
    /// let listener = socket.listen().await?;
    /// let peer = StreamSocket::builder(&wsk, Family::INET).connect(listener.local_addr().await?).await?;
    /// let (_connection, from) = listener.accept().await?;
    /// assert_eq!(from, Some(peer.local_addr().await?));
    /// # Ok::<(), wsk::Error>(())
    /// # })??;
    /// # Ok::<(), wsk::Error>(())
    /// ```
    ///
    /// A listening socket cannot connect:
    ///
    /// ```compile_fail,E0599
    /// async fn confuse(socket: wsk::socket::StreamSocket) -> wsk::Result<()> {
    ///     let listener = socket.listen().await?;
    ///     listener.connect(([127, 0, 0, 1], 7)).await.map(drop)
    /// }
    /// ```
    ///
    /// A connected socket cannot listen:
    ///
    /// ```compile_fail,E0599
    /// async fn confuse(socket: wsk::socket::StreamSocket) -> wsk::Result<()> {
    ///     let connection = socket.connect(([127, 0, 0, 1], 7)).await?;
    ///     connection.listen().await.map(drop)
    /// }
    /// ```
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled. Minimum Windows: Windows 10, version 1703, without which there
    /// is no stream socket.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_listen).
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. Dropping the future closes the socket.
    ///
    /// # Errors
    ///
    /// The socket is closed.
    ///
    /// - `STATUS_FILE_FORCED_CLOSED` if the socket is no longer functional.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any other status of `WskListen`.
    pub async fn listen(self) -> Result<Socket<Stream, Listening, H>> {
        let state = Listening::new()?;
        self.handle.outside_routines().await;
        let call = |dispatch: StreamDispatch, irp: PIRP, _: *mut Payload| {
            // SAFETY: the socket is bound (INV-33).
            unsafe { dispatch.listen(irp) }
        };
        // SAFETY: the call uses no memory.
        unsafe { self.handle.request(Never, |_| (), call, |_, _| ()) }.await?;
        // SAFETY: the socket listens now.
        let socket: Socket<Stream, Listening, H> =
            unsafe { Socket::from_handle(self.into_handle(), state) };
        socket.handle.outside_routines().await;
        socket.handle.enable(H::WHEN_BOUND)?;
        Ok(socket)
    }
}
