//! Options of TCP streams and listeners.

use super::option_methods::{only_v6_method, option_methods, ttl_methods};
use super::{TcpListener, TcpStream};
use crate::flags::SendFlags;
use crate::options::{self, tcp};
use crate::status::{Error, ErrorKind, Result};

option_methods! { TcpStream:
    /// Sets whether packets are sent while the connection is idle, to detect a lost peer: [`options::KEEP_ALIVE`]. The
    /// default is `false`. The options in [`tcp`] set the interval.
    keepalive, set_keepalive(is_kept: bool): options::KEEP_ALIVE;

    /// Sets the size of the transport's receive buffer in bytes: [`options::RECEIVE_BUFFER`].
    recv_buffer_size, set_recv_buffer_size(size: u32): options::RECEIVE_BUFFER;
}

/// Whether small segments are sent without delay.
impl TcpStream {
    /// Sets whether small segments are sent at once, instead of waiting for more data or an acknowledgement. They wait by
    /// default.
    ///
    /// This is [`tcp::NODELAY`]. If the system refuses the option, each later send of the connection has the flag
    /// [`SendFlags::NO_DELAY`] instead, which has the same effect on it.
    ///
    /// WSK's documentation names that flag, and not the option. Public clients of WSK all use the flag, two of them behind
    /// an option of their own (`WinDRBD`, `usbip-win2`); the second states that Windows does not support `TCP_NODELAY`. None
    /// records the status. So each status counts as a refusal that Windows has for an option which it does not know:
    /// `STATUS_NOT_SUPPORTED`, `STATUS_INVALID_PARAMETER`, `STATUS_INVALID_DEVICE_REQUEST` and `STATUS_NOT_IMPLEMENTED`.
    /// Wine refuses the option and ignores the flag.
    ///
    /// IRQL: `PASSIVE_LEVEL`, where futures are polled.
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
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. If the future is dropped, the option may or may not be set.
    ///
    /// # Errors
    ///
    /// Those of [`Socket::set`](crate::socket::Socket::set), except for an option that the system lacks.
    pub async fn set_nodelay(&self, sends_at_once: bool) -> Result<()> {
        let flags = match self.as_socket().set(tcp::NODELAY, sends_at_once).await {
            Err(error) if is_refused(error) && sends_at_once => SendFlags::NO_DELAY,
            Err(error) if !is_refused(error) => return Err(error),
            _ => SendFlags::empty(),
        };
        self.as_socket().handle().state().set_send_flags(flags);
        Ok(())
    }

    /// Returns the value that [`set_nodelay`](Self::set_nodelay) sets.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Dropping the future has no effect.
    ///
    /// # Errors
    ///
    /// Those of [`Socket::get`](crate::socket::Socket::get), except for an option that the system lacks.
    pub async fn nodelay(&self) -> Result<bool> {
        match self.as_socket().get(tcp::NODELAY).await {
            Err(error) if is_refused(error) => {
                Ok(self.as_socket().handle().state().send_flags().contains(SendFlags::NO_DELAY))
            }
            result => result,
        }
    }
}

/// Whether the status means that the system lacks an option. No documentation names the status for that.
fn is_refused(error: Error) -> bool {
    matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::InvalidInput)
}

option_methods! { TcpListener:
    /// Sets whether connections that are accepted later are [kept alive](TcpStream::set_keepalive):
    /// [`options::KEEP_ALIVE`].
    keepalive, set_keepalive(is_kept: bool): options::KEEP_ALIVE;

    /// Sets the size of the transport's receive buffer in bytes, for connections that are accepted later:
    /// [`options::RECEIVE_BUFFER`].
    recv_buffer_size, set_recv_buffer_size(size: u32): options::RECEIVE_BUFFER;
}

only_v6_method!(TcpListener);
ttl_methods!(TcpStream);
ttl_methods!(TcpListener);
