//! The WSK provider: registration, and the tables behind it.

mod completer;
mod network;
mod registration;
mod requests;
mod simulated;
mod sockets;

pub(crate) use completer::Completer;
pub(crate) use network::Network;

/// A network in memory; see [`crate::Config::window`].
pub(crate) fn simulated(window: usize) -> Network {
    Network::new(Box::new(simulated::Simulated::new(window)))
}
