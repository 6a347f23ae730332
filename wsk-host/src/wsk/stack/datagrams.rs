//! Datagrams in both directions.
//!
//! # Safety
//!
//! Addresses and control data are written to memory of a waiting receive, which the client keeps until its IRP is
//! completed.

#![expect(unsafe_code, reason = "the functions and objects are those of a C interface")]

use std::net::SocketAddr;
use std::task::Poll;

use wsk_sys::{
    IP_MULTICAST_TTL, IP_TOS, IP_TTL, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_UDP, IPV6_MULTICAST_HOPS,
    IPV6_TCLASS, IPV6_UNICAST_HOPS, IPV6_V6ONLY, NTSTATUS, SO_BROADCAST, SOL_SOCKET,
    STATUS_ACCESS_DENIED, STATUS_BUFFER_OVERFLOW, STATUS_INVALID_ADDRESS_COMPONENT, STATUS_SUCCESS,
    UDP_SEND_MSG_SIZE, WSK_EVENT_RECEIVE_FROM,
};

use super::{Services, Stack};
use crate::kernel::choices::ChoiceKind;
use crate::kernel::trace;
use crate::wsk::action::{Actions, Callback};
use crate::wsk::address;
use crate::wsk::control_data::{SendControl, flags};
use crate::wsk::network::{IncomingDatagram, Outgoing};
use crate::wsk::options::OptionValues;
use crate::wsk::reach::require_reachable;
use crate::wsk::requests::{PendingRequest, RequestKind};
use crate::wsk::socket::{Socket, SocketPhase};

/// Datagrams in one indication, at most.
const INDICATED: usize = 4;

/// An address in its own family: an IPv4-mapped one as IPv4.
pub(in crate::wsk) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// A datagram to be sent: its control data overrides the socket's options.
fn outgoing<'a>(
    bytes: &'a [u8],
    to: SocketAddr,
    control: &SendControl,
    options: &OptionValues,
) -> Outgoing<'a> {
    let ip = canonical(to).ip();
    let (level, class, hops) = match (ip.is_ipv4(), ip.is_multicast()) {
        (true, false) => (IPPROTO_IP, IP_TOS, IP_TTL),
        (true, true) => (IPPROTO_IP, IP_TOS, IP_MULTICAST_TTL),
        (false, false) => (IPPROTO_IPV6, IPV6_TCLASS, IPV6_UNICAST_HOPS),
        (false, true) => (IPPROTO_IPV6, IPV6_TCLASS, IPV6_MULTICAST_HOPS),
    };
    let byte = |number: u32| u8::try_from(number).ok();
    let segment = options.get(IPPROTO_UDP, UDP_SEND_MSG_SIZE) as usize;
    let class = control.traffic_class.or(byte(options.get(level, class)));
    // Congestion notification is two bits of the class.
    let with_ecn = |ecn| class.unwrap_or(0) & !3 | ecn & 3;
    Outgoing {
        bytes,
        to,
        from: control.from,
        traffic_class: control.ecn.map(with_ecn).or(class),
        hop_limit: control.hop_limit.or(byte(options.get(level, hops))),
        segment: control.segment.or(Some(segment).filter(|size| *size > 0)),
    }
}

/// Refuses packet info with a source or an interface that the machine lacks.
fn require_source(services: &Services, control: &SendControl) -> Result<(), NTSTATUS> {
    let has_source = control.from.is_none_or(|ip| services.network.has_address(ip));
    let index = control.interface;
    let has_interface = index == 0 || services.network.has_interface(index);
    if has_source && has_interface { Ok(()) } else { Err(STATUS_INVALID_ADDRESS_COMPONENT) }
}

impl Stack {
    /// Acts on the return of a receive callback, which has refused its datagrams or not.
    pub(in crate::wsk) fn indicated_datagrams(
        &mut self,
        id: u64,
        refused: Vec<IncomingDatagram>,
        actions: &mut Actions,
    ) {
        if let Some(socket) = self.sockets.get_mut(&id) {
            socket.is_indicating = false;
            let is_static = socket.events.fixed & WSK_EVENT_RECEIVE_FROM != 0;
            // A static callback cannot be disabled: it would be offered refused datagrams without end.
            if !refused.is_empty() && !is_static {
                socket.events.enabled &= !WSK_EVENT_RECEIVE_FROM;
                for datagram in refused.into_iter().rev() {
                    socket.datagrams.rest.push_front(datagram);
                }
            }
            socket.indicate_postponed_death(actions);
        }
        actions.extend(self.progress(id));
    }
}

impl Socket {
    pub(super) fn send_datagrams(&mut self, services: &mut Services, actions: &mut Actions) {
        while self.state == SocketPhase::Bound {
            let Some(RequestKind::SendTo { messages, to, control, sent }) =
                self.requests.first(RequestKind::is_send_to)
            else {
                return;
            };
            let only_v6 = self.options.wants(IPPROTO_IPV6, IPV6_V6ONLY);
            let is_forbidden = matches!(canonical(*to), SocketAddr::V4(to) if to.ip().is_broadcast())
                && !self.options.wants(SOL_SOCKET, SO_BROADCAST);
            let refused = if is_forbidden {
                Err(STATUS_ACCESS_DENIED)
            } else {
                require_reachable(*to, only_v6).and_then(|()| require_source(services, control))
            };
            let result = if let Err(status) = refused {
                (status, trace::CallResult::Nothing)
            } else if let Some(message) = messages.front() {
                let bytes = message.gather();
                let datagram = outgoing(&bytes, *to, control, &self.options);
                match services.network.send_to(self.id, &datagram) {
                    Poll::Ready(Ok(())) => {
                        *sent += bytes.len();
                        messages.pop_front();
                        continue;
                    }
                    Poll::Ready(Err(status)) => (status, trace::CallResult::Nothing),
                    Poll::Pending => return,
                }
            } else {
                (STATUS_SUCCESS, trace::CallResult::Number(*sent))
            };
            if !self.requests.end_first(self.id, RequestKind::is_send_to, result, actions) {
                return;
            }
        }
    }

    /// The next datagram; refused datagrams come first.
    fn next_datagram(&mut self, services: &mut Services) -> Option<IncomingDatagram> {
        if let Some(datagram) = self.datagrams.rest.pop_front() {
            return Some(datagram);
        }
        let peer = self.datagrams.peer.map(canonical);
        loop {
            match services.network.receive_from(self.id) {
                Poll::Ready(Ok(datagram)) => {
                    if peer.is_none_or(|peer| peer == canonical(datagram.from)) {
                        return Some(datagram);
                    }
                }
                // Errors are about sent datagrams, and do not belong to a receiver.
                Poll::Ready(Err(_)) => {}
                Poll::Pending => return None,
            }
        }
    }

    pub(super) fn receive_datagrams(&mut self, services: &mut Services, actions: &mut Actions) {
        loop {
            let races = services.by_seed(ChoiceKind::Race, 8);
            if self.state != SocketPhase::Bound || self.is_indicating {
                return;
            }
            let waits = self.requests.first(RequestKind::is_receive_from).is_some();
            let indicates = self.events.has(WSK_EVENT_RECEIVE_FROM) && self.closing.is_none();
            if indicates && (!waits || races) {
                if !self.indicate_datagrams(services, actions) {
                    return;
                }
                continue;
            }
            if !waits {
                return;
            }
            let Some(datagram) = self.next_datagram(services) else {
                return;
            };
            // WSK may report by the status or by a flag that a datagram was truncated.
            let by_status = services.by_seed(ChoiceKind::CallStatus, 2);
            if !self.deliver_datagram(datagram, by_status, actions) {
                return;
            }
        }
    }

    /// Delivers a datagram to the first request that is not being cancelled. False if there is none: its cancel routine
    /// waits for this lock, and progresses the socket afterwards. `by_status`: if it is truncated, the status says so,
    /// and no flag does.
    fn deliver_datagram(
        &mut self,
        datagram: IncomingDatagram,
        by_status: bool,
        actions: &mut Actions,
    ) -> bool {
        let Some(PendingRequest {
            irp,
            kind: RequestKind::ReceiveFrom { mut bytes, from, control },
            ..
        }) = self.requests.take(RequestKind::is_receive_from)
        else {
            self.datagrams.rest.push_front(datagram);
            return false;
        };
        let written = bytes.scatter(0, &datagram.bytes);
        // SAFETY: the client's memory has room for an address until the IRP is completed.
        unsafe { address::write(from, datagram.from) };
        let is_truncated = written < datagram.bytes.len();
        let by_status = by_status && is_truncated;
        let windows = self.client.kernel.config().windows;
        if let Some(control) = control {
            // SAFETY: the request has not completed, so the client's memory has room for control data.
            unsafe {
                control.write(&datagram, (&self.options, windows), is_truncated && !by_status);
            }
        }
        let result = trace::CallResult::Number(written);
        let status = if by_status { STATUS_BUFFER_OVERFLOW } else { STATUS_SUCCESS };
        actions.push(self.requests.completion(self.id, irp, status, result));
        true
    }

    /// Indicates the datagrams that have arrived. Returns false if none has.
    fn indicate_datagrams(&mut self, services: &mut Services, actions: &mut Actions) -> bool {
        let mut datagrams = Vec::new();
        while datagrams.len() < INDICATED {
            let Some(datagram) = self.next_datagram(services) else {
                break;
            };
            // The flags are one for all of an indication.
            let differs = |first: &IncomingDatagram| flags(first) != flags(&datagram);
            if datagrams.first().is_some_and(differs) {
                self.datagrams.rest.push_front(datagram);
                break;
            }
            datagrams.push(datagram);
            if services.by_seed(ChoiceKind::Size, 2) {
                break;
            }
        }
        if datagrams.is_empty() {
            return false;
        }
        // One indication at a time keeps the order.
        self.is_indicating = true;
        let options = self.options.clone();
        self.call(WSK_EVENT_RECEIVE_FROM, Callback::ReceiveFrom { datagrams, options }, actions);
        true
    }
}
