//! UDP of the machine, with what `quinn-udp` knows about it.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::task::Poll;

use quinn_udp::{EcnCodepoint, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use wsk_sys::{IPPROTO_UDP, NTSTATUS, STATUS_INVALID_DEVICE_STATE, UDP_RECV_MAX_COALESCED_SIZE};

use super::super::{Datagram, Outgoing};
use super::{Endpoint, poll, status};
use crate::wsk::options::{Setting, Value};

/// The largest datagram, and the largest sequence of them that comes as one.
const LARGEST: usize = 64 << 10;

pub(super) struct Datagrams {
    state: UdpSocketState,
    /// What came as one, and was not given away yet.
    queue: VecDeque<Datagram>,
    /// Whether the client takes several as one.
    coalesces: bool,
    room: Vec<u8>,
    hop_limit: Option<u8>,
}

impl Datagrams {
    pub(super) fn new(inner: &socket2::Socket) -> io::Result<Self> {
        let state = UdpSocketState::new(UdpSockRef::from(inner))?;
        let queue = VecDeque::new();
        Ok(Self { state, queue, coalesces: false, room: vec![0; LARGEST], hop_limit: None })
    }

    pub(super) fn note(&mut self, setting: &Setting) {
        if let (IPPROTO_UDP, UDP_RECV_MAX_COALESCED_SIZE, Value::Number(size)) =
            (setting.level, setting.name, &setting.value)
        {
            self.coalesces = *size > 0;
        }
    }

    /// Takes what has arrived into the queue.
    fn receive(&mut self, inner: &socket2::Socket) -> io::Result<()> {
        let mut meta = [RecvMeta::default()];
        let mut rooms = [IoSliceMut::new(&mut self.room)];
        self.state.recv(UdpSockRef::from(inner), &mut rooms, &mut meta)?;
        let [meta] = meta;
        let stride = meta.stride.max(1);
        let bytes = &self.room[..meta.len];
        let datagram = |bytes: &[u8], segment| Datagram {
            bytes: bytes.to_vec(),
            from: meta.addr,
            to: meta.dst_ip,
            interface: meta.interface_index.unwrap_or(0),
            traffic_class: meta.ecn.map_or(0, |ecn| ecn as u8),
            hop_limit: None,
            segment,
        };
        if bytes.len() <= stride || self.coalesces {
            let segment = (bytes.len() > stride).then_some(stride);
            self.queue.push_back(datagram(bytes, segment));
        } else {
            self.queue.extend(bytes.chunks(stride).map(|bytes| datagram(bytes, None)));
        }
        Ok(())
    }
}

impl Endpoint {
    pub(super) fn send_to(&mut self, outgoing: &Outgoing<'_>) -> Poll<Result<(), NTSTATUS>> {
        let Some(datagrams) = &mut self.datagrams else {
            return Poll::Ready(Err(STATUS_INVALID_DEVICE_STATE));
        };
        // Windows' default is 128; whatever the machine's is will do for that.
        let is_new = |limit: &u8| *limit != 128 && datagrams.hop_limit != Some(*limit);
        if let Some(limit) = outgoing.hop_limit.filter(is_new) {
            let set = if outgoing.to.is_ipv4() {
                self.inner.set_ttl_v4(limit.into())
            } else {
                self.inner.set_unicast_hops_v6(limit.into())
            };
            if let Err(error) = set {
                return Poll::Ready(Err(status(&error)));
            }
            datagrams.hop_limit = Some(limit);
        }
        let size = outgoing.segment.unwrap_or(outgoing.bytes.len()).max(1);
        // As many at once as the machine takes.
        let batch = size.saturating_mul(datagrams.state.max_gso_segments().max(1));
        let batches: Vec<&[u8]> = if outgoing.bytes.is_empty() {
            vec![&[]]
        } else {
            outgoing.bytes.chunks(batch.min(LARGEST / size.min(LARGEST) * size).max(1)).collect()
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
            match poll(|| datagrams.state.try_send(UdpSockRef::from(inner), &transmit)) {
                Poll::Ready(Ok(())) => {}
                // What was sent before is sent again, which datagrams allow.
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(status(&error))),
            }
        }
        Poll::Ready(Ok(()))
    }

    pub(super) fn receive_from(&mut self) -> Poll<Result<Datagram, NTSTATUS>> {
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
