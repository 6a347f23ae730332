//! Memory descriptor lists.

use crate::{CSHORT, EPROCESS, PVOID, ULONG};

/// Describes the pages of a range of memory, whose numbers follow the structure.
///
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/kernel/using-mdls).
#[repr(C)]
#[derive(Debug)]
pub struct MDL {
    /// The next MDL of a chain, or null.
    pub Next: *mut MDL,
    /// The size of this MDL with its page numbers, in bytes.
    pub Size: CSHORT,
    /// `MDL_…` flags.
    pub MdlFlags: CSHORT,
    /// The process whose memory it is.
    pub Process: *mut EPROCESS,
    /// The memory's address in the system's address space, if the flags say that it is valid.
    pub MappedSystemVa: PVOID,
    /// The address of the first page.
    pub StartVa: PVOID,
    /// The size of the range in bytes.
    pub ByteCount: ULONG,
    /// Where the range begins in its first page.
    pub ByteOffset: ULONG,
}

/// Pointer to an [`MDL`].
pub type PMDL = *mut MDL;
