//! The WSK provider: registration, the tables behind it, and the networks under them.

mod completer;
mod real;
mod registration;
mod requests;
mod simulated;
mod sockets;
mod stack;

use std::io;
use std::sync::{Arc, Weak};
use std::thread;

use polling::Poller;

pub(crate) use completer::Completer;
pub(crate) use stack::Stack;

use crate::host::State;

/// A network in memory; see [`crate::Config::window`].
pub(crate) fn simulated(window: usize) -> Stack {
    Stack::new(Box::new(simulated::Simulated::new(window)))
}

/// The machine's network, and what it waits with.
pub(crate) fn real() -> io::Result<(Stack, Arc<Poller>)> {
    let poller = Arc::new(Poller::new()?);
    Ok((Stack::new(Box::new(real::Real::new(Arc::clone(&poller)))), poller))
}

/// Starts the thread that stands for the machine's network adapters.
pub(crate) fn serve(poller: Arc<Poller>, host: Weak<State>) -> io::Result<()> {
    let thread = thread::Builder::new().name("network adapters".to_owned());
    thread.spawn(move || real::serve(&poller, &host)).map(drop)
}
