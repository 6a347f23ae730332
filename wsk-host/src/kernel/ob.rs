//! `Ob…`: references with tags, and by pointer. A host counts them as those without.
//!
//! # Safety
//!
//! The exported functions require of their callers what Microsoft documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use wsk_sys::{
    ACCESS_MASK, DISPATCH_LEVEL, HANDLE, KPROCESSOR_MODE, LONG_PTR, NTSTATUS,
    POBJECT_HANDLE_INFORMATION, POBJECT_TYPE, PVOID, STATUS_OBJECT_TYPE_MISMATCH, STATUS_SUCCESS,
    ULONG,
};

use crate::kernel::ke::irql::require_at_most;
use crate::kernel::ps::{
    ObReferenceObjectByHandle, ObfDereferenceObject, ObfReferenceObject, is_thread_type,
};

#[unsafe(no_mangle)]
unsafe extern "C" fn ObReferenceObjectByHandleWithTag(
    handle: HANDLE,
    access: ACCESS_MASK,
    object_type: POBJECT_TYPE,
    mode: KPROCESSOR_MODE,
    _tag: ULONG,
    object: *mut PVOID,
    information: POBJECT_HANDLE_INFORMATION,
) -> NTSTATUS {
    // SAFETY: the arguments satisfy the untagged function's contract, which is the same.
    unsafe { ObReferenceObjectByHandle(handle, access, object_type, mode, object, information) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn ObReferenceObjectByPointer(
    object: PVOID,
    _access: ACCESS_MASK,
    object_type: POBJECT_TYPE,
    _mode: KPROCESSOR_MODE,
) -> NTSTATUS {
    require_at_most(DISPATCH_LEVEL, "ObReferenceObjectByPointer");
    if !is_thread_type(object_type) {
        return STATUS_OBJECT_TYPE_MISMATCH;
    }
    // SAFETY: the caller passes an object that it has a reference to.
    unsafe { ObfReferenceObject(object) };
    STATUS_SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn ObfReferenceObjectWithTag(object: PVOID, _tag: ULONG) -> LONG_PTR {
    // SAFETY: the caller has a reference to the object.
    unsafe { ObfReferenceObject(object) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn ObfDereferenceObjectWithTag(object: PVOID, _tag: ULONG) -> LONG_PTR {
    // SAFETY: the caller gives up a reference to the object.
    unsafe { ObfDereferenceObject(object) }
}

/// A host's objects need nothing that would have to wait for another thread.
#[unsafe(no_mangle)]
unsafe extern "C" fn ObDereferenceObjectDeferDelete(object: PVOID) {
    // SAFETY: the caller gives a reference of its own up.
    unsafe { ObfDereferenceObject(object) };
}

#[unsafe(no_mangle)]
unsafe extern "C" fn ObDereferenceObjectDeferDeleteWithTag(object: PVOID, _tag: ULONG) {
    // SAFETY: the caller gives a reference of its own up.
    unsafe { ObfDereferenceObject(object) };
}
