//! The WSK provider: registration, the tables behind it, and the networks under them.
//!
//! From the bottom to the top: [`network`]s carry bytes; the [`stack`] decides, under one lock, what becomes of
//! requests and events, and returns [`action`]s; [`mod@execute`] completes IRPs and calls the client back; [`calls`]
//! are the functions in the [`tables`]; [`registration`] hands these out.

mod action;
mod adapters;
mod address;
mod buffer;
mod callback_table;
mod callbacks;
mod calls;
mod category;
mod chain;
mod client;
pub(crate) mod config;
mod control_data;
mod descriptors;
mod execute;
mod indication;
#[cfg(feature = "world")]
pub(crate) mod link;
mod membership;
mod names;
mod network;
mod object;
mod options;
mod outstanding;
mod reach;
mod registration;
mod requests;
mod socket;
mod stack;
mod subsystem;
mod tables;

use std::io;
use std::mem;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use polling::Poller;
use wsk_sys::NTSTATUS;

#[cfg(feature = "world")]
use action::Action;
pub(crate) use client::require_ended;
use config::{Config, Network};
use execute::execute;
use names::LookupFault;
use network::capture::{CapturedNetwork, PacketCapture};
use network::null::NullNetwork;
use network::real::RealNetwork;
use network::simulated::SimulatedNetwork;
#[cfg(feature = "world")]
use network::world::WorldNetwork;
#[cfg(feature = "world")]
pub(crate) use network::world::{Fabric, MachineId};
use stack::{Hooks, Stack};
use subsystem::Subsystem;

use crate::kernel::{Kernel, Threads};
use crate::verifier::kernel_violation;

/// Attaches WSK to a kernel, unless it is attached.
///
/// # Errors
///
/// If the network is the machine's, and the machine refuses a file or a thread.
pub(crate) fn attach(kernel: &Kernel, config: &Config) -> io::Result<()> {
    let timing = kernel.config().timing;
    let mut poller = None;
    let network: Box<dyn network::NetworkBackend> = match config.network {
        Network::Simulated => {
            let choices = kernel.choices(0x6E65_7477);
            Box::new(SimulatedNetwork::new(timing, choices, config))
        }
        Network::Null => Box::new(NullNetwork::default()),
        Network::Real => {
            let new = Arc::new(Poller::new()?);
            poller = Some(Arc::clone(&new));
            Box::new(RealNetwork::new(new))
        }
    };
    let is_new = attach_network(kernel, config, network);
    match poller {
        Some(poller) if is_new => adapters::start(poller, kernel.downgrade()),
        _ => Ok(()),
    }
}

/// Attaches WSK over a network to a kernel. Returns false if it is attached already.
fn attach_network(
    kernel: &Kernel,
    config: &Config,
    network: Box<dyn network::NetworkBackend>,
) -> bool {
    let hooks = Hooks { table_of: tables::of, cancel: execute::cancel };
    let choices = (kernel.config().timing, kernel.choices(0x7374_6163));
    let stack = Mutex::new(Stack::new(network, choices, config, hooks));
    let is_new = kernel.extension().set(Box::new(Subsystem { config: *config, stack })).is_ok();
    kernel.set_survey(outstanding::survey);
    is_new
}

/// Attaches WSK to the kernel of a machine in a world, which starts the machine.
#[cfg(feature = "world")]
pub(crate) fn attach_to_world(
    kernel: &Kernel,
    config: &Config,
    (fabric, machine): (&Fabric, MachineId),
) {
    let weak = kernel.downgrade();
    let notify = Arc::new(move |socket| {
        if let Some(kernel) = weak.upgrade() {
            let _entered = kernel.enter();
            execute(&kernel, vec![Action::Recheck { due: kernel.now(), socket }]);
        }
    });
    let network = WorldNetwork::start(fabric, machine, config, notify);
    attach_network(kernel, config, Box::new(network));
}

/// Attaches WSK to a kernel that a client uses without a host: over the machine's network, if the threads are
/// the machine's.
fn attach_default(kernel: &Kernel) {
    if kernel.wsk().is_some() {
        return;
    }
    let network = match kernel.config().threads {
        Threads::Native => Network::Real,
        Threads::Deterministic => Network::Simulated,
    };
    if let Err(error) = attach(kernel, &Config { network, ..Config::default() }) {
        kernel_violation(&format!("cannot use the machine's network: {error}"));
    }
}

/// The configuration of a kernel's WSK.
pub(crate) fn config(kernel: &Kernel) -> Config {
    attach_default(kernel);
    *kernel.wsk_config()
}

/// Gives a name an address.
pub(crate) fn add_name(kernel: &Kernel, name: &str, address: IpAddr) {
    attach_default(kernel);
    kernel.stack().services.names.add(name, address);
}

/// Makes the next look-up of a name fail.
pub(crate) fn fail_name(kernel: &Kernel, name: &str, status: NTSTATUS) {
    attach_default(kernel);
    kernel.stack().services.names.add_fault(name, LookupFault::Failure(status));
}

/// Makes the next look-up of a name hang.
pub(crate) fn stall_name(kernel: &Kernel, name: &str) {
    attach_default(kernel);
    kernel.stack().services.names.add_fault(name, LookupFault::Silence);
}

/// Withdraws the subsystem: every socket stops working.
pub(crate) fn withdraw(kernel: &Kernel) {
    attach_default(kernel);
    kernel.note("the WSK subsystem is withdrawn".to_owned());
    let actions = kernel.stack().withdraw();
    execute(kernel, actions);
}

/// Gives the machine another address.
pub(crate) fn add_address(kernel: &Kernel, address: IpAddr) {
    attach_default(kernel);
    kernel.stack().services.network.add_address(address);
    change_network(kernel);
}

/// Writes the packets of all later calls to a file.
///
/// # Errors
///
/// If the file cannot be created.
pub(crate) fn capture_packets(kernel: &Kernel, path: &Path) -> io::Result<()> {
    attach_default(kernel);
    let capture = PacketCapture::create(path, kernel.creation_time(), kernel.description())?;
    let network = &mut kernel.stack().services.network;
    // The network moves behind the capture. What stands in its place meanwhile is not called.
    let captured = mem::replace(network, Box::new(NullNetwork::default()));
    *network = Box::new(CapturedNetwork::new(captured, capture));
    Ok(())
}

/// Completes the requests that wait for a change of the addresses or transports.
pub(crate) fn change_network(kernel: &Kernel) {
    attach_default(kernel);
    let actions = kernel.stack().change_addresses();
    execute(kernel, actions);
}
