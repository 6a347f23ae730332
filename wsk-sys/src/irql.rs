//! The interrupt request level (IRQL). Functions, export names and inline code differ between processors.
//!
//! # Safety
//!
//! Kernel exports, and one instruction that is allowed in kernel mode only.

#![expect(unsafe_code, reason = "kernel functions; see Safety")]

use crate::KIRQL;

/// Returns the current IRQL of the processor.
///
/// On x64 it reads CR8, as the WDK's inline version does; Wine does not export the function.
///
/// IRQL: any. Minimum Windows: Windows Vista.
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-kegetcurrentirql).
///
/// # Safety
///
/// The caller runs in kernel mode: reading CR8 elsewhere faults.
#[cfg(all(windows, not(feature = "host"), target_arch = "x86_64"))]
#[inline]
#[must_use]
pub unsafe fn KeGetCurrentIrql() -> KIRQL {
    let irql: u64;
    // SAFETY: the caller runs in kernel mode (this function's contract), where CR8 is readable. The instruction
    // accesses no memory, stack or flags.
    unsafe {
        core::arch::asm!("mov {}, cr8", out(reg) irql, options(nomem, nostack, preserves_flags));
    }
    // CAST: CR8 has four bits.
    (irql & 0xF) as KIRQL
}

#[cfg(all(windows, not(feature = "host"), target_arch = "x86_64"))]
#[link(name = "ntoskrnl.exe", kind = "raw-dylib", modifiers = "+verbatim")]
unsafe extern "C" {
    /// Raises the IRQL and returns the previous one. The macro `KeRaiseIrql` calls this function.
    ///
    /// IRQL: <= `NewIrql`. Minimum Windows: Windows Vista.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-keraiseirql).
    pub fn KfRaiseIrql(NewIrql: KIRQL) -> KIRQL;

    /// Restores the IRQL that [`KfRaiseIrql`] returned.
    ///
    /// IRQL: >= `NewIrql`. Minimum Windows: Windows Vista.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-kelowerirql).
    pub fn KeLowerIrql(NewIrql: KIRQL);
}

// On arm64 the hardware abstraction layer exports these functions, one of them under another name.
#[cfg(all(windows, not(feature = "host"), target_arch = "aarch64"))]
#[link(name = "hal.dll", kind = "raw-dylib", modifiers = "+verbatim")]
unsafe extern "C" {
    /// Returns the current IRQL of the processor.
    ///
    /// IRQL: any. Minimum Windows: Windows 10, version 1709.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-kegetcurrentirql).
    pub fn KeGetCurrentIrql() -> KIRQL;

    /// Raises the IRQL and returns the previous one. The macro `KeRaiseIrql` calls this function.
    ///
    /// IRQL: <= `NewIrql`. Minimum Windows: Windows 10, version 1709.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-keraiseirql).
    pub fn KfRaiseIrql(NewIrql: KIRQL) -> KIRQL;

    /// Restores the IRQL that [`KfRaiseIrql`] returned.
    ///
    /// IRQL: >= `NewIrql`. Minimum Windows: Windows 10, version 1709.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-kelowerirql).
    #[link_name = "KfLowerIrql"]
    pub fn KeLowerIrql(NewIrql: KIRQL);
}

#[cfg(any(not(windows), feature = "host"))]
unsafe extern "C" {
    /// Returns the current IRQL: that of the calling thread, on a host.
    ///
    /// IRQL: any.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-kegetcurrentirql).
    pub fn KeGetCurrentIrql() -> KIRQL;

    /// Raises the IRQL and returns the previous one. The macro `KeRaiseIrql` calls this function.
    ///
    /// IRQL: <= `NewIrql`.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-keraiseirql).
    pub fn KfRaiseIrql(NewIrql: KIRQL) -> KIRQL;

    /// Restores the IRQL that [`KfRaiseIrql`] returned.
    ///
    /// IRQL: >= `NewIrql`.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-kelowerirql).
    pub fn KeLowerIrql(NewIrql: KIRQL);
}
