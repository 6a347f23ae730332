//! `Zw…`: registry keys, and the handles of all objects.
//!
//! # Safety
//!
//! The exported functions have the contracts that `wsk-sys` documents. They use the client's pointers during
//! the call only.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use std::slice;

use wsk_sys::{
    ACCESS_MASK, HANDLE, KEY_VALUE_PARTIAL_INFORMATION, KeyValuePartialInformation, NTSTATUS,
    PASSIVE_LEVEL, PHANDLE, POBJECT_ATTRIBUTES, PULONG, PUNICODE_STRING, PVOID, REG_DWORD, REG_SZ,
    STATUS_BUFFER_OVERFLOW, STATUS_BUFFER_TOO_SMALL, STATUS_INVALID_PARAMETER, STATUS_SUCCESS,
    ULONG,
};

use crate::kernel::current;
use crate::kernel::holdings::{give_back, take};
use crate::kernel::io::device::STATUS_OBJECT_NAME_NOT_FOUND;
use crate::kernel::ke::irql::require_at_most;
use crate::kernel::ps;
use crate::kernel::registry::RegistryValue;
use crate::kernel::resources::Resource;
use crate::verifier::kernel_violation;

/// The text of a counted string.
///
/// # Safety
///
/// The pointer is to a valid string.
unsafe fn text(string: PUNICODE_STRING) -> String {
    // SAFETY: the string is valid (this function's contract).
    let string = unsafe { &*string };
    if string.Buffer.is_null() {
        return String::new();
    }
    // SAFETY: a valid string has `Length` bytes at `Buffer`.
    let units = unsafe { slice::from_raw_parts(string.Buffer, usize::from(string.Length) / 2) };
    String::from_utf16_lossy(units)
}

#[wsk_host_macros::export]
unsafe extern "C" fn ZwOpenKey(
    key: PHANDLE,
    _access: ACCESS_MASK,
    attributes: POBJECT_ATTRIBUTES,
) -> NTSTATUS {
    require_at_most(PASSIVE_LEVEL, "ZwOpenKey");
    // SAFETY: the caller passes attributes.
    let attributes = unsafe { &*attributes };
    // SAFETY: the caller passes attributes with a valid name.
    let name = unsafe { text(attributes.ObjectName) };
    let parent = Some(attributes.RootDirectory.addr()).filter(|parent| *parent != 0);
    let kernel = current();
    if parent.is_some_and(|parent| !kernel.registry().is_open(parent)) {
        kernel_violation("ZwOpenKey: RootDirectory is not the handle of an open key");
    }
    let Some(handle) = kernel.registry().open(parent, &name) else {
        return STATUS_OBJECT_NAME_NOT_FOUND;
    };
    take(Resource::KeyHandle, handle, "ZwOpenKey");
    // SAFETY: the caller passes room for a handle.
    unsafe { *key = std::ptr::without_provenance_mut(handle) };
    STATUS_SUCCESS
}

/// The size of the fields before a value's data.
const HEADER: usize = std::mem::offset_of!(KEY_VALUE_PARTIAL_INFORMATION, Data);

#[wsk_host_macros::export]
unsafe extern "C" fn ZwQueryValueKey(
    key: HANDLE,
    name: PUNICODE_STRING,
    class: i32,
    information: PVOID,
    length: ULONG,
    result_length: PULONG,
) -> NTSTATUS {
    require_at_most(PASSIVE_LEVEL, "ZwQueryValueKey");
    if class != KeyValuePartialInformation {
        kernel_violation(&format!(
            "ZwQueryValueKey: the host supports only the class KeyValuePartialInformation, not {class}"
        ));
    }
    let kernel = current();
    let registry = kernel.registry();
    if !registry.is_open(key.addr()) {
        kernel_violation("ZwQueryValueKey: the handle is not an open key");
    }
    // SAFETY: the caller passes a valid string.
    let name = unsafe { text(name) };
    let (kind, data) = match registry.value(key.addr(), &name) {
        Some(RegistryValue::Dword(value)) => (REG_DWORD, value.to_ne_bytes().to_vec()),
        Some(RegistryValue::String(value)) => {
            let units = value.encode_utf16().chain([0]);
            (REG_SZ, units.flat_map(u16::to_ne_bytes).collect())
        }
        None => return STATUS_OBJECT_NAME_NOT_FOUND,
    };
    let Ok(data_length) = ULONG::try_from(data.len()) else {
        return STATUS_INVALID_PARAMETER;
    };
    let mut bytes = [0, kind, data_length].map(ULONG::to_ne_bytes).concat();
    bytes.extend(data);
    // SAFETY: the caller passes room for a length.
    unsafe { *result_length = ULONG::try_from(bytes.len()).unwrap_or(ULONG::MAX) };
    let room = usize::try_from(length).unwrap_or(usize::MAX);
    if room < HEADER {
        return STATUS_BUFFER_TOO_SMALL;
    }
    let count = bytes.len().min(room);
    // SAFETY: the caller passes room for `length` bytes, of which these are no more.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), information.cast(), count) };
    if count < bytes.len() { STATUS_BUFFER_OVERFLOW } else { STATUS_SUCCESS }
}

#[wsk_host_macros::export]
extern "C" fn ZwClose(handle: HANDLE) -> NTSTATUS {
    require_at_most(PASSIVE_LEVEL, "ZwClose");
    if current().registry().close(handle.addr()) {
        give_back(Resource::KeyHandle, handle.addr());
    } else if !ps::close_thread_handle(handle) {
        kernel_violation("ZwClose: the handle is not open");
    }
    STATUS_SUCCESS
}
