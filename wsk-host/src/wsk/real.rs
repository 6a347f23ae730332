//! TCP of the machine that the host runs on, so that any program can be the peer.

use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;
use std::net::{Shutdown, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::Duration;

use polling::{Event, Events, Poller};
use socket2::{Domain, Protocol, Type};
use wsk_sys::{
    DISPATCH_LEVEL, NTSTATUS, PIRP, STATUS_ACCESS_DENIED, STATUS_ADDRESS_ALREADY_EXISTS,
    STATUS_CONNECTION_ABORTED, STATUS_CONNECTION_ACTIVE, STATUS_CONNECTION_REFUSED,
    STATUS_CONNECTION_RESET, STATUS_HOST_UNREACHABLE, STATUS_INSUFFICIENT_RESOURCES,
    STATUS_INVALID_ADDRESS_COMPONENT, STATUS_IO_TIMEOUT, STATUS_NETWORK_UNREACHABLE,
    STATUS_SUCCESS, STATUS_UNSUCCESSFUL,
};

use super::completer::complete;
use super::requests::{Answer, Requests, Waiting, What};
use super::sockets::{Object, write_address};
use super::stack::Transport;
use crate::host::{Host, State};
use crate::ke::{KeLowerIrql, KfRaiseIrql};
use crate::violation;

/// Connections that the machine keeps for a listener that does not accept them.
const BACKLOG: i32 = 128;

struct Socket {
    inner: socket2::Socket,
    role: Role,
}

enum Role {
    Bound,
    /// With the connections that could not be given to a request.
    Listening(VecDeque<(socket2::Socket, SocketAddr)>),
    Connecting(SocketAddr),
    Connected(Connection),
}

struct Connection {
    remote: SocketAddr,
    sent_end: bool,
    received_end: bool,
    /// Why the connection is lost. The machine says so only once.
    lost: Option<NTSTATUS>,
}

/// The sockets that are bound.
pub(super) struct Real {
    sockets: HashMap<u64, Socket>,
    poller: Arc<Poller>,
}

impl Real {
    pub(super) fn new(poller: Arc<Poller>) -> Self {
        Self { sockets: HashMap::new(), poller }
    }

    fn add(&mut self, id: u64, inner: socket2::Socket, role: Role) -> io::Result<()> {
        inner.set_nonblocking(true)?;
        // SAFETY: every socket is deleted from the poller before it is dropped: in `close`, or with the
        // poller itself.
        unsafe { self.poller.add(&inner, Event::none(key(id))) }?;
        self.sockets.insert(id, Socket { inner, role });
        Ok(())
    }

    /// Asks to be told when a socket's waiting requests can go on.
    fn watch(&self, requests: &mut Requests, id: u64) {
        let Some(socket) = self.sockets.get(&id) else {
            return;
        };
        let mut waits = |wanted| requests.first(id, wanted).is_some();
        let readable = waits(What::is_accept) || waits(What::is_receive);
        let writable = waits(What::is_connect) || waits(What::is_output);
        if !readable && !writable {
            return;
        }
        if let Err(error) =
            self.poller.modify(&socket.inner, Event::new(key(id), readable, writable))
        {
            violation(&format!("a socket of this machine cannot be waited for: {error}"));
        }
    }

    fn accept_all(&mut self, requests: &mut Requests, id: u64, answer: &mut Answer) {
        while requests.first(id, What::is_accept).is_some() {
            let Some(Socket { inner, role: Role::Listening(backlog) }) = self.sockets.get_mut(&id)
            else {
                return;
            };
            if backlog.is_empty() {
                match accept(inner) {
                    Ok(accepted) => backlog.push_back(accepted),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                    // It was gone before it was accepted.
                    Err(error) if is_transient(&error) => continue,
                    Err(error) => {
                        requests.end(id, What::is_accept, (status(&error), 0), answer);
                        continue;
                    }
                }
            }
            let Some(Waiting { irp, what: What::Accept { local, remote } }) =
                requests.take(id, What::is_accept)
            else {
                return;
            };
            let Some((inner, peer)) = backlog.pop_front() else {
                return;
            };
            let accepted = requests.create();
            let ours = local_address(&inner);
            let connection = Role::Connected(Connection::new(peer));
            if let Err(error) = self.add(accepted, inner, connection) {
                answer.push(requests.done(id, irp, status(&error), 0));
                continue;
            }
            if let Some(ours) = ours {
                // SAFETY: the caller's memory has room for the address until the IRP is completed.
                unsafe { write_address(local, ours) };
            }
            // SAFETY: as above.
            unsafe { write_address(remote, peer) };
            // SAFETY: the listener's IRP, by which the accepted socket has its client.
            let object = unsafe { Object::accepted(irp, accepted) };
            answer.push(requests.done(id, irp, STATUS_SUCCESS, object));
        }
    }

    fn finish_connect(&mut self, requests: &mut Requests, id: u64, answer: &mut Answer) {
        let Some(Socket { inner, role }) = self.sockets.get_mut(&id) else {
            return;
        };
        let Role::Connecting(remote) = *role else {
            return;
        };
        let result = match inner.take_error() {
            Ok(Some(error)) | Err(error) => Err(error),
            Ok(None) => match inner.peer_addr() {
                // It is still on its way.
                Err(error) if error.kind() == ErrorKind::NotConnected => return,
                result => result.map(drop),
            },
        };
        let status = match result {
            Ok(()) => {
                *role = Role::Connected(Connection::new(remote));
                STATUS_SUCCESS
            }
            Err(error) => {
                *role = Role::Bound;
                status(&error)
            }
        };
        requests.end(id, What::is_connect, (status, 0), answer);
    }

    fn send_waiting(&mut self, requests: &mut Requests, id: u64, answer: &mut Answer) {
        let Some(Socket { inner, role: Role::Connected(connection) }) = self.sockets.get_mut(&id)
        else {
            return;
        };
        loop {
            let result = match (connection.lost, requests.first(id, What::is_output)) {
                (Some(status), Some(_)) => Ok((status, 0)),
                (None, Some(What::Send { bytes, sent })) if *sent < bytes.length => {
                    // SAFETY: the request has not completed.
                    let start = unsafe { bytes.start() };
                    // SAFETY: as above, and this much of the memory was sent.
                    let start = unsafe { start.add(*sent) };
                    // SAFETY: the memory is the provider's until the IRP is completed.
                    let part = unsafe { std::slice::from_raw_parts(start, bytes.length - *sent) };
                    match inner.send(part) {
                        Ok(count) => {
                            *sent += count;
                            continue;
                        }
                        Err(error) => Err(error),
                    }
                }
                (None, Some(What::Send { bytes, .. })) => Ok((STATUS_SUCCESS, bytes.length)),
                (None, Some(_)) => inner.shutdown(Shutdown::Write).map(|()| {
                    connection.sent_end = true;
                    (STATUS_SUCCESS, 0)
                }),
                (_, None) => return,
            };
            match result {
                Ok(result) if requests.end(id, What::is_output, result, answer) => {}
                Ok(_) => return,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => connection.lost = Some(status(&error)),
            }
        }
    }

    fn receive_waiting(&mut self, requests: &mut Requests, id: u64, answer: &mut Answer) {
        let Some(Socket { inner, role: Role::Connected(connection) }) = self.sockets.get_mut(&id)
        else {
            return;
        };
        while requests.first(id, What::is_receive).is_some() {
            if connection.lost.is_some() || connection.received_end {
                let result = (connection.lost.unwrap_or(STATUS_SUCCESS), 0);
                if !requests.end(id, What::is_receive, result, answer) {
                    return;
                }
                continue;
            }
            // A look first: what has been read must have a request to go to.
            match inner.peek(&mut [MaybeUninit::uninit()]) {
                Ok(0) => {
                    connection.received_end = true;
                    continue;
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => {
                    connection.lost = Some(status(&error));
                    continue;
                }
            }
            let Some(Waiting { irp, what: What::Receive(bytes) }) =
                requests.take(id, What::is_receive)
            else {
                return;
            };
            // SAFETY: the request has not completed.
            let start = unsafe { bytes.start() }.cast::<MaybeUninit<u8>>();
            // SAFETY: the memory is the provider's until the IRP is completed.
            let room = unsafe { std::slice::from_raw_parts_mut(start, bytes.length) };
            let result = if room.is_empty() { Ok(0) } else { inner.recv(room) };
            let (status, count) = match result {
                Ok(count) => (STATUS_SUCCESS, count),
                Err(error) => {
                    let status = status(&error);
                    connection.lost = Some(status);
                    (status, 0)
                }
            };
            answer.push(requests.done(id, irp, status, count));
        }
    }
}

impl Transport for Real {
    fn bind(&mut self, id: u64, local: SocketAddr, listen: bool) -> NTSTATUS {
        let make = || {
            let domain = Domain::for_address(local);
            let inner = socket2::Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
            if local.is_ipv6() {
                // As WSK's sockets are from the beginning.
                inner.set_only_v6(true)?;
            }
            // Elsewhere than on Windows: a port is free although old connections of it linger.
            #[cfg(not(windows))]
            inner.set_reuse_address(listen)?;
            inner.bind(&local.into())?;
            if listen {
                inner.listen(BACKLOG)?;
            }
            Ok(inner)
        };
        let role = if listen { Role::Listening(VecDeque::new()) } else { Role::Bound };
        match make().and_then(|inner| self.add(id, inner, role)) {
            Ok(()) => STATUS_SUCCESS,
            Err(error) => status(&error),
        }
    }

    fn connect(
        &mut self,
        requests: &mut Requests,
        id: u64,
        irp: PIRP,
        remote: SocketAddr,
    ) -> Answer {
        let Some(Socket { inner, role }) = self.sockets.get_mut(&id) else {
            return requests.answer(id, irp, STATUS_UNSUCCESSFUL);
        };
        if !matches!(role, Role::Bound) {
            return requests.answer(id, irp, STATUS_CONNECTION_ACTIVE);
        }
        match inner.connect(&remote.into()) {
            Err(error) if !is_in_progress(&error) => {
                return requests.answer(id, irp, status(&error));
            }
            Ok(()) | Err(_) => *role = Role::Connecting(remote),
        }
        match requests.wait(id, Waiting { irp, what: What::Connect }) {
            Some(answer) => answer,
            None => self.progress(requests, id),
        }
    }

    fn takes(&self, id: u64, what: &What) -> bool {
        match (what, self.sockets.get(&id).map(|socket| &socket.role)) {
            (What::Accept { .. }, Some(Role::Listening(_)))
            | (What::Receive(_), Some(Role::Connected(_))) => true,
            (What::Send { .. } | What::Disconnect, Some(Role::Connected(connection))) => {
                !connection.sent_end
            }
            _ => false,
        }
    }

    fn progress(&mut self, requests: &mut Requests, id: u64) -> Answer {
        let mut answer = Vec::new();
        self.accept_all(requests, id, &mut answer);
        self.finish_connect(requests, id, &mut answer);
        self.send_waiting(requests, id, &mut answer);
        self.receive_waiting(requests, id, &mut answer);
        self.watch(requests, id);
        answer
    }

    /// Resets the peer, unless both sides have finished.
    fn close(&mut self, _requests: &mut Requests, id: u64) -> Answer {
        let Some(Socket { inner, role }) = self.sockets.remove(&id) else {
            return Vec::new();
        };
        let unfinished = matches!(role, Role::Connected(c) if !(c.sent_end && c.received_end));
        let reset = if unfinished { inner.set_linger(Some(Duration::ZERO)) } else { Ok(()) };
        if let Err(error) = reset.and_then(|()| self.poller.delete(&inner)) {
            violation(&format!("a socket of this machine cannot be closed: {error}"));
        }
        Vec::new()
    }

    fn forget(&mut self, _id: u64) {}

    fn local(&self, id: u64) -> Option<SocketAddr> {
        local_address(&self.sockets.get(&id)?.inner)
    }

    fn remote(&self, id: u64) -> Option<SocketAddr> {
        match &self.sockets.get(&id)?.role {
            Role::Connected(connection) => Some(connection.remote),
            _ => None,
        }
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        // The thread that waits finds the host gone. An error would leave it waiting, which harms nobody.
        let _ = self.poller.notify();
    }
}

impl Connection {
    fn new(remote: SocketAddr) -> Self {
        Self { remote, sent_end: false, received_end: false, lost: None }
    }
}

/// Serves a host's requests as its sockets become ready, until the host is gone.
pub(super) fn serve(poller: &Poller, host: &Weak<State>) {
    let mut events = Events::new();
    loop {
        events.clear();
        match poller.wait(&mut events, None) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => violation(&format!("this machine's sockets cannot be polled: {error}")),
        }
        let Some(host) = host.upgrade().map(Host) else {
            return;
        };
        let entered = host.enter();
        let irql = KfRaiseIrql(DISPATCH_LEVEL);
        for event in events.iter() {
            let answer = host.stack().progress(event.key as u64);
            complete(&host, answer);
        }
        KeLowerIrql(irql);
        drop(entered);
    }
}

fn key(id: u64) -> usize {
    // wsk-sys is for 64-bit systems only.
    usize::try_from(id).unwrap_or(usize::MAX - 1)
}

fn accept(listener: &socket2::Socket) -> io::Result<(socket2::Socket, SocketAddr)> {
    let (socket, peer) = listener.accept()?;
    let peer = peer.as_socket().ok_or(ErrorKind::InvalidData)?;
    Ok((socket, peer))
}

fn local_address(socket: &socket2::Socket) -> Option<SocketAddr> {
    socket.local_addr().ok()?.as_socket()
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted)
}

fn is_in_progress(error: &io::Error) -> bool {
    #[cfg(unix)]
    let is_named_so = error.raw_os_error() == Some(libc::EINPROGRESS);
    #[cfg(not(unix))]
    let is_named_so = false;
    is_named_so || error.kind() == ErrorKind::WouldBlock
}

fn status(error: &io::Error) -> NTSTATUS {
    match error.kind() {
        ErrorKind::AddrInUse => STATUS_ADDRESS_ALREADY_EXISTS,
        ErrorKind::AddrNotAvailable => STATUS_INVALID_ADDRESS_COMPONENT,
        ErrorKind::ConnectionAborted => STATUS_CONNECTION_ABORTED,
        ErrorKind::ConnectionRefused => STATUS_CONNECTION_REFUSED,
        // What was connected, and is no longer.
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::NotConnected => {
            STATUS_CONNECTION_RESET
        }
        ErrorKind::HostUnreachable => STATUS_HOST_UNREACHABLE,
        ErrorKind::NetworkUnreachable => STATUS_NETWORK_UNREACHABLE,
        ErrorKind::OutOfMemory => STATUS_INSUFFICIENT_RESOURCES,
        ErrorKind::PermissionDenied => STATUS_ACCESS_DENIED,
        ErrorKind::TimedOut => STATUS_IO_TIMEOUT,
        _ => STATUS_UNSUCCESSFUL,
    }
}
