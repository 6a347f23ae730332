//! The functions and statics that images import, and find by `MmGetSystemRoutineAddress`.
//!
//! # Safety
//!
//! The exported function has the contract that Microsoft documents.

#![expect(unsafe_code, reason = "the function and its argument are C's")]

use std::collections::HashMap;
use std::ptr;
use std::sync::OnceLock;

use wsk_sys::since::{self, WindowsVersion};
use wsk_sys::{PASSIVE_LEVEL, PUNICODE_STRING, PVOID};

use crate::kernel::Kernel;
use crate::kernel::abi::{EXPORTS, ExportTarget, entry_points};
use crate::kernel::config::Windows;
use crate::kernel::ke::irql::require_at_most;

const EIGHT_DOT_ONE: WindowsVersion = WindowsVersion::new(6, 3, 9600);

/// The exports that came later than WSK.
const LATER: [(&str, WindowsVersion); 9] = [
    ("ExAllocatePool2", since::ExAllocatePool2),
    ("ExAllocatePool3", since::ExAllocatePool2),
    ("ExFreePool2", since::ExAllocatePool2),
    ("ExAllocateTimer", EIGHT_DOT_ONE),
    ("ExCancelTimer", EIGHT_DOT_ONE),
    ("ExDeleteTimer", EIGHT_DOT_ONE),
    ("ExSetTimer", EIGHT_DOT_ONE),
    ("KeQuerySystemTimePrecise", since::KeQuerySystemTimePrecise),
    ("KeQueryUnbiasedInterruptTime", since::KeQueryUnbiasedInterruptTime),
];

/// The address that an image imports under a name. None if the host, or this Windows, has no such export.
pub(crate) fn address(name: &str, windows: Windows) -> Option<usize> {
    static BY_NAME: OnceLock<HashMap<&str, usize>> = OnceLock::new();
    let address = |target| match target {
        ExportTarget::Function(function) => entry_points::of(function),
        ExportTarget::Microsoft(address) | ExportTarget::Data(address) => {
            address.expose_provenance()
        }
    };
    let exports = BY_NAME.get_or_init(|| {
        EXPORTS.iter().map(|export| (export.name, address(export.target))).collect()
    });
    let is_later = |(later, since): &(&str, WindowsVersion)| *later == name && !windows.has(*since);
    if LATER.iter().any(is_later) { None } else { exports.get(name).copied() }
}

/// Finds a host function for an image, unless the emulated Windows lacks it.
#[wsk_host_macros::export("MmGetSystemRoutineAddress")]
unsafe extern "C" fn find(name: PUNICODE_STRING) -> PVOID {
    require_at_most(PASSIVE_LEVEL, "MmGetSystemRoutineAddress");
    // SAFETY: the caller passes a counted string.
    let (units, length) = unsafe { ((*name).Buffer, usize::from((*name).Length) / 2) };
    if units.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: a counted string has a buffer of its length.
    let units = unsafe { std::slice::from_raw_parts(units, length) };
    let windows = Kernel::current().config().windows;
    let found = address(&String::from_utf16_lossy(units), windows);
    found.map_or(ptr::null_mut(), ptr::with_exposed_provenance_mut)
}
