//! Events, semaphores, timers and deferred procedure calls; rundown protection and spin locks; references
//! to objects.

use crate::{
    BOOLEAN, HANDLE, IoGetCurrentProcess, KAFFINITY, KIRQL, KSPIN_LOCK,
    KeAcquireSpinLockRaiseToDpc, LIST_ENTRY, LONG, LONG_PTR, NTSTATUS, ObfDereferenceObject,
    ObfReferenceObject, PEPROCESS, PKDEFERRED_ROUTINE, PKIRQL, PKSPIN_LOCK, PLARGE_INTEGER, PVOID,
    SINGLE_LIST_ENTRY, ULARGE_INTEGER, ULONG, ULONG_PTR, USHORT,
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

/// A deferred procedure call. Initialised by [`KeInitializeDpc`](crate::KeInitializeDpc), and not moved
/// after that.
///
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/kernel/introduction-to-dpc-objects).
#[repr(C)]
#[derive(Debug)]
pub struct KDPC {
    /// Reserved. C can also name its parts.
    pub TargetInfoAsUlong: ULONG,
    /// Reserved.
    pub DpcListEntry: SINGLE_LIST_ENTRY,
    /// Reserved.
    pub ProcessorHistory: KAFFINITY,
    /// The routine.
    pub DeferredRoutine: PKDEFERRED_ROUTINE,
    /// The routine's second argument.
    pub DeferredContext: PVOID,
    /// The routine's third argument. Of no meaning if a timer queues the call.
    pub SystemArgument1: PVOID,
    /// The routine's fourth argument. Of no meaning if a timer queues the call.
    pub SystemArgument2: PVOID,
    /// Reserved.
    pub DpcData: PVOID,
}

/// Pointer to a [`KDPC`].
pub type PKDPC = *mut KDPC;
/// Pointer to a [`KDPC`].
pub type PRKDPC = *mut KDPC;

/// A timer. Initialised by [`KeInitializeTimer`](crate::KeInitializeTimer) or
/// [`KeInitializeTimerEx`](crate::KeInitializeTimerEx), and not moved after that.
///
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/kernel/timer-objects-and-dpcs).
#[repr(C)]
#[derive(Debug)]
pub struct KTIMER {
    /// What every object that can be waited for begins with.
    pub Header: DISPATCHER_HEADER,
    /// When the timer expires.
    pub DueTime: ULARGE_INTEGER,
    /// Reserved.
    pub TimerListEntry: LIST_ENTRY,
    /// Reserved: what is queued when the timer expires.
    pub Dpc: PKDPC,
    /// Reserved.
    pub Processor: USHORT,
    /// Reserved.
    pub TimerType: USHORT,
    /// After how many milliseconds the timer expires again, or zero.
    pub Period: ULONG,
}

/// Pointer to a [`KTIMER`].
pub type PKTIMER = *mut KTIMER;
/// Pointer to a [`KTIMER`].
pub type PRKTIMER = *mut KTIMER;

/// Rundown protection. Initialised by
/// [`ExInitializeRundownProtection`](crate::ExInitializeRundownProtection), and not moved after that.
///
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/kernel/run-down-protection).
#[repr(C)]
#[derive(Debug)]
pub struct EX_RUNDOWN_REF {
    /// Reserved.
    pub Count: ULONG_PTR,
}

/// Pointer to an [`EX_RUNDOWN_REF`].
pub type PEX_RUNDOWN_REF = *mut EX_RUNDOWN_REF;

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
