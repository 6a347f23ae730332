//! Types of a driver's entry point.

use crate::{
    CSHORT, HANDLE, PDEVICE_OBJECT, PDRIVER_DISPATCH, PDRIVER_INITIALIZE, PDRIVER_STARTIO,
    PDRIVER_UNLOAD, PUNICODE_STRING, PVOID, ULONG, UNICODE_STRING, WCHAR,
};

/// A driver object.
///
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/ns-wdm-_driver_object).
#[repr(C)]
#[derive(Debug)]
pub struct DRIVER_OBJECT {
    /// Reserved.
    pub Type: CSHORT,
    /// Reserved.
    pub Size: CSHORT,
    /// The first device object of the driver.
    pub DeviceObject: PDEVICE_OBJECT,
    /// Reserved.
    pub Flags: ULONG,
    /// Reserved: the base address of the image.
    pub DriverStart: PVOID,
    /// Reserved: the size of the image in bytes.
    pub DriverSize: ULONG,
    /// Reserved.
    pub DriverSection: PVOID,
    /// The driver's extension.
    pub DriverExtension: PVOID,
    /// Reserved: the name of the driver.
    pub DriverName: UNICODE_STRING,
    /// The registry path of the hardware configuration.
    pub HardwareDatabase: PUNICODE_STRING,
    /// Entry points for fast I/O.
    pub FastIoDispatch: PVOID,
    /// The driver's entry point.
    pub DriverInit: PDRIVER_INITIALIZE,
    /// The driver's `StartIo` routine.
    pub DriverStartIo: PDRIVER_STARTIO,
    /// The driver's unload routine. A driver without one cannot be unloaded.
    pub DriverUnload: PDRIVER_UNLOAD,
    /// The driver's dispatch routines, indexed by major function code.
    pub MajorFunction: [PDRIVER_DISPATCH; 28],
}

/// Pointer to a [`DRIVER_OBJECT`].
pub type PDRIVER_OBJECT = *mut DRIVER_OBJECT;

/// The attributes for creating or opening an object.
///
/// [Microsoft's page](https://learn.microsoft.com/windows/win32/api/ntdef/ns-ntdef-_object_attributes).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct OBJECT_ATTRIBUTES {
    /// The size of this structure.
    pub Length: ULONG,
    /// The object directory or key that the name is relative to, or null.
    pub RootDirectory: HANDLE,
    /// The object's name, or null.
    pub ObjectName: PUNICODE_STRING,
    /// Flags such as [`OBJ_KERNEL_HANDLE`](crate::OBJ_KERNEL_HANDLE).
    pub Attributes: ULONG,
    /// The object's security descriptor, or null.
    pub SecurityDescriptor: PVOID,
    /// Reserved.
    pub SecurityQualityOfService: PVOID,
}

/// Pointer to [`OBJECT_ATTRIBUTES`].
pub type POBJECT_ATTRIBUTES = *mut OBJECT_ATTRIBUTES;

/// Identifies a thread and its process.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CLIENT_ID {
    /// The process.
    pub UniqueProcess: HANDLE,
    /// The thread.
    pub UniqueThread: HANDLE,
}

/// Pointer to a [`CLIENT_ID`].
pub type PCLIENT_ID = *mut CLIENT_ID;

/// A version of Windows.
///
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-rtlgetversion).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RTL_OSVERSIONINFOW {
    /// The size of this structure.
    pub dwOSVersionInfoSize: ULONG,
    /// The major version, for example 10.
    pub dwMajorVersion: ULONG,
    /// The minor version.
    pub dwMinorVersion: ULONG,
    /// The build number, for example 26100.
    pub dwBuildNumber: ULONG,
    /// Reserved.
    pub dwPlatformId: ULONG,
    /// The name of the service pack.
    pub szCSDVersion: [WCHAR; 128],
}

/// Pointer to an [`RTL_OSVERSIONINFOW`].
pub type PRTL_OSVERSIONINFOW = *mut RTL_OSVERSIONINFOW;
