//! Requests, and who waits for them.

use wsk::{Error, Lent, PendedIrp};

use crate::protocol::{Command, Header};

/// Who waits for a request, and lends its memory.
///
/// A request whose owner is dropped has been cancelled: the disk has ended. So dropping an owner must tell whoever waits.
pub trait Owner: Send + 'static {
    /// Ends the request, with the number of bytes.
    fn complete(self, result: wsk::Result<usize>);

    /// Whether the result is not wanted any more. Such a request is not sent, and not sent again on another connection.
    fn is_cancelled(&self) -> bool;
}

impl Owner for PendedIrp {
    fn complete(self, result: wsk::Result<usize>) {
        Self::complete(self, result);
    }

    fn is_cancelled(&self) -> bool {
        Self::is_cancelled(self)
    }
}

/// Where the owner of a request is.
pub(crate) enum Payload<R> {
    /// In the memory to be read or written.
    Lent(Lent<R>),
    /// There is no memory.
    Owner(R),
}

impl<R: Owner> Payload<R> {
    pub(crate) fn complete(self, result: wsk::Result<usize>) {
        let owner = match self {
            Self::Lent(memory) => memory.into_owner(),
            Self::Owner(owner) => Some(owner),
        };
        // Without an owner, the system has kept it with the memory of a failed request.
        if let Some(owner) = owner {
            owner.complete(result);
        }
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        match self {
            Self::Lent(memory) => memory.owner().is_some_and(R::is_cancelled),
            Self::Owner(owner) => owner.is_cancelled(),
        }
    }
}

/// A request to a disk.
pub struct Request<R> {
    pub(crate) header: Header,
    pub(crate) payload: Payload<R>,
}

impl<R: Owner> Request<R> {
    /// Reads as many bytes as the memory has.
    #[must_use]
    pub fn read(offset: u64, memory: Lent<R>) -> Self {
        Self::of_memory(Command::Read, false, offset, memory)
    }

    /// Writes the bytes of the memory. With `fua`, the request is completed when they are on the disk.
    #[must_use]
    pub fn write(offset: u64, fua: bool, memory: Lent<R>) -> Self {
        Self::of_memory(Command::Write, fua, offset, memory)
    }

    /// Completes when all writes that were completed before are on the disk.
    #[must_use]
    pub const fn flush(owner: R) -> Self {
        Self::of_owner(Command::Flush, 0, 0, owner)
    }

    /// Says that a range of bytes is not needed any more.
    #[must_use]
    pub const fn trim(offset: u64, length: u32, owner: R) -> Self {
        Self::of_owner(Command::Trim, offset, length, owner)
    }

    /// Writes zeroes.
    #[must_use]
    pub const fn write_zeroes(offset: u64, length: u32, owner: R) -> Self {
        Self::of_owner(Command::WriteZeroes, offset, length, owner)
    }

    fn of_memory(command: Command, fua: bool, offset: u64, memory: Lent<R>) -> Self {
        // A longer one exceeds every limit, and is refused.
        let length = memory.len().try_into().unwrap_or(u32::MAX);
        Self { header: Header { command, fua, offset, length }, payload: Payload::Lent(memory) }
    }

    const fn of_owner(command: Command, offset: u64, length: u32, owner: R) -> Self {
        let header = Header { command, fua: false, offset, length };
        Self { header, payload: Payload::Owner(owner) }
    }

    /// Ends the request without the disk.
    pub(crate) fn complete(self, result: Result<usize, Error>) {
        self.payload.complete(result);
    }
}
