//! The names of an address.
//!
//! # Safety
//!
//! The strings point into the same allocation, which WSK writes to until the look-up completes.

#![expect(unsafe_code, reason = "see Safety")]

use core::fmt;
use core::mem::offset_of;
use core::ptr;

use wsk_sys::{NI_MAXHOST, NI_MAXSERV, PUNICODE_STRING, UNICODE_STRING, USHORT};

use super::name::Name;
use crate::pool::PoolBox;
use crate::status::Result;

/// The nonpaged memory that WSK writes names to until the look-up completes, and that holds them afterwards.
#[repr(C)]
struct NamesMemory {
    host: UNICODE_STRING,
    service: UNICODE_STRING,
    /// Room for the longest names and their NULs; zeroed before the call.
    host_units: [u16; NI_MAXHOST as usize],
    service_units: [u16; NI_MAXSERV as usize],
}

/// The names of an address and its port, in about 2 KiB of nonpaged pool.
///
/// # Invariants
///
/// The strings' pointers are into the same allocation. WSK writes to it only while a request owns this value.
pub struct Names(PoolBox<NamesMemory>);

// SAFETY: it owns its memory, and its pointers are into that memory (Invariants).
unsafe impl Send for Names {}
// SAFETY: shared names are only read, after the look-up has completed (Invariants).
unsafe impl Sync for Names {}

impl Names {
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    pub(super) fn allocate() -> Result<Self> {
        // In place, not by value: a kernel stack is small.
        // SAFETY: zeroes are null strings and code units.
        let memory = unsafe { PoolBox::<NamesMemory>::zeroed() }?;
        Ok(Self(memory))
    }

    /// The strings that WSK writes the names of the host and, if requested, of the service to. Valid as long as this value.
    pub(super) fn arguments(&mut self, wants_service: bool) -> (PUNICODE_STRING, PUNICODE_STRING) {
        let memory: *mut NamesMemory = self.0.as_mut_ptr();
        let place = |string: usize, units: usize, count: usize| {
            // SAFETY: the field is within the allocation.
            let string: PUNICODE_STRING = unsafe { memory.byte_add(string) }.cast();
            // SAFETY: the field is within the allocation.
            let units: *mut u16 = unsafe { memory.byte_add(units) }.cast();
            // Neither is more than 2050.
            let room = USHORT::try_from(count * size_of::<u16>()).unwrap_or(0);
            // SAFETY: the memory is this value's.
            unsafe {
                string.write(UNICODE_STRING { Length: 0, MaximumLength: room, Buffer: units });
            }
            string
        };
        let host = place(
            offset_of!(NamesMemory, host),
            offset_of!(NamesMemory, host_units),
            NI_MAXHOST as usize,
        );
        let service = place(
            offset_of!(NamesMemory, service),
            offset_of!(NamesMemory, service_units),
            NI_MAXSERV as usize,
        );
        (host, if wants_service { service } else { ptr::null_mut() })
    }

    /// Returns the name of the host, or its numeric address if it has none and a name was not required.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    #[must_use]
    pub fn host(&self) -> Name<'_> {
        up_to_nul(&self.0.host_units)
    }

    /// Returns the name of the service, or the port number if it has none. `None` if the port is zero.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    #[must_use]
    pub fn service(&self) -> Option<Name<'_>> {
        let name = up_to_nul(&self.0.service_units);
        (!name.units().is_empty()).then_some(name)
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names")
            .field("host", &self.host())
            .field("service", &self.service())
            .finish()
    }
}

/// The name up to its NUL: whether `Length` counts the NUL is not documented.
fn up_to_nul(units: &[u16]) -> Name<'_> {
    let length = units.iter().position(|unit| *unit == 0).unwrap_or(units.len());
    Name::new(units.get(..length).unwrap_or_default())
}
