//! The parameters of a look-up.

use core::fmt;

use wsk_sys::{ADDRINFOEXW, INT, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM, USHORT};

use super::name::show_text;
use crate::flags::AddressInfoFlags;
use crate::status::{Result, known};
use crate::transport::{Family, Protocol};

/// A socket type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SocketType(USHORT);

impl SocketType {
    /// Any type.
    pub const UNSPECIFIED: Self = Self(0);
    /// Streams of bytes, `SOCK_STREAM`.
    pub const STREAM: Self = Self(SOCK_STREAM);
    /// Datagrams, `SOCK_DGRAM`.
    pub const DATAGRAM: Self = Self(SOCK_DGRAM);
    /// Packets, `SOCK_RAW`.
    pub const RAW: Self = Self(SOCK_RAW);

    /// Returns the type with this number.
    #[must_use]
    pub const fn from_raw(socket_type: USHORT) -> Self {
        Self(socket_type)
    }

    /// Returns the number of the type.
    #[must_use]
    pub const fn to_raw(self) -> USHORT {
        self.0
    }
}

/// A service, which determines the port of the addresses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Service<'a> {
    /// No service: the port is zero.
    None,
    /// A port number.
    Port(u16),
    /// A name from the system's list of services, such as `"https"`, or a port in digits.
    Name(&'a str),
}

impl From<u16> for Service<'_> {
    fn from(port: u16) -> Self {
        Self::Port(port)
    }
}

impl<'a> From<&'a str> for Service<'a> {
    fn from(name: &'a str) -> Self {
        Self::Name(name)
    }
}

impl fmt::Debug for Service<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Port(port) => write!(f, "Port({port})"),
            Self::Name(name) => {
                f.write_str("Name(")?;
                show_text(name.chars(), f)?;
                f.write_str(")")
            }
        }
    }
}

/// Filters the addresses of a look-up. [`Hints::new`] selects all.
///
/// ```
/// use wsk::flags::AddressInfoFlags;
/// use wsk::resolve::Hints;
/// use wsk::socket::Family;
///
/// // Addresses for a TCP client over IPv4, and the canonical name of the host.
/// let hints =
///     Hints::stream().family(Family::INET).flags(AddressInfoFlags::CANONICAL_NAME);
/// # let _ = hints;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hints {
    family: Family,
    socket_type: SocketType,
    protocol: Protocol,
    flags: AddressInfoFlags,
}

impl Hints {
    /// Selects addresses of any family, for any socket type. The same address may be returned once per type.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            family: Family::UNSPECIFIED,
            socket_type: SocketType::UNSPECIFIED,
            protocol: Protocol::from_raw(0),
            flags: AddressInfoFlags::empty(),
        }
    }

    /// Selects addresses of any family, for TCP.
    #[must_use]
    pub const fn stream() -> Self {
        Self { socket_type: SocketType::STREAM, protocol: Protocol::TCP, ..Self::new() }
    }

    /// Selects addresses of any family, for UDP.
    #[must_use]
    pub const fn datagram() -> Self {
        Self { socket_type: SocketType::DATAGRAM, protocol: Protocol::UDP, ..Self::new() }
    }

    /// Selects only addresses of this family.
    #[must_use]
    pub const fn family(self, family: Family) -> Self {
        Self { family, ..self }
    }

    /// Selects only addresses for this socket type.
    #[must_use]
    pub const fn socket_type(self, socket_type: SocketType) -> Self {
        Self { socket_type, ..self }
    }

    /// Selects only addresses for this protocol.
    #[must_use]
    pub const fn protocol(self, protocol: Protocol) -> Self {
        Self { protocol, ..self }
    }

    /// Sets the flags.
    #[must_use]
    pub const fn flags(self, flags: AddressInfoFlags) -> Self {
        Self { flags, ..self }
    }

    /// Converts the hints for WSK.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_PARAMETER` for a flag that changes the layout of the results, or an invalid protocol number.
    pub(super) fn to_c(self) -> Result<ADDRINFOEXW> {
        use AddressInfoFlags as Flags;
        // An unknown flag could require a longer structure, and both names together require longer results.
        let is_known = Flags::all().contains(self.flags);
        if !is_known || self.flags.contains(Flags::CANONICAL_NAME | Flags::QUALIFIED_NAME) {
            return Err(known::STATUS_INVALID_PARAMETER);
        }
        let protocol =
            INT::try_from(self.protocol.to_raw()).map_err(|_| known::STATUS_INVALID_PARAMETER)?;
        Ok(ADDRINFOEXW {
            ai_flags: self.flags.bits(),
            ai_family: self.family.to_raw().into(),
            ai_socktype: self.socket_type.to_raw().into(),
            ai_protocol: protocol,
            ai_addrlen: 0,
            ai_canonname: core::ptr::null_mut(),
            ai_addr: core::ptr::null_mut(),
            ai_blob: core::ptr::null_mut(),
            ai_bloblen: 0,
            ai_provider: core::ptr::null_mut(),
            ai_next: core::ptr::null_mut(),
        })
    }
}

impl Default for Hints {
    fn default() -> Self {
        Self::new()
    }
}
