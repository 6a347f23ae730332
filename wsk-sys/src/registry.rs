//! The registry, as far as a driver needs it to read its parameters.
//!
//! # Safety
//!
//! The functions have the contracts of Microsoft's pages.

#![expect(unsafe_code, reason = "the kernel's functions")]

use crate::{
    ACCESS_MASK, HANDLE, NTSTATUS, PHANDLE, POBJECT_ATTRIBUTES, PULONG, PUNICODE_STRING, PVOID,
    UCHAR, ULONG,
};

/// Access to read a key, its values and its subkeys.
///
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-zwopenkey).
pub const KEY_READ: ACCESS_MASK = 0x0002_0019;

/// For `OBJECT_ATTRIBUTES::Attributes`: the name is compared without regard to case.
///
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wudfwdm/ns-wudfwdm-_object_attributes).
pub const OBJ_CASE_INSENSITIVE: ULONG = 0x40;

/// The class of [`KEY_VALUE_PARTIAL_INFORMATION`] for [`ZwQueryValueKey`].
pub const KeyValuePartialInformation: i32 = 2;

/// The type of a value: a UTF-16 string.
pub const REG_SZ: ULONG = 1;

/// The type of a value: 32 bits.
pub const REG_DWORD: ULONG = 4;

/// The type and the data of a registry value.
///
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/ns-wdm-_key_value_partial_information).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct KEY_VALUE_PARTIAL_INFORMATION {
    /// Reserved.
    pub TitleIndex: ULONG,
    /// Such as [`REG_DWORD`].
    pub Type: ULONG,
    /// The size of the data in bytes.
    pub DataLength: ULONG,
    /// The first byte of the data.
    pub Data: [UCHAR; 1],
}

#[cfg_attr(
    all(windows, not(feature = "host")),
    link(name = "ntoskrnl.exe", kind = "raw-dylib", modifiers = "+verbatim")
)]
unsafe extern "C" {
    /// Opens a registry key.
    ///
    /// IRQL: `PASSIVE_LEVEL`. Minimum Windows: Windows Vista. [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-zwopenkey).
    pub fn ZwOpenKey(
        KeyHandle: PHANDLE,
        DesiredAccess: ACCESS_MASK,
        ObjectAttributes: POBJECT_ATTRIBUTES,
    ) -> NTSTATUS;
    /// Reads a value of a registry key.
    ///
    /// IRQL: `PASSIVE_LEVEL`. Minimum Windows: Windows Vista. [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-zwqueryvaluekey).
    pub fn ZwQueryValueKey(
        KeyHandle: HANDLE,
        ValueName: PUNICODE_STRING,
        KeyValueInformationClass: i32,
        KeyValueInformation: PVOID,
        Length: ULONG,
        ResultLength: PULONG,
    ) -> NTSTATUS;
}
