//! Callbacks, and what they are given.

use core::fmt::Debug;
use core::ops::Deref;
use core::sync::atomic::{AtomicUsize, Ordering};

#[expect(clippy::wildcard_imports, reason = "everything that there is")]
use wsk::events::*;
use wsk::sys::{PVOID, PWSK_SOCKET};

/// Counts what happens: handlers that do next to nothing, so that what is left is wsk's.
#[derive(Debug)]
struct Counter(AtomicUsize);

impl Counter {
    fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// As [`Counter`], for the events that exclude others.
struct Inspector(Counter);

#[wsk::events]
impl ListenEvents for Counter {
    type Connection = Self;

    fn accept(&self, _incoming: Incoming<'_>) -> Option<Handler<Self>> {
        Handler::new(Self(AtomicUsize::new(0))).ok()
    }

    fn dead(&self) {
        self.count();
    }
}

#[wsk::events]
impl ConditionalListenEvents for Inspector {
    type Connection = ();

    fn inspect(&self, inspection: Inspection<'_>) -> Decision {
        self.0.count();
        if inspection.peer_addr().is_some() { Decision::Pend } else { Decision::Reject }
    }

    fn aborted(&self, _id: InspectId) {
        self.0.count();
    }

    fn accept(&self, _incoming: Incoming<'_>) -> Option<Handler<()>> {
        Handler::new(()).ok()
    }

    fn dead(&self) {
        self.0.count();
    }
}

#[wsk::events]
impl DatagramEvents for Counter {
    fn receive_from(&self, datagrams: Datagrams<'_>) -> Disposition {
        self.0.fetch_add(datagrams.iter().count(), Ordering::Relaxed);
        Disposition::Accepted
    }

    fn dead(&self) {
        self.count();
    }
}

#[wsk::events]
impl ConnectionEvents for Counter {
    fn receive(&self, data: Data<'_>) -> Receipt {
        self.0.fetch_add(data.len(), Ordering::Relaxed);
        Receipt::Partial(1)
    }

    fn disconnected(&self, _abortive: bool, _level: Level) {
        self.count();
    }

    fn send_backlog(&self, ideal: usize) {
        self.0.fetch_max(ideal, Ordering::Relaxed);
    }

    fn dead(&self) {
        self.count();
    }
}

calls! {
    "tables": |()| {
        (
            <Counter as StreamTable>::TABLE,
            <Counter as DatagramTable>::TABLE,
            <Inspector as ListenTable>::TABLE,
        )
    };
}

calls! {
    "Handler::new": |counter: Counter| Handler::new(counter);
    "Handler::into_raw": |handler: Handler<Counter>| handler.into_raw();
    "Handler::from_raw": |context: PVOID| {
        // SAFETY: the caller's promise.
        unsafe { Handler::<Counter>::from_raw(context) }
    };
    "Handler::attach": |(context, socket): (PVOID, PWSK_SOCKET)| {
        // SAFETY: the caller's promise.
        unsafe { Handler::<Counter>::attach(context, socket) }
    };
    "Handler::retained": |context: PVOID| {
        // SAFETY: the caller's promise.
        unsafe { Handler::<Counter>::retained(context) }
    };
    "Handler::value": |context: PVOID| {
        // SAFETY: the caller's promise.
        unsafe { Handler::<Counter>::value(context) }
    };
    "Handler::deref": |handler: &'static Handler<Counter>| Deref::deref(handler);
}

calls! {
    "Incoming::socket": |incoming: &'static Incoming<'static>| incoming.socket();
    "Incoming::local_addr": |incoming: &'static Incoming<'static>| incoming.local_addr();
    "Incoming::peer_addr": |incoming: &'static Incoming<'static>| incoming.peer_addr();
    "Incoming::level": |incoming: &'static Incoming<'static>| incoming.level();
    "Inspection::id": |inspection: &'static Inspection<'static>| inspection.id();
    "Inspection::local_addr": |inspection: &'static Inspection<'static>| inspection.local_addr();
    "Inspection::peer_addr": |inspection: &'static Inspection<'static>| inspection.peer_addr();
    "InspectId::to_raw": |id: InspectId| id.to_raw();
}

type Bytes = &'static mut [u8];

calls! {
    "Data::len": |data: &'static Data<'static>| data.len();
    "Data::is_empty": |data: &'static Data<'static>| data.is_empty();
    "Data::chunks": |data: &'static Data<'static>| data.chunks().last();
    "Data::copy_to": |(data, to): (&'static Data<'static>, Bytes)| data.copy_to(to);
    "Data::is_entire_message": |data: &'static Data<'static>| data.is_entire_message();
    "Data::release_soon": |data: &'static Data<'static>| data.release_soon();
    "Data::level": |data: &'static Data<'static>| data.level();
    "Data::retain": |data: Data<'static>| data.retain();
    "RetainedData::len": |data: &'static RetainedData| data.len();
    "RetainedData::is_empty": |data: &'static RetainedData| data.is_empty();
    "RetainedData::chunks": |data: &'static RetainedData| data.chunks().last();
    "RetainedData::copy_to": |(data, to): (&'static RetainedData, Bytes)| data.copy_to(to);
    "Chunks::next": |chunks: &'static mut Chunks<'static>| chunks.next();
}

calls! {
    "Datagram::len": |datagram: Datagram<'static>| datagram.len();
    "Datagram::is_empty": |datagram: Datagram<'static>| datagram.is_empty();
    "Datagram::peer_addr": |datagram: Datagram<'static>| datagram.peer_addr();
    "Datagram::chunks": |datagram: Datagram<'static>| datagram.chunks();
    "Datagram::copy_to": |(datagram, to): (Datagram<'static>, Bytes)| datagram.copy_to(to);
    "Datagram::control_messages": |datagram: Datagram<'static>| datagram.control_messages();
    "ControlMessages::next": |messages: &'static mut ControlMessages<'static>| messages.next();
    "DatagramIter::next": |datagrams: &'static mut DatagramIter<'static>| datagrams.next();
    "Datagrams::iter": |datagrams: &'static Datagrams<'static>| datagrams.iter();
    "Datagrams::into_iter": |datagrams: &'static Datagrams<'static>| datagrams.into_iter();
    "Datagrams::is_broadcast": |datagrams: &'static Datagrams<'static>| datagrams.is_broadcast();
    "Datagrams::is_multicast": |datagrams: &'static Datagrams<'static>| datagrams.is_multicast();
    "Datagrams::level": |datagrams: &'static Datagrams<'static>| datagrams.level();
    "Datagrams::retain": |datagrams: Datagrams<'static>| datagrams.retain();
    "RetainedDatagrams::iter": |datagrams: &'static RetainedDatagrams| datagrams.iter();
    "RetainedDatagrams::into_iter": |datagrams: &'static RetainedDatagrams| datagrams.into_iter();
}

drops! {
    "Handler::drop": Handler<Counter>;
    "RetainedData::drop": RetainedData;
    "RetainedDatagrams::drop": RetainedDatagrams;
}

formats! {
    "Handler::fmt<Debug>": Handler<Counter> as Debug;
    "Data::fmt<Debug>": Data<'static> as Debug;
    "Datagrams::fmt<Debug>": Datagrams<'static> as Debug;
    "ControlMessage::fmt<Debug>": ControlMessage<'static> as Debug;
    "EventMask::fmt<Debug>": EventMask as Debug;
}
