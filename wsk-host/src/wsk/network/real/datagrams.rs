//! UDP of the machine, through `quinn-udp`.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::task::Poll;

use quinn_udp::{EcnCodepoint, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use wsk_sys::{
    IP_MULTICAST_TTL, IP_RECVERR, IP_TTL, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_UDP,
    IPV6_MULTICAST_HOPS, IPV6_RECVERR, IPV6_UNICAST_HOPS, NTSTATUS, STATUS_INVALID_DEVICE_STATE,
    UDP_RECV_MAX_COALESCED_SIZE,
};

use super::super::{IncomingDatagram, Outgoing};
use super::endpoint::{Endpoint, poll, status};
use super::icmp_errors::{self, Undelivered};
use crate::wsk::options::{Setting, Value};

/// The size of the largest datagram, and of the largest coalesced sequence.
const ROOM: usize = 64 << 10;

/// The most bytes that the machine sends at once, over either family.
const LARGEST: usize = 65_507;

/// The hop limit of datagrams, by the family and by whether they are multicast.
#[derive(Default)]
struct HopLimits([Option<u8>; 4]);

impl HopLimits {
    /// The limit for one kind of destination: `None` for the machine's default.
    fn of(&mut self, is_v4: bool, is_group: bool) -> &mut Option<u8> {
        &mut self.0[2 * usize::from(is_group) + usize::from(is_v4)]
    }
}

pub(super) struct UdpState {
    state: UdpSocketState,
    /// The rest of a coalesced sequence that was not delivered yet.
    queue: VecDeque<IncomingDatagram>,
    /// The maximum size of a coalesced sequence for the client, in bytes; zero disables coalescing.
    coalesces: usize,
    room: Vec<u8>,
    hop_limits: HopLimits,
    /// Whether the client wants errors as datagrams, by the family: IPv4 first.
    errors: [bool; 2],
}

impl UdpState {
    pub(super) fn new(inner: &socket2::Socket, settings: &[Setting]) -> io::Result<Self> {
        let state = UdpSocketState::new(UdpSockRef::from(inner))?;
        let (queue, hop_limits) = (VecDeque::new(), HopLimits::default());
        let mut new = Self {
            state,
            queue,
            coalesces: 0,
            room: vec![0; ROOM],
            hop_limits,
            errors: [false; 2],
        };
        for setting in settings {
            new.note(setting);
        }
        Ok(new)
    }

    pub(super) fn note(&mut self, setting: &Setting) {
        let Value::Number(number) = setting.value else {
            return;
        };
        let (is_v4, is_group) = match (setting.level, setting.name) {
            (IPPROTO_UDP, UDP_RECV_MAX_COALESCED_SIZE) => {
                self.coalesces = number as usize;
                return;
            }
            (IPPROTO_IP, IP_RECVERR) => {
                self.errors[0] = number != 0;
                return;
            }
            (IPPROTO_IPV6, IPV6_RECVERR) => {
                self.errors[1] = number != 0;
                return;
            }
            (IPPROTO_IP, IP_TTL) => (true, false),
            (IPPROTO_IP, IP_MULTICAST_TTL) => (true, true),
            (IPPROTO_IPV6, IPV6_UNICAST_HOPS) => (false, false),
            (IPPROTO_IPV6, IPV6_MULTICAST_HOPS) => (false, true),
            _ => return,
        };
        *self.hop_limits.of(is_v4, is_group) = u8::try_from(number).ok();
    }

    /// Sets the hop limit of the next datagram. The machine only has a limit per socket.
    fn limit(&mut self, inner: &socket2::Socket, to: SocketAddr, limit: u8) -> io::Result<()> {
        let ip = to.ip().to_canonical();
        let is_group = ip.is_multicast();
        let known = self.hop_limits.of(ip.is_ipv4(), is_group);
        // Windows' default, which is mapped to the machine's default.
        let default = if is_group { 1 } else { 128 };
        if *known == Some(limit) || (known.is_none() && limit == default) {
            return Ok(());
        }
        let number = limit.into();
        match (ip.is_ipv4(), is_group) {
            (true, false) => inner.set_ttl_v4(number)?,
            (true, true) => inner.set_multicast_ttl_v4(number)?,
            (false, false) => inner.set_unicast_hops_v6(number)?,
            (false, true) => inner.set_multicast_hops_v6(number)?,
        }
        *known = Some(limit);
        Ok(())
    }

    fn wants_errors(&self) -> bool {
        self.errors != [false; 2]
    }

    /// Moves an error of a sent datagram into the queue, as a datagram from its destination. Returns false if there is
    /// none.
    fn receive_error(&mut self, inner: &socket2::Socket) -> io::Result<bool> {
        let Some(Undelivered { length, to, error }) = icmp_errors::next(inner, &mut self.room)?
        else {
            return Ok(false);
        };
        self.queue.push_back(IncomingDatagram {
            bytes: self.room[..length].to_vec(),
            from: to,
            to: None,
            interface: 0,
            traffic_class: 0,
            hop_limit: None,
            segment: None,
            error: Some(error),
        });
        Ok(true)
    }

    /// Sends datagrams. A machine that stores errors also fails the next call, whichever it is, but only once.
    fn send(&mut self, inner: &socket2::Socket, transmit: &Transmit<'_>) -> io::Result<()> {
        if self.wants_errors() {
            let _ = inner.take_error()?;
        }
        match self.state.try_send(UdpSockRef::from(inner), transmit) {
            Err(error) if self.wants_errors() && error.kind() != io::ErrorKind::WouldBlock => {
                self.state.try_send(UdpSockRef::from(inner), transmit)
            }
            result => result,
        }
    }

    /// Receives the datagrams that have arrived into the queue.
    fn receive(&mut self, inner: &socket2::Socket) -> io::Result<()> {
        if self.wants_errors() {
            if self.receive_error(inner)? {
                return Ok(());
            }
            let _ = inner.take_error()?;
        }
        let mut meta = [RecvMeta::default()];
        let mut rooms = [IoSliceMut::new(&mut self.room)];
        self.state.recv(UdpSockRef::from(inner), &mut rooms, &mut meta)?;
        let [meta] = meta;
        let stride = meta.stride.max(1);
        let bytes = &self.room[..meta.len];
        let datagram = |bytes: &[u8], segment| IncomingDatagram {
            bytes: bytes.to_vec(),
            from: meta.addr,
            to: meta.dst_ip.map(|ip| ip.to_canonical()),
            interface: meta.interface_index.unwrap_or(0),
            traffic_class: meta.ecn.map_or(0, |ecn| ecn as u8),
            hop_limit: None,
            segment,
            error: None,
        };
        // Coalesces as many datagrams as the client accepts.
        let several = (self.coalesces / stride).max(1) * stride;
        if bytes.is_empty() {
            self.queue.push_back(datagram(bytes, None));
        }
        for bytes in bytes.chunks(several) {
            let segment = (bytes.len() > stride).then_some(stride);
            self.queue.push_back(datagram(bytes, segment));
        }
        Ok(())
    }
}

impl Endpoint {
    pub(super) fn send_to(&mut self, outgoing: &Outgoing<'_>) -> Poll<Result<(), NTSTATUS>> {
        let Some(datagrams) = &mut self.datagrams else {
            return Poll::Ready(Err(STATUS_INVALID_DEVICE_STATE));
        };
        let limit = |limit| datagrams.limit(&self.inner, outgoing.to, limit);
        if let Some(Err(error)) = outgoing.hop_limit.map(limit) {
            return Poll::Ready(Err(status(&error)));
        }
        let size = outgoing.segment.unwrap_or(outgoing.bytes.len()).max(1);
        // Sends as many at once as the machine accepts.
        let most = datagrams.state.max_gso_segments().min(LARGEST / size).max(1);
        let batch = size.saturating_mul(most);
        let batches: Vec<&[u8]> = if outgoing.bytes.is_empty() {
            vec![&[]]
        } else {
            outgoing.bytes.chunks(batch).collect()
        };
        for contents in batches {
            let transmit = Transmit {
                destination: outgoing.to,
                ecn: outgoing.traffic_class.and_then(|class| EcnCodepoint::from_bits(class & 3)),
                contents,
                segment_size: outgoing.segment,
                src_ip: outgoing.from,
            };
            let inner = &self.inner;
            match poll(|| datagrams.send(inner, &transmit)) {
                Poll::Ready(Ok(())) => {}
                // Datagrams that were already sent are sent again, which UDP allows.
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(status(&error))),
            }
        }
        Poll::Ready(Ok(()))
    }

    pub(super) fn receive_from(&mut self) -> Poll<Result<IncomingDatagram, NTSTATUS>> {
        let Some(datagrams) = &mut self.datagrams else {
            return Poll::Pending;
        };
        loop {
            if let Some(datagram) = datagrams.queue.pop_front() {
                return Poll::Ready(Ok(datagram));
            }
            let inner = &self.inner;
            match poll(|| datagrams.receive(inner)) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(status(&error))),
            }
        }
    }
}
