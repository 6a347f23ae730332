//! Callbacks and their arguments.

use core::fmt::Debug;
use core::sync::atomic::{AtomicUsize, Ordering};

#[expect(clippy::wildcard_imports, reason = "everything that there is")]
use wsk::events::*;

/// Counts events: the handlers do almost nothing, so that the rest of the code is wsk's.
#[derive(Debug)]
pub(crate) struct Counter(AtomicUsize);

impl Counter {
    #[expect(clippy::declare_interior_mutable_const, reason = "each use is to be another counter")]
    const NEW: Self = Self(AtomicUsize::new(0));

    fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// As [`Counter`], for the events that exclude others.
pub(crate) struct Inspector(Counter);

#[wsk::events]
impl ListenEvents for Counter {
    type Connection = Self;

    fn accept(&self, incoming: Incoming<'_, Self>) {
        drop(incoming.accept(Self::NEW));
    }

    fn dead(&self) {
        self.count();
    }
}

#[wsk::events]
impl ConditionalListenEvents for Inspector {
    type Connection = ();

    fn inspect(&self, inspection: Inspection<'_>) {
        self.0.count();
        drop(inspection.pend());
    }

    fn aborted(&self, _id: InspectId) {
        self.0.count();
    }

    fn accept(&self, incoming: Incoming<'_, ()>) {
        drop(incoming.accept(()));
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

    fn disconnected(&self, _abortive: bool, _level: CallbackIrql) {
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

type Offered = &'static Incoming<'static, Counter>;

calls! {
    "Incoming::accept": |incoming: Incoming<'static, Counter>| incoming.accept(Counter::NEW);
    "Incoming::local_addr": |incoming: Offered| incoming.local_addr();
    "Incoming::peer_addr": |incoming: Offered| incoming.peer_addr();
    "Incoming::level": |incoming: Offered| incoming.level();
    "Inspection::id": |inspection: &'static Inspection<'static>| inspection.id();
    "Inspection::local_addr": |inspection: &'static Inspection<'static>| inspection.local_addr();
    "Inspection::peer_addr": |inspection: &'static Inspection<'static>| inspection.peer_addr();
    "Inspection::accept": |inspection: Inspection<'static>| inspection.accept();
    "Inspection::reject": |inspection: Inspection<'static>| inspection.reject();
    "Inspection::pend": |inspection: Inspection<'static>| inspection.pend();
    "InspectId::to_raw": |id: InspectId| id.to_raw();
    "PendingInspection::id": |pending: &'static PendingInspection| pending.id();
}

futures! {
    "PendingInspection::accept": |pending: PendingInspection| pending.accept();
    "PendingInspection::reject": |pending: PendingInspection| pending.reject();
}

type SliceMut = &'static mut [u8];

calls! {
    "Data::len": |data: &'static Data<'static>| data.len();
    "Data::is_empty": |data: &'static Data<'static>| data.is_empty();
    "Data::chunks": |data: &'static Data<'static>| data.chunks().last();
    "Data::copy_to": |(data, to): (&'static Data<'static>, SliceMut)| data.copy_to(to);
    "Data::is_entire_message": |data: &'static Data<'static>| data.is_entire_message();
    "Data::release_soon": |data: &'static Data<'static>| data.release_soon();
    "Data::level": |data: &'static Data<'static>| data.level();
    "Data::retain": |data: Data<'static>| data.retain();
    "RetainedData::len": |data: &'static RetainedData| data.len();
    "RetainedData::is_empty": |data: &'static RetainedData| data.is_empty();
    "RetainedData::chunks": |data: &'static RetainedData| data.chunks().last();
    "RetainedData::copy_to": |(data, to): (&'static RetainedData, SliceMut)| data.copy_to(to);
    "RetainedData::into_chain": |data: RetainedData| data.into_chain();
    "Chunks::next": |chunks: &'static mut Chunks<'static>| chunks.next();
}

calls! {
    "IndicatedDatagram::len": |datagram: IndicatedDatagram<'static>| datagram.len();
    "IndicatedDatagram::is_empty": |datagram: IndicatedDatagram<'static>| datagram.is_empty();
    "IndicatedDatagram::peer_addr": |datagram: IndicatedDatagram<'static>| datagram.peer_addr();
    "IndicatedDatagram::chunks": |datagram: IndicatedDatagram<'static>| datagram.chunks();
    "IndicatedDatagram::control_messages": |datagram: IndicatedDatagram<'static>| datagram.control_messages();
    "IndicatedDatagram::copy_to": |(datagram, to): (IndicatedDatagram<'static>, SliceMut)| datagram.copy_to(to);
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
    "PendingInspection::drop": PendingInspection;
    "RetainedData::drop": RetainedData;
    "RetainedDatagrams::drop": RetainedDatagrams;
}

formats! {
    "Inspection::fmt<Debug>": Inspection<'static> as Debug;
    "PendingInspection::fmt<Debug>": PendingInspection as Debug;
    "Data::fmt<Debug>": Data<'static> as Debug;
    "Datagrams::fmt<Debug>": Datagrams<'static> as Debug;
    "EventMask::fmt<Debug>": EventMask as Debug;
}
