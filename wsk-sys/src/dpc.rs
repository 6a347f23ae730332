//! Queueing deferred procedure calls (DPCs), on a chosen processor, and the current thread.
//!
//! # Safety
//!
//! The functions have the contracts of Microsoft's pages.

#![expect(unsafe_code, reason = "the kernel's functions")]

use core::ffi::c_int;

use crate::{BOOLEAN, NTSTATUS, PKDPC, PRKDPC, PVOID, UCHAR, ULONG, USHORT};

/// The number of a processor in its group.
///
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/miniport/ns-miniport-_processor_number).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct PROCESSOR_NUMBER {
    /// The group.
    pub Group: USHORT,
    /// The number in the group.
    pub Number: UCHAR,
    /// Reserved: zero.
    pub Reserved: UCHAR,
}

/// Pointer to a [`PROCESSOR_NUMBER`].
pub type PPROCESSOR_NUMBER = *mut PROCESSOR_NUMBER;

/// The importance of a DPC, for [`KeSetImportanceDpc`].
///
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-kesetimportancedpc).
pub type KDPC_IMPORTANCE = c_int;

/// The DPC is queued at the end, and a target processor other than the current one is interrupted at once.
pub const MediumHighImportance: KDPC_IMPORTANCE = 3;

/// For [`KeQueryActiveProcessorCountEx`]: the processors of all groups.
pub const ALL_PROCESSOR_GROUPS: USHORT = 0xFFFF;

#[cfg_attr(
    all(windows, not(feature = "host")),
    link(name = "ntoskrnl.exe", kind = "raw-dylib", modifiers = "+verbatim")
)]
unsafe extern "C" {
    /// Queues a DPC, unless it is queued already. Returns whether it was queued by this call.
    ///
    /// IRQL: any. Minimum Windows: Windows Vista. [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-keinsertqueuedpc).
    pub fn KeInsertQueueDpc(Dpc: PRKDPC, SystemArgument1: PVOID, SystemArgument2: PVOID)
    -> BOOLEAN;
    /// Sets the processor on which a DPC runs, before it is queued.
    ///
    /// IRQL: any. Minimum Windows: Windows 7. [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-kesettargetprocessordpcex).
    pub fn KeSetTargetProcessorDpcEx(Dpc: PKDPC, ProcNumber: PPROCESSOR_NUMBER) -> NTSTATUS;
    /// Sets the importance of a DPC, before it is queued.
    ///
    /// IRQL: any. Minimum Windows: Windows Vista. [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-kesetimportancedpc).
    pub fn KeSetImportanceDpc(Dpc: PRKDPC, Importance: KDPC_IMPORTANCE);
    /// Converts the index of a processor, of all groups, into its number.
    ///
    /// IRQL: any. Minimum Windows: Windows 7. [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-kegetprocessornumberfromindex).
    pub fn KeGetProcessorNumberFromIndex(
        ProcIndex: ULONG,
        ProcNumber: PPROCESSOR_NUMBER,
    ) -> NTSTATUS;
    /// Returns the current thread's object, without a reference.
    ///
    /// IRQL: any. Minimum Windows: Windows Vista. [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-kegetcurrentthread).
    pub fn KeGetCurrentThread() -> PVOID;
    /// Returns the number of active processors of a group, or of all.
    ///
    /// IRQL: any. Minimum Windows: Windows 7. [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-kequeryactiveprocessorcountex).
    pub fn KeQueryActiveProcessorCountEx(GroupNumber: USHORT) -> ULONG;
}
