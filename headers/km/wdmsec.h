/*
 * Control devices with a security descriptor.
 *
 * Part of the wsk project's own headers. The host has no users: it takes the descriptor and opens the device for every
 * program.
 */
#ifndef WSK_HEADERS_WDMSEC_H
#define WSK_HEADERS_WDMSEC_H

#include <wdm.h>

/* Descriptors of the documentation: for the kernel, the system, administrators and everyone. */
#define WSK_HEADERS_DESCRIPTOR(Name, Text) DECLARE_GLOBAL_CONST_UNICODE_STRING(Name, Text)
WSK_HEADERS_DESCRIPTOR(SDDL_DEVOBJ_KERNEL_ONLY, L"D:P");
WSK_HEADERS_DESCRIPTOR(SDDL_DEVOBJ_SYS_ALL, L"D:P(A;;GA;;;SY)");
WSK_HEADERS_DESCRIPTOR(SDDL_DEVOBJ_SYS_ALL_ADM_ALL, L"D:P(A;;GA;;;SY)(A;;GA;;;BA)");
WSK_HEADERS_DESCRIPTOR(SDDL_DEVOBJ_SYS_ALL_ADM_RX, L"D:P(A;;GA;;;SY)(A;;GRGX;;;BA)");
WSK_HEADERS_DESCRIPTOR(SDDL_DEVOBJ_SYS_ALL_ADM_RWX_WORLD_R, L"D:P(A;;GA;;;SY)(A;;GRGWGX;;;BA)(A;;GR;;;WD)");
WSK_HEADERS_DESCRIPTOR(SDDL_DEVOBJ_SYS_ALL_ADM_RWX_WORLD_RW_RES_R,
                       L"D:P(A;;GA;;;SY)(A;;GRGWGX;;;BA)(A;;GRGW;;;WD)(A;;GR;;;RC)");

/* IRQL: PASSIVE_LEVEL. The descriptor is text in SDDL; the class is NULL, or a setup class with settings of its own. */
FORCEINLINE NTSTATUS IoCreateDeviceSecure(PDRIVER_OBJECT DriverObject, ULONG DeviceExtensionSize,
                                          PUNICODE_STRING DeviceName, DEVICE_TYPE DeviceType,
                                          ULONG DeviceCharacteristics, BOOLEAN Exclusive,
                                          PCUNICODE_STRING DefaultSDDLString, LPCGUID DeviceClassGuid,
                                          PDEVICE_OBJECT *DeviceObject)
{
    UNREFERENCED_PARAMETER(DeviceClassGuid);
    if (DeviceName == NULL || DefaultSDDLString == NULL) {
        return STATUS_INVALID_PARAMETER;
    }
    return IoCreateDevice(DriverObject, DeviceExtensionSize, DeviceName, DeviceType, DeviceCharacteristics, Exclusive,
                          DeviceObject);
}
#define WdmlibIoCreateDeviceSecure IoCreateDeviceSecure

#endif
