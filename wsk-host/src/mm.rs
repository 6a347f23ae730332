//! `Mm…`: memory descriptor lists, and routines by name.

use std::ptr;

use wsk_sys::{MDL_SOURCE_IS_NONPAGED_POOL, PMDL, PUNICODE_STRING, PVOID};

use crate::host::Host;
use crate::violation;

#[unsafe(no_mangle)]
unsafe extern "C" fn MmBuildMdlForNonPagedPool(mdl: PMDL) {
    // SAFETY: the caller passes an initialised MDL that nobody else uses.
    let mdl = unsafe { &mut *mdl };
    let address = mdl.StartVa.wrapping_byte_add(mdl.ByteOffset as usize);
    let end = address.addr() + mdl.ByteCount as usize;
    let in_pool = Host::current().pool().iter().any(|(&start, allocation)| {
        start <= address.addr() && end <= start + allocation.layout.size()
    });
    if !in_pool {
        violation("MmBuildMdlForNonPagedPool: the memory is not nonpaged pool (INV-23)");
    }
    mdl.MappedSystemVa = address;
    mdl.MdlFlags |= MDL_SOURCE_IS_NONPAGED_POOL;
}

/// The address of an MDL's memory.
///
/// # Safety
///
/// The MDL is valid.
pub(crate) unsafe fn system_address(mdl: PMDL) -> *mut u8 {
    // SAFETY: the caller promises a valid MDL.
    let mdl = unsafe { &*mdl };
    if mdl.MdlFlags & MDL_SOURCE_IS_NONPAGED_POOL == 0 {
        violation("an MDL was handed over that describes no nonpaged pool (INV-21)");
    }
    mdl.MappedSystemVa.cast()
}

/// Knows no routine: a client uses what older systems have.
#[unsafe(no_mangle)]
extern "C" fn MmGetSystemRoutineAddress(_name: PUNICODE_STRING) -> PVOID {
    crate::ke::require_at_most(wsk_sys::PASSIVE_LEVEL, "MmGetSystemRoutineAddress");
    ptr::null_mut()
}
