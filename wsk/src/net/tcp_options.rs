//! Options of TCP's sockets.

use super::option_methods::{option_methods, ttl_methods};
use super::{TcpListener, TcpStream};
use crate::options::{self, tcp};

option_methods! { TcpStream:
    /// Whether small segments are sent at once, instead of waiting for more data or an acknowledgement:
    /// [`tcp::NODELAY`]. They wait by default.
    ///
    /// ```
    /// use wsk::{TcpListener, TcpStream};
    ///
    /// # extern crate wsk_host;
    /// # let passive = unsafe { wsk::irql::Passive::assume() };
    /// # let registration = wsk::Registration::register(passive)?;
    /// # let wsk = registration.try_capture()?;
    /// # wsk::rt::block_on(passive, async move {
    /// # let listener = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
    /// # let stream = TcpStream::connect(&wsk, listener.local_addr().await?).await?;
    /// stream.set_nodelay(true).await?;
    /// assert!(stream.nodelay().await?);
    /// # Ok::<(), wsk::Error>(())
    /// # })??;
    /// # Ok::<(), wsk::Error>(())
    /// ```
    nodelay, set_nodelay(sends_at_once: bool): tcp::NODELAY;

    /// Whether packets are sent while the connection is idle, so that a lost peer is noticed:
    /// [`options::KEEP_ALIVE`]. They are not by default. [`tcp`] has how often.
    keepalive, set_keepalive(is_kept: bool): options::KEEP_ALIVE;

    /// How many bytes the transport buffers for receiving: [`options::RECEIVE_BUFFER`].
    recv_buffer_size, set_recv_buffer_size(size: u32): options::RECEIVE_BUFFER;
}

option_methods! { TcpListener:
    /// Whether the connections that are accepted from now on are [kept alive](TcpStream::set_keepalive):
    /// [`options::KEEP_ALIVE`].
    keepalive, set_keepalive(is_kept: bool): options::KEEP_ALIVE;

    /// How many bytes the transport buffers for receiving, for the connections that are accepted from now on:
    /// [`options::RECEIVE_BUFFER`].
    recv_buffer_size, set_recv_buffer_size(size: u32): options::RECEIVE_BUFFER;
}

ttl_methods!(TcpStream);
ttl_methods!(TcpListener);
