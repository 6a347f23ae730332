//! The configuration of WSK on a host: its network, its readiness and its faults.

use std::time::Duration;

/// The network that connects a host's sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// A network in memory, between the sockets of the host. The seed of [`Timing::Mixed`](crate::Timing::Mixed) decides
    /// everything. Time advances while all threads of the host wait, and by a millisecond for every thousand steps that
    /// they take without a wait.
    ///
    /// A cancelled receive may still complete with data: one cancellation in four takes up to the longest
    /// [delay](crate::Config::delay).
    ///
    /// The machine has the loopback addresses, `127.0.0.0/8` and `::1`, and those of
    /// [`Host::add_address`](crate::Host::add_address). All are at one interface, of index 1.
    Simulated,
    /// The machine's network, where any program can be the peer. Threads and time are the machine's.
    ///
    /// Addresses are accepted and refused as on the simulated network: a test compares binding, connecting, sending and
    /// joining groups, with addresses of the machine, of others, and of none. Three things differ. The machine's addresses
    /// are its own. A destination on another machine is reached, or the machine's error arrives; the simulated network
    /// refuses the connection and drops the datagram. `SIO_ADDRESS_LIST_QUERY` returns the loopback addresses only.
    ///
    /// Some fields of a datagram's header are not supported. No `IP_HOPLIMIT` or `IPV6_HOPLIMIT` message is
    /// received, whatever the options. Of the traffic class, only ECN is sent and received; the other six bits
    /// are zero. `MSG_BCAST` is set for 255.255.255.255 only. On systems other than Linux and Android, sending a
    /// datagram that needs fragmentation fails.
    Real,
    /// No network, to measure the cost of a client: connecting succeeds at once, and the peer returns as many
    /// zero bytes as it receives. Listeners receive no connections, and datagrams are lost. Threads and time are
    /// as on the simulated network.
    Null,
}

/// The result of a call whose request completes before the call returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CallStatus {
    /// `STATUS_PENDING` or the final status, as the seed of [`Timing::Mixed`](crate::Timing::Mixed) decides. The other
    /// timings have no seed: with [`Timing::Inline`](crate::Timing::Inline) it is the final status, and with
    /// [`Timing::Deferred`](crate::Timing::Deferred) `STATUS_PENDING`.
    #[default]
    Mixed,
    /// `STATUS_PENDING`, always: each IRP is marked pending, even one that has completed when the call returns.
    Pending,
    /// The final status, success or failure, wherever the request can complete at once: its IRP is completed, and was not
    /// marked pending.
    Final,
}

/// The shapes in which received data is indicated to callbacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Indications {
    /// All that WSK's documentation allows, as the seed decides: data in one structure or several, each with a chain of one
    /// MDL or several, with other bytes in front of the data and behind it, and with MDLs of no bytes; a datagram of no
    /// bytes with an MDL or without.
    #[default]
    Mixed,
    /// The data in one structure, a datagram in one each, with one MDL that describes the data and nothing else.
    Plain,
}

/// When the WSK subsystem becomes ready to be captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// At once.
    Ready,
    /// This long after the host was created.
    After(Duration),
    /// Never.
    Never,
}

/// The filter that removes control data from sent datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stripping {
    /// None.
    #[default]
    Nothing,
    /// Removes packet info if it is the only control message, as some systems do.
    PacketInfoAlone,
    /// A filter of the Transport Driver Interface removes all control data, unless the client bypasses it.
    TdiFilter,
}

/// The probabilities of faults, in thousandths. The default is zero for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// A datagram is lost (simulated network only).
    pub loss: u16,
    /// A datagram arrives twice (simulated network only).
    pub duplication: u16,
    /// A connection is reset after a segment (simulated network only).
    pub reset: u16,
    /// A connection is reset before it is accepted. The accept fails with `STATUS_INVALID_CONNECTION`, as in Wine (simulated
    /// network only).
    pub accept: u16,
    /// Starting with a request, which fails with `STATUS_FILE_FORCED_CLOSED`, a socket is no longer functional.
    pub forced_close: u16,
    /// A request does not complete until it is cancelled, or its socket is closed.
    pub hold: u16,
}

/// The configuration of WSK on one kernel.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    pub(crate) network: Network,
    pub(crate) call_status: CallStatus,
    pub(crate) faults: Faults,
    pub(crate) readiness: Readiness,
    pub(crate) delay: Duration,
    pub(crate) window: usize,
    pub(crate) partial_receives: bool,
    pub(crate) indications: Indications,
    pub(crate) stripping: Stripping,
    pub(crate) refuse_disconnect: bool,
    pub(crate) refuse_socket_connect: bool,
    pub(crate) refuse_name_info: bool,
    pub(crate) refuse_control: bool,
    pub(crate) refuse_addresses: bool,
    pub(crate) refuse_nodelay: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            network: Network::Simulated,
            call_status: CallStatus::Mixed,
            faults: Faults::default(),
            readiness: Readiness::Ready,
            delay: Duration::from_millis(2),
            window: 64 << 10,
            partial_receives: true,
            indications: Indications::Mixed,
            stripping: Stripping::Nothing,
            refuse_disconnect: false,
            refuse_socket_connect: false,
            refuse_name_info: false,
            refuse_control: false,
            refuse_addresses: false,
            refuse_nodelay: false,
        }
    }
}
