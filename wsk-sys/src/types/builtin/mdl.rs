//! Memory descriptor lists.

use crate::{CSHORT, EPROCESS, PVOID, ULONG};

/// A memory descriptor list: describes the physical pages of a range of memory. Their numbers follow the structure.
///
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/kernel/using-mdls).
#[repr(C)]
#[derive(Debug)]
pub struct MDL {
    /// The next MDL of the chain, or null.
    pub Next: *mut MDL,
    /// The size of this MDL in bytes, including the page numbers.
    pub Size: CSHORT,
    /// `MDL_…` flags.
    pub MdlFlags: CSHORT,
    /// The process that owns the memory.
    pub Process: *mut EPROCESS,
    /// The system-space address of the memory, if `MdlFlags` says that it is valid.
    pub MappedSystemVa: PVOID,
    /// The address of the first page.
    pub StartVa: PVOID,
    /// The size of the range in bytes.
    pub ByteCount: ULONG,
    /// The offset of the range in its first page.
    pub ByteOffset: ULONG,
}

/// Pointer to an [`MDL`].
pub type PMDL = *mut MDL;
