//! Events, semaphores, timers and deferred procedure calls; rundown protection.

use crate::{
    KAFFINITY, LIST_ENTRY, LONG, PKDEFERRED_ROUTINE, PVOID, SINGLE_LIST_ENTRY, ULARGE_INTEGER,
    ULONG, ULONG_PTR, USHORT,
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
