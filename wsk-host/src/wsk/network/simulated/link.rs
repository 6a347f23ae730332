//! One side of a connection in memory.

use std::collections::VecDeque;
use std::net::SocketAddr;

use wsk_sys::NTSTATUS;

use crate::kernel::schedule::Ticks;

/// One side of a connection.
pub(super) struct Link {
    pub(super) peer: u64,
    pub(super) remote: SocketAddr,
    /// The data on its way to this side, or arrived: in order, each part with its time.
    pub(super) incoming: VecDeque<(Ticks, Segment)>,
    /// Bytes in `incoming`.
    pub(super) held: usize,
    pub(super) sent_end: bool,
    /// When the connection is lost for this side.
    pub(super) lost: Option<(Ticks, NTSTATUS)>,
    /// A conditional listener's client has not let it in yet.
    pub(super) is_pending: bool,
}

pub(super) enum Segment {
    Bytes(VecDeque<u8>),
    End,
}

/// A connection that its listener was asked for.
pub(super) struct ConnectionRequest {
    pub(super) from: u64,
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
}

impl Link {
    pub(super) fn new(peer: u64, remote: SocketAddr) -> Self {
        Self {
            peer,
            remote,
            incoming: VecDeque::new(),
            held: 0,
            sent_end: false,
            lost: None,
            is_pending: false,
        }
    }

    pub(super) fn lost_at(&self, now: Ticks) -> Option<NTSTATUS> {
        self.lost.filter(|(due, _)| *due <= now).map(|(_, status)| status)
    }
}
