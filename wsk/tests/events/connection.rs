//! Events of connections.

use std::ptr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use wsk::events::{
    ConnectionEvents, ConnectionTable, Data, EventMask, Handler, Level, Receipt, RetainedData,
};
use wsk_sys::*;

use crate::raw::{
    Client, PoolBuffer, accept, bind, close, connect, disconnect, receive, send, socket_of,
};
use crate::support::{Enabling, Signal, enable, everywhere};

/// What a handler does with data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Way {
    #[default]
    Take,
    /// Takes the first byte only.
    Sip,
    Refuse,
    Keep,
}

#[derive(Default)]
struct Recorder {
    way: Mutex<Way>,
    received: Mutex<Vec<u8>>,
    kept: Mutex<Vec<RetainedData>>,
    events: AtomicUsize,
    ends: Mutex<Vec<bool>>,
    backlog: AtomicUsize,
    deaths: AtomicUsize,
    signal: Signal,
}

#[wsk::events]
impl ConnectionEvents for Recorder {
    fn receive(&self, data: Data<'_>) -> Receipt {
        let mut bytes = vec![0; data.len()];
        assert_eq!(data.copy_to(&mut bytes).unwrap(), data.len());
        assert!(!data.is_empty());
        let pieces: usize = data.chunks().map(|chunk| chunk.unwrap().len()).sum();
        assert_eq!(pieces, data.len());
        let way = *self.way.lock().unwrap();
        let (taken, receipt) = match way {
            Way::Take => (bytes.len(), Receipt::All),
            Way::Sip => (1, Receipt::Partial(1)),
            Way::Refuse => (0, Receipt::Refused),
            Way::Keep => {
                let kept = data.retain().unwrap();
                self.kept.lock().unwrap().push(kept);
                // It does not matter what is said about it.
                (0, Receipt::Refused)
            }
        };
        self.received.lock().unwrap().extend(&bytes[..taken]);
        self.events.fetch_add(1, Ordering::SeqCst);
        self.signal.set();
        receipt
    }

    fn disconnected(&self, abortive: bool, _level: Level) {
        self.ends.lock().unwrap().push(abortive);
        self.signal.set();
    }

    fn send_backlog(&self, ideal: usize) {
        self.backlog.store(ideal, Ordering::SeqCst);
        self.signal.set();
    }

    fn dead(&self) {
        self.deaths.fetch_add(1, Ordering::SeqCst);
        self.signal.set();
    }
}

const ALL: EventMask =
    EventMask::RECEIVE.union(EventMask::DISCONNECT).union(EventMask::SEND_BACKLOG);

/// A connection with a recorder, and its peer without.
struct Pair {
    listener: PWSK_SOCKET,
    socket: PWSK_SOCKET,
    peer: PWSK_SOCKET,
    context: PVOID,
}

impl Pair {
    fn new(client: &Client, enabling: Enabling, way: Way) -> Self {
        let (listener, address) = client.listener(ptr::null_mut(), accepts_nobody());
        let handler = Handler::new(Recorder { way: Mutex::new(way), ..Recorder::default() });
        let context = handler.unwrap().into_raw();
        let table: *const WSK_CLIENT_CONNECTION_DISPATCH = Recorder::TABLE;
        let socket = client.socket_with(WSK_FLAG_CONNECTION_SOCKET, context, table.cast());
        // SAFETY: the socket was created with the context, and is closed by `end`.
        unsafe { Handler::<Recorder>::attach(context, socket) };
        bind(socket, ([127, 0, 0, 1], 0)).succeed();
        connect(socket, address).succeed();
        enable(socket, ALL, enabling);
        // The peer's callbacks are static, too, if they are: it has its own.
        let idle = Handler::new(Recorder::default()).unwrap();
        let peer_context = idle.into_raw();
        let peer = accept(listener, peer_context, table).succeed();
        let pair = Self { listener, socket, peer: socket_of(peer), context };
        // SAFETY: as above.
        unsafe { Handler::<Recorder>::attach(peer_context, pair.peer) };
        PEERS.with(|peers| peers.borrow_mut().push(peer_context));
        pair
    }

    fn send(&self, bytes: &[u8]) {
        let buffer = PoolBuffer::with(bytes);
        assert_eq!(send(self.peer, &buffer).succeed(), bytes.len());
    }

    fn recorder<'a>(&self) -> &'a Recorder {
        // SAFETY: the context stays until `end`, after which no test uses it.
        unsafe { Handler::<Recorder>::value(self.context) }
    }

    fn received(&self) -> Vec<u8> {
        self.recorder().received.lock().unwrap().clone()
    }

    /// Closes everything, and takes the handlers back.
    fn end(self) {
        for socket in [self.socket, self.peer, self.listener] {
            close(socket);
        }
        // SAFETY: the sockets are closed, and nothing is retained.
        unsafe { drop(Handler::<Recorder>::from_raw(self.context)) };
        let peer = PEERS.with(|peers| peers.borrow_mut().pop().unwrap());
        // SAFETY: as above.
        unsafe { drop(Handler::<Recorder>::from_raw(peer)) };
    }
}

thread_local! {
    static PEERS: std::cell::RefCell<Vec<PVOID>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// The table of a listener whose connections are accepted by requests.
fn accepts_nobody() -> *const WSK_CLIENT_LISTEN_DISPATCH {
    ptr::null()
}

#[test]
fn data_is_taken_and_ends() {
    everywhere(ALL, |client, enabling| {
        let pair = Pair::new(client, enabling, Way::Take);
        pair.send(b"hello, ");
        pair.send(b"events");
        disconnect(pair.peer).succeed();
        let recorder = pair.recorder();
        recorder.signal.wait_until(|| !recorder.ends.lock().unwrap().is_empty());
        assert_eq!(pair.received(), b"hello, events");
        assert_eq!(*recorder.ends.lock().unwrap(), [false]);
        pair.end();
    });
}

#[test]
fn a_lost_connection_is_told() {
    everywhere(ALL, |client, enabling| {
        let pair = Pair::new(client, enabling, Way::Take);
        let flags = WSK_FLAG_ABORTIVE;
        let none = ptr::null_mut();
        let abort = crate::raw::call(|irp| {
            // SAFETY: the socket is connected.
            unsafe {
                crate::raw::connection(pair.peer).WskDisconnect.unwrap()(
                    pair.peer, none, flags, irp,
                )
            }
        });
        abort.succeed();
        let recorder = pair.recorder();
        recorder.signal.wait_until(|| !recorder.ends.lock().unwrap().is_empty());
        assert_eq!(*recorder.ends.lock().unwrap(), [true]);
        pair.end();
    });
}

/// What a callback leaves is received by the next request, after which callbacks go on.
#[test]
fn data_that_is_left_is_received_and_events_go_on() {
    for way in [Way::Sip, Way::Refuse] {
        everywhere(ALL, |client, enabling| {
            let pair = Pair::new(client, enabling, way);
            let recorder = pair.recorder();
            pair.send(b"abc");
            recorder.signal.wait_until(|| recorder.events.load(Ordering::SeqCst) == 1);
            let taken = pair.received().len();
            *recorder.way.lock().unwrap() = Way::Take;
            // The next bytes are the request's; what that leaves comes by events again.
            let buffer = PoolBuffer::new(3);
            let requested = receive(pair.socket, &buffer, 0).succeed();
            assert_eq!(buffer.read(requested), b"abc"[taken..taken + requested]);
            recorder.signal.wait_until(|| pair.received().len() + requested == 3);
            pair.send(b"def");
            recorder.signal.wait_until(|| pair.received().ends_with(b"def"));
            drop(buffer);
            pair.end();
        });
    }
}

#[test]
fn data_is_retained_and_released_later() {
    everywhere(ALL, |client, enabling| {
        let pair = Pair::new(client, enabling, Way::Keep);
        let recorder = pair.recorder();
        pair.send(b"kept");
        pair.send(b", too");
        let kept = || {
            let kept = recorder.kept.lock().unwrap();
            let chunks = kept.iter().flat_map(RetainedData::chunks);
            chunks.flat_map(|chunk| chunk.unwrap().to_vec()).collect::<Vec<u8>>()
        };
        recorder.signal.wait_until(|| kept().len() == 9);
        assert_eq!(kept(), b"kept, too");
        // SAFETY: the context is this type's.
        assert!(unsafe { Handler::<Recorder>::retained(pair.context) } > 0);
        let all = std::mem::take(&mut *recorder.kept.lock().unwrap());
        drop(all);
        // SAFETY: as above.
        assert_eq!(unsafe { Handler::<Recorder>::retained(pair.context) }, 0);
        pair.end();
    });
}

/// Callbacks race with requests in flight: every byte goes to the one or the other, in order.
#[test]
fn events_race_with_requests() {
    everywhere(ALL, |client, enabling| {
        let pair = Pair::new(client, enabling, Way::Take);
        let recorder = pair.recorder();
        let buffers: Vec<PoolBuffer> = (0..5).map(|_| PoolBuffer::new(4)).collect();
        let requests: Vec<_> =
            buffers.iter().map(|buffer| receive(pair.socket, buffer, 0)).collect();
        for _ in 0..10 {
            pair.send(&[7; 10]);
        }
        disconnect(pair.peer).succeed();
        let requested: usize = requests.into_iter().map(crate::raw::Request::succeed).sum();
        recorder.signal.wait_until(|| !recorder.ends.lock().unwrap().is_empty());
        assert_eq!(requested + pair.received().len(), 100);
        drop(buffers);
        pair.end();
    });
}

#[test]
fn a_sender_is_told_how_much_is_ideal() {
    everywhere(ALL, |client, enabling| {
        let pair = Pair::new(client, enabling, Way::Take);
        let recorder = pair.recorder();
        // SAFETY: the peer's context is this type's, and its socket is open.
        let context = PEERS.with(|peers| *peers.borrow().last().unwrap());
        // SAFETY: as above.
        let peer = unsafe { Handler::<Recorder>::value(context) };
        enable(pair.peer, ALL, enabling);
        let chunk = vec![7; 16 << 10];
        for _ in 0..8 {
            pair.send(&chunk);
        }
        peer.signal.wait_until(|| peer.backlog.load(Ordering::SeqCst) > 0);
        recorder.signal.wait_until(|| pair.received().len() == 8 * chunk.len());
        pair.end();
    });
}

#[test]
fn a_socket_that_is_withdrawn_is_told_once() {
    everywhere(ALL, |client, enabling| {
        let pair = Pair::new(client, enabling, Way::Take);
        let recorder = pair.recorder();
        client.host.withdraw();
        recorder.signal.wait_until(|| recorder.deaths.load(Ordering::SeqCst) > 0);
        client.host.settle();
        assert_eq!(recorder.deaths.load(Ordering::SeqCst), 1);
        pair.end();
    });
}
