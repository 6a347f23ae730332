//! Events of datagram sockets.

use std::net::SocketAddr;
use std::ptr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use wsk::events::{
    DatagramEvents, DatagramTable, Datagrams, Disposition, EventMask, Handler, RetainedDatagrams,
};
use wsk_sys::*;

use crate::raw::{
    Client, PoolAddress, PoolBuffer, bind, call, close, datagram, set_events, set_option,
};
use crate::support::{Enabling, Signal, enable, everywhere};

#[derive(Default)]
struct Recorder {
    refuses: AtomicBool,
    keeps: AtomicBool,
    received: Mutex<Vec<(Vec<u8>, SocketAddr)>>,
    /// The destination addresses that were told.
    told: AtomicUsize,
    kept: Mutex<Vec<RetainedDatagrams>>,
    refusals: AtomicUsize,
    deaths: AtomicUsize,
    signal: Signal,
}

#[wsk::events]
impl DatagramEvents for Recorder {
    fn receive_from(&self, datagrams: Datagrams<'_>) -> Disposition {
        if self.refuses.load(Ordering::SeqCst) {
            self.refusals.fetch_add(1, Ordering::SeqCst);
            self.signal.set();
            return Disposition::Refused;
        }
        assert!(!datagrams.is_broadcast() && !datagrams.is_multicast());
        for datagram in &datagrams {
            let mut bytes = vec![0; datagram.len()];
            assert_eq!(datagram.copy_to(&mut bytes).unwrap(), datagram.len());
            for message in datagram.control_messages() {
                assert_eq!((message.level, message.kind), (IPPROTO_IP, IP_PKTINFO));
                assert_eq!(message.data[..4], [127, 0, 0, 1]);
                self.told.fetch_add(1, Ordering::SeqCst);
            }
            self.received.lock().unwrap().push((bytes, datagram.peer_addr().unwrap()));
        }
        if self.keeps.load(Ordering::SeqCst) {
            let kept = datagrams.retain().unwrap();
            self.kept.lock().unwrap().push(kept);
        }
        self.signal.set();
        Disposition::Accepted
    }

    fn dead(&self) {
        self.deaths.fetch_add(1, Ordering::SeqCst);
        self.signal.set();
    }
}

const ALL: EventMask = EventMask::RECEIVE_FROM;

/// A socket that sends to itself.
struct Own {
    socket: PWSK_SOCKET,
    address: SocketAddr,
    context: PVOID,
}

impl Own {
    fn new(client: &Client, enabling: Enabling) -> Self {
        let context = Handler::new(Recorder::default()).unwrap().into_raw();
        let table: *const WSK_CLIENT_DATAGRAM_DISPATCH = Recorder::TABLE;
        let socket = client.socket_with(WSK_FLAG_DATAGRAM_SOCKET, context, table.cast());
        // SAFETY: the socket was created with the context, which stays until its close.
        unsafe { Handler::<Recorder>::attach(context, socket) };
        bind(socket, ([127, 0, 0, 1], 0)).succeed();
        let address = datagram_address(socket);
        enable(socket, ALL, enabling);
        Self { socket, address, context }
    }

    fn send(&self, bytes: &[u8]) {
        let (buffer, to) = (PoolBuffer::with(bytes), PoolAddress::new(self.address));
        let none = ptr::null_mut();
        let sent = call(|irp| {
            // SAFETY: the socket is bound, and everything stays until the request has completed.
            unsafe {
                datagram(self.socket).WskSendTo.unwrap()(
                    self.socket,
                    buffer.buffer,
                    0,
                    to.0,
                    0,
                    none,
                    irp,
                )
            }
        });
        assert_eq!(sent.succeed(), bytes.len());
    }

    fn recorder<'a>(&self) -> &'a Recorder {
        // SAFETY: the context stays until `end`, after which no test uses it.
        unsafe { Handler::<Recorder>::value(self.context) }
    }

    fn count(&self) -> usize {
        self.recorder().received.lock().unwrap().len()
    }

    fn end(self) {
        close(self.socket);
        // SAFETY: the socket is closed, and nothing is retained.
        unsafe { drop(Handler::<Recorder>::from_raw(self.context)) };
    }
}

fn datagram_address(socket: PWSK_SOCKET) -> SocketAddr {
    let address = PoolAddress::empty();
    // SAFETY: the socket is bound.
    call(|irp| unsafe { datagram(socket).WskGetLocalAddress.unwrap()(socket, address.0, irp) })
        .succeed();
    address.get()
}

#[test]
fn datagrams_are_taken_with_their_sender_and_their_destination() {
    everywhere(ALL, |client, enabling| {
        let socket = Own::new(client, enabling);
        assert_eq!(set_option(socket.socket, IPPROTO_IP, IP_PKTINFO, 1), STATUS_SUCCESS);
        for number in 0..5_u8 {
            socket.send(&[number; 20]);
        }
        let recorder = socket.recorder();
        recorder.signal.wait_until(|| socket.count() == 5);
        let mut received = recorder.received.lock().unwrap().clone();
        received.sort();
        for (number, (bytes, from)) in (0..).zip(received) {
            assert_eq!((bytes, from), (vec![number; 20], socket.address));
        }
        assert_eq!(recorder.told.load(Ordering::SeqCst), 5);
        socket.end();
    });
}

#[test]
fn datagrams_are_retained_and_released_later() {
    everywhere(ALL, |client, enabling| {
        let socket = Own::new(client, enabling);
        let recorder = socket.recorder();
        recorder.keeps.store(true, Ordering::SeqCst);
        socket.send(b"kept");
        recorder.signal.wait_until(|| !recorder.kept.lock().unwrap().is_empty());
        let kept = std::mem::take(&mut *recorder.kept.lock().unwrap());
        let first = kept[0].iter().next().unwrap();
        let mut bytes = [0; 4];
        assert_eq!(first.copy_to(&mut bytes).unwrap(), 4);
        assert_eq!(&bytes, b"kept");
        drop(kept);
        socket.end();
    });
}

/// Refused datagrams come again when the event is enabled again, or are lost if it is static.
#[test]
fn refused_datagrams_wait_or_are_lost() {
    everywhere(ALL, |client, enabling| {
        let socket = Own::new(client, enabling);
        let recorder = socket.recorder();
        recorder.refuses.store(true, Ordering::SeqCst);
        socket.send(b"first");
        recorder.signal.wait_until(|| recorder.refusals.load(Ordering::SeqCst) == 1);
        client.host.settle();
        recorder.refuses.store(false, Ordering::SeqCst);
        if enabling == Enabling::Dynamic {
            assert_eq!(set_events(socket.socket, ALL.bits()), STATUS_SUCCESS);
            recorder.signal.wait_until(|| socket.count() == 1);
        }
        socket.send(b"second");
        recorder.signal.wait_until(|| {
            recorder.received.lock().unwrap().iter().any(|(bytes, _)| bytes == b"second")
        });
        socket.end();
    });
}

#[test]
fn a_socket_that_is_withdrawn_is_told_once() {
    everywhere(ALL, |client, enabling| {
        let socket = Own::new(client, enabling);
        let recorder = socket.recorder();
        client.host.withdraw();
        recorder.signal.wait_until(|| recorder.deaths.load(Ordering::SeqCst) > 0);
        client.host.settle();
        assert_eq!(recorder.deaths.load(Ordering::SeqCst), 1);
        socket.end();
    });
}
