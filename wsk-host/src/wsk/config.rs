//! How WSK behaves on a host: its network, its readiness and its faults.

use std::time::Duration;

/// The network that connects a host's sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// A network in memory, between the sockets of the host. The seed of
    /// [`Timing::Mixed`](crate::Timing::Mixed) decides everything, and time passes only while all threads of
    /// the host wait.
    ///
    /// A receive that is cancelled may complete with data all the same: the cancellation of every fourth takes up to
    /// the longest [delay](crate::Config::delay).
    Simulated,
    /// The network of the machine, so that any program can be the peer. Threads and time are the machine's.
    ///
    /// Of a datagram's header it does not carry everything. The hop limit does not arrive: there is no
    /// `IP_HOPLIMIT` or `IPV6_HOPLIMIT` message, whatever the options are. Of the traffic class only the
    /// congestion notification (ECN) is sent and arrives; the other six bits are zero. Only
    /// 255.255.255.255 is known to be a broadcast (`MSG_BCAST`). On systems other than Linux and Android, a
    /// datagram that the network would have to fragment is refused.
    Real,
    /// None, to measure the cost of a client: each connection is made at once, and its peer returns as many
    /// zero bytes as are sent to it. Listeners get no connections, and datagrams are lost. Threads and time are
    /// as on the simulated network.
    Null,
}

/// When the WSK subsystem becomes ready to be captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It is ready.
    Ready,
    /// This long after the host was created.
    After(Duration),
    /// Never.
    Never,
}

/// What removes control data from datagrams that are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stripping {
    /// Nothing does.
    #[default]
    Nothing,
    /// Packet info is removed if it is the only control message, as on some systems.
    PacketInfoAlone,
    /// All of it is, by a filter of the Transport Driver Interface, unless the client bypasses that.
    TdiFilter,
}

/// Faults, each as its probability in thousandths. None occurs by default.
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

/// How WSK behaves on one kernel.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    pub(crate) network: Network,
    pub(crate) faults: Faults,
    pub(crate) readiness: Readiness,
    pub(crate) delay: Duration,
    pub(crate) window: usize,
    pub(crate) partial_receives: bool,
    pub(crate) stripping: Stripping,
    pub(crate) refuse_disconnect: bool,
    pub(crate) refuse_socket_connect: bool,
    pub(crate) refuse_name_info: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            network: Network::Simulated,
            faults: Faults::default(),
            readiness: Readiness::Ready,
            delay: Duration::from_millis(2),
            window: 64 << 10,
            partial_receives: true,
            stripping: Stripping::Nothing,
            refuse_disconnect: false,
            refuse_socket_connect: false,
            refuse_name_info: false,
        }
    }
}
