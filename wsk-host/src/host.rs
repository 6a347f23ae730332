//! Hosts: a kernel with WSK on it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use wsk_sys::NTSTATUS;

use crate::config::Config;
use crate::kernel::{Entered, Kernel};
use crate::wsk;

/// A kernel with WSK and a network of its own. Clones are the same host.
///
/// ```
/// use wsk_host::{Config, Host, Timing};
///
/// let host = Host::new(Config::default().timing(Timing::Deferred));
/// let entered = host.enter();
/// // Calls of this thread, and of the system threads that it creates, are this host's now.
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
    /// If the network is the machine's, and the machine refuses it: too many files are open, or too many
    /// threads run.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let kernel = Kernel::described(config.kernel(), &config);
        wsk::attach(&kernel, &config.wsk()).expect("the machine's network cannot be used");
        Self(kernel)
    }

    /// The host of the current thread: the one that it has [entered](Self::enter), or else the one that the
    /// process has from the beginning, which uses the machine's network.
    #[must_use]
    pub fn current() -> Self {
        Self(Kernel::current())
    }

    /// The kernel below WSK.
    #[must_use]
    pub fn kernel(&self) -> &Kernel {
        &self.0
    }

    /// Makes the current thread this host's until the result is dropped: see [`Kernel::enter`].
    #[must_use = "the thread leaves the host when this is dropped"]
    pub fn enter(&self) -> Entered {
        self.0.enter()
    }

    /// Runs a closure that blocks elsewhere than in the host's kernel: see [`Kernel::blocking`].
    pub fn blocking<T>(&self, blocks: impl FnOnce() -> T) -> T {
        self.0.blocking(blocks)
    }

    /// The configuration that the host was created with.
    #[must_use]
    pub fn config(&self) -> Config {
        Config::from_parts(self.0.config(), wsk::config(&self.0))
    }

    /// The time since the host was created: see [`Kernel::elapsed`].
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// Fails one allocation: the `number`th from now on, counted from 1.
    pub fn fail_allocation(&self, number: usize) {
        self.0.fail_allocation(number);
    }

    /// Fails the `number`th allocation from now on, counted from 1, and all that follow.
    pub fn fail_allocations_from(&self, number: usize) {
        self.0.fail_allocations_from(number);
    }

    /// The number of allocations that were requested.
    #[must_use]
    pub fn allocations(&self) -> usize {
        self.0.allocations()
    }

    /// The number of allocations that were not freed.
    #[must_use]
    pub fn outstanding_allocations(&self) -> usize {
        self.0.outstanding_allocations()
    }

    /// The allocations that were not freed, by tag: their number, and their size in bytes.
    #[must_use]
    pub fn outstanding_by_tag(&self) -> BTreeMap<[u8; 4], (usize, usize)> {
        self.0.outstanding_by_tag()
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

    /// The last calls, completions and callbacks: see [`Kernel::trace`].
    #[must_use]
    pub fn trace(&self) -> Vec<String> {
        self.0.trace()
    }

    /// Gives a name an address, for name resolution. The simulated network knows no other names but
    /// `localhost`; on the machine's network these names come before the machine's own.
    ///
    /// Names are compared without regard to the case of ASCII letters, and else as they are: unlike Windows, a
    /// host does not treat an internationalized name and its Punycode as the same.
    pub fn add_name(&self, name: &str, address: impl Into<IpAddr>) {
        wsk::add_name(&self.0, name, address.into());
    }

    /// Fails the next look-up of a name with this status. `n` calls fail `n` look-ups.
    pub fn fail_name(&self, name: &str, status: NTSTATUS) {
        wsk::fail_name(&self.0, name, status);
    }

    /// Stalls the next look-up of a name: it does not complete until it is cancelled, or the registration ends.
    /// `n` calls stall `n` look-ups.
    pub fn stall_name(&self, name: &str) {
        wsk::stall_name(&self.0, name);
    }

    /// Withdraws the WSK subsystem: captures fail from now on, and no socket is functional any more. Their
    /// requests fail with `STATUS_FILE_FORCED_CLOSED`, and callbacks are called with null pointers.
    pub fn withdraw(&self) {
        wsk::withdraw(&self.0);
    }

    /// Reports a change of the machine's addresses and of the transports: requests for
    /// `SIO_ADDRESS_LIST_CHANGE` and `WSK_TRANSPORT_LIST_CHANGE` complete.
    pub fn change_network(&self) {
        wsk::change_network(&self.0);
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("kernel", &self.0).finish_non_exhaustive()
    }
}
