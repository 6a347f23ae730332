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
    PASSIVE_LEVEL, PHANDLE, POBJECT_ATTRIBUTES, PULONG, PUNICODE_STRING, PVOID,
    STATUS_BUFFER_OVERFLOW, STATUS_BUFFER_TOO_SMALL, STATUS_INVALID_PARAMETER, STATUS_SUCCESS,
    ULONG,
};

use crate::kernel::holdings::{give_back, take};
use crate::kernel::io::device::STATUS_OBJECT_NAME_NOT_FOUND;
use crate::kernel::ke::irql::require_at_most;
use crate::kernel::ps;
use crate::kernel::registry::Refusal;
use crate::kernel::resources::Resource;
use crate::kernel::{current, status};
use crate::verifier::kernel_violation;

const STATUS_CANNOT_DELETE: NTSTATUS = status(0xC000_0121);
const STATUS_KEY_DELETED: NTSTATUS = status(0xC000_017C);
const STATUS_CHILD_MUST_BE_VOLATILE: NTSTATUS = status(0xC000_0181);

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

/// The key that a client names: an open key above it, and its path.
///
/// # Safety
///
/// The attributes are valid, with a valid name.
unsafe fn named(attributes: POBJECT_ATTRIBUTES, function: &str) -> (Option<usize>, String) {
    // SAFETY: the attributes are valid (this function's contract).
    let attributes = unsafe { &*attributes };
    // SAFETY: the name is valid (this function's contract).
    let name = unsafe { text(attributes.ObjectName) };
    let parent = Some(attributes.RootDirectory.addr()).filter(|parent| *parent != 0);
    if parent.is_some_and(|parent| !current().registry().is_open(parent)) {
        kernel_violation(&format!("{function}: RootDirectory is not the handle of an open key"));
    }
    (parent, name)
}

/// Passes the handle of an open key to a client.
///
/// # Safety
///
/// The pointer is to room for a handle.
unsafe fn give(key: PHANDLE, handle: usize, function: &'static str) -> NTSTATUS {
    take(Resource::KeyHandle, handle, function);
    // SAFETY: there is room for a handle (this function's contract).
    unsafe { *key = std::ptr::without_provenance_mut(handle) };
    STATUS_SUCCESS
}

#[wsk_host_macros::export]
unsafe extern "C" fn ZwOpenKey(
    key: PHANDLE,
    _access: ACCESS_MASK,
    attributes: POBJECT_ATTRIBUTES,
) -> NTSTATUS {
    require_at_most(PASSIVE_LEVEL, "ZwOpenKey");
    // SAFETY: the caller passes attributes with a name.
    let (parent, name) = unsafe { named(attributes, "ZwOpenKey") };
    let opened = current().registry().open(parent, &name);
    match opened {
        // SAFETY: the caller passes room for a handle.
        Ok(handle) => unsafe { give(key, handle, "ZwOpenKey") },
        Err(refusal) => refused(refusal),
    }
}

#[wsk_host_macros::export]
unsafe extern "C" fn ZwCreateKey(
    key: PHANDLE,
    _access: ACCESS_MASK,
    attributes: POBJECT_ATTRIBUTES,
    _title: ULONG,
    _class: PUNICODE_STRING,
    options: ULONG,
    disposition: PULONG,
) -> NTSTATUS {
    const REG_OPTION_VOLATILE: ULONG = 1;
    const REG_CREATED_NEW_KEY: ULONG = 1;
    const REG_OPENED_EXISTING_KEY: ULONG = 2;
    require_at_most(PASSIVE_LEVEL, "ZwCreateKey");
    if options & !REG_OPTION_VOLATILE != 0 {
        kernel_violation(&format!(
            "ZwCreateKey: the host supports only the options REG_OPTION_NON_VOLATILE and REG_OPTION_VOLATILE, not {options:#x}"
        ));
    }
    // SAFETY: the caller passes attributes with a name.
    let (parent, name) = unsafe { named(attributes, "ZwCreateKey") };
    let created = current().registry().create(parent, &name, options & REG_OPTION_VOLATILE != 0);
    let (handle, is_new) = match created {
        Ok(created) => created,
        Err(refusal) => return refused(refusal),
    };
    if !disposition.is_null() {
        let value = if is_new { REG_CREATED_NEW_KEY } else { REG_OPENED_EXISTING_KEY };
        // SAFETY: the caller passes room for a number, or null.
        unsafe { disposition.write(value) };
    }
    // SAFETY: the caller passes room for a handle.
    unsafe { give(key, handle, "ZwCreateKey") }
}

/// Stops a client that passes something else than the handle of an open key.
fn require_key(handle: HANDLE, function: &str) {
    if !current().registry().is_open(handle.addr()) {
        kernel_violation(&format!("{function}: the handle is not an open key"));
    }
}

fn status_of(result: Result<(), Refusal>) -> NTSTATUS {
    result.map_or_else(refused, |()| STATUS_SUCCESS)
}

fn refused(refusal: Refusal) -> NTSTATUS {
    match refusal {
        Refusal::NotFound => STATUS_OBJECT_NAME_NOT_FOUND,
        Refusal::HasSubkeys => STATUS_CANNOT_DELETE,
        Refusal::Deleted => STATUS_KEY_DELETED,
        Refusal::MustBeVolatile => STATUS_CHILD_MUST_BE_VOLATILE,
    }
}

#[wsk_host_macros::export]
unsafe extern "C" fn ZwSetValueKey(
    key: HANDLE,
    name: PUNICODE_STRING,
    _title: ULONG,
    kind: ULONG,
    data: PVOID,
    size: ULONG,
) -> NTSTATUS {
    require_at_most(PASSIVE_LEVEL, "ZwSetValueKey");
    require_key(key, "ZwSetValueKey");
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    if data.is_null() && size != 0 {
        kernel_violation(&format!("ZwSetValueKey: Data is NULL, and DataSize is {size}"));
    }
    // SAFETY: the caller passes a valid string.
    let name = unsafe { text(name) };
    let bytes = if size == 0 {
        Vec::new()
    } else {
        // SAFETY: the caller passes data of this size.
        unsafe { slice::from_raw_parts(data.cast::<u8>(), size) }.to_vec()
    };
    status_of(current().registry().set_value(key.addr(), &name, kind, bytes))
}

#[wsk_host_macros::export]
unsafe extern "C" fn ZwDeleteValueKey(key: HANDLE, name: PUNICODE_STRING) -> NTSTATUS {
    require_at_most(PASSIVE_LEVEL, "ZwDeleteValueKey");
    require_key(key, "ZwDeleteValueKey");
    // SAFETY: the caller passes a valid string.
    let name = unsafe { text(name) };
    status_of(current().registry().delete_value(key.addr(), &name))
}

#[wsk_host_macros::export]
extern "C" fn ZwDeleteKey(key: HANDLE) -> NTSTATUS {
    require_at_most(PASSIVE_LEVEL, "ZwDeleteKey");
    require_key(key, "ZwDeleteKey");
    status_of(current().registry().delete(key.addr()))
}

/// The registry is in memory, so there is nothing to write.
#[wsk_host_macros::export]
extern "C" fn ZwFlushKey(key: HANDLE) -> NTSTATUS {
    require_at_most(PASSIVE_LEVEL, "ZwFlushKey");
    require_key(key, "ZwFlushKey");
    status_of(current().registry().require_not_deleted(key.addr()))
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
    require_key(key, "ZwQueryValueKey");
    // SAFETY: the caller passes a valid string.
    let name = unsafe { text(name) };
    let value = current().registry().value(key.addr(), &name);
    let (kind, data) = match value {
        Ok(value) => value,
        Err(refusal) => return refused(refusal),
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
