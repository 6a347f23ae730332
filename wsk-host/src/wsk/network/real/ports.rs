//! Binding: a socket of the machine's for an address.

use std::io;

use socket2::{Domain, Protocol, Type};

use super::super::{Binding, Kind};
use super::{BACKLOG, Real, datagrams, settings};
use crate::wsk::options::Sharing;

impl Real {
    /// Makes an endpoint, and binds it.
    pub(super) fn make(&mut self, id: u64, binding: &Binding) -> io::Result<()> {
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
        let is_listener = matches!(binding.kind, Kind::Listener { .. });
        // Elsewhere than on Windows: a port is free although old connections of it linger.
        let reuses = binding.sharing == Sharing::Reuse || (is_listener && cfg!(not(windows)));
        inner.set_reuse_address(reuses)?;
        inner.bind(&local.into())?;
        if is_listener {
            inner.listen(BACKLOG)?;
        }
        let mut datagrams = None;
        if binding.kind.is_datagram() {
            datagrams = Some(datagrams::UdpState::new(&inner, &binding.settings)?);
            settings::fragment(&inner, true)?;
        }
        for setting in &binding.settings {
            settings::apply(&inner, setting)?;
        }
        self.add(id, inner, None)?;
        if let Some(endpoint) = self.endpoints.get_mut(&id) {
            endpoint.datagrams = datagrams;
        }
        Ok(())
    }
}
