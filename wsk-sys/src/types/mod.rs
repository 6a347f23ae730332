//! The kernel's structures and scalars: built in, or those of wdk-sys under the same names.
//!
//! Types of ws2def.h and ntdef.h that wdk-sys lacks are defined here for both cases.

#[cfg(not(feature = "wdk-sys"))]
mod builtin;
#[cfg(feature = "wdk-sys")]
mod wdk_sys;

#[cfg(not(feature = "wdk-sys"))]
pub use self::builtin::*;
#[cfg(feature = "wdk-sys")]
pub use self::wdk_sys::*;

use crate::SOCKADDR;

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
