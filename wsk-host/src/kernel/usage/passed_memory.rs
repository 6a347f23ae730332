//! A record of the memory that passes between a client and WSK.

/// A range of bytes that passed between a client and WSK: see [`Host::record_memory`](crate::Host::record_memory).
///
/// A test that compares ranges shows that nothing was copied: a send whose bytes are at the addresses at which they were
/// indicated, for example.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub struct PassedMemory {
    /// The function of WSK or of the client that got the memory, such as `WskSend` or `WskReceiveEvent`.
    pub function: &'static str,
    /// The address of the MDL.
    pub mdl: usize,
    /// The address of the first byte.
    pub address: usize,
    /// The number of bytes.
    pub length: usize,
}

/// What was passed since the record began; nothing before that.
#[derive(Default)]
pub(crate) struct MemoryRecord(Option<Vec<PassedMemory>>);

impl MemoryRecord {
    pub(crate) fn begin(&mut self) {
        self.0.get_or_insert_default();
    }

    pub(crate) const fn has_begun(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn add(&mut self, passed: PassedMemory) {
        if let Some(all) = &mut self.0 {
            all.push(passed);
        }
    }

    /// Takes what was passed. The record goes on.
    pub(crate) fn take(&mut self) -> Vec<PassedMemory> {
        self.0.as_mut().map(std::mem::take).unwrap_or_default()
    }
}
