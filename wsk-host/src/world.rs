//! Worlds: several machines, one clock, and the links between them.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::config::Config;
use crate::host::Host;
use crate::kernel::{self, Entered, Kernel, Timing};
use crate::testing::block_on;
use crate::wsk::config::{Faults, Network};
use crate::wsk::link::Link;
use crate::wsk::{self, Fabric, MachineId};

/// Several machines in one test, each with a kernel and WSK of its own, and the network between them.
///
/// All machines have one clock, and one thread of the world runs at a time: the world's seed decides which, as on a single
/// [`Host`] with the simulated network. A run with the same seed sends the same packets at the same times.
///
/// TCP is that of the crate smoltcp, which sends real IP packets: a handshake, windows, retransmissions with a growing
/// time-out, Reno's congestion control, and resets. Packets take the [`Link`] between two machines, which is perfect until
/// it is [changed](Self::set_link). What a driver sees of the network's faults are the statuses of Windows:
///
/// | event | status |
/// |---|---|
/// | nothing listens at the port | `STATUS_CONNECTION_REFUSED` |
/// | no machine has the address | `STATUS_HOST_UNREACHABLE` |
/// | the machine has no address of the destination's family | `STATUS_NETWORK_UNREACHABLE` |
/// | the peer has reset the connection, or has crashed and started again | `STATUS_CONNECTION_RESET` |
/// | the peer has not answered for 21 seconds, such as behind a [partition](Self::partition) | `STATUS_IO_TIMEOUT` |
///
/// These statuses and the 21 seconds are those that Microsoft documents for Windows; they were not compared with a real
/// one.
///
/// ```
/// use std::time::Duration;
/// use wsk_host::{Config, Link, World};
///
/// # fn main() -> Result<(), wsk_host::WorldError> {
/// let world = World::new(7);
/// let server = world.add("server", Config::default(), ["10.0.0.1".parse().unwrap()])?;
/// let client = world.add("client", Config::default(), ["10.0.0.2".parse().unwrap()])?;
/// world.set_link(&client, &server, Link::with_latency(Duration::from_millis(20)))?.keep();
/// {
///     let _partition = world.partition(&client, &server);
///     // No packet arrives, until the guard is dropped.
/// }
/// world.block_on(client.host().scope(async {
///     // This future calls the client's kernel.
/// }));
/// # Ok(())
/// # }
/// ```
///
/// # Limits
///
/// Neither corruption nor address translation is modelled. A datagram that is larger than a link's MTU is carried as
/// fragments, whose loss is counted; `IP_DONTFRAGMENT` has no effect. Packets of a world cannot be captured to a file yet.
#[derive(Clone)]
pub struct World(Arc<WorldState>);

struct WorldState {
    seed: u64,
    /// The first kernel of the world, without WSK: tests wait in it, and its jobs carry the packets.
    kernel: Kernel,
    fabric: Fabric,
    machines: Mutex<Vec<MachineState>>,
    names: Mutex<Vec<(String, IpAddr)>>,
}

struct MachineState {
    name: String,
    addresses: Vec<IpAddr>,
    config: Config,
    host: Host,
    is_up: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    /// Creates a world without machines, whose decisions a seed makes.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let config = kernel::Config { timing: Timing::Mixed(seed), ..kernel::Config::default() };
        let description = format!("a world with the seed {seed}");
        let kernel = Kernel::of_world(config, &description, None, None);
        let fabric = Fabric::new(kernel.clone());
        let (machines, names) = (Mutex::default(), Mutex::default());
        Self(Arc::new(WorldState { seed, kernel, fabric, machines, names }))
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.0.seed
    }

    /// Adds a machine with its name and its addresses, and starts it. It also has the loopback addresses.
    ///
    /// The name resolves to the addresses on every machine of the world. Of the configuration, a seed in
    /// [`Config::timing`] is replaced by one that the world's seed determines.
    ///
    /// # Errors
    ///
    /// If the settings contradict each other or the world: another machine has the name or an address; an address is none
    /// of a machine; the configuration has another network than [`Network::Simulated`], or faults that belong to a
    /// [`Link`].
    pub fn add(
        &self,
        name: &str,
        config: Config,
        addresses: impl IntoIterator<Item = IpAddr>,
    ) -> Result<Machine, WorldError> {
        let addresses: Vec<IpAddr> =
            addresses.into_iter().map(|address| address.to_canonical()).collect();
        check_machine(name, &config, &addresses).map_err(|reason| {
            WorldError(format!("the machine `{name}` cannot be added: {reason}"))
        })?;
        let mut machines = lock(&self.0.machines);
        if machines.iter().any(|machine| machine.name.eq_ignore_ascii_case(name)) {
            return Err(WorldError(format!(
                "the machine `{name}` cannot be added: another one has this name"
            )));
        }
        let added = self.0.fabric.add_machine(&addresses, &config.wsk());
        let id = added.map_err(|ip| {
            let owner = machines.iter().find(|machine| machine.addresses.contains(&ip));
            let owner = owner.map_or("another one", |owner| &*owner.name);
            WorldError(format!(
                "the machine `{name}` cannot be added: the machine `{owner}` has the address {ip}"
            ))
        })?;
        let config = match config.timing {
            // Kernels with one seed would make the same choices.
            Timing::Mixed(_) => {
                config.seed(self.0.seed.wrapping_mul(0x1_0001).wrapping_add(id as u64 + 1))
            }
            Timing::Inline | Timing::Deferred => config,
        };
        let host = self.start(id, &config);
        let name = name.to_owned();
        for ip in &addresses {
            self.add_name_to(&machines, &name, *ip);
            host.add_name(&name, *ip);
        }
        machines.push(MachineState { name, addresses, config, host, is_up: true });
        Ok(Machine { world: self.clone(), id })
    }

    /// Starts a machine with a new kernel.
    fn start(&self, id: MachineId, config: &Config) -> Host {
        let kernel = Kernel::of_world(config.kernel(), config, None, Some(&self.0.kernel));
        wsk::attach_to_world(&kernel, &config.wsk(), (&self.0.fabric, id));
        let host = Host::of(kernel);
        for (name, ip) in &*lock(&self.0.names) {
            host.add_name(name, *ip);
        }
        host
    }

    fn add_name_to(&self, machines: &[MachineState], name: &str, ip: IpAddr) {
        lock(&self.0.names).push((name.to_owned(), ip));
        for machine in machines {
            machine.host.add_name(name, ip);
        }
    }

    /// Adds an address to a name, for the name resolution of every machine.
    pub fn add_name(&self, name: &str, address: impl Into<IpAddr>) {
        self.add_name_to(&lock(&self.0.machines), name, address.into());
    }

    /// The hosts of the machines that are up, in the order in which these were added.
    #[must_use]
    pub fn hosts(&self) -> Vec<Host> {
        let machines = lock(&self.0.machines);
        machines.iter().filter(|of| of.is_up).map(|of| of.host.clone()).collect()
    }

    /// The time since the world was created.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.kernel.elapsed()
    }

    /// Attaches the current thread to the world until the result is dropped, but to none of its machines: see
    /// [`Host::enter`], which attaches it to one.
    #[must_use = "the thread leaves the world when this is dropped"]
    pub fn enter(&self) -> Entered {
        self.0.kernel.enter()
    }

    /// Runs a future on the current thread, which waits in the world whenever the future is pending. Parts of the future
    /// belong to machines by [`Host::scope`].
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let _entered = self.enter();
        block_on(future)
    }

    /// Runs all deferred work, and all threads of all machines until they wait. It does not wait for retransmissions.
    pub fn settle(&self) {
        self.0.kernel.settle();
    }

    /// Changes the settings of the link between two machines, in both directions, until the result is dropped.
    ///
    /// # Errors
    ///
    /// If the settings contradict each other: see [`Link::check`].
    pub fn set_link(
        &self,
        one: &Machine,
        other: &Machine,
        link: Link,
    ) -> Result<LinkChange, WorldError> {
        let mut change = self.set_link_one_way(one, other, link.clone())?;
        change.numbers.push(self.0.fabric.set_link(Some((other.id, one.id)), link));
        Ok(change)
    }

    /// Changes the settings of the link from one machine to another, until the result is dropped.
    ///
    /// # Errors
    ///
    /// If the settings contradict each other: see [`Link::check`].
    pub fn set_link_one_way(
        &self,
        from: &Machine,
        to: &Machine,
        link: Link,
    ) -> Result<LinkChange, WorldError> {
        link.check().map_err(WorldError)?;
        self.require_own([from, to])?;
        Ok(self.change([self.0.fabric.set_link(Some((from.id, to.id)), link)]))
    }

    /// Changes the settings of all links, until the result is dropped. Later changes take precedence.
    ///
    /// # Errors
    ///
    /// If the settings contradict each other: see [`Link::check`].
    pub fn set_links(&self, link: Link) -> Result<LinkChange, WorldError> {
        link.check().map_err(WorldError)?;
        Ok(self.change([self.0.fabric.set_link(None, link)]))
    }

    /// Loses all packets between two machines, until the result is dropped. Packets that are on the way arrive.
    ///
    /// # Panics
    ///
    /// If a machine is one of another world.
    pub fn partition(&self, one: &Machine, other: &Machine) -> LinkChange {
        let mut partition = self.partition_one_way(one, other);
        partition.numbers.push(self.0.fabric.cut((other.id, one.id)));
        partition
    }

    /// Loses all packets from one machine to another, until the result is dropped. Packets that are on the way arrive.
    ///
    /// # Panics
    ///
    /// If a machine is one of another world.
    pub fn partition_one_way(&self, from: &Machine, to: &Machine) -> LinkChange {
        let own = self.require_own([from, to]);
        assert!(own.is_ok(), "a partition is of machines of one world");
        self.change([self.0.fabric.cut((from.id, to.id))])
    }

    fn require_own<const N: usize>(&self, machines: [&Machine; N]) -> Result<(), WorldError> {
        let is_own = |machine: &&Machine| Arc::ptr_eq(&machine.world.0, &self.0);
        match machines.iter().find(|machine| !is_own(machine)) {
            Some(machine) => Err(WorldError(format!(
                "the machine `{}` is one of another world: a link is between machines of one",
                machine.name()
            ))),
            None => Ok(()),
        }
    }

    fn change<const N: usize>(&self, numbers: [u64; N]) -> LinkChange {
        LinkChange { fabric: self.0.fabric.clone(), numbers: numbers.into() }
    }
}

/// The contradiction in the settings of a machine.
fn check_machine(name: &str, config: &Config, addresses: &[IpAddr]) -> Result<(), String> {
    if name.is_empty() {
        return Err("it has no name".to_owned());
    }
    if config.network != Network::Simulated {
        return Err(format!(
            "its configuration has the network {:?}; the machines of a world are connected by the world, so leave \
             `Network::Simulated`",
            config.network
        ));
    }
    let Faults { loss, duplication, reset, accept, forced_close: _, hold: _ } = config.faults;
    if (loss, duplication, reset, accept) != (0, 0, 0, 0) {
        return Err("`Faults::loss`, `duplication`, `reset` and `accept` are of a network of one machine; set those of \
                    a `Link`"
            .to_owned());
    }
    for (index, ip) in addresses.iter().enumerate() {
        let is_link_local = matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
        let is_broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
        if ip.is_loopback() {
            return Err(format!("it has the loopback addresses already, such as {ip}"));
        }
        if ip.is_unspecified() || ip.is_multicast() || is_broadcast || is_link_local {
            return Err(format!("{ip} is no address that other machines reach it at"));
        }
        if addresses[..index].contains(ip) {
            return Err(format!("the address {ip} is given twice"));
        }
    }
    Ok(())
}

/// A machine of a [`World`]. Clones refer to the same machine.
#[derive(Clone)]
pub struct Machine {
    world: World,
    id: MachineId,
}

impl Machine {
    fn state<T>(&self, of: impl FnOnce(&mut MachineState) -> T) -> T {
        of(&mut lock(&self.world.0.machines)[self.id])
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> String {
        self.state(|machine| machine.name.clone())
    }

    /// Its addresses beside the loopback ones, as it was added.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.state(|machine| machine.addresses.clone())
    }

    /// Its host, from its last start on.
    #[must_use]
    pub fn host(&self) -> Host {
        self.state(|machine| machine.host.clone())
    }

    /// Crashes the machine: from here on it sends nothing and receives nothing, and its peers learn of that by their
    /// time-outs, or by a reset after a [restart](Self::restart).
    ///
    /// Threads of a process cannot be ended from outside. The driver's threads run on, on a host whose sockets are no longer
    /// functional, as after [`Host::withdraw`]: their requests fail with `STATUS_FILE_FORCED_CLOSED`. What the driver
    /// leaves behind on this host is not reported as leaked.
    pub fn crash(&self) {
        let host = self.state(|machine| {
            machine.is_up = false;
            machine.host.clone()
        });
        // First the network: the sockets that end must send nothing.
        self.world.0.fabric.crash(self.id);
        let _entered = host.enter();
        host.withdraw();
    }

    /// Starts the machine again after a [crash](Self::crash), and returns its new host, with a new kernel. It has the
    /// addresses and the configuration with which it was added.
    ///
    /// # Errors
    ///
    /// If the machine is up.
    pub fn restart(&self) -> Result<Host, WorldError> {
        let config = self.state(|machine| (!machine.is_up).then_some(machine.config));
        let Some(config) = config else {
            return Err(WorldError(format!(
                "the machine `{}` is up: only one that has crashed starts again",
                self.name()
            )));
        };
        let host = self.world.start(self.id, &config);
        self.state(|machine| {
            machine.host = host.clone();
            machine.is_up = true;
        });
        Ok(host)
    }
}

/// A change of links, which ends when this is dropped.
#[must_use = "the change ends when this is dropped; `keep` leaves it"]
pub struct LinkChange {
    fabric: Fabric,
    numbers: Vec<u64>,
}

impl LinkChange {
    /// Leaves the change for the rest of the run.
    pub fn keep(mut self) {
        self.numbers.clear();
    }
}

impl Drop for LinkChange {
    fn drop(&mut self) {
        for number in self.numbers.drain(..) {
            self.fabric.undo(number);
        }
    }
}

/// Contradictory settings of a [`World`], in words.
#[derive(Clone, PartialEq, Eq)]
pub struct WorldError(String);

impl fmt::Display for WorldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for WorldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for WorldError {}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("seed", &self.0.seed).finish_non_exhaustive()
    }
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine").field("name", &self.name()).finish_non_exhaustive()
    }
}

impl fmt::Debug for LinkChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkChange").finish_non_exhaustive()
    }
}

/// A future that calls one host's kernel: see [`Host::scope`].
pub struct Scope<F> {
    host: Host,
    /// None once it is dropped.
    future: Option<Pin<Box<F>>>,
}

impl<F> Scope<F> {
    pub(crate) fn new(host: Host, future: F) -> Self {
        Self { host, future: Some(Box::pin(future)) }
    }
}

impl<F: Future> Future for Scope<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let _entered = self.host.enter();
        match &mut self.future {
            Some(future) => future.as_mut().poll(context),
            None => Poll::Pending,
        }
    }
}

impl<F> Drop for Scope<F> {
    fn drop(&mut self) {
        let _entered = self.host.enter();
        self.future = None;
    }
}

impl<F> fmt::Debug for Scope<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("host", &self.host).finish_non_exhaustive()
    }
}
