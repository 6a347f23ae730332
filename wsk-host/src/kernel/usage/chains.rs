//! The MDLs of requests in flight, as they were when the request was made, and the partial MDLs that a client has built.
//!
//! # Safety
//!
//! An MDL is read while a request that uses it is in flight: the client keeps it, as its memory is pinned.

#![expect(unsafe_code, reason = "the MDLs are the client's, and are read through their pointers")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

use smallvec::SmallVec;
use wsk_sys::{MDL, PMDL};

/// The fields of an MDL that describe its memory, and its place in a chain.
#[derive(Clone, Copy, PartialEq, Eq)]
struct MdlFields {
    next: PMDL,
    start: usize,
    offset: u32,
    count: u32,
}

impl MdlFields {
    /// # Safety
    ///
    /// The MDL is valid.
    unsafe fn of(mdl: PMDL) -> Self {
        // SAFETY: the MDL is valid (this function's contract).
        let MDL { Next, StartVa, ByteOffset, ByteCount, .. } = unsafe { mdl.read() };
        Self { next: Next, start: StartVa.addr(), offset: ByteOffset, count: ByteCount }
    }
}

/// The chain of MDLs of a request in flight.
#[derive(Default)]
pub(super) struct ChainInFlight(SmallVec<[(PMDL, MdlFields); 1]>);

// SAFETY: the pointers are read only as `changed` allows, in any thread.
unsafe impl Send for ChainInFlight {}

impl ChainInFlight {
    /// Adds an MDL, as it is.
    ///
    /// # Safety
    ///
    /// The MDL is valid until the request has completed.
    pub(super) unsafe fn add(&mut self, mdl: PMDL) {
        // SAFETY: the MDL is valid (this function's contract).
        self.0.push((mdl, unsafe { MdlFields::of(mdl) }));
    }

    /// Finds an MDL that is not as it was, for a report. What follows the last MDL is not the request's.
    ///
    /// The request has not been completed yet.
    pub(super) fn changed(&self) -> Option<String> {
        let last = self.0.len().checked_sub(1)?;
        for (index, (mdl, was)) in self.0.iter().enumerate() {
            // SAFETY: the request is in flight, so the MDL is valid (the contract of `add`).
            let is = unsafe { MdlFields::of(*mdl) };
            let mut found = format!("MDL {} of the request was changed in flight:", index + 1);
            let before = found.len();
            if index < last && is.next != was.next {
                found.push_str(" its Next is another MDL");
            }
            if is.start != was.start {
                found.push_str(" its StartVa is another address");
            }
            if is.offset != was.offset {
                let _ = write!(found, " its ByteOffset was {}, and is {}", was.offset, is.offset);
            }
            if is.count != was.count {
                let _ = write!(found, " its ByteCount was {}, and is {}", was.count, is.count);
            }
            if found.len() > before {
                return Some(found);
            }
        }
        None
    }
}

/// The partial MDLs that `IoBuildPartialMdl` has built, by their address.
#[derive(Default)]
pub(super) struct PartialMdls(BTreeMap<usize, Source>);

/// The MDL that a partial MDL is of.
#[derive(Clone, Copy)]
struct Source {
    mdl: usize,
    is_gone: bool,
}

impl PartialMdls {
    pub(super) fn add(&mut self, partial: usize, source: usize) {
        // One of a partial MDL is one of its source.
        let source = self.0.get(&source).copied().unwrap_or(Source { mdl: source, is_gone: false });
        self.0.insert(partial, source);
    }

    /// The partial MDLs of a source.
    pub(super) fn of(&self, source: usize) -> Vec<usize> {
        let of_source = |(_, other): &(&usize, &Source)| other.mdl == source && !other.is_gone;
        self.0.iter().filter(of_source).map(|(partial, _)| *partial).collect()
    }

    /// The pages of a source are unlocked.
    pub(super) fn end(&mut self, source: usize) {
        for other in self.0.values_mut().filter(|other| other.mdl == source) {
            other.is_gone = true;
        }
    }

    /// Whether the pages of the source of a partial MDL were unlocked.
    pub(super) fn is_stale(&self, partial: usize) -> bool {
        self.0.get(&partial).is_some_and(|source| source.is_gone)
    }

    /// Memory is freed, and the partial MDLs in it.
    pub(super) fn free(&mut self, freed: &Range<usize>) {
        while let Some((partial, _)) = self.0.range(freed.clone()).next() {
            let partial = *partial;
            self.0.remove(&partial);
        }
    }
}
