//! The WSK provider: registration, and the tables behind it.

mod completer;
mod network;
mod registration;
mod sockets;

pub(crate) use completer::Completer;
pub(crate) use network::Network;
