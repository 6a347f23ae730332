//! Dispatcher objects, deferred procedure calls and rundown protection.

use crate::{
    KAFFINITY, LIST_ENTRY, LONG, PKDEFERRED_ROUTINE, PVOID, SINGLE_LIST_ENTRY, ULARGE_INTEGER,
    ULONG, ULONG_PTR, USHORT,
};

/// The header of every dispatcher object (an object that threads can wait for).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct DISPATCHER_HEADER {
    /// The type and the lock of the object. C also names their parts.
    pub Lock: LONG,
    /// Greater than zero while the object is signaled.
    pub SignalState: LONG,
    /// The list of waiting threads.
    pub WaitListHead: LIST_ENTRY,
}

/// An event. Initialized by [`KeInitializeEvent`](crate::KeInitializeEvent). It must not be moved afterwards.
///
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/kernel/defining-and-using-an-event-object).
#[repr(C)]
#[derive(Debug)]
pub struct KEVENT {
    /// The header of every dispatcher object (an object that threads can wait for).
    pub Header: DISPATCHER_HEADER,
}

/// Pointer to a [`KEVENT`].
pub type PKEVENT = *mut KEVENT;
/// Pointer to a [`KEVENT`].
pub type PRKEVENT = *mut KEVENT;

/// A semaphore. Initialized by [`KeInitializeSemaphore`](crate::KeInitializeSemaphore). It must not be moved
/// afterwards.
///
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/kernel/introduction-to-semaphore-objects).
#[repr(C)]
#[derive(Debug)]
pub struct KSEMAPHORE {
    /// The header of every dispatcher object (an object that threads can wait for).
    pub Header: DISPATCHER_HEADER,
    /// The maximum count.
    pub Limit: LONG,
}

/// Pointer to a [`KSEMAPHORE`].
pub type PKSEMAPHORE = *mut KSEMAPHORE;
/// Pointer to a [`KSEMAPHORE`].
pub type PRKSEMAPHORE = *mut KSEMAPHORE;

/// A deferred procedure call (DPC). Initialized by [`KeInitializeDpc`](crate::KeInitializeDpc). It must not be moved
/// afterwards.
///
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/kernel/introduction-to-dpc-objects).
#[repr(C)]
#[derive(Debug)]
pub struct KDPC {
    /// Reserved. C also names its parts.
    pub TargetInfoAsUlong: ULONG,
    /// Reserved.
    pub DpcListEntry: SINGLE_LIST_ENTRY,
    /// Reserved.
    pub ProcessorHistory: KAFFINITY,
    /// The routine.
    pub DeferredRoutine: PKDEFERRED_ROUTINE,
    /// The second argument of the routine.
    pub DeferredContext: PVOID,
    /// The third argument of the routine. Undefined if a timer queues the DPC.
    pub SystemArgument1: PVOID,
    /// The fourth argument of the routine. Undefined if a timer queues the DPC.
    pub SystemArgument2: PVOID,
    /// Reserved.
    pub DpcData: PVOID,
}

/// Pointer to a [`KDPC`].
pub type PKDPC = *mut KDPC;
/// Pointer to a [`KDPC`].
pub type PRKDPC = *mut KDPC;

/// A timer. Initialized by [`KeInitializeTimer`](crate::KeInitializeTimer) or
/// [`KeInitializeTimerEx`](crate::KeInitializeTimerEx). It must not be moved afterwards.
///
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/kernel/timer-objects-and-dpcs).
#[repr(C)]
#[derive(Debug)]
pub struct KTIMER {
    /// The header of every dispatcher object (an object that threads can wait for).
    pub Header: DISPATCHER_HEADER,
    /// The expiration time.
    pub DueTime: ULARGE_INTEGER,
    /// Reserved.
    pub TimerListEntry: LIST_ENTRY,
    /// Reserved: the DPC to queue on expiration.
    pub Dpc: PKDPC,
    /// Reserved.
    pub Processor: USHORT,
    /// Reserved.
    pub TimerType: USHORT,
    /// The period in milliseconds, or zero for a one-shot timer.
    pub Period: ULONG,
}

/// Pointer to a [`KTIMER`].
pub type PKTIMER = *mut KTIMER;
/// Pointer to a [`KTIMER`].
pub type PRKTIMER = *mut KTIMER;

/// Rundown protection. Initialized by
/// [`ExInitializeRundownProtection`](crate::ExInitializeRundownProtection). It must not be moved afterwards.
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
