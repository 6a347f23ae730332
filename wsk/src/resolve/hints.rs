//! What is asked for: the host and the service, and what of their addresses is wanted.

use core::fmt;

use wsk_sys::{ADDRINFOEXW, INT, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM, USHORT};

use super::name::show_text;
use crate::flags::AddressInfoFlags;
use crate::status::{Result, known};
use crate::transport::{Family, Protocol};

/// A type of sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SocketType(USHORT);

impl SocketType {
    /// Any, or none in particular.
    pub const UNSPECIFIED: Self = Self(0);
    /// Streams of bytes, `SOCK_STREAM`.
    pub const STREAM: Self = Self(SOCK_STREAM);
    /// Datagrams, `SOCK_DGRAM`.
    pub const DATAGRAM: Self = Self(SOCK_DGRAM);
    /// Packets, `SOCK_RAW`.
    pub const RAW: Self = Self(SOCK_RAW);

    /// A type by its number.
    #[must_use]
    pub const fn from_raw(socket_type: USHORT) -> Self {
        Self(socket_type)
    }

    /// Its number.
    #[must_use]
    pub const fn to_raw(self) -> USHORT {
        self.0
    }
}

/// A service: what the port of the addresses is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Service<'a> {
    /// None: the port is zero.
    None,
    /// The port itself.
    Port(u16),
    /// A name of the system's list of services, such as `"https"`, or a port in digits.
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

/// Which addresses are wanted. Those of [`Hints::new`] are all.
///
/// ```
/// use wsk::flags::AddressInfoFlags;
/// use wsk::resolve::Hints;
/// use wsk::socket::Family;
///
/// // What a TCP client connects to over IPv4, and the host's canonical name.
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
    /// Addresses of any family, for sockets of any type: the same address may come several times, once for each
    /// type.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            family: Family::UNSPECIFIED,
            socket_type: SocketType::UNSPECIFIED,
            protocol: Protocol::from_raw(0),
            flags: AddressInfoFlags::empty(),
        }
    }

    /// Addresses of any family, for TCP.
    #[must_use]
    pub const fn stream() -> Self {
        Self { socket_type: SocketType::STREAM, protocol: Protocol::TCP, ..Self::new() }
    }

    /// Addresses of any family, for UDP.
    #[must_use]
    pub const fn datagram() -> Self {
        Self { socket_type: SocketType::DATAGRAM, protocol: Protocol::UDP, ..Self::new() }
    }

    /// Only addresses of this family.
    #[must_use]
    pub const fn family(self, family: Family) -> Self {
        Self { family, ..self }
    }

    /// Only for sockets of this type.
    #[must_use]
    pub const fn socket_type(self, socket_type: SocketType) -> Self {
        Self { socket_type, ..self }
    }

    /// Only for this protocol.
    #[must_use]
    pub const fn protocol(self, protocol: Protocol) -> Self {
        Self { protocol, ..self }
    }

    /// With these flags.
    #[must_use]
    pub const fn flags(self, flags: AddressInfoFlags) -> Self {
        Self { flags, ..self }
    }

    /// As WSK takes them.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_PARAMETER` for a flag that changes what the results are laid out like, or a number that
    /// is none of a protocol's.
    pub(super) fn to_c(self) -> Result<ADDRINFOEXW> {
        use AddressInfoFlags as Flags;
        // With an unknown one the structure could have to be a longer one, and with both names the results are.
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
