//! Connections: connecting, and bytes in both directions.
//!
//! # Safety
//!
//! Received bytes are read from a buffer as far as the network has filled it.

#![expect(unsafe_code, reason = "the functions and objects are those of a C interface")]

use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::task::Poll;

use wsk_sys::{
    IPPROTO_IPV6, IPV6_V6ONLY, NTSTATUS, PIRP, STATUS_CONNECTION_ACTIVE,
    STATUS_INVALID_DEVICE_STATE, STATUS_LOCAL_DISCONNECT, STATUS_SUCCESS, WSK_EVENT_DISCONNECT,
    WSK_EVENT_RECEIVE, WSK_EVENT_SEND_BACKLOG, WSK_FLAG_ABORTIVE, WSK_FLAG_ENTIRE_MESSAGE,
    WSK_FLAG_RELEASE_ASAP,
};

use super::{Services, Stack};
use crate::kernel::choices::ChoiceKind;
use crate::kernel::trace;
use crate::wsk::action::{Actions, Callback};
use crate::wsk::buffer::Bytes;
use crate::wsk::callback_table::require_functions;
use crate::wsk::category;
use crate::wsk::network::ReadableData;
use crate::wsk::reach::require_reachable;
use crate::wsk::requests::{RequestKind, SUCCESS};
use crate::wsk::socket::{Socket, SocketPhase, StreamState};

/// The most that is indicated at once.
const INDICATED: usize = 64 << 10;

/// The maximum of the ideal backlog.
const LARGEST_BACKLOG: usize = 1 << 20;

/// The received data, or the fact that none has arrived yet.
type ReceivePoll = Poll<Result<usize, NTSTATUS>>;

impl Stack {
    pub(in crate::wsk) fn connect(
        &mut self,
        id: u64,
        irp: PIRP,
        remote: SocketAddr,
        kind: RequestKind,
    ) -> Actions {
        if let Some(actions) = self.refuse_dead(id, irp) {
            return actions;
        }
        let Some(socket) = self.sockets.get_mut(&id) else {
            return Vec::new();
        };
        if let Err(status) = socket.begin_connect(&mut self.services, remote) {
            let mut actions = Vec::new();
            let result = (status, trace::CallResult::Nothing);
            socket.complete(&mut self.services, irp, result, &mut actions);
            return actions;
        }
        self.request(id, irp, kind)
    }

    /// Binds a new socket and begins to connect it.
    pub(in crate::wsk) fn begin_connection(
        &mut self,
        id: u64,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Result<(), NTSTATUS> {
        let socket = self.sockets.get_mut(&id).ok_or(STATUS_INVALID_DEVICE_STATE)?;
        socket.bind(&mut self.services, local)?;
        socket.begin_connect(&mut self.services, remote)
    }

    /// Aborts a connection: its requests fail, and no more data can be sent or received.
    pub(in crate::wsk) fn abort(&mut self, id: u64, irp: PIRP) -> Actions {
        if let Some(actions) = self.refuse_dead(id, irp) {
            return actions;
        }
        let Some(socket) = self.sockets.get_mut(&id) else {
            return Vec::new();
        };
        let mut actions = Vec::new();
        if socket.state != SocketPhase::Connected {
            let result = (STATUS_INVALID_DEVICE_STATE, trace::CallResult::Nothing);
            socket.complete(&mut self.services, irp, result, &mut actions);
            return actions;
        }
        let ends = |kind: &RequestKind| kind.is_output() || kind.is_input();
        socket.requests.end_all(id, ends, STATUS_LOCAL_DISCONNECT, &mut actions);
        socket.state = SocketPhase::Aborted;
        socket.streams.rest.clear();
        self.services.network.close(id, true);
        socket.complete(&mut self.services, irp, SUCCESS, &mut actions);
        self.progress_with(id, actions)
    }

    /// Acts on the return of a receive callback, which has left some of its data. `pauses`: by its own will,
    /// which pauses indications.
    pub(in crate::wsk) fn indicated(
        &mut self,
        id: u64,
        rest: &[u8],
        pauses: bool,
        actions: &mut Actions,
    ) {
        if let Some(socket) = self.sockets.get_mut(&id) {
            socket.is_indicating = false;
            if !rest.is_empty() {
                socket.streams.is_paused |= pauses;
                for byte in rest.iter().rev() {
                    socket.streams.rest.push_front(*byte);
                }
            }
            socket.indicate_postponed_death(actions);
        }
        actions.extend(self.progress(id));
    }
}

impl Socket {
    /// Begins to connect, before its request waits.
    fn begin_connect(
        &mut self,
        services: &mut Services,
        remote: SocketAddr,
    ) -> Result<(), NTSTATUS> {
        match self.state {
            SocketPhase::Bound => {}
            SocketPhase::Connecting | SocketPhase::Connected => {
                return Err(STATUS_CONNECTION_ACTIVE);
            }
            _ => return Err(STATUS_INVALID_DEVICE_STATE),
        }
        require_reachable(remote, self.options.wants(IPPROTO_IPV6, IPV6_V6ONLY))?;
        services.network.connect(self.id, remote)?;
        self.state = SocketPhase::Connecting;
        Ok(())
    }

    /// Completes the connect request of a connection that is established or refused. Returns false if the socket must
    /// be discarded: its creator gets none.
    pub(super) fn finish_connect(
        &mut self,
        services: &mut Services,
        actions: &mut Actions,
    ) -> bool {
        if self.state == SocketPhase::Connecting {
            match services.network.connected(self.id) {
                Poll::Pending => return true,
                Poll::Ready(Ok(())) => self.state = SocketPhase::Connected,
                Poll::Ready(Err(status)) => return self.fail_connect(status, actions),
            }
            // Static callbacks may begin as soon as there is a connection (INV-53).
            let events = self.events.fixed & category::CONNECTION_EVENTS;
            require_functions(&self.callbacks, events, "WskConnect");
            self.events.enabled |= events;
        }
        if self.state != SocketPhase::Connected {
            return true;
        }
        // A held request also keeps its bytes.
        let Some(RequestKind::Connect { bytes, sent, creates }) =
            self.requests.first(RequestKind::is_connect)
        else {
            return true;
        };
        let creates = *creates;
        if let Some(bytes) = bytes {
            while *sent < bytes.length() {
                match services.network.send(self.id, bytes.from(*sent)) {
                    Poll::Ready(Ok(count)) => *sent += count,
                    // The next request finds out that the connection is lost.
                    Poll::Ready(Err(_)) => break,
                    Poll::Pending => return true,
                }
            }
        }
        let created = (STATUS_SUCCESS, trace::CallResult::Socket(self.id));
        let result = if creates { created } else { SUCCESS };
        self.requests.end_first(self.id, RequestKind::is_connect, result, actions);
        true
    }

    fn fail_connect(&mut self, status: NTSTATUS, actions: &mut Actions) -> bool {
        self.state = SocketPhase::Bound;
        let Some(RequestKind::Connect { creates, .. }) =
            self.requests.first(RequestKind::is_connect)
        else {
            return true;
        };
        let creates = *creates;
        let result = (status, trace::CallResult::Nothing);
        let has_ended = self.requests.end_first(self.id, RequestKind::is_connect, result, actions);
        !(has_ended && creates)
    }

    pub(super) fn send_waiting(&mut self, services: &mut Services, actions: &mut Actions) {
        while self.state == SocketPhase::Connected {
            let (bytes, sent, ends) = match self.requests.first_output() {
                Some(RequestKind::Send { bytes, sent }) => (Some(bytes), sent, false),
                Some(RequestKind::Disconnect { bytes, sent }) => (bytes.as_mut(), sent, true),
                _ => return,
            };
            let length = bytes.as_ref().map_or(0, |bytes| bytes.length());
            let result = match bytes {
                Some(bytes) if *sent < length => {
                    match services.network.send(self.id, bytes.from(*sent)) {
                        Poll::Ready(Ok(count)) => {
                            *sent += count;
                            continue;
                        }
                        Poll::Ready(Err(status)) => (status, trace::CallResult::Nothing),
                        Poll::Pending => return,
                    }
                }
                _ if !ends => (STATUS_SUCCESS, trace::CallResult::Number(length)),
                _ => match services.network.finish(self.id) {
                    Ok(()) => {
                        self.streams.sent_end = true;
                        SUCCESS
                    }
                    Err(status) => (status, trace::CallResult::Nothing),
                },
            };
            if !self.requests.end_first(self.id, RequestKind::is_output, result, actions) {
                return;
            }
            self.grow_backlog(length, actions);
        }
    }

    /// Doubles the ideal backlog of a sender that has sent as much, and calls `WskSendBacklogEvent`.
    fn grow_backlog(&mut self, sent: usize, actions: &mut Actions) {
        let streams = &mut self.streams;
        streams.sent += sent;
        if streams.sent < streams.ideal_backlog || streams.ideal_backlog >= LARGEST_BACKLOG {
            return;
        }
        streams.sent = 0;
        streams.ideal_backlog *= 2;
        let size = streams.ideal_backlog;
        if self.events.has(WSK_EVENT_SEND_BACKLOG) {
            self.call(WSK_EVENT_SEND_BACKLOG, Callback::SendBacklog { size }, actions);
        }
    }

    fn receiver<'a>(&'a mut self, services: &'a mut Services) -> ReceiveDirection<'a> {
        ReceiveDirection { id: self.id, streams: &mut self.streams, services }
    }

    pub(super) fn receive_waiting(&mut self, services: &mut Services, actions: &mut Actions) {
        loop {
            // Data that a callback does not accept precedes data that is received later.
            if self.state != SocketPhase::Connected || self.is_indicating {
                return;
            }
            let may_race = self.requests.has(RequestKind::is_input);
            // A receive that has begun also gets the bytes that follow.
            let has_begun = matches!(
                self.requests.first(RequestKind::is_input),
                Some(RequestKind::Receive { received, .. }) if *received > 0
            );
            let has_request = self.requests.first(RequestKind::is_input).is_some();
            let indicates = self.events.has(WSK_EVENT_RECEIVE)
                && !self.streams.is_paused
                && self.closing.is_none();
            // Requests go first, but for a race that cannot be excluded (INV-54).
            let may_indicate =
                indicates && !has_begun && (!may_race || services.by_seed(ChoiceKind::Race, 8));
            let goes_on = (may_indicate && self.indicate(services, actions))
                || (has_request && self.receive_first(services, actions));
            if !goes_on {
                break;
            }
        }
        self.indicate_end(services, actions);
    }

    /// Serves the first request. False if it has to wait.
    fn receive_first(&mut self, services: &mut Services, actions: &mut Actions) -> bool {
        let Self { id, requests, streams, .. } = self;
        let mut receiver = ReceiveDirection { id: *id, streams, services };
        let result = match requests.first(RequestKind::is_input) {
            Some(RequestKind::Receive { bytes, received, all }) => {
                receiver.fill(bytes, received, *all)
            }
            Some(_) => receiver.drain(),
            None => return false,
        };
        let Poll::Ready(result) = result else {
            return false;
        };
        let result = match result {
            Ok(count) => (STATUS_SUCCESS, trace::CallResult::Number(count)),
            Err(status) => (status, trace::CallResult::Nothing),
        };
        if !requests.end_first(*id, RequestKind::is_input, result, actions) {
            // The request is being cancelled; the cancellation returns the bytes that it received.
            return false;
        }
        streams.is_paused = false;
        true
    }

    /// Indicates the data that has arrived. Returns false if none has.
    fn indicate(&mut self, services: &mut Services, actions: &mut Actions) -> bool {
        let mut receiver = self.receiver(services);
        if !matches!(receiver.readable(), Poll::Ready(Ok(ReadableData::Bytes))) {
            return false;
        }
        let mut room = Box::new_uninit_slice(INDICATED);
        let Poll::Ready(Ok(count)) = receiver.pull(&mut room) else {
            return false;
        };
        if count == 0 {
            return false;
        }
        // SAFETY: `pull` has written the first `count` bytes of the room.
        let bytes = unsafe { std::slice::from_raw_parts(room.as_ptr().cast::<u8>(), count) };
        let bytes = bytes.to_vec();
        let mut flags = 0;
        if receiver.readable().is_pending() {
            flags |= WSK_FLAG_ENTIRE_MESSAGE;
        }
        if services.by_seed(ChoiceKind::Shape, 4) {
            flags |= WSK_FLAG_RELEASE_ASAP;
        }
        self.is_indicating = true;
        self.call(WSK_EVENT_RECEIVE, Callback::Receive { bytes, flags }, actions);
        true
    }

    /// Calls `WskDisconnectEvent` when the peer has finished, or the connection is lost.
    fn indicate_end(&mut self, services: &mut Services, actions: &mut Actions) {
        let is_due = self.events.has(WSK_EVENT_DISCONNECT)
            && !self.streams.has_indicated_end
            && !self.is_indicating
            && self.state == SocketPhase::Connected
            && self.closing.is_none();
        if !is_due {
            return;
        }
        let flags = match self.receiver(services).readable() {
            Poll::Ready(Ok(ReadableData::End)) => 0,
            Poll::Ready(Err(_)) => WSK_FLAG_ABORTIVE,
            Poll::Ready(Ok(ReadableData::Bytes)) | Poll::Pending => return,
        };
        self.streams.has_indicated_end = true;
        if flags == 0 {
            self.streams.received_end = true;
        }
        self.call(WSK_EVENT_DISCONNECT, Callback::Disconnect { flags }, actions);
    }
}

/// The receiving direction of a connection: data that was refused, and the network behind it.
struct ReceiveDirection<'a> {
    id: u64,
    streams: &'a mut StreamState,
    services: &'a mut Services,
}

impl ReceiveDirection<'_> {
    /// Receives as much as has arrived, or by chance less.
    fn pull(&mut self, room: &mut [MaybeUninit<u8>]) -> ReceivePoll {
        let may_be_partial = self.services.config.partial_receives && room.len() > 1;
        let is_partial = may_be_partial && self.services.by_seed(ChoiceKind::Size, 4);
        let room = if is_partial {
            let count = 1 + self.services.choices.below(ChoiceKind::Size, room.len());
            &mut room[..count]
        } else {
            room
        };
        let rest = &mut self.streams.rest;
        if !rest.is_empty() {
            let count = rest.len().min(room.len());
            for (to, from) in room.iter_mut().zip(rest.drain(..count)) {
                to.write(from);
            }
            return Poll::Ready(Ok(count));
        }
        if self.streams.received_end {
            return Poll::Ready(Ok(0));
        }
        let received = self.services.network.receive(self.id, room);
        if received == Poll::Ready(Ok(0)) {
            self.streams.received_end = true;
        }
        received
    }

    /// Whether something can be received, or the end was reached, or the connection is lost.
    fn readable(&mut self) -> Poll<Result<ReadableData, NTSTATUS>> {
        if !self.streams.rest.is_empty() {
            Poll::Ready(Ok(ReadableData::Bytes))
        } else if self.streams.received_end {
            Poll::Ready(Ok(ReadableData::End))
        } else {
            self.services.network.readable(self.id)
        }
    }

    /// Fills a receive's buffer, or a part of it.
    fn fill(&mut self, bytes: &mut Bytes, received: &mut usize, all: bool) -> ReceivePoll {
        if bytes.length() == 0 {
            // It completes when there is data to receive.
            return self.readable().map_ok(|_| 0);
        }
        loop {
            if *received == bytes.length() {
                return Poll::Ready(Ok(*received));
            }
            match self.pull(bytes.room_from(*received)) {
                Poll::Pending if *received > 0 && !all => return Poll::Ready(Ok(*received)),
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(*received)),
                Poll::Ready(Ok(count)) => *received += count,
                Poll::Ready(Err(_)) if *received > 0 && !all => {
                    return Poll::Ready(Ok(*received));
                }
                Poll::Ready(Err(status)) => return Poll::Ready(Err(status)),
            }
            // A partial receive ends here, and so does the first part of a chain occasionally.
            let is_partial = *received < bytes.length();
            if is_partial
                && !all
                && self.services.config.partial_receives
                && self.services.by_seed(ChoiceKind::Size, 2)
            {
                return Poll::Ready(Ok(*received));
            }
        }
    }

    /// Receives and drops everything, to the end.
    fn drain(&mut self) -> ReceivePoll {
        let mut room = [MaybeUninit::uninit(); 4096];
        loop {
            match self.pull(&mut room) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(0)),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(status)) => return Poll::Ready(Err(status)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
