//! Events, semaphores and spin locks; references to objects.

use crate::{
    BOOLEAN, HANDLE, KIRQL, KSPIN_LOCK, KeAcquireSpinLockRaiseToDpc, LIST_ENTRY, LONG, LONG_PTR,
    NTSTATUS, ObfDereferenceObject, ObfReferenceObject, PKIRQL, PKSPIN_LOCK, PLARGE_INTEGER, PVOID,
};

/// What every object that can be waited for begins with.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct DISPATCHER_HEADER {
    /// The object's kind and lock. C can also name their parts.
    pub Lock: LONG,
    /// Positive while the object is signalled.
    pub SignalState: LONG,
    /// The waiting threads.
    pub WaitListHead: LIST_ENTRY,
}

/// An event. Initialised by [`KeInitializeEvent`](crate::KeInitializeEvent), and not moved after that.
///
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/kernel/defining-and-using-an-event-object).
#[repr(C)]
#[derive(Debug)]
pub struct KEVENT {
    /// What every object that can be waited for begins with.
    pub Header: DISPATCHER_HEADER,
}

/// Pointer to a [`KEVENT`].
pub type PKEVENT = *mut KEVENT;
/// Pointer to a [`KEVENT`].
pub type PRKEVENT = *mut KEVENT;

/// A semaphore. Initialised by [`KeInitializeSemaphore`](crate::KeInitializeSemaphore), and not moved
/// after that.
///
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/kernel/introduction-to-semaphore-objects).
#[repr(C)]
#[derive(Debug)]
pub struct KSEMAPHORE {
    /// What every object that can be waited for begins with.
    pub Header: DISPATCHER_HEADER,
    /// The highest count.
    pub Limit: LONG,
}

/// Pointer to a [`KSEMAPHORE`].
pub type PKSEMAPHORE = *mut KSEMAPHORE;
/// Pointer to a [`KSEMAPHORE`].
pub type PRKSEMAPHORE = *mut KSEMAPHORE;

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
