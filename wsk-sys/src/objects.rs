//! Events, semaphores, timers and deferred procedure calls; rundown protection and spin locks; references
//! to objects.

use crate::{
    BOOLEAN, HANDLE, IoGetCurrentProcess, KIRQL, KSPIN_LOCK, KeAcquireSpinLockRaiseToDpc, LONG_PTR,
    NTSTATUS, ObfDereferenceObject, ObfReferenceObject, PEPROCESS, PKIRQL, PKSPIN_LOCK,
    PLARGE_INTEGER, PVOID,
};

/// Initialises a spin lock: inline code in wdm.h.
///
/// IRQL: any.
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-keinitializespinlock).
///
/// # Safety
///
/// `SpinLock` points to memory that is valid for writes and that nobody uses as a spin lock yet.
#[inline]
pub unsafe fn KeInitializeSpinLock(SpinLock: PKSPIN_LOCK) {
    const UNLOCKED: KSPIN_LOCK = 0;
    // SAFETY: the caller promises valid memory that no other processor looks at.
    unsafe { SpinLock.write_volatile(UNLOCKED) };
}

/// Acquires a spin lock and stores the former IRQL: a macro in wdm.h.
///
/// IRQL: <= `DISPATCH_LEVEL`.
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-keacquirespinlock).
///
/// # Safety
///
/// - `SpinLock` was initialised, is in nonpaged memory, and this thread does not hold it.
/// - `OldIrql` is valid for a write.
#[inline]
pub unsafe fn KeAcquireSpinLock(SpinLock: PKSPIN_LOCK, OldIrql: PKIRQL) {
    // SAFETY: the caller promises an initialised, nonpaged lock that this thread does not hold.
    let irql: KIRQL = unsafe { KeAcquireSpinLockRaiseToDpc(SpinLock) };
    // SAFETY: the caller promises memory for the former IRQL.
    unsafe { OldIrql.write(irql) };
}

/// Adds a reference to an object: a macro in wdm.h.
///
/// IRQL: <= `DISPATCH_LEVEL`.
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-obreferenceobject).
///
/// # Safety
///
/// `Object` points to an object of the object manager, on which the caller has a reference.
#[inline]
pub unsafe fn ObReferenceObject(Object: PVOID) -> LONG_PTR {
    // SAFETY: the caller's promise is what the function asks for.
    unsafe { ObfReferenceObject(Object) }
}

/// Releases a reference to an object: a macro in wdm.h.
///
/// IRQL: <= `DISPATCH_LEVEL`.
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-obdereferenceobject).
///
/// # Safety
///
/// `Object` points to an object of the object manager, and the caller gives up its reference.
#[inline]
pub unsafe fn ObDereferenceObject(Object: PVOID) -> LONG_PTR {
    // SAFETY: the caller's promise is what the function asks for.
    unsafe { ObfDereferenceObject(Object) }
}

/// The process that the calling thread belongs to, without a reference on it: a macro in wdm.h.
///
/// IRQL: any. Minimum Windows: Windows Vista.
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-iogetcurrentprocess).
///
/// # Safety
///
/// The caller runs in the kernel.
#[inline]
#[must_use]
pub unsafe fn PsGetCurrentProcess() -> PEPROCESS {
    // SAFETY: the caller's promise is what the function asks for.
    unsafe { IoGetCurrentProcess() }
}

// ntifs.h has it, ntddk.h does not, so it is not among what is generated.
#[cfg_attr(
    all(windows, not(feature = "host")),
    link(name = "ntoskrnl.exe", kind = "raw-dylib", modifiers = "+verbatim")
)]
unsafe extern "C" {
    /// Waits until the object behind a handle is signalled or the time-out has passed (in units of
    /// 100 ns; negative is relative, null is for ever).
    ///
    /// IRQL: `PASSIVE_LEVEL`. Minimum Windows: Windows Vista.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/ntifs/nf-ntifs-zwwaitforsingleobject).
    pub fn ZwWaitForSingleObject(
        Handle: HANDLE,
        Alertable: BOOLEAN,
        Timeout: PLARGE_INTEGER,
    ) -> NTSTATUS;
}
