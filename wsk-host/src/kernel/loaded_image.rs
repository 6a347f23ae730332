//! The client's image: whether it is loaded, which of its code is running, and its statics.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use crate::verifier::Origin;

/// The client's image, as far as a kernel knows it.
#[derive(Default)]
pub(crate) struct Image {
    is_unloaded: bool,
    /// The client's code that is running, in the order in which it was called.
    running: BTreeMap<u64, RunningCode>,
    last: u64,
    /// By the address of each static in the process.
    statics: BTreeMap<usize, &'static [AtomicU64]>,
}

/// Code that is running: its name, and where it comes from, if that is known.
#[derive(Clone)]
pub(crate) struct RunningCode {
    pub(crate) what: &'static str,
    pub(crate) origin: Option<Arc<Origin>>,
}

/// A call of the client's code.
#[derive(Clone, Copy)]
pub(crate) struct ClientCall {
    number: u64,
    /// The image was unloaded before.
    pub(crate) is_after_unload: bool,
}

/// All memory of statics, which is never freed.
static STATICS: Mutex<Vec<&'static [AtomicU64]>> = Mutex::new(Vec::new());

impl Image {
    /// Begins a call.
    pub(crate) fn begin(&mut self, running: RunningCode) -> ClientCall {
        self.last += 1;
        self.running.insert(self.last, running);
        ClientCall { number: self.last, is_after_unload: self.is_unloaded }
    }

    /// Ends a call.
    pub(crate) fn end(&mut self, ClientCall { number, .. }: ClientCall) {
        self.running.remove(&number);
    }

    /// Whether any of the client's code is running.
    pub(crate) fn is_running(&self) -> bool {
        !self.running.is_empty()
    }

    /// Unloads the image. Returns the code that still runs and was called first, if there is any.
    pub(crate) fn unload(&mut self) -> Option<RunningCode> {
        self.is_unloaded = true;
        self.running.values().next().cloned()
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
