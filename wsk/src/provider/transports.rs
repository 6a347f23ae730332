//! The available transports, and notifications of their changes.
//!
//! # Safety
//!
//! The list is read from a buffer that WSK has filled, in whole entries.

#![expect(unsafe_code, reason = "see Safety")]

use core::future::Future;
use core::ops::Deref;
use core::{fmt, ptr, slice};

use wsk_sys::{PIRP, WSK_TRANSPORT, WSK_TRANSPORT_LIST_CHANGE, WSK_TRANSPORT_LIST_QUERY};

use super::{Provider, Version};
use crate::buffer::Buffer;
use crate::growing_buffer::query_with_growing_buffer;
use crate::operation::{OptionalFunction, Payload, RequestOutcome};
use crate::status::Result;
use crate::transport::{Family, Protocol};

impl Provider {
    /// Returns the transports for which sockets can be created.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`. Minimum Windows: Windows Vista.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/network/wsk-transport-list-query).
    ///
    /// ```
    /// use wsk::socket::{Family, Protocol};
    /// # extern crate wsk_host;
    /// # let passive = unsafe { wsk::irql::Passive::assume() };
    /// # let registration = wsk::Registration::register(passive)?;
    /// # let wsk = registration.try_capture()?;
    ///
    /// let transports = wsk.transports()?;
    /// let has_ipv6 = transports
    ///     .iter()
    ///     .any(|transport| transport.accepts(Family::INET6) && transport.protocol() == Protocol::TCP);
    /// # assert!(has_ipv6);
    /// # drop(wsk);
    /// # Ok::<(), wsk::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_DEVICE_REQUEST` in a [foreign waker](crate::guide::executors#foreign-wakers) in a completion routine.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any other status of `WskControlClient`. Wine does not implement it.
    pub fn transports(&self) -> Result<Transports> {
        self.client_ref().check_outside_routines()?;
        let list = query_with_growing_buffer(|output, size, returned| {
            let none = (ptr::null_mut(), 0);
            // SAFETY: the code takes no IRP, and writes to this room, and its size.
            unsafe { self.control(WSK_TRANSPORT_LIST_QUERY, none, (output, size), returned) }
        })?;
        Ok(Transports { count: list.1 / size_of::<WSK_TRANSPORT>(), buffer: list.0 })
    }

    /// Waits until the transports change. The call issues the request, before the future is polled, so that no later change
    /// is missed.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`. Minimum Windows: Windows Vista.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/network/wsk-transport-list-change).
    ///
    /// ```
    /// # use wsk::Provider;
    /// /// Prints the transports, now and after each change.
    /// async fn watch(wsk: &Provider) -> wsk::Result<()> {
    ///     loop {
    ///         let change = wsk.transports_changed();
    ///         for transport in wsk.transports()?.iter() {
    ///             println!("{transport:?}");
    ///         }
    ///         change.await?;
    ///     }
    /// }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Dropping the future cancels the request. A future that is forgotten is ended with
    /// its registration ([INV-5](crate::rules#inv-5)).
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_DEVICE_REQUEST` in a [foreign waker](crate::guide::executors#foreign-wakers) in a completion routine.
    /// - `STATUS_CANCELLED` if the registration ends.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any other status of `WskControlClient`. Wine does not implement it.
    pub fn transports_changed(&self) -> impl Future<Output = Result<()>> + Send + use<'_> {
        let call = |irp: PIRP, _: *mut Payload| {
            // SAFETY: the code takes an IRP, which is ready and will be completed, and nothing else.
            unsafe { self.0.control_with(WSK_TRANSPORT_LIST_CHANGE, irp) }
        };
        // SAFETY: the call is given no memory.
        let in_flight = unsafe { self.request_of(OptionalFunction::ControlClient, |_| (), call) };
        async move {
            match in_flight?.await {
                RequestOutcome::Completed(idle, result) => {
                    self.put(idle);
                    result.map(|_| ())
                }
                RequestOutcome::Refused(error) => Err(error),
            }
        }
    }
}

/// The list of [`Provider::transports`]: a slice of [`Transport`]s.
pub struct Transports {
    /// The number of transports in the buffer.
    buffer: Buffer,
    count: usize,
}

impl Deref for Transports {
    type Target = [Transport];

    fn deref(&self) -> &[Transport] {
        if self.count == 0 {
            // A buffer without bytes is not aligned.
            return &[];
        }
        #[expect(clippy::cast_ptr_alignment, reason = "a buffer with bytes is aligned to 16")]
        let start = self.buffer.as_ptr().cast::<Transport>();
        // SAFETY: the buffer begins with `count` transports, which any bytes are, and is aligned to 16 bytes.
        unsafe { slice::from_raw_parts(start, self.count) }
    }
}

impl<'a> IntoIterator for &'a Transports {
    type Item = &'a Transport;
    type IntoIter = slice::Iter<'a, Transport>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Debug for Transports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// A transport for which sockets can be created: a combination of family, type and protocol.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Transport(WSK_TRANSPORT);

impl Transport {
    /// The version of WSK that it supports.
    #[must_use]
    pub const fn version(&self) -> Version {
        Version::from_raw(self.0.Version)
    }

    /// Returns the address family. [`Family::UNSPECIFIED`] means every family.
    #[must_use]
    pub const fn family(&self) -> Family {
        Family::from_raw(self.0.AddressFamily)
    }

    /// Returns whether it accepts addresses of a family.
    #[must_use]
    pub fn accepts(&self, family: Family) -> bool {
        [family, Family::UNSPECIFIED].contains(&self.family())
    }

    /// Returns the socket type, such as `SOCK_STREAM`.
    #[must_use]
    pub const fn socket_type(&self) -> u16 {
        self.0.SocketType
    }

    /// Returns the protocol.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        Protocol::from_raw(self.0.Protocol)
    }

    /// Returns WSK's structure.
    #[must_use]
    pub const fn to_raw(&self) -> WSK_TRANSPORT {
        self.0
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("family", &self.family())
            .field("socket_type", &self.socket_type())
            .field("protocol", &self.protocol())
            .finish_non_exhaustive()
    }
}

// The initial size of the buffer for the list.
const _: () = assert!(align_of::<WSK_TRANSPORT>() <= 16);
