//! Macros and inline functions of wdm.h for spin locks and object references, and a wait that only ntifs.h declares.
//!
//! # Safety
//!
//! The functions call kernel exports with their caller's arguments; each one's contract is that of the export.

#![expect(unsafe_code, reason = "kernel functions; see Safety")]

use crate::{
    BOOLEAN, HANDLE, IoGetCurrentProcess, KIRQL, KSPIN_LOCK, KeAcquireSpinLockRaiseToDpc, LONG_PTR,
    NTSTATUS, ObfDereferenceObject, ObfReferenceObject, PEPROCESS, PKIRQL, PKSPIN_LOCK,
    PLARGE_INTEGER, PVOID,
};

/// Initializes a spin lock. An inline function in wdm.h.
///
/// IRQL: any.
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-keinitializespinlock).
///
/// # Safety
///
/// `SpinLock` is valid for writes, and not in use as a spin lock.
#[inline]
pub unsafe fn KeInitializeSpinLock(SpinLock: PKSPIN_LOCK) {
    const UNLOCKED: KSPIN_LOCK = 0;
    // SAFETY: `SpinLock` is valid for writes and no other processor uses it (this function's contract).
    unsafe { SpinLock.write_volatile(UNLOCKED) };
}

/// Acquires a spin lock and stores the previous IRQL. A macro in wdm.h.
///
/// IRQL: <= `DISPATCH_LEVEL`.
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-keacquirespinlock).
///
/// # Safety
///
/// - `SpinLock` is initialized, is in nonpaged memory, and is not held by the calling thread.
/// - `OldIrql` is valid for a write.
#[inline]
pub unsafe fn KeAcquireSpinLock(SpinLock: PKSPIN_LOCK, OldIrql: PKIRQL) {
    // SAFETY: the lock is initialized, nonpaged and not held by this thread (this function's contract).
    let irql: KIRQL = unsafe { KeAcquireSpinLockRaiseToDpc(SpinLock) };
    // SAFETY: `OldIrql` is valid for a write (contract).
    unsafe { OldIrql.write(irql) };
}

/// Adds a reference to an object. A macro in wdm.h.
///
/// IRQL: <= `DISPATCH_LEVEL`.
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-obreferenceobject).
///
/// # Safety
///
/// `Object` points to an object of the object manager, and the caller holds a reference to it.
#[inline]
pub unsafe fn ObReferenceObject(Object: PVOID) -> LONG_PTR {
    // SAFETY: this function's contract is that of ObfReferenceObject.
    unsafe { ObfReferenceObject(Object) }
}

/// Releases a reference to an object. A macro in wdm.h.
///
/// IRQL: <= `DISPATCH_LEVEL`.
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-obdereferenceobject).
///
/// # Safety
///
/// `Object` points to an object of the object manager, and the caller gives up a reference that it holds.
#[inline]
pub unsafe fn ObDereferenceObject(Object: PVOID) -> LONG_PTR {
    // SAFETY: this function's contract is that of ObfDereferenceObject.
    unsafe { ObfDereferenceObject(Object) }
}

/// Returns the process of the calling thread, without adding a reference. A macro in wdm.h.
///
/// IRQL: any. Minimum Windows: Windows Vista.
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-iogetcurrentprocess).
///
/// # Safety
///
/// The caller runs in kernel mode.
#[inline]
#[must_use]
pub unsafe fn PsGetCurrentProcess() -> PEPROCESS {
    // SAFETY: the caller runs in kernel mode (this function's contract).
    unsafe { IoGetCurrentProcess() }
}

// Declared in ntifs.h, not in ntddk.h, so regen does not generate it.
#[cfg_attr(
    all(windows, not(feature = "host")),
    link(name = "ntoskrnl.exe", kind = "raw-dylib", modifiers = "+verbatim")
)]
unsafe extern "C" {
    /// Waits until the object behind a handle is signaled or the timeout expires.
    ///
    /// The timeout is in units of 100 ns: negative values are relative, null waits indefinitely.
    ///
    /// IRQL: `PASSIVE_LEVEL`. Minimum Windows: Windows Vista.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/ntifs/nf-ntifs-zwwaitforsingleobject).
    pub fn ZwWaitForSingleObject(
        Handle: HANDLE,
        Alertable: BOOLEAN,
        Timeout: PLARGE_INTEGER,
    ) -> NTSTATUS;
}
