//! The client's image: whether it is loaded, which of its code is running, and its statics.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};

use crate::verifier::Origin;

/// A kernel's record of the client's image.
#[derive(Default)]
pub(crate) struct LoadedImage {
    is_unloaded: bool,
    /// Whether a thread waits for the end of a call.
    pub(crate) is_awaited: bool,
    /// The client's running code, in the order of the calls.
    running: Vec<(u64, RunningCode)>,
    last: u64,
    /// The contexts of completion routines that keep the image loaded, or are the host's own, by their addresses.
    guarded: BTreeSet<usize>,
    /// By the address of each static in the process.
    statics: BTreeMap<usize, &'static [AtomicU64]>,
}

/// Running code: its name, and its origin, if that is known.
#[derive(Clone)]
pub(crate) struct RunningCode {
    pub(crate) what: &'static str,
    pub(crate) origin: Option<Origin>,
    /// The kernel's own reference to a device keeps the image loaded until this has returned.
    pub(crate) keeps_loaded: bool,
}

/// A completion routine, as running code.
pub(crate) const COMPLETION_ROUTINE: RunningCode =
    RunningCode { what: "a completion routine", origin: None, keeps_loaded: false };

/// A call of the client's code.
#[derive(Clone, Copy)]
pub(crate) struct ClientCall {
    number: u64,
    /// The image was unloaded before.
    pub(crate) is_after_unload: bool,
}

/// All memory of statics, which is never freed.
static STATICS: Mutex<Vec<&'static [AtomicU64]>> = Mutex::new(Vec::new());

impl LoadedImage {
    /// Begins a call.
    pub(crate) fn begin(&mut self, running: RunningCode) -> ClientCall {
        self.last += 1;
        let is_after_unload = self.is_unloaded && !running.keeps_loaded;
        self.running.push((self.last, running));
        ClientCall { number: self.last, is_after_unload }
    }

    /// Ends a call. Returns whether a thread waits for that.
    pub(crate) fn end(&mut self, ClientCall { number, .. }: ClientCall) -> bool {
        // Usually the last one.
        if let Some(place) = self.running.iter().rposition(|(running, _)| *running == number) {
            self.running.remove(place);
        }
        self.is_awaited
    }

    /// The client's code that is running, was called first, and does not keep the image loaded.
    pub(crate) fn running(&self) -> Option<&RunningCode> {
        self.running.iter().map(|(_, running)| running).find(|running| !running.keeps_loaded)
    }

    /// Unloads the image. Returns the oldest call that is still running, if any.
    pub(crate) fn unload(&mut self) -> Option<RunningCode> {
        self.is_unloaded = true;
        self.running().cloned()
    }

    /// Notes the context of a completion routine that keeps the image loaded, or is the host's own.
    pub(crate) fn guard(&mut self, context: usize) {
        self.guarded.insert(context);
    }

    /// Begins a call of the completion routine with a context. None if the routine keeps the image loaded, or is the host's
    /// own.
    pub(crate) fn begin_routine(&mut self, context: usize) -> Option<ClientCall> {
        if !self.guarded.is_empty() && self.guarded.contains(&context) {
            return None;
        }
        Some(self.begin(COMPLETION_ROUTINE))
    }

    /// Called before the completion routine of a context runs. Returns false if there is none.
    pub(crate) fn end_guard(&mut self, context: usize) -> bool {
        self.guarded.remove(&context)
    }

    /// Loads the image, with statics that are all zeroes, unless it is loaded.
    pub(crate) fn load(&mut self) {
        if std::mem::take(&mut self.is_unloaded) {
            self.statics.clear();
        }
    }

    /// The memory of a static. It consists of zeroes at first, and is never freed. None if the static at this address has
    /// another size.
    pub(crate) fn static_memory(
        &mut self,
        key: usize,
        size: usize,
    ) -> Option<&'static [AtomicU64]> {
        let allocate = || {
            let words = (0..size.div_ceil(size_of::<u64>())).map(|_| AtomicU64::new(0));
            let memory: &'static [AtomicU64] = Box::leak(words.collect());
            STATICS.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
            memory
        };
        let memory = *self.statics.entry(key).or_insert_with(allocate);
        (memory.len() == size.div_ceil(size_of::<u64>())).then_some(memory)
    }
}
