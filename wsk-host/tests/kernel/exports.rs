//! The exports: every function that wsk-sys declares links.

use std::collections::BTreeSet;

use wsk_sys::*;

/// The names of functions, and whether each is linked.
macro_rules! linked {
    ($($name:ident)*) => {
        [$((stringify!($name), $name as *const () as usize != 0)),*]
    };
}

#[test]
fn every_function_declared_by_wsk_sys_is_exported() {
    let linked = linked! {
        ExAcquireRundownProtection ExAllocatePoolWithTag ExFreePoolWithTag
        ExInitializeRundownProtection ExReleaseRundownProtection ExWaitForRundownProtectionRelease
        IoAllocateIrp IoAllocateMdl IoAllocateWorkItem IoBuildPartialMdl IoCancelIrp
        IofCompleteRequest IoFreeIrp IoFreeMdl IoFreeWorkItem IoGetCurrentProcess IoInitializeIrp
        IoInitializeWorkItem IoQueueWorkItem IoQueueWorkItemEx IoReuseIrp IoSetCompletionRoutineEx
        IoSizeofWorkItem IoUninitializeWorkItem KeAcquireSpinLockRaiseToDpc KeBugCheckEx
        KeCancelTimer KeClearEvent KeDelayExecutionThread KeFlushQueuedDpcs KeInitializeDpc
        KeInitializeEvent KeInitializeSemaphore KeInitializeTimer KeInitializeTimerEx
        KeQuerySystemTimePrecise KeQueryUnbiasedInterruptTime KeReadStateEvent KeReleaseSemaphore
        KeReleaseSpinLock KeResetEvent KeSetEvent KeSetTimer KeWaitForMultipleObjects
        KeWaitForSingleObject MmBuildMdlForNonPagedPool MmGetSystemRoutineAddress
        MmMapLockedPagesSpecifyCache MmProbeAndLockPages MmUnlockPages ObfDereferenceObject
        ObfReferenceObject ObReferenceObjectByHandle PsCreateSystemThread PsTerminateSystemThread
        RtlGetVersion RtlInitUnicodeString WskCaptureProviderNPI WskDeregister
        WskQueryProviderCharacteristics WskRegister WskReleaseProviderNPI ZwClose
    };
    let names: BTreeSet<&str> =
        linked.iter().filter(|(_, is_linked)| *is_linked).map(|(name, _)| *name).collect();
    let sources = [
        include_str!("../../../wsk-sys/src/generated/kernel.rs"),
        include_str!("../../../wsk-sys/src/generated/wsk.rs"),
    ];
    let declared: BTreeSet<&str> = sources
        .iter()
        .flat_map(|source| source.split("    pub fn ").skip(1))
        .filter_map(|rest| rest.split('(').next())
        // Stable Rust cannot define a function with a variable number of arguments.
        .filter(|name| *name != "DbgPrint")
        .collect();
    assert_eq!(names, declared);
}
