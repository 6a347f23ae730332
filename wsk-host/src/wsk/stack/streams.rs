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
    NTSTATUS, PIRP, STATUS_CONNECTION_ACTIVE, STATUS_INVALID_DEVICE_STATE, STATUS_LOCAL_DISCONNECT,
    STATUS_SUCCESS, WSK_EVENT_DISCONNECT, WSK_EVENT_RECEIVE, WSK_EVENT_SEND_BACKLOG,
    WSK_FLAG_ABORTIVE, WSK_FLAG_ENTIRE_MESSAGE, WSK_FLAG_RELEASE_ASAP,
};

use super::Stack;
use crate::kernel::trace;
use crate::wsk::action::{Actions, Callback};
use crate::wsk::buffer::Bytes;
use crate::wsk::callback_table::require_functions;
use crate::wsk::category;
use crate::wsk::network::Readable;
use crate::wsk::requests::{RequestKind, SUCCESS};
use crate::wsk::socket::State;

/// The most that is indicated at once.
const INDICATED: usize = 64 << 10;

/// How far the ideal backlog grows.
const LARGEST_BACKLOG: usize = 1 << 20;

/// What was received, or that there is nothing yet.
type Received = Poll<Result<usize, NTSTATUS>>;

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
        match self.begin_connect(id, remote) {
            Ok(()) => self.request(id, irp, kind),
            Err(status) => self.answer(id, irp, (status, trace::Result::Nothing)),
        }
    }

    /// Begins to connect, before its request waits.
    pub(in crate::wsk) fn begin_connect(
        &mut self,
        id: u64,
        remote: SocketAddr,
    ) -> Result<(), NTSTATUS> {
        let socket = self.sockets.get_mut(&id).ok_or(STATUS_INVALID_DEVICE_STATE)?;
        match socket.state {
            State::Bound => {}
            State::Connecting | State::Connected => return Err(STATUS_CONNECTION_ACTIVE),
            _ => return Err(STATUS_INVALID_DEVICE_STATE),
        }
        self.network.connect(id, remote)?;
        socket.state = State::Connecting;
        Ok(())
    }

    pub(super) fn finish_connect(&mut self, id: u64, actions: &mut Actions) {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        if socket.state == State::Connecting {
            match self.network.connected(id) {
                Poll::Pending => return,
                Poll::Ready(Ok(())) => socket.state = State::Connected,
                Poll::Ready(Err(status)) => return self.fail_connect(id, status, actions),
            }
            // Static callbacks may begin as soon as there is a connection (INV-53).
            let events = socket.events.fixed & category::CONNECTION_EVENTS;
            require_functions(&socket.callbacks, events, "WskConnect");
            socket.events.enabled |= events;
        }
        if socket.state != State::Connected {
            return;
        }
        // A held one keeps its bytes, too.
        let Some(RequestKind::Connect { bytes, sent, creates }) =
            socket.requests.first(RequestKind::is_connect)
        else {
            return;
        };
        let creates = *creates;
        if let Some(bytes) = bytes {
            while *sent < bytes.length() {
                match self.network.send(id, bytes.from(*sent)) {
                    Poll::Ready(Ok(count)) => *sent += count,
                    // What is lost now is found out by the next request.
                    Poll::Ready(Err(_)) => break,
                    Poll::Pending => return,
                }
            }
        }
        let result = if creates { (STATUS_SUCCESS, trace::Result::Socket(id)) } else { SUCCESS };
        socket.requests.end_first(id, RequestKind::is_connect, result, actions);
    }

    fn fail_connect(&mut self, id: u64, status: NTSTATUS, actions: &mut Actions) {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        socket.state = State::Bound;
        let Some(RequestKind::Connect { creates, .. }) =
            socket.requests.first(RequestKind::is_connect)
        else {
            return;
        };
        let creates = *creates;
        let result = (status, trace::Result::Nothing);
        if socket.requests.end_first(id, RequestKind::is_connect, result, actions) && creates {
            self.discard(id, actions);
        }
    }

    /// Aborts a connection: what waits to be sent fails, and nothing can be sent or received any more.
    pub(in crate::wsk) fn abort(&mut self, id: u64, irp: PIRP) -> Actions {
        if let Some(actions) = self.refuse_dead(id, irp) {
            return actions;
        }
        let Some(socket) = self.sockets.get_mut(&id) else {
            return Vec::new();
        };
        if socket.state != State::Connected {
            return self.answer(id, irp, (STATUS_INVALID_DEVICE_STATE, trace::Result::Nothing));
        }
        let mut actions = Vec::new();
        let ends = |kind: &RequestKind| kind.is_output() || kind.is_input();
        socket.requests.end_all(id, ends, STATUS_LOCAL_DISCONNECT, &mut actions);
        socket.state = State::Aborted;
        socket.streams.rest.clear();
        self.network.close(id, true);
        actions.extend(self.answer(id, irp, SUCCESS));
        actions.extend(self.progress(id));
        actions
    }

    pub(super) fn send_waiting(&mut self, id: u64, actions: &mut Actions) {
        loop {
            let Some(socket) = self.sockets.get_mut(&id) else {
                return;
            };
            if socket.state != State::Connected {
                return;
            }
            let (bytes, sent, ends) = match socket.requests.first_output() {
                Some(RequestKind::Send { bytes, sent }) => (Some(bytes), sent, false),
                Some(RequestKind::Disconnect { bytes, sent }) => (bytes.as_mut(), sent, true),
                _ => return,
            };
            let length = bytes.as_ref().map_or(0, |bytes| bytes.length());
            let result = match bytes {
                Some(bytes) if *sent < length => match self.network.send(id, bytes.from(*sent)) {
                    Poll::Ready(Ok(count)) => {
                        *sent += count;
                        continue;
                    }
                    Poll::Ready(Err(status)) => (status, trace::Result::Nothing),
                    Poll::Pending => return,
                },
                _ if !ends => (STATUS_SUCCESS, trace::Result::Number(length)),
                _ => match self.network.finish(id) {
                    Ok(()) => {
                        socket.streams.sent_end = true;
                        SUCCESS
                    }
                    Err(status) => (status, trace::Result::Nothing),
                },
            };
            if !socket.requests.end_first(id, RequestKind::is_output, result, actions) {
                return;
            }
            self.grow_backlog(id, length, actions);
        }
    }

    /// A sender that has sent as much as was ideal is told that more would be.
    fn grow_backlog(&mut self, id: u64, sent: usize, actions: &mut Actions) {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        let streams = &mut socket.streams;
        streams.sent += sent;
        if streams.sent < streams.ideal_backlog || streams.ideal_backlog >= LARGEST_BACKLOG {
            return;
        }
        streams.sent = 0;
        streams.ideal_backlog *= 2;
        let size = streams.ideal_backlog;
        if socket.events.has(WSK_EVENT_SEND_BACKLOG) {
            self.call(id, WSK_EVENT_SEND_BACKLOG, Callback::SendBacklog { size }, actions);
        }
    }

    /// Receives for the first request, or for nobody: as much as there is, or by chance less.
    fn pull(&mut self, id: u64, room: &mut [MaybeUninit<u8>]) -> Received {
        let room = if room.len() > 1 && self.config.partial_receives && self.sometimes(4) {
            let count = 1 + self.random.below(room.len());
            &mut room[..count]
        } else {
            room
        };
        let Some(socket) = self.sockets.get_mut(&id) else {
            return Poll::Pending;
        };
        let rest = &mut socket.streams.rest;
        if !rest.is_empty() {
            let count = rest.len().min(room.len());
            for (to, from) in room.iter_mut().zip(rest.drain(..count)) {
                to.write(from);
            }
            return Poll::Ready(Ok(count));
        }
        if socket.streams.received_end {
            return Poll::Ready(Ok(0));
        }
        let received = self.network.receive(id, room);
        if received == Poll::Ready(Ok(0)) {
            socket.streams.received_end = true;
        }
        received
    }

    /// Whether something can be received, or the end was reached, or the connection is lost.
    fn readable(&mut self, id: u64) -> Poll<Result<Readable, NTSTATUS>> {
        match self.sockets.get(&id) {
            None => Poll::Pending,
            Some(socket) if !socket.streams.rest.is_empty() => Poll::Ready(Ok(Readable::Bytes)),
            Some(socket) if socket.streams.received_end => Poll::Ready(Ok(Readable::End)),
            Some(_) => self.network.readable(id),
        }
    }

    pub(super) fn receive_waiting(&mut self, id: u64, actions: &mut Actions) {
        loop {
            let Some(socket) = self.sockets.get_mut(&id) else {
                return;
            };
            // What a callback does not accept comes before what is received later.
            if socket.state != State::Connected || socket.is_indicating {
                return;
            }
            let may_race = socket.requests.has(RequestKind::is_input);
            // What follows the bytes of a receive is that receive's.
            let has_begun = matches!(
                socket.requests.first(RequestKind::is_input),
                Some(RequestKind::Receive { received, .. }) if *received > 0
            );
            let has_request = socket.requests.first(RequestKind::is_input).is_some();
            let indicates = socket.events.has(WSK_EVENT_RECEIVE)
                && !socket.streams.is_paused
                && socket.closing.is_none();
            // Requests go first, but for a race that nobody can exclude (INV-54).
            let may_indicate = indicates && !has_begun && (!may_race || self.sometimes(8));
            let goes_on = (may_indicate && self.indicate(id, actions))
                || (has_request && self.receive_first(id, actions));
            if !goes_on {
                break;
            }
        }
        self.tell_end(id, actions);
    }

    /// Serves the first request. False if it has to wait.
    fn receive_first(&mut self, id: u64, actions: &mut Actions) -> bool {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return false;
        };
        let Some(kind) = socket.requests.first(RequestKind::is_input) else {
            return false;
        };
        let result = match kind {
            RequestKind::Receive { bytes, received, all } => {
                // The lock is held, so that the request stays where it is.
                let (bytes, received, all): (*mut Bytes, *mut usize, bool) =
                    (bytes, received, *all);
                // SAFETY: nobody adds or takes requests until `fill` has returned.
                let (bytes, received) = unsafe { (&mut *bytes, &mut *received) };
                self.fill(id, bytes, received, all)
            }
            _ => self.drain(id),
        };
        let Poll::Ready(result) = result else {
            return false;
        };
        let result = match result {
            Ok(count) => (STATUS_SUCCESS, trace::Result::Number(count)),
            Err(status) => (status, trace::Result::Nothing),
        };
        let Some(socket) = self.sockets.get_mut(&id) else {
            return false;
        };
        if !socket.requests.end_first(id, RequestKind::is_input, result, actions) {
            // It is being cancelled, which gives back what it has received.
            return false;
        }
        socket.streams.is_paused = false;
        true
    }

    /// Fills a receive's buffer, or what of it can be filled.
    fn fill(&mut self, id: u64, bytes: &mut Bytes, received: &mut usize, all: bool) -> Received {
        if bytes.length() == 0 {
            // It is answered when there would be something to receive.
            return self.readable(id).map_ok(|_| 0);
        }
        loop {
            if *received == bytes.length() {
                return Poll::Ready(Ok(*received));
            }
            match self.pull(id, bytes.room_from(*received)) {
                Poll::Pending if *received > 0 && !all => return Poll::Ready(Ok(*received)),
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(*received)),
                Poll::Ready(Ok(count)) => *received += count,
                Poll::Ready(Err(_)) if *received > 0 && !all => {
                    return Poll::Ready(Ok(*received));
                }
                Poll::Ready(Err(status)) => return Poll::Ready(Err(status)),
            }
            // A partial receive ends here; so does the first part of a chain, now and then.
            let is_partial = *received < bytes.length();
            if is_partial && !all && self.config.partial_receives && self.sometimes(2) {
                return Poll::Ready(Ok(*received));
            }
        }
    }

    /// Receives what nobody wants, to the end.
    fn drain(&mut self, id: u64) -> Received {
        let mut room = [MaybeUninit::uninit(); 4096];
        loop {
            match self.pull(id, &mut room) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(0)),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(status)) => return Poll::Ready(Err(status)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Gives the client what has come, by a callback. False if nothing has.
    fn indicate(&mut self, id: u64, actions: &mut Actions) -> bool {
        if !matches!(self.readable(id), Poll::Ready(Ok(Readable::Bytes))) {
            return false;
        }
        let mut room = Box::new_uninit_slice(INDICATED);
        let Poll::Ready(Ok(count)) = self.pull(id, &mut room) else {
            return false;
        };
        if count == 0 {
            return false;
        }
        // SAFETY: so many bytes were received.
        let bytes = unsafe { std::slice::from_raw_parts(room.as_ptr().cast::<u8>(), count) };
        let bytes = bytes.to_vec();
        let mut flags = 0;
        if self.readable(id).is_pending() {
            flags |= WSK_FLAG_ENTIRE_MESSAGE;
        }
        if self.sometimes(4) {
            flags |= WSK_FLAG_RELEASE_ASAP;
        }
        if let Some(socket) = self.sockets.get_mut(&id) {
            socket.is_indicating = true;
        }
        self.call(id, WSK_EVENT_RECEIVE, Callback::Receive { bytes, flags }, actions);
        true
    }

    /// Tells the client that its peer has finished, or the connection is lost.
    fn tell_end(&mut self, id: u64, actions: &mut Actions) {
        let Some(socket) = self.sockets.get(&id) else {
            return;
        };
        let tells = socket.events.has(WSK_EVENT_DISCONNECT)
            && !socket.streams.told_end
            && !socket.is_indicating
            && socket.state == State::Connected
            && socket.closing.is_none();
        if !tells {
            return;
        }
        let flags = match self.readable(id) {
            Poll::Ready(Ok(Readable::End)) => 0,
            Poll::Ready(Err(_)) => WSK_FLAG_ABORTIVE,
            Poll::Ready(Ok(Readable::Bytes)) | Poll::Pending => return,
        };
        if let Some(socket) = self.sockets.get_mut(&id) {
            socket.streams.told_end = true;
            if flags == 0 {
                socket.streams.received_end = true;
            }
        }
        self.call(id, WSK_EVENT_DISCONNECT, Callback::Disconnect { flags }, actions);
    }

    /// A receive callback has returned, and has left some of what it was given: by its own will, which
    /// pauses it.
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
        }
        self.tell_postponed_death(id, actions);
        actions.extend(self.progress(id));
    }
}
