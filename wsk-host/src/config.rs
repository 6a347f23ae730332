//! The configuration of a host: its kernel's and WSK's in one.

use std::time::Duration;

use crate::kernel::choices::Schedule;
use crate::kernel::{self, Threads, Timing, Windows};
use crate::verifier::Levels;
use crate::wsk::config::{
    self as wsk, CallStatus, Faults, Indications, Network, Readiness, Stripping,
};

/// The configuration of a [`Host`](crate::Host).
///
/// ```
/// use std::time::Duration;
/// use wsk_host::{Config, Faults, Windows};
///
/// let config = Config::default()
///     .seed(7)
///     .windows(Windows::SEVEN)
///     .delay(Duration::from_millis(50))
///     .faults(Faults { loss: 100, ..Faults::default() });
/// assert_eq!(config.windows, Windows::SEVEN);
/// ```
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// The network that connects sockets. The default is [`Network::Simulated`].
    pub network: Network,
    /// When requests complete. The default is [`Timing::Mixed`] with the seed 0.
    pub timing: Timing,
    /// How choices are made with [`Timing::Mixed`]. The default is [`Schedule::Uniform`].
    pub schedule: Schedule,
    /// The status that a call returns if its request completes before the call returns. The default is [`CallStatus::Mixed`].
    pub call_status: CallStatus,
    /// The emulated version of Windows. The default is [`Windows::ELEVEN`].
    pub windows: Windows,
    /// The probabilities of faults.
    pub faults: Faults,
    /// When WSK is ready. Until then, captures fail with `STATUS_DEVICE_NOT_READY`.
    pub readiness: Readiness,
    /// The longest delay of the simulated network with [`Timing::Mixed`]; other timings have no delay. The default is 2
    /// ms.
    pub delay: Duration,
    /// The number of bytes that a connection of the simulated network buffers per direction. The default is 64 KiB.
    pub window: usize,
    /// Whether receives sometimes return fewer bytes than have arrived, with [`Timing::Mixed`]. The default is `true`.
    pub partial_receives: bool,
    /// The shapes in which received data is indicated. The default is [`Indications::Mixed`].
    pub indications: Indications,
    /// The filter that removes control data from sent datagrams, if any.
    pub stripping: Stripping,
    /// Return `STATUS_NOT_IMPLEMENTED` from `WskDisconnect` and never complete the IRP, as Wine does.
    pub refuse_disconnect: bool,
    /// As `refuse_disconnect`, for `WskSocketConnect`.
    pub refuse_socket_connect: bool,
    /// Do nothing in `IoCancelIrp`, as Wine does.
    pub refuse_cancel: bool,
    /// As `refuse_disconnect`, for `WskGetNameInfo`.
    pub refuse_name_info: bool,
    /// As `refuse_disconnect`, for `WskControlSocket` and `WskControlClient`, with an IRP or without.
    pub refuse_control: bool,
    /// As `refuse_disconnect`, for `WskGetLocalAddress` and `WskGetRemoteAddress`.
    pub refuse_addresses: bool,
    /// Fail requests that set or read `TCP_NODELAY` with `STATUS_NOT_SUPPORTED`, as Windows does according to one shipped
    /// driver.
    pub refuse_nodelay: bool,
    /// The level of each rule: whether a violation ends the process, is reported, or is ignored. The environment
    /// variable `WSK_HOST_RULES` overrides it, in the format of [`Levels::parse`].
    pub rules: Levels,
}

impl Default for Config {
    fn default() -> Self {
        Self::from_parts(kernel::Config::default(), wsk::Config::default())
    }
}

impl Config {
    /// The default configuration on the machine's network.
    #[must_use]
    pub fn real() -> Self {
        Self { network: Network::Real, ..Self::default() }
    }

    /// Sets the [timing](Self::timing).
    #[must_use]
    pub const fn timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }

    /// Sets the timing to [`Timing::Mixed`] with this seed.
    #[must_use]
    pub const fn seed(self, seed: u64) -> Self {
        self.timing(Timing::Mixed(seed))
    }

    /// Sets the [schedule](Self::schedule).
    #[must_use]
    pub const fn schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = schedule;
        self
    }

    /// Sets the [status](Self::call_status) of calls whose requests complete at once.
    #[must_use]
    pub const fn call_status(mut self, status: CallStatus) -> Self {
        self.call_status = status;
        self
    }

    /// Sets the emulated version of [Windows](Self::windows).
    #[must_use]
    pub const fn windows(mut self, windows: Windows) -> Self {
        self.windows = windows;
        self
    }

    /// Sets the [faults](Self::faults).
    #[must_use]
    pub const fn faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// Sets the [readiness](Self::readiness).
    #[must_use]
    pub const fn readiness(mut self, readiness: Readiness) -> Self {
        self.readiness = readiness;
        self
    }

    /// Sets the longest [delay](Self::delay).
    #[must_use]
    pub const fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Sets the [window](Self::window), in bytes.
    #[must_use]
    pub const fn window(mut self, window: usize) -> Self {
        self.window = window;
        self
    }

    /// Enables or disables [partial receives](Self::partial_receives).
    #[must_use]
    pub const fn partial_receives(mut self, partial: bool) -> Self {
        self.partial_receives = partial;
        self
    }

    /// Sets the shapes of [indications](Self::indications).
    #[must_use]
    pub const fn indications(mut self, indications: Indications) -> Self {
        self.indications = indications;
        self
    }

    /// Sets the [stripping](Self::stripping) of control data.
    #[must_use]
    pub const fn stripping(mut self, stripping: Stripping) -> Self {
        self.stripping = stripping;
        self
    }

    /// The kernel's part.
    pub(crate) fn kernel(&self) -> kernel::Config {
        let threads = match self.network {
            Network::Simulated | Network::Null => Threads::Deterministic,
            Network::Real => Threads::Native,
        };
        kernel::Config {
            threads,
            timing: self.timing,
            schedule: self.schedule,
            windows: self.windows,
            refuse_cancel: self.refuse_cancel,
            rules: self.rules,
        }
    }

    /// WSK's part.
    pub(crate) fn wsk(&self) -> wsk::Config {
        wsk::Config {
            network: self.network,
            call_status: self.call_status,
            faults: self.faults,
            readiness: self.readiness,
            delay: self.delay,
            window: self.window,
            partial_receives: self.partial_receives,
            indications: self.indications,
            stripping: self.stripping,
            refuse_disconnect: self.refuse_disconnect,
            refuse_socket_connect: self.refuse_socket_connect,
            refuse_name_info: self.refuse_name_info,
            refuse_control: self.refuse_control,
            refuse_addresses: self.refuse_addresses,
            refuse_nodelay: self.refuse_nodelay,
        }
    }

    /// The configuration with these parts.
    pub(crate) fn from_parts(kernel: kernel::Config, wsk: wsk::Config) -> Self {
        Self {
            network: wsk.network,
            timing: kernel.timing,
            schedule: kernel.schedule,
            call_status: wsk.call_status,
            windows: kernel.windows,
            faults: wsk.faults,
            readiness: wsk.readiness,
            delay: wsk.delay,
            window: wsk.window,
            partial_receives: wsk.partial_receives,
            indications: wsk.indications,
            stripping: wsk.stripping,
            refuse_disconnect: wsk.refuse_disconnect,
            refuse_socket_connect: wsk.refuse_socket_connect,
            refuse_cancel: kernel.refuse_cancel,
            refuse_name_info: wsk.refuse_name_info,
            refuse_control: wsk.refuse_control,
            refuse_addresses: wsk.refuse_addresses,
            refuse_nodelay: wsk.refuse_nodelay,
            rules: kernel.rules,
        }
    }
}
