//! The interrupt request level: functions on one processor, inline code or other names on another.

use crate::KIRQL;

/// The processor's current IRQL.
///
/// Reads the register that holds it on x64, where the WDK can do the same. Wine does not export the
/// function.
///
/// IRQL: any. Minimum Windows: Windows Vista.
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-kegetcurrentirql).
///
/// # Safety
///
/// The caller runs in the kernel: elsewhere the register cannot be read.
#[cfg(all(windows, not(feature = "host"), target_arch = "x86_64"))]
#[inline]
#[must_use]
pub unsafe fn KeGetCurrentIrql() -> KIRQL {
    let irql: u64;
    // SAFETY: the kernel, where the caller promises to be, may read CR8; nothing else is touched.
    unsafe {
        core::arch::asm!("mov {}, cr8", out(reg) irql, options(nomem, nostack, preserves_flags));
    }
    // CAST: CR8 has four bits.
    (irql & 0xF) as KIRQL
}

#[cfg(all(windows, not(feature = "host"), target_arch = "x86_64"))]
#[link(name = "ntoskrnl.exe", kind = "raw-dylib", modifiers = "+verbatim")]
unsafe extern "C" {
    /// Raises the IRQL and returns the former one: what the macro `KeRaiseIrql` calls.
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

// On arm64 the IRQL is the hardware abstraction layer's, which has another name for lowering it.
#[cfg(all(windows, not(feature = "host"), target_arch = "aarch64"))]
#[link(name = "hal.dll", kind = "raw-dylib", modifiers = "+verbatim")]
unsafe extern "C" {
    /// The processor's current IRQL.
    ///
    /// IRQL: any. Minimum Windows: Windows 10, version 1709.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-kegetcurrentirql).
    pub fn KeGetCurrentIrql() -> KIRQL;

    /// Raises the IRQL and returns the former one: what the macro `KeRaiseIrql` calls.
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
    /// The processor's current IRQL; on a host, the thread's.
    ///
    /// IRQL: any.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-kegetcurrentirql).
    pub fn KeGetCurrentIrql() -> KIRQL;

    /// Raises the IRQL and returns the former one: what the macro `KeRaiseIrql` calls.
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
