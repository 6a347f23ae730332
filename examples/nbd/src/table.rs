//! The requests that the server has not answered.

use core::array;
use core::time::Duration;

use wsk::Lent;
use wsk::time::Instant;

use crate::error::{Error, Result};
use crate::protocol::{Command, Header, REQUEST_SIZE, SHUTTING_DOWN, status};
use crate::request::{Owner, Payload, Request};

/// The most requests in flight.
pub(crate) const SLOTS: usize = 32;

/// The requests in flight, each in a slot. The order of any two does not matter: see [`Table::has_room_for`].
pub(crate) struct Table<R> {
    slots: [Option<Entry<R>>; SLOTS],
    /// The number of sent requests, which makes their cookies unique.
    sent: u64,
}

struct Entry<R> {
    header: Header,
    /// What the server's reply will have, once the request was sent on this connection.
    cookie: Option<u64>,
    since: Instant,
    state: State<R>,
}

enum State<R> {
    /// The memory is in a send. The server may answer before the send has returned it.
    Sending(Option<wsk::Result<usize>>),
    /// The server has the request.
    Waiting(Payload<R>),
    /// The memory is in a receive, of the data of the answer.
    Receiving,
    /// The request has ended, as cancelled. The server may still do it, so what overlaps it waits for the reply.
    Abandoned,
}

/// What follows a reply.
pub(crate) enum Answer<R> {
    /// Nothing: the request was completed, or its memory is still being sent.
    Done,
    /// Data, for the memory of this slot.
    Data(usize, Lent<R>),
    /// So many bytes of data, which nobody wants any more.
    Discard(usize),
}

fn result(error: u32, length: usize) -> wsk::Result<usize> {
    wsk::Error::from_status(status(error)).map_or(Ok(length), Err)
}

impl<R: Owner> Table<R> {
    pub(crate) fn new() -> Self {
        Self { slots: array::from_fn(|_| None), sent: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.iter().all(Option::is_none)
    }

    /// The time for which the server has owed an answer.
    pub(crate) fn oldest(&self) -> Option<Duration> {
        self.slots.iter().flatten().map(|entry| entry.since.elapsed()).max()
    }

    /// Whether a request may be sent now: there is a free slot, and no request in flight whose order matters. So a request
    /// that is sent again on another connection overwrites nothing newer.
    pub(crate) fn has_room_for(&self, request: &Request<R>) -> bool {
        let mut all = self.slots.iter();
        let is_free = all.any(Option::is_none);
        is_free
            && self
                .slots
                .iter()
                .flatten()
                .all(|other| !other.header.conflicts_with(&request.header))
    }

    /// Adds a request. The request itself is the error if there is no free slot.
    pub(crate) fn insert(
        &mut self,
        request: Request<R>,
    ) -> core::result::Result<usize, Request<R>> {
        let Some(slot) = self.slots.iter().position(Option::is_none) else {
            return Err(request);
        };
        let Request { header, payload } = request;
        let since = Instant::now();
        self.slots[slot] =
            Some(Entry { header, cookie: None, since, state: State::Waiting(payload) });
        Ok(slot)
    }

    /// The header of a request to be sent, and the memory to be sent behind it. None if there is nothing to send.
    pub(crate) fn start(&mut self, slot: usize) -> Option<([u8; REQUEST_SIZE], Option<Lent<R>>)> {
        let place = self.slots.get_mut(slot)?;
        let Entry { header, state, .. } = place.take()?;
        let State::Waiting(payload) = state else {
            return None;
        };
        if payload.is_cancelled() {
            payload.complete(cancelled());
            return None;
        }
        self.sent += 1;
        let cookie = self.sent << 8 | slot as u64;
        let (state, memory) = match payload {
            Payload::Lent(memory) if header.command == Command::Write => {
                (State::Sending(None), Some(memory))
            }
            payload => (State::Waiting(payload), None),
        };
        *place = Some(Entry { header, cookie: Some(cookie), since: Instant::now(), state });
        Some((header.encode(cookie), memory))
    }

    /// Takes the memory back from a send.
    pub(crate) fn sent(&mut self, slot: usize, memory: Option<Lent<R>>) {
        let Some(place) = self.slots.get_mut(slot) else {
            return;
        };
        match (place.take(), memory) {
            (Some(Entry { state: State::Sending(Some(result)), .. }), Some(memory)) => {
                Payload::Lent(memory).complete(result);
            }
            (Some(Entry { header, cookie, since, state: State::Sending(None) }), Some(memory)) => {
                let state = State::Waiting(Payload::Lent(memory));
                *place = Some(Entry { header, cookie, since, state });
            }
            // The system has kept the memory, with its owner.
            (Some(Entry { state: State::Sending(_), .. }), None) => {}
            (other, _) => *place = other,
        }
    }

    /// Handles a reply.
    pub(crate) fn answer(&mut self, error: u32, cookie: u64) -> Result<Answer<R>> {
        if error == SHUTTING_DOWN {
            return Err(Error::ShuttingDown);
        }
        let slot = (cookie & 0xFF) as usize;
        let place = self.slots.get_mut(slot);
        let place =
            place.filter(|place| place.as_ref().is_some_and(|entry| entry.cookie == Some(cookie)));
        let Some(place) = place else {
            return Err(Error::Unexpected("a reply to no request"));
        };
        let Some(Entry { header, since, state, .. }) = place.take() else {
            return Err(Error::Unexpected("a reply to no request"));
        };
        let length = match header.command {
            Command::Read | Command::Write => header.length as usize,
            _ => 0,
        };
        let result = result(error, length);
        let state = match state {
            State::Waiting(Payload::Lent(memory))
                if header.command == Command::Read && result.is_ok() =>
            {
                *place = Some(Entry { header, cookie: None, since, state: State::Receiving });
                return Ok(Answer::Data(slot, memory));
            }
            State::Waiting(payload) => {
                payload.complete(result);
                return Ok(Answer::Done);
            }
            State::Abandoned if header.command == Command::Read && result.is_ok() => {
                return Ok(Answer::Discard(length));
            }
            State::Abandoned => return Ok(Answer::Done),
            State::Sending(None) => State::Sending(Some(result)),
            state @ (State::Sending(Some(_)) | State::Receiving) => state,
        };
        // One answer is enough: with another cookie, a second one is unexpected.
        *place = Some(Entry { header, cookie: None, since, state });
        Ok(Answer::Done)
    }

    /// Takes the memory of a slot back, with the answer's data or without.
    pub(crate) fn received(&mut self, slot: usize, memory: Lent<R>, result: wsk::Result<()>) {
        let Some(place) = self.slots.get_mut(slot) else {
            return;
        };
        match (place.take(), result) {
            (Some(Entry { header, .. }), Ok(())) => {
                Payload::Lent(memory).complete(Ok(header.length as usize));
            }
            // It is asked for again.
            (Some(Entry { header, since, .. }), Err(_)) => {
                let state = State::Waiting(Payload::Lent(memory));
                *place = Some(Entry { header, cookie: None, since, state });
            }
            (None, result) => Payload::Lent(memory).complete(result.map(|()| 0)),
        }
    }

    /// Ends all requests.
    pub(crate) fn fail(&mut self, error: wsk::Error) {
        for place in &mut self.slots {
            if let Some(Entry { state: State::Waiting(payload), .. }) = place.take() {
                payload.complete(Err(error));
            }
        }
    }

    /// Ends the requests that were cancelled. Those that the server has keep their slots until it has replied.
    pub(crate) fn end_cancelled(&mut self) {
        for place in &mut self.slots {
            match place.take() {
                Some(Entry { header, cookie, since, state: State::Waiting(payload) })
                    if payload.is_cancelled() =>
                {
                    payload.complete(cancelled());
                    if cookie.is_some() {
                        *place = Some(Entry { header, cookie, since, state: State::Abandoned });
                    }
                }
                other => *place = other,
            }
        }
    }

    /// Begins a connection, on which nothing was sent.
    pub(crate) fn begin(&mut self) {
        for place in &mut self.slots {
            match place {
                Some(Entry { state: State::Abandoned, .. }) => *place = None,
                Some(entry) => entry.cookie = None,
                None => {}
            }
        }
    }
}

/// The result of a request that was cancelled.
pub(crate) fn cancelled() -> wsk::Result<usize> {
    wsk::Error::from_status(wsk::sys::STATUS_CANCELLED).map_or(Ok(0), Err)
}
