//! Binding: the machine's socket for an address, and the time when it gets its port.
//!
//! A socket that is bound to port 0 before it connects would keep its own port for as long as its connection
//! lingers, whatever the peer: the machine runs out after some 28,000 connections. Connecting chooses a port by
//! both addresses instead, and shares it among peers. So a connecting socket gets its port when it connects, or
//! earlier if its client asks for its address.
//!
//! # Safety
//!
//! One function of the C library is called, with an open socket and a value of this file's own.

#![cfg_attr(
    any(target_os = "linux", target_os = "android"),
    expect(unsafe_code, reason = "the functions and objects are those of a C interface")
)]

use std::io;
use std::net::SocketAddr;
#[cfg(any(target_os = "linux", target_os = "android"))]
use std::os::fd::AsRawFd;

use socket2::{Domain, Protocol, Type};

use super::super::{Binding, EndpointKind};
use super::endpoint::Endpoint;
use super::{BACKLOG, RealNetwork, datagrams, local_address, settings};
use crate::wsk::options::Sharing;

impl RealNetwork {
    /// Makes an endpoint, and binds it.
    pub(super) fn create_endpoint(&mut self, id: u64, binding: &Binding) -> io::Result<()> {
        let local = binding.local;
        let (kind, protocol) = if binding.kind.is_datagram() {
            (Type::DGRAM, Protocol::UDP)
        } else {
            (Type::STREAM, Protocol::TCP)
        };
        let inner = socket2::Socket::new(Domain::for_address(local), kind, Some(protocol))?;
        if local.is_ipv6() {
            inner.set_only_v6(binding.only_v6)?;
        }
        let is_listener = matches!(binding.kind, EndpointKind::Listener { .. });
        // On systems other than Windows: a port is free although old connections of it linger.
        let reuses = binding.sharing == Sharing::Reuse || (is_listener && cfg!(not(windows)));
        inner.set_reuse_address(reuses)?;
        let is_late = binding.kind == EndpointKind::Stream && local.port() == 0;
        if is_late {
            bind_without_port(&inner, local)?;
        } else {
            inner.bind(&local.into())?;
        }
        if is_listener {
            inner.listen(BACKLOG)?;
        }
        let mut datagrams = None;
        if binding.kind.is_datagram() {
            datagrams = Some(datagrams::UdpState::new(&inner, &binding.settings)?);
            settings::fragment(&inner, true)?;
            settings::require_membership(&inner)?;
        }
        for setting in &binding.settings {
            settings::apply(&inner, setting)?;
        }
        self.add(id, inner, None)?;
        if let Some(endpoint) = self.endpoints.get_mut(&id) {
            endpoint.datagrams = datagrams;
            endpoint.late = is_late.then_some(local);
        }
        Ok(())
    }
}

impl Endpoint {
    /// The local address, with a port.
    pub(super) fn local(&self) -> Option<SocketAddr> {
        self.require_port().ok()?;
        local_address(&self.inner)
    }

    pub(super) fn listen(&self) -> io::Result<()> {
        self.require_port()?;
        self.inner.listen(BACKLOG)
    }

    /// Whether the socket gets its port late, and has none yet.
    pub(super) fn lacks_port(&self) -> bool {
        self.late.is_some() && local_address(&self.inner).is_none_or(|local| local.port() == 0)
    }

    /// Binds the socket to a port, unless it has one.
    fn require_port(&self) -> io::Result<()> {
        let Some(late) = self.late.filter(|_| self.lacks_port()) else { return Ok(()) };
        set_without_port(&self.inner, false)?;
        self.inner.bind(&late.into())
    }
}

/// Binds to an address, and leaves the port open where the system can.
fn bind_without_port(socket: &socket2::Socket, address: SocketAddr) -> io::Result<()> {
    let leaves_open = cfg!(any(target_os = "linux", target_os = "android"));
    if leaves_open {
        set_without_port(socket, true)?;
    } else if address.ip().is_unspecified() {
        return Ok(());
    }
    socket.bind(&address.into())
}

/// Whether binding to port 0 leaves the port open.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn set_without_port(socket: &socket2::Socket, is_open: bool) -> io::Result<()> {
    let value = libc::c_int::from(is_open);
    let (level, name) = (libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT);
    let size = libc::socklen_t::try_from(size_of_val(&value)).unwrap_or(0);
    // SAFETY: the socket is open, and the value has this size.
    match unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), size)
    } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Elsewhere a socket is not bound before it has a port.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn set_without_port(_socket: &socket2::Socket, _is_open: bool) -> io::Result<()> {
    Ok(())
}
