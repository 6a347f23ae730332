//! `Ex…Resource…`: reader-writer locks that their holder may acquire again.
//!
//! # Safety
//!
//! The exported functions require of their callers what Microsoft documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use std::collections::HashMap;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use wsk_sys::{
    APC_LEVEL, BOOLEAN, DISPATCH_LEVEL, FALSE, NTSTATUS, PVOID, STATUS_SUCCESS, TRUE, ULONG,
};

use crate::kernel::ex::queued_lock::{
    LockMode, acquire, downgrade, release, require_free, try_acquire,
};
use crate::kernel::ke::irql::require_at_most;
use crate::kernel::ke::region::{KeEnterCriticalRegion, KeLeaveCriticalRegion, are_apcs_disabled};
use crate::verifier::kernel_violation;

/// `ERESOURCE`, whose address stands for the lock. The host uses only one of its members, the mark of an initialized
/// resource.
#[repr(C)]
pub(crate) struct Eresource {
    unused: [usize; 11],
    initialized: usize,
    spin_lock: usize,
}

const _: () = assert!(size_of::<Eresource>() == 0x68);

/// The value of `initialized`.
const INITIALIZED: usize = 0x5245_534F;

/// The mode in which each thread holds each resource, and how many times.
type Holders = HashMap<(usize, ThreadId), (LockMode, ULONG)>;

fn holders() -> MutexGuard<'static, Option<Holders>> {
    static HOLDERS: Mutex<Option<Holders>> = Mutex::new(None);
    HOLDERS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn key(resource: *mut Eresource) -> (usize, ThreadId) {
    (resource.addr(), thread::current().id())
}

/// The mode in which the current thread holds a resource, and how many times.
fn held(resource: *mut Eresource) -> Option<(LockMode, ULONG)> {
    holders().get_or_insert_default().get(&key(resource)).copied()
}

/// # Safety
///
/// The pointer is to memory of a resource.
unsafe fn require_initialized(resource: *mut Eresource, function: &str) {
    // SAFETY: the pointer is to memory of a resource (this function's contract).
    if unsafe { (&raw const (*resource).initialized).read() } != INITIALIZED {
        kernel_violation(&format!("{function}: the resource is not initialized"));
    }
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExInitializeResourceLite(resource: *mut Eresource) -> NTSTATUS {
    const NAME: &str = "ExInitializeResourceLite";
    require_at_most(DISPATCH_LEVEL, NAME);
    require_free(resource.addr(), NAME);
    let new = Eresource { unused: [0; 11], initialized: INITIALIZED, spin_lock: 0 };
    // SAFETY: the caller passes memory for a resource.
    unsafe { resource.write(new) };
    STATUS_SUCCESS
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExDeleteResourceLite(resource: *mut Eresource) -> NTSTATUS {
    const NAME: &str = "ExDeleteResourceLite";
    require_at_most(DISPATCH_LEVEL, NAME);
    // SAFETY: the caller passes a resource.
    unsafe { require_initialized(resource, NAME) };
    require_free(resource.addr(), NAME);
    // SAFETY: the caller passes a resource.
    unsafe { (&raw mut (*resource).initialized).write(0) };
    STATUS_SUCCESS
}

/// Acquires a resource. If it is not free, waits, or fails if the caller does not wait.
///
/// # Safety
///
/// The pointer is to memory of a resource.
unsafe fn take(
    resource: *mut Eresource,
    mode: LockMode,
    waits: BOOLEAN,
    function: &'static str,
) -> BOOLEAN {
    require_at_most(APC_LEVEL, function);
    // SAFETY: the pointer is to memory of a resource (this function's contract).
    unsafe { require_initialized(resource, function) };
    if !are_apcs_disabled() {
        kernel_violation(&format!(
            "{function}: normal kernel APCs are enabled; call KeEnterCriticalRegion first"
        ));
    }
    match held(resource) {
        // A writer may also read.
        Some((of, times)) if of == LockMode::Exclusive || mode == LockMode::Shared => {
            holders().get_or_insert_default().insert(key(resource), (of, times + 1));
            return TRUE;
        }
        Some(_) if waits != FALSE => kernel_violation(&format!(
            "{function}: the current thread holds the resource as a reader, and would deadlock"
        )),
        Some(_) => return FALSE,
        None => {}
    }
    if waits != FALSE {
        acquire(resource.addr(), mode, function);
    } else if !try_acquire(resource.addr(), mode, function) {
        return FALSE;
    }
    holders().get_or_insert_default().insert(key(resource), (mode, 1));
    TRUE
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExAcquireResourceExclusiveLite(
    resource: *mut Eresource,
    wait: BOOLEAN,
) -> BOOLEAN {
    // SAFETY: the caller passes a resource.
    unsafe { take(resource, LockMode::Exclusive, wait, "ExAcquireResourceExclusiveLite") }
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExAcquireResourceSharedLite(
    resource: *mut Eresource,
    wait: BOOLEAN,
) -> BOOLEAN {
    // SAFETY: the caller passes a resource.
    unsafe { take(resource, LockMode::Shared, wait, "ExAcquireResourceSharedLite") }
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExReleaseResourceLite(resource: *mut Eresource) {
    const NAME: &str = "ExReleaseResourceLite";
    require_at_most(DISPATCH_LEVEL, NAME);
    // SAFETY: the caller passes a resource.
    unsafe { require_initialized(resource, NAME) };
    let Some((mode, times)) = held(resource) else {
        kernel_violation(&format!("{NAME}: the current thread does not hold the resource"));
    };
    if times > 1 {
        holders().get_or_insert_default().insert(key(resource), (mode, times - 1));
        return;
    }
    holders().get_or_insert_default().remove(&key(resource));
    release(resource.addr(), mode, NAME);
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExConvertExclusiveToSharedLite(resource: *mut Eresource) {
    const NAME: &str = "ExConvertExclusiveToSharedLite";
    require_at_most(DISPATCH_LEVEL, NAME);
    let Some((LockMode::Exclusive, times)) = held(resource) else {
        kernel_violation(&format!("{NAME}: the current thread is not the writer"));
    };
    holders().get_or_insert_default().insert(key(resource), (LockMode::Shared, times));
    downgrade(resource.addr());
}

#[wsk_host_macros::export]
extern "C" fn ExIsResourceAcquiredExclusiveLite(resource: *mut Eresource) -> BOOLEAN {
    require_at_most(DISPATCH_LEVEL, "ExIsResourceAcquiredExclusiveLite");
    if matches!(held(resource), Some((LockMode::Exclusive, _))) { TRUE } else { FALSE }
}

/// The number of times that the current thread holds the resource, as a writer or as a reader.
#[wsk_host_macros::export]
extern "C" fn ExIsResourceAcquiredSharedLite(resource: *mut Eresource) -> ULONG {
    require_at_most(DISPATCH_LEVEL, "ExIsResourceAcquiredSharedLite");
    held(resource).map_or(0, |(_, times)| times)
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExEnterCriticalRegionAndAcquireResourceExclusive(
    resource: *mut Eresource,
) -> PVOID {
    const NAME: &str = "ExEnterCriticalRegionAndAcquireResourceExclusive";
    KeEnterCriticalRegion();
    // SAFETY: the caller passes a resource.
    unsafe { take(resource, LockMode::Exclusive, TRUE, NAME) };
    ptr::null_mut()
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExEnterCriticalRegionAndAcquireResourceShared(
    resource: *mut Eresource,
) -> PVOID {
    const NAME: &str = "ExEnterCriticalRegionAndAcquireResourceShared";
    KeEnterCriticalRegion();
    // SAFETY: the caller passes a resource.
    unsafe { take(resource, LockMode::Shared, TRUE, NAME) };
    ptr::null_mut()
}

#[wsk_host_macros::export]
unsafe extern "C" fn ExReleaseResourceAndLeaveCriticalRegion(resource: *mut Eresource) {
    // SAFETY: the caller passes a resource.
    unsafe { ExReleaseResourceLite(resource) };
    KeLeaveCriticalRegion();
}
