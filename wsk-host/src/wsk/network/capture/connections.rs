//! Connections as their packets number them: a network carries bytes, and this module the segments that TCP would.

use std::net::SocketAddr;

use rustc_hash::FxHashMap;

use super::frames::{Control, Route, SEGMENT, Segment};

/// The connections that are known, by their numbers.
#[derive(Default)]
pub(super) struct Connections {
    known: FxHashMap<u64, Connection>,
    /// Each endpoint's connection, and its side there.
    by_endpoint: FxHashMap<u64, (u64, usize)>,
    /// By the addresses of the connecting and the listening side.
    by_addresses: FxHashMap<(SocketAddr, SocketAddr), u64>,
    last: u64,
}

/// A connection. Its first side has begun it.
struct Connection {
    sides: [Side; 2],
    stage: Stage,
}

struct Side {
    address: SocketAddr,
    /// The sequence number of its next byte.
    next: u32,
    /// The sequence number that it expects.
    expected: u32,
    place: Place,
    has_sent_end: bool,
    has_received_end: bool,
}

/// Where a side is. The packets of a socket of this host are written when it sends, those of another when they arrive.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Elsewhere,
    Here,
    /// It was a socket of this host, and is closed.
    Closed,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Requested,
    Established,
    Reset,
}

/// Takes the segments of a connection.
pub(super) trait SegmentSink {
    fn segment(&mut self, route: Route, segment: &Segment<'_>);
}

impl Connections {
    /// An endpoint begins to connect, perhaps after an attempt that failed.
    pub(super) fn request(
        &mut self,
        endpoint: u64,
        addresses: (SocketAddr, SocketAddr),
        sink: &mut impl SegmentSink,
    ) {
        self.detach(endpoint);
        let number = self.begin(addresses, sink);
        self.attach(endpoint, number, 0);
    }

    /// A listener gets a connection, with the number of its endpoint. One that nothing here has requested comes from
    /// elsewhere.
    pub(super) fn arrive(
        &mut self,
        endpoint: u64,
        addresses: (SocketAddr, SocketAddr),
        sink: &mut impl SegmentSink,
    ) {
        let number = match self.by_addresses.get(&addresses) {
            Some(number) => *number,
            None => self.begin(addresses, sink),
        };
        self.attach(endpoint, number, 1);
    }

    fn begin(&mut self, addresses: (SocketAddr, SocketAddr), sink: &mut impl SegmentSink) -> u64 {
        self.last += 1;
        // The sequence numbers of connections that use the same addresses one after the other grow.
        let first = u32::try_from(self.last << 16 & 0xFFFF_FFFF).unwrap_or(0);
        let [client, server] = [(addresses.0, first), (addresses.1, first.wrapping_add(1 << 15))]
            .map(|(address, next)| Side::new(address, next));
        let mut connection = Connection { sides: [client, server], stage: Stage::Requested };
        connection.write(0, Segment { control: Control::Syn, ..Segment::default() }, sink);
        self.known.insert(self.last, connection);
        self.by_addresses.insert(addresses, self.last);
        self.last
    }

    fn attach(&mut self, endpoint: u64, number: u64, side: usize) {
        if let Some(connection) = self.known.get_mut(&number) {
            connection.sides[side].place = Place::Here;
            self.by_endpoint.insert(endpoint, (number, side));
        }
    }

    fn of(&mut self, endpoint: u64) -> Option<(&mut Connection, usize)> {
        let (number, side) = self.by_endpoint.get(&endpoint)?;
        Some((self.known.get_mut(number)?, *side))
    }

    /// Both sides know of the connection.
    pub(super) fn establish(&mut self, endpoint: u64, sink: &mut impl SegmentSink) {
        if let Some((connection, _)) = self.of(endpoint) {
            connection.establish(sink);
        }
    }

    pub(super) fn send(&mut self, endpoint: u64, bytes: &[u8], sink: &mut impl SegmentSink) {
        if let Some((connection, side)) = self.of(endpoint) {
            connection.establish(sink);
            connection.send(side, bytes, sink);
        }
    }

    pub(super) fn receive(&mut self, endpoint: u64, bytes: &[u8], sink: &mut impl SegmentSink) {
        if let Some((connection, side)) = self.of(endpoint) {
            if connection.sides[1 - side].place == Place::Elsewhere {
                connection.send(1 - side, bytes, sink);
            }
            connection.acknowledge(side, bytes.len(), sink);
        }
    }

    pub(super) fn finish(&mut self, endpoint: u64, sink: &mut impl SegmentSink) {
        if let Some((connection, side)) = self.of(endpoint) {
            connection.establish(sink);
            connection.finish(side, sink);
        }
    }

    /// The endpoint has seen its peer's end.
    pub(super) fn receive_end(&mut self, endpoint: u64, sink: &mut impl SegmentSink) {
        let Some((connection, side)) = self.of(endpoint) else {
            return;
        };
        if std::mem::replace(&mut connection.sides[side].has_received_end, true) {
            return;
        }
        if connection.sides[1 - side].place == Place::Elsewhere {
            connection.finish(1 - side, sink);
        }
        connection.acknowledge(side, 1, sink);
    }

    /// The endpoint has learned that its connection is lost, or was refused.
    pub(super) fn lose(&mut self, endpoint: u64, sink: &mut impl SegmentSink) {
        if let Some((connection, side)) = self.of(endpoint) {
            connection.reset(1 - side, sink);
        }
    }

    /// An endpoint is closed. It says so unless it has ended its direction.
    pub(super) fn close(&mut self, endpoint: u64, abort: bool, sink: &mut impl SegmentSink) {
        let Some((connection, side)) = self.of(endpoint) else {
            return;
        };
        if abort {
            connection.reset(side, sink);
        } else {
            connection.finish(side, sink);
        }
        self.detach(endpoint);
    }

    /// An endpoint leaves its connection, which is forgotten when no endpoint is left.
    fn detach(&mut self, endpoint: u64) {
        let Some((number, side)) = self.by_endpoint.remove(&endpoint) else {
            return;
        };
        let Some(connection) = self.known.get_mut(&number) else {
            return;
        };
        connection.sides[side].place = Place::Closed;
        if connection.sides.iter().any(|side| side.place == Place::Here) {
            return;
        }
        let addresses = (connection.sides[0].address, connection.sides[1].address);
        self.known.remove(&number);
        // The addresses may already belong to a later connection.
        if self.by_addresses.get(&addresses) == Some(&number) {
            self.by_addresses.remove(&addresses);
        }
    }
}

impl Side {
    fn new(address: SocketAddr, next: u32) -> Self {
        Self {
            address,
            next,
            expected: 0,
            place: Place::Elsewhere,
            has_sent_end: false,
            has_received_end: false,
        }
    }
}

impl Connection {
    /// Writes a segment of one side, and counts what it occupies of the side's sequence numbers.
    fn write(&mut self, side: usize, segment: Segment<'_>, sink: &mut impl SegmentSink) {
        let route = Route::new(self.sides[side].address, self.sides[1 - side].address);
        let from = &mut self.sides[side];
        sink.segment(route, &Segment { sequence: from.next, ..segment });
        let length = segment.payload.len() + segment.control.length();
        from.next = from.next.wrapping_add(u32::try_from(length).unwrap_or(0));
    }

    /// A segment that acknowledges what its sender has received.
    fn answer(&self, side: usize) -> Segment<'static> {
        Segment { acknowledgment: Some(self.sides[side].expected), ..Segment::default() }
    }

    fn establish(&mut self, sink: &mut impl SegmentSink) {
        if self.stage != Stage::Requested {
            return;
        }
        self.stage = Stage::Established;
        self.sides[1].expected = self.sides[0].next;
        self.write(1, Segment { control: Control::Syn, ..self.answer(1) }, sink);
        self.sides[0].expected = self.sides[1].next;
        self.write(0, self.answer(0), sink);
    }

    fn send(&mut self, side: usize, bytes: &[u8], sink: &mut impl SegmentSink) {
        // One of another machine has received everything that it was sent, as far as this one knows.
        if self.sides[side].place == Place::Elsewhere {
            self.sides[side].expected = self.sides[1 - side].next;
        }
        let mut parts = bytes.chunks(usize::from(SEGMENT)).peekable();
        while let Some(payload) = parts.next() {
            let control = if parts.peek().is_none() { Control::Push } else { Control::None };
            self.write(side, Segment { control, payload, ..self.answer(side) }, sink);
        }
    }

    /// One side acknowledges what has arrived.
    fn acknowledge(&mut self, side: usize, length: usize, sink: &mut impl SegmentSink) {
        let length = u32::try_from(length).unwrap_or(0);
        self.sides[side].expected = self.sides[side].expected.wrapping_add(length);
        if self.stage == Stage::Established {
            self.write(side, self.answer(side), sink);
        }
    }

    fn finish(&mut self, side: usize, sink: &mut impl SegmentSink) {
        let is_new = !std::mem::replace(&mut self.sides[side].has_sent_end, true);
        if is_new && self.stage == Stage::Established {
            self.write(side, Segment { control: Control::Fin, ..self.answer(side) }, sink);
        }
    }

    fn reset(&mut self, side: usize, sink: &mut impl SegmentSink) {
        let has_ended = self.sides.iter().all(|side| side.has_sent_end);
        if self.stage == Stage::Reset || has_ended {
            return;
        }
        let mut segment = self.answer(side);
        // The listening side's answer acknowledges the request. The connecting side has received nothing yet.
        if self.stage == Stage::Requested {
            segment.acknowledgment = (side == 1).then_some(self.sides[0].next);
        }
        self.stage = Stage::Reset;
        self.write(side, Segment { control: Control::Reset, ..segment }, sink);
    }
}
