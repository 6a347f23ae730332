//! `Ob…`: references to threads, devices, files and the system process. Tags are ignored.
//!
//! # Safety
//!
//! The exported functions have the contracts that Microsoft documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use std::sync::atomic::{AtomicUsize, Ordering};

use wsk_sys::{
    ACCESS_MASK, DISPATCH_LEVEL, HANDLE, KPROCESSOR_MODE, LONG_PTR, NTSTATUS, PEPROCESS,
    POBJECT_HANDLE_INFORMATION, POBJECT_TYPE, PVOID, STATUS_OBJECT_TYPE_MISMATCH, STATUS_SUCCESS,
    ULONG,
};

use crate::kernel::current;
use crate::kernel::holdings::{give_back, take};
use crate::kernel::io::request::close_unreferenced;
use crate::kernel::ke::irql::require_at_most;
use crate::kernel::ps::{
    ObReferenceObjectByHandle, dereference_thread, is_thread_type, reference_thread,
};
use crate::kernel::resources::Resource;
use crate::verifier::kernel_violation;

/// The system process, which all threads belong to. It is opaque and never ends: it only counts its
/// references.
static PROCESS: AtomicUsize = AtomicUsize::new(1);

fn is_process(object: PVOID) -> bool {
    object.addr() == (&raw const PROCESS).addr()
}

#[wsk_host_macros::export]
extern "C" fn IoGetCurrentProcess() -> PEPROCESS {
    (&raw const PROCESS).cast_mut().cast()
}

fn count(references: usize) -> LONG_PTR {
    LONG_PTR::try_from(references).unwrap_or(LONG_PTR::MAX)
}

#[wsk_host_macros::export]
pub(crate) unsafe extern "C" fn ObfReferenceObject(object: PVOID) -> LONG_PTR {
    require_at_most(DISPATCH_LEVEL, "ObfReferenceObject");
    if is_process(object) {
        take(Resource::ProcessReference, object.addr(), "ObfReferenceObject");
        return count(PROCESS.fetch_add(1, Ordering::Relaxed) + 1);
    }
    // SAFETY: the caller has a reference to the object.
    if let Some(references) = unsafe { reference_thread(object) } {
        take(Resource::ThreadReference, object.addr(), "ObfReferenceObject");
        return count(references);
    }
    match current().devices().reference(object.addr()) {
        Some(references) => count(references),
        None => kernel_violation(
            "ObfReferenceObject: the pointer is not to an object of this host, or the object was freed",
        ),
    }
}

#[wsk_host_macros::export]
pub(crate) unsafe extern "C" fn ObfDereferenceObject(object: PVOID) -> LONG_PTR {
    require_at_most(DISPATCH_LEVEL, "ObfDereferenceObject");
    if is_process(object) {
        let left = PROCESS.fetch_sub(1, Ordering::Relaxed) - 1;
        if left < 1 {
            kernel_violation("ObfDereferenceObject: the driver holds no reference to the process");
        }
        give_back(Resource::ProcessReference, object.addr());
        return count(left);
    }
    // SAFETY: the caller gives up a reference to the object.
    if let Some(left) = unsafe { dereference_thread(object) } {
        give_back(Resource::ThreadReference, object.addr());
        return count(left);
    }
    let kernel = current();
    let released = kernel.devices().dereference(object.addr());
    match released {
        Ok((left, unused)) => {
            close_unreferenced(&kernel, unused);
            count(left)
        }
        Err(found) => kernel_violation(&format!("ObfDereferenceObject: {found}")),
    }
}

#[wsk_host_macros::export]
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

#[wsk_host_macros::export]
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

#[wsk_host_macros::export]
unsafe extern "C" fn ObfReferenceObjectWithTag(object: PVOID, _tag: ULONG) -> LONG_PTR {
    // SAFETY: the caller has a reference to the object.
    unsafe { ObfReferenceObject(object) }
}

#[wsk_host_macros::export]
unsafe extern "C" fn ObfDereferenceObjectWithTag(object: PVOID, _tag: ULONG) -> LONG_PTR {
    // SAFETY: the caller gives up a reference to the object.
    unsafe { ObfDereferenceObject(object) }
}

/// An object whose end needs `PASSIVE_LEVEL` ends in a system thread, here as in `ObfDereferenceObject`.
#[wsk_host_macros::export]
unsafe extern "C" fn ObDereferenceObjectDeferDelete(object: PVOID) {
    // SAFETY: the caller gives a reference of its own up.
    unsafe { ObfDereferenceObject(object) };
}

#[wsk_host_macros::export]
unsafe extern "C" fn ObDereferenceObjectDeferDeleteWithTag(object: PVOID, _tag: ULONG) {
    // SAFETY: the caller gives a reference of its own up.
    unsafe { ObfDereferenceObject(object) };
}
