//! Events of listeners: accepting, inspecting, and both roles of a stream socket.

use std::net::SocketAddr;
use std::ptr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use wsk::events::{
    ConditionalListenEvents, ConnectionEvents, ConnectionTable, Data, Decision, EventMask, Handler,
    Incoming, InspectId, Inspection, ListenEvents, ListenTable, Receipt, StreamTable,
};
use wsk_sys::*;

use crate::raw::{
    Client, PoolBuffer, Request, bind, call, close, connect, disconnect, local_address,
    receive_exactly, send, set_option, socket_of,
};
use crate::support::{Enabling, Signal, enable, everywhere};

/// An accepted connection.
#[derive(Default)]
struct Peer {
    received: Mutex<Vec<u8>>,
}

#[wsk::events]
impl ConnectionEvents for Peer {
    fn receive(&self, data: Data<'_>) -> Receipt {
        let mut bytes = vec![0; data.len()];
        data.copy_to(&mut bytes).unwrap();
        self.received.lock().unwrap().extend(bytes);
        Receipt::All
    }
}

#[derive(Default)]
struct Listener {
    /// How many connections are rejected first.
    rejects: AtomicUsize,
    accepted: Mutex<Vec<usize>>,
    signal: Signal,
}

impl Listener {
    fn offer(&self, incoming: &Incoming<'_>) -> Option<Handler<Peer>> {
        assert!(incoming.local_addr().unwrap().ip().is_loopback());
        assert!(incoming.peer_addr().unwrap().ip().is_loopback());
        let rejects = self
            .rejects
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if rejects.is_ok() {
            return None;
        }
        Some(Handler::new(Peer::default()).unwrap())
    }

    fn sockets(&self) -> Vec<PWSK_SOCKET> {
        self.accepted.lock().unwrap().iter().copied().map(socket_of).collect()
    }
}

/// A listener at an address, with its context.
fn listener<T: ListenTable + Send + Sync + 'static>(
    client: &Client,
    value: T,
) -> (PWSK_SOCKET, PVOID, SocketAddr) {
    let context = Handler::new(value).unwrap().into_raw();
    let table: *const WSK_CLIENT_LISTEN_DISPATCH = T::TABLE;
    let socket = client.socket_with(WSK_FLAG_LISTEN_SOCKET, context, table.cast());
    if T::IS_CONDITIONAL {
        assert_eq!(set_option(socket, SOL_SOCKET, SO_CONDITIONAL_ACCEPT, 1), STATUS_SUCCESS);
    }
    bind(socket, ([127, 0, 0, 1], 0)).succeed();
    let address = local_address(socket);
    (socket, context, address)
}

/// A connection that is on its way.
fn begin(client: &Client, address: SocketAddr) -> (PWSK_SOCKET, Request) {
    // With static events, every connection has a table.
    let none: *const WSK_CLIENT_CONNECTION_DISPATCH = Silent::TABLE;
    let socket = client.socket_with(WSK_FLAG_CONNECTION_SOCKET, ptr::null_mut(), none.cast());
    bind(socket, ([127, 0, 0, 1], 0)).succeed();
    (socket, connect(socket, address))
}

/// Connects without caring for events: a null context leaves data to requests.
struct Silent;

#[wsk::events]
impl ConnectionEvents for Silent {
    fn receive(&self, _data: Data<'_>) -> Receipt {
        unreachable!("no socket has it as its context")
    }
}

const ACCEPT: EventMask = EventMask::ACCEPT;

/// The handlers of accepted sockets are found by their data, and taken back after their close.
fn close_accepted(sockets: &[PWSK_SOCKET], contexts: &[PVOID]) {
    for &socket in sockets {
        close(socket);
    }
    for &context in contexts {
        // SAFETY: the sockets are closed, and nothing is retained.
        unsafe { drop(Handler::<Peer>::from_raw(context)) };
    }
}

#[test]
fn connections_are_accepted_and_rejected() {
    everywhere(ACCEPT, |client, enabling| {
        let (socket, context, address) = listener(client, Tracked::default());
        // SAFETY: the context stays until the close.
        let tracked = unsafe { Handler::<Tracked>::value(context) };
        tracked.0.rejects.store(1, Ordering::SeqCst);
        enable(socket, ACCEPT, enabling);
        let (rejected, request) = begin(client, address);
        // Whether it is connected before it is rejected is the network's to say.
        let is_connected = request.wait().0 == STATUS_SUCCESS;
        if is_connected {
            let buffer = PoolBuffer::new(1);
            let (status, _) = crate::raw::receive(rejected, &buffer, 0).wait();
            assert_eq!(status, STATUS_CONNECTION_RESET);
        }
        let (second, request) = begin(client, address);
        request.succeed();
        tracked.0.signal.wait_until(|| tracked.0.sockets().len() == 1);
        let [accepted] = tracked.0.sockets()[..] else { panic!("one was rejected") };
        let buffer = PoolBuffer::with(b"hello");
        send(second, &buffer).succeed();
        assert_eq!(receive_exactly(accepted, 5), b"hello");
        drop(buffer);
        disconnect(second).succeed();
        for socket in [rejected, second] {
            close(socket);
        }
        client.host.settle();
        let contexts =
            tracked.1.lock().unwrap().iter().map(|c| socket_of(*c).cast()).collect::<Vec<_>>();
        close_accepted(&[accepted], &contexts);
        close(socket);
        // SAFETY: the socket is closed.
        unsafe { drop(Handler::<Tracked>::from_raw(context)) };
    });
}

/// Requests go before events, but for a race: every connection goes to the one or the other.
#[test]
fn accept_events_race_with_requests() {
    everywhere(ACCEPT, |client, enabling| {
        let (socket, context, address) = listener(client, Tracked::default());
        // SAFETY: the context stays until the close.
        let tracked = unsafe { Handler::<Tracked>::value(context) };
        enable(socket, ACCEPT, enabling);
        let none: *const WSK_CLIENT_CONNECTION_DISPATCH = Silent::TABLE;
        let requests: Vec<Request> =
            (0..2).map(|_| crate::raw::accept(socket, ptr::null_mut(), none)).collect();
        let clients: Vec<PWSK_SOCKET> = (0..5)
            .map(|_| {
                let (socket, request) = begin(client, address);
                request.succeed();
                socket
            })
            .collect();
        let completed = || requests.iter().filter(|request| request.is_complete()).count();
        // A request that completes sets no signal of this test's: it is waited for by name.
        while completed() + tracked.0.sockets().len() < clients.len() {
            if !requests
                .iter()
                .any(|request| !request.is_complete() && request.completes_within(10))
            {
                client.host.settle();
            }
        }
        for request in requests {
            let is_complete = request.is_complete();
            if !is_complete {
                request.cancel();
            }
            match request.wait() {
                (STATUS_SUCCESS, accepted) => close(socket_of(accepted)),
                (status, _) => assert_eq!((status, is_complete), (STATUS_CANCELLED, false)),
            }
        }
        clients.into_iter().for_each(close);
        client.host.settle();
        let contexts: Vec<PVOID> =
            tracked.1.lock().unwrap().iter().map(|c| socket_of(*c).cast()).collect();
        close_accepted(&tracked.0.sockets(), &contexts);
        close(socket);
        // SAFETY: the socket is closed.
        unsafe { drop(Handler::<Tracked>::from_raw(context)) };
    });
}

/// A listener that knows the contexts of what it has accepted, as the builder of sockets does.
#[derive(Default)]
struct Tracked(Listener, Mutex<Vec<usize>>);

/// A handler's memory, known beforehand.
impl Tracked {
    fn track(&self, handler: Handler<Peer>, socket: PWSK_SOCKET) -> Handler<Peer> {
        let context = handler.into_raw();
        self.1.lock().unwrap().push(context.expose_provenance());
        self.0.accepted.lock().unwrap().push(socket.expose_provenance());
        self.0.signal.set();
        // SAFETY: it was just made.
        unsafe { Handler::from_raw(context) }
    }
}

#[wsk::events]
impl ListenEvents for Tracked {
    type Connection = Peer;

    fn accept(&self, incoming: Incoming<'_>) -> Option<Handler<Peer>> {
        self.0.offer(&incoming).map(|handler| self.track(handler, incoming.socket()))
    }
}

#[derive(Default)]
struct Inspector {
    decisions: Mutex<Vec<Decision>>,
    pended: Mutex<Vec<InspectId>>,
    aborted: Mutex<Vec<InspectId>>,
    tracked: Tracked,
}

#[wsk::events]
impl ConditionalListenEvents for Inspector {
    type Connection = Peer;

    fn inspect(&self, inspection: Inspection<'_>) -> Decision {
        assert!(inspection.peer_addr().unwrap().ip().is_loopback());
        assert!(inspection.local_addr().unwrap().ip().is_loopback());
        let decision = self.decisions.lock().unwrap().pop().unwrap_or(Decision::Accept);
        if decision == Decision::Pend {
            self.pended.lock().unwrap().push(inspection.id());
        }
        self.tracked.0.signal.set();
        decision
    }

    fn aborted(&self, id: InspectId) {
        self.aborted.lock().unwrap().push(id);
        self.tracked.0.signal.set();
    }

    fn accept(&self, incoming: Incoming<'_>) -> Option<Handler<Peer>> {
        ListenEvents::accept(&self.tracked, incoming)
    }
}

fn complete(socket: PWSK_SOCKET, id: InspectId, action: WSK_INSPECT_ACTION) {
    let mut id = id.to_raw();
    let id = &raw mut id;
    // SAFETY: the socket inspects.
    call(|irp| unsafe {
        crate::raw::listen(socket).WskInspectComplete.unwrap()(socket, id, action, irp)
    })
    .succeed();
}

/// A conditional listener, and what it decides.
fn inspecting(
    client: &Client,
    enabling: Enabling,
    decision: Decision,
    scenario: impl FnOnce(&Inspector, PWSK_SOCKET, SocketAddr),
) {
    let (socket, context, address) = listener(client, Inspector::default());
    // SAFETY: the context stays until the close.
    let inspector = unsafe { Handler::<Inspector>::value(context) };
    inspector.decisions.lock().unwrap().push(decision);
    enable(socket, ACCEPT, enabling);
    scenario(inspector, socket, address);
    client.host.settle();
    let contexts: Vec<PVOID> =
        inspector.tracked.1.lock().unwrap().iter().map(|c| socket_of(*c).cast()).collect();
    close_accepted(&inspector.tracked.0.sockets(), &contexts);
    close(socket);
    // SAFETY: the socket is closed.
    unsafe { drop(Handler::<Inspector>::from_raw(context)) };
}

#[test]
fn an_inspected_connection_is_accepted() {
    everywhere(ACCEPT, |client, enabling| {
        inspecting(client, enabling, Decision::Accept, |inspector, _, address| {
            let (socket, request) = begin(client, address);
            request.succeed();
            let listener = &inspector.tracked.0;
            listener.signal.wait_until(|| listener.sockets().len() == 1);
            close(socket);
        });
    });
}

#[test]
fn an_inspected_connection_is_rejected() {
    everywhere(ACCEPT, |client, enabling| {
        inspecting(client, enabling, Decision::Reject, |inspector, _, address| {
            let (socket, request) = begin(client, address);
            let (status, _) = request.wait();
            if status == STATUS_SUCCESS {
                // The machine had let it in before anybody was asked.
                let buffer = PoolBuffer::new(1);
                let (status, _) = crate::raw::receive(socket, &buffer, 0).wait();
                assert_eq!(status, STATUS_CONNECTION_RESET);
            } else {
                assert_eq!(status, STATUS_CONNECTION_REFUSED);
            }
            assert!(inspector.tracked.0.sockets().is_empty());
            close(socket);
        });
    });
}

#[test]
fn a_pended_connection_is_completed() {
    for action in [WskInspectAccept, WskInspectReject] {
        everywhere(ACCEPT, |client, enabling| {
            inspecting(client, enabling, Decision::Pend, |inspector, listener, address| {
                let (socket, request) = begin(client, address);
                let signal = &inspector.tracked.0.signal;
                signal.wait_until(|| !inspector.pended.lock().unwrap().is_empty());
                let id = inspector.pended.lock().unwrap()[0];
                complete(listener, id, action);
                let (status, _) = request.wait();
                if action == WskInspectAccept {
                    assert_eq!(status, STATUS_SUCCESS);
                    signal.wait_until(|| inspector.tracked.0.sockets().len() == 1);
                } else {
                    client.host.settle();
                    assert!(inspector.tracked.0.sockets().is_empty());
                }
                close(socket);
            });
        });
    }
}

/// Who asked has gone before there was a decision: that is told, and the decision harms nobody.
#[test]
fn a_pended_connection_is_aborted() {
    everywhere(ACCEPT, |client, enabling| {
        inspecting(client, enabling, Decision::Pend, |inspector, listener, address| {
            let (socket, request) = begin(client, address);
            let signal = &inspector.tracked.0.signal;
            signal.wait_until(|| !inspector.pended.lock().unwrap().is_empty());
            let id = inspector.pended.lock().unwrap()[0];
            close(socket);
            request.wait();
            signal.wait_until(|| !inspector.aborted.lock().unwrap().is_empty());
            assert_eq!(*inspector.aborted.lock().unwrap(), [id]);
            complete(listener, id, WskInspectAccept);
            assert!(inspector.tracked.0.sockets().is_empty());
        });
    });
}

/// Both roles of a stream socket have one type.
#[derive(Default)]
struct Both {
    tracked: Tracked,
    received: Mutex<Vec<u8>>,
}

#[wsk::events]
impl ListenEvents for Both {
    type Connection = Peer;

    fn accept(&self, incoming: Incoming<'_>) -> Option<Handler<Peer>> {
        self.tracked.accept(incoming)
    }
}

#[wsk::events]
impl ConnectionEvents for Both {
    fn receive(&self, data: Data<'_>) -> Receipt {
        let mut bytes = vec![0; data.len()];
        data.copy_to(&mut bytes).unwrap();
        self.received.lock().unwrap().extend(bytes);
        self.tracked.0.signal.set();
        Receipt::All
    }
}

#[test]
fn a_stream_socket_has_events_in_both_roles() {
    everywhere(ACCEPT | EventMask::RECEIVE, |client, enabling| {
        let streams: Vec<(PWSK_SOCKET, PVOID, &Both)> = (0..2)
            .map(|_| {
                let context = Handler::new(Both::default()).unwrap().into_raw();
                let table: *const WSK_CLIENT_STREAM_DISPATCH = <Both as StreamTable>::TABLE;
                let socket = client.socket_with(WSK_FLAG_STREAM_SOCKET, context, table.cast());
                bind(socket, ([127, 0, 0, 1], 0)).succeed();
                // SAFETY: the context stays until the close.
                (socket, context, unsafe { Handler::<Both>::value(context) })
            })
            .collect();
        let [(listener, _, server), (socket, _, receiver)] = streams[..] else { unreachable!() };
        let address = crate::raw::PoolAddress::empty();
        let table = crate::raw::stream(listener);
        // SAFETY: the socket is bound, and then listens.
        unsafe {
            call(|irp| table.WskGetLocalAddress.unwrap()(listener, address.0, irp)).succeed();
            call(|irp| table.WskListen.unwrap()(listener, irp)).succeed();
        }
        enable(listener, ACCEPT, enabling);
        // SAFETY: the socket is bound.
        call(|irp| unsafe { table.WskConnect.unwrap()(socket, address.0, 0, irp) }).succeed();
        enable(socket, EventMask::RECEIVE, enabling);
        server.tracked.0.signal.wait_until(|| server.tracked.0.sockets().len() == 1);
        let accepted = server.tracked.0.sockets()[0];
        let buffer = PoolBuffer::with(b"to the stream");
        send(accepted, &buffer).succeed();
        let signal = &receiver.tracked.0.signal;
        signal.wait_until(|| receiver.received.lock().unwrap().len() == 13);
        drop((buffer, address));
        client.host.settle();
        let contexts: Vec<PVOID> =
            server.tracked.1.lock().unwrap().iter().map(|c| socket_of(*c).cast()).collect();
        close_accepted(&[accepted], &contexts);
        for (socket, context, _) in streams.iter().copied() {
            close(socket);
            // SAFETY: the socket is closed.
            unsafe { drop(Handler::<Both>::from_raw(context)) };
        }
    });
}

#[test]
fn tables_have_what_is_implemented() {
    let listener = <Tracked as ListenTable>::TABLE;
    assert!(listener.WskAcceptEvent.is_some());
    assert!(listener.WskInspectEvent.is_none() && listener.WskAbortEvent.is_none());
    const { assert!(!<Tracked as ListenTable>::IS_CONDITIONAL) };
    let inspector = Inspector::TABLE;
    assert!(inspector.WskInspectEvent.is_some() && inspector.WskAbortEvent.is_some());
    const { assert!(Inspector::IS_CONDITIONAL) };
    assert_eq!(Inspector::EVENTS, EventMask::ACCEPT);
    let silent = Silent::TABLE;
    assert!(silent.WskReceiveEvent.is_some());
    assert!(silent.WskDisconnectEvent.is_none() && silent.WskSendBacklogEvent.is_none());
    assert_eq!(Silent::EVENTS, EventMask::RECEIVE);
    let stream = <Both as StreamTable>::TABLE;
    assert!(ptr::eq(stream.Listen, <Both as ListenTable>::TABLE));
    assert!(ptr::eq(stream.Connect, <Both as ConnectionTable>::TABLE));
}
