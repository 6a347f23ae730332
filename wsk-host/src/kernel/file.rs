//! `Zw…File`: the host has no files.
//!
//! # Safety
//!
//! The exported functions read the name of the file, and none returns.

#![expect(unsafe_code, reason = "the functions and their arguments are C's")]

use wsk_sys::{
    ACCESS_MASK, HANDLE, NTSTATUS, PASSIVE_LEVEL, PHANDLE, PLARGE_INTEGER, POBJECT_ATTRIBUTES,
    PULONG, PVOID, ULONG,
};

use crate::kernel::ke::irql::require_at_most;
use crate::kernel::rtl::strings::counted_units;
use crate::verifier::kernel_violation;

/// Stops a client that opens a file.
///
/// # Safety
///
/// The attributes are valid, or null.
unsafe fn refuse(attributes: POBJECT_ATTRIBUTES, function: &str) -> ! {
    require_at_most(PASSIVE_LEVEL, function);
    // SAFETY: the attributes are valid, or null (this function's contract).
    let name = unsafe { attributes.as_ref().and_then(|attributes| attributes.ObjectName.as_ref()) };
    let name = name.map_or_else(String::new, |name| {
        // SAFETY: valid attributes have a valid name.
        String::from_utf16_lossy(unsafe { counted_units(name) })
    });
    kernel_violation(&format!(
        "{function}: the host has no files, and cannot open {name:?}: leave that part of the driver out when it runs on the host"
    ));
}

#[wsk_host_macros::export]
unsafe extern "C" fn ZwCreateFile(
    _file: PHANDLE,
    _access: ACCESS_MASK,
    attributes: POBJECT_ATTRIBUTES,
    _status: PVOID,
    _size: PLARGE_INTEGER,
    _file_attributes: ULONG,
    _share: ULONG,
    _disposition: ULONG,
    _options: ULONG,
    _extended: PVOID,
    _extended_length: ULONG,
) -> NTSTATUS {
    // SAFETY: the caller passes attributes.
    unsafe { refuse(attributes, "ZwCreateFile") }
}

#[wsk_host_macros::export]
unsafe extern "C" fn ZwOpenFile(
    _file: PHANDLE,
    _access: ACCESS_MASK,
    attributes: POBJECT_ATTRIBUTES,
    _status: PVOID,
    _share: ULONG,
    _options: ULONG,
) -> NTSTATUS {
    // SAFETY: the caller passes attributes.
    unsafe { refuse(attributes, "ZwOpenFile") }
}

/// Stops a client that uses the handle of a file, which is none.
fn refuse_handle(handle: HANDLE, function: &str) -> ! {
    require_at_most(PASSIVE_LEVEL, function);
    kernel_violation(&format!(
        "{function}: {:#x} is not the handle of a file: the host has no files",
        handle.addr()
    ));
}

#[wsk_host_macros::export]
extern "C" fn ZwReadFile(
    file: HANDLE,
    _event: HANDLE,
    _routine: PVOID,
    _context: PVOID,
    _status: PVOID,
    _buffer: PVOID,
    _length: ULONG,
    _offset: PLARGE_INTEGER,
    _key: PULONG,
) -> NTSTATUS {
    refuse_handle(file, "ZwReadFile")
}

#[wsk_host_macros::export]
extern "C" fn ZwWriteFile(
    file: HANDLE,
    _event: HANDLE,
    _routine: PVOID,
    _context: PVOID,
    _status: PVOID,
    _buffer: PVOID,
    _length: ULONG,
    _offset: PLARGE_INTEGER,
    _key: PULONG,
) -> NTSTATUS {
    refuse_handle(file, "ZwWriteFile")
}
