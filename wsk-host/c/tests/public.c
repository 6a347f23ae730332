/*
 * Things that public WSK clients rely on beyond its functions: types and limits, devices with a descriptor, and their own definitions
 * of names that the library also has.
 */
#include <ntddk.h>

#include <wdmsec.h>
#include <wsk.h>

#include "scenarios.h"

#include <stdarg.h>

EXTERN_C_START

ULONG DbgPrint(PCSTR Format, ...)
{
    va_list Arguments;
    ULONG Status;

    va_start(Arguments, Format);
    Status = vDbgPrintEx(DPFLTR_DEFAULT_ID, DPFLTR_INFO_LEVEL, Format, Arguments);
    va_end(Arguments);
    return Status;
}

/* A client for kits whose library lacks the identifier has its own, as it has functions of later kernels. */
CONST NPIID NPI_WSK_INTERFACE_ID = {0x2227E803, 0x8D8B, 0x11D4, {0xAB, 0xAD, 0x00, 0x90, 0x27, 0x71, 0x9E, 0x09}};

static ULONG OwnCalls;

PVOID ExAllocatePool2(POOL_FLAGS Flags, SIZE_T Bytes, ULONG Tag)
{
    PVOID Memory = ExAllocatePoolWithTag(NonPagedPoolNx, Bytes, Tag);

    UNREFERENCED_PARAMETER(Flags);
    OwnCalls++;
    if (Memory != NULL) {
        RtlZeroMemory(Memory, Bytes);
    }
    return Memory;
}

EXTERN_C_END

static int OwnDefinitions(void *Context)
{
    PVOID Memory = ExAllocatePool2(POOL_FLAG_NON_PAGED, 16, 'tseT');

    UNREFERENCED_PARAMETER(Context);
    CHECK(Memory != NULL && OwnCalls > 0);
    ExFreePoolWithTag(Memory, 'tseT');
    return 0;
}

DECLARE_HANDLE(CLIENT_HANDLE);
DECLARE_HANDLE(OTHER_HANDLE);

static SIZE_T HalfOf(size_t *Bytes)
{
    SIZE_T *Same = Bytes;

    *Same /= 2;
    return *Same;
}

static int Types(void *Context)
{
    CLIENT_HANDLE Handle = (CLIENT_HANDLE)Context;
    SIZE_T Bytes = 14;

    CHECK(Handle == NULL && sizeof(*Handle) == sizeof(int) && sizeof(OTHER_HANDLE) == sizeof(PVOID));
    CHECK(HalfOf(&Bytes) == 7 && Bytes == 7);
    CHECK(MAXUINT8 == 255 && MAXINT8 == 127 && MININT8 == -128);
    CHECK(MAXUINT16 == 65535 && MAXINT16 == 32767 && MININT16 == -32768);
    CHECK(MAXUINT32 == 0xffffffff && MAXINT32 == MAXLONG && MININT32 == MINLONG);
    CHECK(MAXUINT64 == MAXULONGLONG && MAXINT64 == MAXLONGLONG && MININT64 == -MAXLONGLONG - 1);
    CHECK(MAXULONG_PTR == MAXUINT_PTR && MAXLONG_PTR == MAXLONGLONG && MAXDWORD == MAXULONG && MAXUINT == MAXULONG);
#ifndef __cplusplus
    CHECK(min(Bytes, 9) == 7 && max(Bytes, 9) == 9);
#endif
    return 0;
}

static VOID Unload(PDRIVER_OBJECT Driver)
{
    IoDeleteDevice(Driver->DeviceObject);
}

static NTSTATUS Open(PDEVICE_OBJECT Device, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Device);
    Irp->IoStatus.Status = STATUS_SUCCESS;
    Irp->IoStatus.Information = 0;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

static NTSTATUS Entry(PDRIVER_OBJECT Driver, PUNICODE_STRING RegistryPath)
{
    DECLARE_CONST_UNICODE_STRING(Name, L"\\Device\\WskSecure");
    PDEVICE_OBJECT Device;
    NTSTATUS Status;

    UNREFERENCED_PARAMETER(RegistryPath);
    if (IoCreateDeviceSecure(Driver, 0, NULL, FILE_DEVICE_UNKNOWN, FILE_DEVICE_SECURE_OPEN, FALSE,
                             &SDDL_DEVOBJ_SYS_ALL_ADM_ALL, NULL, &Device) != STATUS_INVALID_PARAMETER) {
        return STATUS_UNSUCCESSFUL;
    }
    Status = IoCreateDeviceSecure(Driver, 0, (PUNICODE_STRING)&Name, FILE_DEVICE_UNKNOWN, FILE_DEVICE_SECURE_OPEN, FALSE,
                                  &SDDL_DEVOBJ_SYS_ALL_ADM_ALL, NULL, &Device);
    Driver->MajorFunction[IRP_MJ_CREATE] = Open;
    Driver->MajorFunction[IRP_MJ_CLEANUP] = Open;
    Driver->MajorFunction[IRP_MJ_CLOSE] = Open;
    Driver->DriverUnload = Unload;
    return Status;
}

static int SecureDevice(void *Context)
{
    void *Driver, *File;

    UNREFERENCED_PARAMETER(Context);
    CHECK(wsk_host_load("WskSecure", Entry, &Driver) == STATUS_SUCCESS);
    CHECK(wsk_host_open("\\Device\\WskSecure", &File) == STATUS_SUCCESS);
    wsk_host_close(File);
    wsk_host_unload(Driver);
    return 0;
}

static const SCENARIO Scenarios[] = {
    {"definitions", OwnDefinitions},
    {"types", Types},
    {"device", SecureDevice},
};

int main(int argc, char **argv)
{
    return RunScenarios(argc, argv, Scenarios, ARRAYSIZE(Scenarios), ARRAYSIZE(Scenarios));
}
