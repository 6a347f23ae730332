//! The WSK provider: registration, the tables behind it, and the networks under them.

mod act;
mod adapters;
mod address;
mod buffer;
mod callbacks;
mod calls;
mod category;
mod control_data;
mod indication;
mod names;
mod network;
mod objects;
mod options;
mod registration;
mod requests;
mod socket;
mod stack;
mod tables;

use std::io;
use std::sync::{Arc, Weak};
use std::thread;

use polling::Poller;

pub(crate) use act::{act, withdraw};
pub(crate) use indication::require_indicated;
pub(crate) use names::Fault;
pub(crate) use registration::require_ended;
pub(crate) use stack::Stack;

use crate::config::Config;
use crate::host::State;
use network::null::Null;
use network::real::Real;
use network::simulated::Simulated;

/// A network in memory.
pub(crate) fn simulated(config: &Config) -> Stack {
    Stack::new(Box::new(Simulated::new(config)), config)
}

/// No network.
pub(crate) fn null(config: &Config) -> Stack {
    Stack::new(Box::new(Null::default()), config)
}

/// The machine's network, and what it waits with.
pub(crate) fn real(config: &Config) -> io::Result<(Stack, Arc<Poller>)> {
    let poller = Arc::new(Poller::new()?);
    Ok((Stack::new(Box::new(Real::new(Arc::clone(&poller))), config), poller))
}

/// Starts the thread that stands for the machine's network adapters.
pub(crate) fn serve(poller: Arc<Poller>, host: Weak<State>) -> io::Result<()> {
    let thread = thread::Builder::new().name("network adapters".to_owned());
    thread.spawn(move || adapters::serve(&poller, &host)).map(drop)
}
