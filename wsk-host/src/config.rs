//! How a host behaves: its network, its Windows, its timing and its faults.

use std::time::Duration;

use wsk_sys::since::Version;

/// When requests complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// Before the call that made them returns, wherever that is possible.
    Inline,
    /// After that call has returned or meanwhile, at `DISPATCH_LEVEL`.
    Deferred,
    /// One or the other, as numbers from this seed decide. So do the order of what was put off, the delays
    /// of the simulated network, how many bytes a receive gets, and which thread runs.
    Mixed(u64),
}

/// What a host's sockets are connected by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// A network in memory, between the sockets of the host. Everything is decided by the seed of
    /// [`Timing::Mixed`], and time passes only while all threads of the host wait.
    Simulated,
    /// The network of the machine, so that any program can be the peer. Threads and time are the machine's.
    ///
    /// Of a datagram's header it does not carry everything. The hop limit does not arrive: there is no
    /// `IP_HOPLIMIT` or `IPV6_HOPLIMIT` message, whatever the options say. Of the traffic class the
    /// congestion notification (ECN) alone is sent and arrives; the other six bits are zero. Only
    /// 255.255.255.255 is known to be a broadcast (`MSG_BCAST`). On other systems than Linux and Android, a
    /// datagram that the network would have to fragment is refused.
    Real,
    /// None, to measure what a client costs: each connection is made at once, and has a peer that gives back as
    /// many zeroes as are sent to it. Nobody connects to a listener, and datagrams are lost. Threads and time
    /// are as on the simulated network.
    Null,
}

/// A release of Windows, by the numbers that `RtlGetVersion` gives.
///
/// It decides how long the provider's tables are: a function that this Windows does not have stops the
/// process when it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Windows {
    /// The major version.
    pub major: u32,
    /// The minor version.
    pub minor: u32,
    /// The number of the build.
    pub build: u32,
}

impl Windows {
    /// Windows Vista: the first with WSK.
    pub const VISTA: Self = Self::new(6, 0, 6002);
    /// Windows 7, which brought name resolution.
    pub const SEVEN: Self = Self::new(6, 1, 7601);
    /// Windows 8, which brought `WskSendMessages`.
    pub const EIGHT: Self = Self::new(6, 2, 9200);
    /// Windows 10 as it was first released.
    pub const TEN: Self = Self::new(10, 0, 10240);
    /// Windows 10, version 1703, which brought stream sockets and `WskConnectEx`.
    pub const TEN_1703: Self = Self::new(10, 0, 15063);
    /// Windows 10, version 1803, which brought `WskSendEx` and `WskReceiveEx`.
    pub const TEN_1803: Self = Self::new(10, 0, 17134);
    /// Windows 10, version 2004, which brought segmentation and coalescing of datagrams.
    pub const TEN_2004: Self = Self::new(10, 0, 19041);
    /// Windows 11, version 24H2.
    pub const ELEVEN: Self = Self::new(10, 0, 26100);

    const fn new(major: u32, minor: u32, build: u32) -> Self {
        Self { major, minor, build }
    }

    /// Whether this Windows has what came with another: see [`wsk_sys::since`].
    pub(crate) const fn has(self, since: Version) -> bool {
        Version::new(self.major, self.minor, self.build).is_at_least(since)
    }
}

/// When the WSK subsystem becomes ready to be captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It is ready.
    Ready,
    /// So long after the host was made.
    After(Duration),
    /// Never.
    Never,
}

/// What takes control data away from datagrams on their way down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stripping {
    /// Nothing does.
    #[default]
    Nothing,
    /// Packet info is taken away if it is the only control message, as on some systems.
    PacketInfoAlone,
    /// All of it is, by a filter of the Transport Driver Interface, unless the client bypasses that.
    TdiFilter,
}

/// What goes wrong, so many times in a thousand. Nothing does by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Datagrams that are lost. On the simulated network only, as the next two.
    pub loss: u16,
    /// Datagrams that arrive twice.
    pub duplication: u16,
    /// Segments of a connection after which it is reset.
    pub reset: u16,
    /// Requests after which their socket is no longer functional: it fails them with
    /// `STATUS_FILE_FORCED_CLOSED`.
    pub forced_close: u16,
    /// Requests that do not complete until they are cancelled, or their socket is closed.
    pub hold: u16,
}

/// How a host behaves.
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
    /// What sockets are connected by.
    pub network: Network,
    /// When requests complete.
    pub timing: Timing,
    /// The Windows that the host stands for.
    pub windows: Windows,
    /// What goes wrong.
    pub faults: Faults,
    /// When captures succeed. Until then they fail with `STATUS_DEVICE_NOT_READY`.
    pub readiness: Readiness,
    /// The longest time that something takes through the simulated network, if the timing is
    /// [`Timing::Mixed`]. Otherwise it takes none.
    pub delay: Duration,
    /// Bytes that a connection of the simulated network takes from its sender before the receiver has
    /// room.
    pub window: usize,
    /// Whether receives get by chance less than there is, if the timing is [`Timing::Mixed`].
    pub partial_receives: bool,
    /// What becomes of control data that is sent.
    pub stripping: Stripping,
    /// Answer `WskDisconnect` as Wine does: with `STATUS_NOT_IMPLEMENTED`, and without ever completing
    /// the IRP.
    pub refuse_disconnect: bool,
    /// Answer `WskSocketConnect` so.
    pub refuse_socket_connect: bool,
    /// Do nothing in `IoCancelIrp`, as Wine does.
    pub refuse_cancel: bool,
    /// Answer `WskGetNameInfo` as Wine does, in the same way.
    pub refuse_name_info: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            network: Network::Simulated,
            timing: Timing::Mixed(0),
            windows: Windows::ELEVEN,
            faults: Faults::default(),
            readiness: Readiness::Ready,
            delay: Duration::from_millis(2),
            window: 64 << 10,
            partial_receives: true,
            stripping: Stripping::Nothing,
            refuse_disconnect: false,
            refuse_socket_connect: false,
            refuse_cancel: false,
            refuse_name_info: false,
        }
    }
}

impl Config {
    /// A host on the machine's network.
    #[must_use]
    pub fn real() -> Self {
        Self { network: Network::Real, ..Self::default() }
    }

    /// With this [timing](Self::timing).
    #[must_use]
    pub const fn timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }

    /// With the timing that this seed gives.
    #[must_use]
    pub const fn seed(self, seed: u64) -> Self {
        self.timing(Timing::Mixed(seed))
    }

    /// As this [Windows](Self::windows).
    #[must_use]
    pub const fn windows(mut self, windows: Windows) -> Self {
        self.windows = windows;
        self
    }

    /// With these [faults](Self::faults).
    #[must_use]
    pub const fn faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// With this [readiness](Self::readiness).
    #[must_use]
    pub const fn readiness(mut self, readiness: Readiness) -> Self {
        self.readiness = readiness;
        self
    }

    /// With this longest [delay](Self::delay).
    #[must_use]
    pub const fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// With this [window](Self::window).
    #[must_use]
    pub const fn window(mut self, window: usize) -> Self {
        self.window = window;
        self
    }

    /// Whether receives get by chance [less than there is](Self::partial_receives).
    #[must_use]
    pub const fn partial_receives(mut self, partial: bool) -> Self {
        self.partial_receives = partial;
        self
    }

    /// With this [stripping](Self::stripping) of control data.
    #[must_use]
    pub const fn stripping(mut self, stripping: Stripping) -> Self {
        self.stripping = stripping;
        self
    }

    /// The seed, or zero where the timing leaves nothing to it.
    pub(crate) fn seed_or_zero(&self) -> u64 {
        match self.timing {
            Timing::Mixed(seed) => seed,
            Timing::Inline | Timing::Deferred => 0,
        }
    }

    /// Whether the seed decides.
    pub(crate) fn is_mixed(&self) -> bool {
        matches!(self.timing, Timing::Mixed(_))
    }
}
