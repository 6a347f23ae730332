//! Control codes of sockets.
//!
//! # Safety
//!
//! A control code is declared with the types that the system reads and writes.

#![expect(unsafe_code, reason = "see Safety")]

use core::fmt;
use core::marker::PhantomData;

use wsk_sys::{
    SIO_KEEPALIVE_VALS, SIO_QUERY_RSS_SCALABILITY_INFO, SIO_QUERY_WFP_CONNECTION_REDIRECT_CONTEXT,
    SIO_QUERY_WFP_CONNECTION_REDIRECT_RECORDS, SIO_SET_WFP_CONNECTION_REDIRECT_RECORDS,
};

use super::option::TypeMarkers;
use super::{AllSockets, BeforeConnect, Boolean, Connections, KeepAlive, MAX_SIZE, OptionValue};
use crate::irql;
use crate::status::{Result, known};

/// A control code with the types of its input and output ([`OptionValue`]), and the sockets that it applies to
/// ([`AppliesTo`](super::AppliesTo)).
pub struct Ioctl<In, Out, A> {
    code: ControlCode,
    types: TypeMarkers<In, Out, A>,
}

/// A control code with input and output of any bytes, in buffers.
pub struct BufferIoctl<A> {
    code: ControlCode,
    types: TypeMarkers<A, (), ()>,
}

/// A control code, and its highest IRQL.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ControlCode {
    pub(crate) number: u32,
    is_for_passive_level: bool,
}

impl ControlCode {
    /// Fails if the current level is too high for the code.
    pub(crate) fn require_level(self) -> Result<()> {
        if self.is_for_passive_level && !irql::is_passive() {
            return Err(known::STATUS_INVALID_DEVICE_REQUEST);
        }
        Ok(())
    }
}

impl<In: OptionValue, Out: OptionValue, A> Ioctl<In, Out, A> {
    /// Declares a control code that this crate does not have.
    ///
    /// # Safety
    ///
    /// For every socket and in every state that `A` applies to:
    ///
    /// - `WskControlSocket` takes the code, with an IRP and with every value that `In` encodes, at up to
    ///   `DISPATCH_LEVEL`, or if [`at_passive_level`](Self::at_passive_level) is called, at `PASSIVE_LEVEL`.
    /// - Its input and output are plain data, as for [`SocketOption::new`](super::SocketOption::new).
    /// - It changes nothing that this crate relies on: it enables no callbacks, and the socket's type still matches its
    ///   state.
    #[must_use]
    pub const unsafe fn new(code: u32) -> Self {
        const { assert!(In::SIZE <= MAX_SIZE, "the input is too long: use a BufferIoctl") };
        const { assert!(Out::SIZE <= MAX_SIZE, "the output is too long: use a BufferIoctl") };
        Self { code: ControlCode { number: code, is_for_passive_level: false }, types: PhantomData }
    }
}

impl<A> BufferIoctl<A> {
    /// Declares a control code that this crate does not have.
    ///
    /// # Safety
    ///
    /// Those of [`Ioctl::new`], with input of any bytes and any length.
    #[must_use]
    pub const unsafe fn new(code: u32) -> Self {
        Self { code: ControlCode { number: code, is_for_passive_level: false }, types: PhantomData }
    }
}

macro_rules! code {
    ($($ioctl:ident<$($parameter:ident),*>),*) => {$(
        impl<$($parameter),*> $ioctl<$($parameter),*> {
            /// Restricts the code to `PASSIVE_LEVEL`: at any other IRQL the request fails before it is issued.
            #[must_use]
            pub const fn at_passive_level(mut self) -> Self {
                self.code.is_for_passive_level = true;
                self
            }

            /// Returns the number of the code.
            #[must_use]
            pub const fn code(self) -> u32 {
                self.code.number
            }

            pub(crate) const fn parts(self) -> ControlCode {
                self.code
            }
        }

        // Not derived: a derive would require the trait of the type parameters.
        impl<$($parameter),*> Clone for $ioctl<$($parameter),*> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<$($parameter),*> Copy for $ioctl<$($parameter),*> {}

        impl<$($parameter),*> fmt::Debug for $ioctl<$($parameter),*> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($ioctl)).field("code", &self.code).finish_non_exhaustive()
            }
        }
    )*};
}

code!(Ioctl<In, Out, A>, BufferIoctl<A>);

/// Whether receive-side scaling is on: `SIO_QUERY_RSS_SCALABILITY_INFO`. Microsoft describes it for Winsock only.
///
/// IRQL: `PASSIVE_LEVEL`, since no other level is documented. Minimum Windows: Windows Vista.
/// [Microsoft's page](https://learn.microsoft.com/windows/win32/api/mstcpip/ns-mstcpip-rss_scalability_info).
#[doc(alias = "SIO_QUERY_RSS_SCALABILITY_INFO")]
pub const RSS_SCALABILITY: Ioctl<(), Boolean, AllSockets> =
    // SAFETY: the code returns a structure of one byte, and changes nothing.
    unsafe { Ioctl::new(SIO_QUERY_RSS_SCALABILITY_INFO) }.at_passive_level();

/// Sets whether and how a connection is kept alive: `SIO_KEEPALIVE_VALS`. Microsoft describes it for Winsock
/// only. [`KEEP_ALIVE`](super::KEEP_ALIVE) and the options of [`tcp`](super::tcp) do the same in seconds.
///
/// IRQL: `PASSIVE_LEVEL`, since no other level is documented. Minimum Windows: Windows Vista.
/// [Microsoft's page](https://learn.microsoft.com/windows/win32/winsock/sio-keepalive-vals).
#[doc(alias = "SIO_KEEPALIVE_VALS")]
pub const KEEP_ALIVE_VALUES: Ioctl<KeepAlive, (), Connections> =
    // SAFETY: the code takes a structure of numbers, and changes only the keep-alive settings.
    unsafe { Ioctl::new(SIO_KEEPALIVE_VALS) }.at_passive_level();

/// The redirection records of an accepted connection that a filter has redirected:
/// `SIO_QUERY_WFP_CONNECTION_REDIRECT_RECORDS`. They are opaque; pass them to [`SET_REDIRECT_RECORDS`].
///
/// IRQL: `PASSIVE_LEVEL`. Minimum Windows: Windows 8.
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/network/sio-query-wfp-connection-redirect-records).
#[doc(alias = "SIO_QUERY_WFP_CONNECTION_REDIRECT_RECORDS")]
pub const REDIRECT_RECORDS: BufferIoctl<Connections> =
    // SAFETY: the code returns bytes, as far as there is room, and changes nothing.
    unsafe { BufferIoctl::new(SIO_QUERY_WFP_CONNECTION_REDIRECT_RECORDS) }.at_passive_level();

/// The redirection context that a filter attached to an accepted connection:
/// `SIO_QUERY_WFP_CONNECTION_REDIRECT_CONTEXT`. It is opaque.
///
/// IRQL: `PASSIVE_LEVEL`. Minimum Windows: Windows 8.
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/network/sio-query-wfp-connection-redirect-context).
#[doc(alias = "SIO_QUERY_WFP_CONNECTION_REDIRECT_CONTEXT")]
pub const REDIRECT_CONTEXT: BufferIoctl<Connections> =
    // SAFETY: the code returns bytes, as far as there is room, and changes nothing.
    unsafe { BufferIoctl::new(SIO_QUERY_WFP_CONNECTION_REDIRECT_CONTEXT) }.at_passive_level();

/// Sets the redirection records of the original connection on a proxy's own connection:
/// `SIO_SET_WFP_CONNECTION_REDIRECT_RECORDS`.
///
/// IRQL: `PASSIVE_LEVEL`. Minimum Windows: Windows 8.
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/network/sio-set-wfp-connection-redirect-records).
#[doc(alias = "SIO_SET_WFP_CONNECTION_REDIRECT_RECORDS")]
pub const SET_REDIRECT_RECORDS: BufferIoctl<BeforeConnect> =
    // SAFETY: the code takes bytes, and validates them, since user-mode programs pass them as well; it changes nothing that
    // this crate relies on.
    unsafe { BufferIoctl::new(SIO_SET_WFP_CONNECTION_REDIRECT_RECORDS) }.at_passive_level();
