//! Hosts: a kernel with WSK on it.

use std::collections::BTreeMap;
#[cfg(feature = "world")]
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use wsk_sys::NTSTATUS;

use crate::config::Config;
use crate::kernel::choices::Run;
use crate::kernel::registry::{RegistryValue, SERVICES};
use crate::kernel::usage::PassedMemory;
use crate::kernel::{Entered, Kernel};
#[cfg(feature = "world")]
use crate::world::Scope;
use crate::wsk;

/// A kernel with WSK and its own network. Clones refer to the same host.
///
/// ```
/// use wsk_host::{Config, Host, Timing};
///
/// let host = Host::new(Config::default().timing(Timing::Deferred));
/// let entered = host.enter();
/// // This thread, and the system threads that it creates, now call this host's kernel.
/// drop(entered);
/// assert_eq!(host.outstanding_allocations(), 0);
/// ```
#[derive(Clone)]
pub struct Host(Kernel);

impl Host {
    /// Creates a host.
    ///
    /// # Panics
    ///
    /// With [`Network::Real`](crate::Network::Real), if the machine refuses its network: the process has too many open
    /// files or threads.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self::of_run(config, None)
    }

    /// Creates a host whose choices are those of a run, or of the seed alone.
    pub(crate) fn of_run(config: Config, run: Option<Arc<Run>>) -> Self {
        let kernel = Kernel::described(config.kernel(), &config, run);
        wsk::attach(&kernel, &config.wsk()).expect("the machine's network cannot be used");
        Self(kernel)
    }

    /// The host of the current thread: the host that the thread has [entered](Self::enter), or else the process's
    /// default host, which uses the machine's network.
    #[must_use]
    pub fn current() -> Self {
        Self(Kernel::current())
    }

    /// The kernel below WSK.
    #[must_use]
    pub fn kernel(&self) -> &Kernel {
        &self.0
    }

    /// Attaches the current thread to this host until the result is dropped: see [`Kernel::enter`].
    #[must_use = "the thread leaves the host when this is dropped"]
    pub fn enter(&self) -> Entered {
        self.0.enter()
    }

    #[cfg(feature = "world")]
    pub(crate) fn of(kernel: Kernel) -> Self {
        Self(kernel)
    }

    /// Makes a future one of this host: whenever it is polled, and when it is dropped, the thread belongs to this host.
    ///
    /// So one thread runs futures of several machines of a [`World`](crate::World), with
    /// [`World::block_on`](crate::World::block_on). What the future returns belongs to the caller: what was allocated on this
    /// host must not leave the future, or the caller [enters](Self::enter) this host to drop it.
    #[cfg(feature = "world")]
    pub fn scope<F: Future>(&self, future: F) -> Scope<F> {
        Scope::new(self.clone(), future)
    }

    /// Runs a closure that blocks outside the host's kernel: see [`Kernel::blocking`].
    pub fn blocking<T>(&self, blocks: impl FnOnce() -> T) -> T {
        self.0.blocking(blocks)
    }

    /// The configuration with which the host was created.
    #[must_use]
    pub fn config(&self) -> Config {
        Config::from_parts(self.0.config(), wsk::config(&self.0))
    }

    /// The time since the host was created: see [`Kernel::elapsed`].
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// Fails one allocation: the `number`th after this call, counted from 1. It replaces an earlier setting.
    pub fn fail_allocation(&self, number: usize) {
        self.0.fail_allocation(number);
    }

    /// Fails the `number`th allocation after this call, counted from 1, and every later one. It replaces an earlier
    /// setting.
    pub fn fail_allocations_from(&self, number: usize) {
        self.0.fail_allocations_from(number);
    }

    /// The number of requested allocations, including failed ones, since the host was created.
    #[must_use]
    pub fn allocations(&self) -> usize {
        self.0.allocations()
    }

    /// The number of allocations that are not freed.
    #[must_use]
    pub fn outstanding_allocations(&self) -> usize {
        self.0.outstanding_allocations()
    }

    /// The allocations that are not freed, by pool tag: their number, and their total size in bytes.
    #[must_use]
    pub fn outstanding_by_tag(&self) -> BTreeMap<[u8; 4], (usize, usize)> {
        self.0.outstanding_by_tag()
    }

    /// Begins a record of the memory that passes between the client and WSK: that of requests, when the call is made, and that
    /// of indicated data.
    pub fn record_memory(&self) {
        self.0.usage().record.begin();
    }

    /// Takes the ranges of memory that have passed since [`record_memory`](Self::record_memory) or the last call of this
    /// method, in their order.
    #[must_use]
    pub fn recorded_memory(&self) -> Vec<PassedMemory> {
        self.0.usage().record.take()
    }

    /// Unloads the client's image, as the system does when `DriverUnload` has returned: see [`Kernel::unload`].
    pub fn unload(&self) {
        self.0.unload();
    }

    /// Loads the client's image again: see [`Kernel::load`].
    pub fn load(&self) {
        self.0.load();
    }

    /// Runs all deferred work, and all threads until they wait.
    pub fn settle(&self) {
        self.0.settle();
    }

    /// The last calls, completions and callbacks, one line for each: see [`Kernel::trace`].
    #[must_use]
    pub fn trace(&self) -> Vec<String> {
        self.0.trace()
    }

    /// Sets a parameter of a driver: a value under the subkey `Parameters` of the driver's registry key. `driver` is
    /// the name with which [`Driver::load`](crate::Driver::load) loads it.
    pub fn set_parameter(&self, driver: &str, name: &str, value: RegistryValue) {
        let key = format!("{SERVICES}\\{driver}\\Parameters");
        self.0.registry().set(&key, name, value);
    }

    /// Adds an address to a name, for name resolution. The simulated network resolves these names and `localhost` only.
    /// On the machine's network, they take precedence over the machine's names.
    ///
    /// The comparison of names ignores the case of ASCII letters. Unlike Windows, a host treats an internationalized name
    /// and its Punycode as different names.
    pub fn add_name(&self, name: &str, address: impl Into<IpAddr>) {
        wsk::add_name(&self.0, name, address.into());
    }

    /// Fails the next look-up of a name with `status`. `n` calls fail the next `n` look-ups.
    pub fn fail_name(&self, name: &str, status: NTSTATUS) {
        wsk::fail_name(&self.0, name, status);
    }

    /// Stalls the next look-up of a name: it does not complete until it is cancelled, or the registration ends.
    /// `n` calls stall the next `n` look-ups.
    pub fn stall_name(&self, name: &str) {
        wsk::stall_name(&self.0, name);
    }

    /// Withdraws the WSK subsystem: later captures fail, and every open socket stops working. Its requests fail with
    /// `STATUS_FILE_FORCED_CLOSED`, and its callbacks are called with null pointers.
    pub fn withdraw(&self) {
        wsk::withdraw(&self.0);
    }

    /// Adds an address to the machine of the simulated network, and reports that as [`change_network`](Self::change_network)
    /// does. A machine begins with the loopback addresses; binding to another one fails with
    /// `STATUS_INVALID_ADDRESS_COMPONENT`, as in Windows while the network starts. On the machine's network this
    /// only reports a change.
    pub fn add_address(&self, address: impl Into<IpAddr>) {
        wsk::add_address(&self.0, address.into());
    }

    /// Writes the packets of all later calls to a file in the format pcapng, which Wireshark opens. An existing file is
    /// replaced. The file is complete after each packet, also if the process is stopped.
    ///
    /// A host carries bytes and datagrams. The file shows the packets with which TCP and UDP carry the same over an
    /// Ethernet: a handshake, segments and their acknowledgments, an end or a reset. Data between two sockets of the host
    /// appears when it is sent, data of another machine when a socket takes it. Nothing is retransmitted or fragmented, and
    /// a datagram that a [fault](crate::Faults) loses appears nevertheless. Each packet has a comment with the number of
    /// its socket, as in the [trace](Self::trace); the file's comment is the configuration with its seed.
    ///
    /// # Errors
    ///
    /// If the file cannot be created. If a later write fails, the capture ends, with a line on standard error.
    ///
    /// ```
    /// use wsk_host::{Config, Host};
    ///
    /// # let folder = std::env::temp_dir();
    /// # let path = folder.join(format!("wsk-host-{}.pcapng", std::process::id()));
    /// let host = Host::new(Config::default().seed(7));
    /// host.capture_packets(&path)?; // for example "run.pcapng"
    /// # drop(host);
    /// # std::fs::remove_file(path)?;
    /// # Ok::<_, std::io::Error>(())
    /// ```
    pub fn capture_packets(&self, path: impl AsRef<Path>) -> io::Result<()> {
        wsk::capture_packets(&self.0, path.as_ref())
    }

    /// Reports a change of the machine's addresses and of the transports. It completes the pending requests for
    /// `SIO_ADDRESS_LIST_CHANGE` and `WSK_TRANSPORT_LIST_CHANGE`.
    pub fn change_network(&self) {
        wsk::change_network(&self.0);
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("kernel", &self.0).finish_non_exhaustive()
    }
}
