//! The endpoints of the simulated network, by number and by port.

use std::collections::{BTreeMap, BTreeSet};

use super::Endpoint;

/// The endpoints.
///
/// The index makes the cost of choosing a port, and of finding the receiver of a datagram or the listener of a
/// connection, independent of the number of endpoints at other ports. An endpoint's port does not change.
#[derive(Default)]
pub(super) struct Endpoints {
    by_id: BTreeMap<u64, Endpoint>,
    by_port: BTreeMap<u16, BTreeSet<u64>>,
}

impl Endpoints {
    pub(super) fn get(&self, id: u64) -> Option<&Endpoint> {
        self.by_id.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut Endpoint> {
        self.by_id.get_mut(&id)
    }

    pub(super) fn insert(&mut self, id: u64, endpoint: Endpoint) {
        // A connection that a listener has accepted is never looked for by its port.
        if !endpoint.is_accepted() {
            self.by_port.entry(endpoint.local.port()).or_default().insert(id);
        }
        self.by_id.insert(id, endpoint);
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Endpoint> {
        let endpoint = self.by_id.remove(&id)?;
        let port = endpoint.local.port();
        if let Some(ids) = self.by_port.get_mut(&port) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_port.remove(&port);
            }
        }
        Some(endpoint)
    }

    /// Whether no endpoint was bound to a port.
    pub(super) fn is_free(&self, port: u16) -> bool {
        !self.by_port.contains_key(&port)
    }

    /// The endpoints that were bound to a port, in the order of their creation.
    pub(super) fn at_port(&self, port: u16) -> impl Iterator<Item = (u64, &Endpoint)> {
        let ids = self.by_port.get(&port).into_iter().flatten();
        ids.filter_map(|id| Some((*id, self.by_id.get(id)?)))
    }
}
