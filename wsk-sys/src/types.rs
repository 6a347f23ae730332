//! The few types of ntdef.h and ws2def.h that wdk-sys lacks, and the values of a [`BOOLEAN`].

use crate::{BOOLEAN, SOCKADDR, ULONG};

/// Pointer to a [`SOCKADDR`].
pub type LPSOCKADDR = *mut SOCKADDR;

/// False, as a [`BOOLEAN`].
pub const FALSE: BOOLEAN = 0;
/// True, as a [`BOOLEAN`].
pub const TRUE: BOOLEAN = 1;

/// The zone of a scoped IPv6 address.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SCOPE_ID {
    /// 28 bits of zone and 4 bits of level.
    pub Value: ULONG,
}
