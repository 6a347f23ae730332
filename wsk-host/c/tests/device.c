/*
 * A control device, as C and as C++: it is created, opened, sent requests and unloaded, in a scenario of its own.
 */
#define DBG 1
#include <ntifs.h>

#include "scenarios.h"

/* The device adds, pends, writes to locked memory, and keeps the bytes written to it. */

#define IOCTL_ADD   CTL_CODE(FILE_DEVICE_NETWORK, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS)
#define IOCTL_LATER CTL_CODE(FILE_DEVICE_NETWORK, 0x801, METHOD_BUFFERED, FILE_ANY_ACCESS)
#define IOCTL_OUT   CTL_CODE(FILE_DEVICE_NETWORK, 0x802, METHOD_OUT_DIRECT, FILE_ANY_ACCESS)

typedef struct _EXTENSION {
    PIO_WORKITEM Item;
    PIRP Pended;
    LONG Open;
    UCHAR Written[4];
} EXTENSION;

DECLARE_GLOBAL_CONST_UNICODE_STRING(DeviceName, L"\\Device\\WskTest");
DECLARE_GLOBAL_CONST_UNICODE_STRING(LinkName, L"\\DosDevices\\WskTest");

static BOOLEAN Forgets;

static NTSTATUS Complete(PIRP Irp, NTSTATUS Status, ULONG_PTR Information)
{
    Irp->IoStatus.Status = Status;
    Irp->IoStatus.Information = Information;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return Status;
}

static NTSTATUS Open(PDEVICE_OBJECT Device, PIRP Irp)
{
    EXTENSION *Extension = (EXTENSION *)Device->DeviceExtension;
    PIO_STACK_LOCATION Location = IoGetCurrentIrpStackLocation(Irp);

    PAGED_CODE();
    if (Location->MajorFunction == IRP_MJ_CREATE) {
        Location->FileObject->FsContext = Extension;
        InterlockedIncrement(&Extension->Open);
    } else if (Location->FileObject->FsContext == Extension && Location->MajorFunction == IRP_MJ_CLOSE) {
        InterlockedDecrement(&Extension->Open);
    }
    return Complete(Irp, STATUS_SUCCESS, 0);
}

static VOID Later(PDEVICE_OBJECT Device, PVOID Context)
{
    EXTENSION *Extension = (EXTENSION *)Device->DeviceExtension;

    UNREFERENCED_PARAMETER(Context);
    *(ULONG *)Extension->Pended->AssociatedIrp.SystemBuffer = 42;
    Complete(Extension->Pended, STATUS_SUCCESS, sizeof(ULONG));
}

static NTSTATUS Control(PDEVICE_OBJECT Device, PIRP Irp)
{
    EXTENSION *Extension = (EXTENSION *)Device->DeviceExtension;
    PIO_STACK_LOCATION Location = IoGetCurrentIrpStackLocation(Irp);
    ULONG *Numbers = (ULONG *)Irp->AssociatedIrp.SystemBuffer;
    PVOID Target;

    switch (Location->Parameters.DeviceIoControl.IoControlCode) {
    case IOCTL_ADD:
        if (Location->Parameters.DeviceIoControl.InputBufferLength != 8 ||
            Location->Parameters.DeviceIoControl.OutputBufferLength < 4) {
            return Complete(Irp, STATUS_BUFFER_TOO_SMALL, 0);
        }
        Numbers[0] += Numbers[1];
        return Complete(Irp, STATUS_SUCCESS, sizeof(ULONG));
    case IOCTL_LATER:
        IoMarkIrpPending(Irp);
        Extension->Pended = Irp;
        IoQueueWorkItem(Extension->Item, Later, DelayedWorkQueue, NULL);
        return STATUS_PENDING;
    case IOCTL_OUT:
        Target = MmGetSystemAddressForMdlSafe(Irp->MdlAddress, NormalPagePriority);
        if (Target == NULL) {
            return Complete(Irp, STATUS_INSUFFICIENT_RESOURCES, 0);
        }
        RtlCopyMemory(Target, "direct", 6);
        return Complete(Irp, STATUS_SUCCESS, 6);
    default:
        return Complete(Irp, STATUS_INVALID_DEVICE_REQUEST, 0);
    }
}

static NTSTATUS Transfer(PDEVICE_OBJECT Device, PIRP Irp)
{
    EXTENSION *Extension = (EXTENSION *)Device->DeviceExtension;
    PIO_STACK_LOCATION Location = IoGetCurrentIrpStackLocation(Irp);
    PVOID Buffer = Irp->AssociatedIrp.SystemBuffer;

    if (Location->Parameters.Read.Length != 4) {
        return Complete(Irp, STATUS_INVALID_PARAMETER, 0);
    }
    if (Location->MajorFunction == IRP_MJ_WRITE) {
        RtlCopyMemory(Extension->Written, Buffer, 4);
    } else {
        RtlCopyMemory(Buffer, Extension->Written, 4);
    }
    return Complete(Irp, STATUS_SUCCESS, 4);
}

static VOID Unload(PDRIVER_OBJECT Driver)
{
    UNICODE_STRING Link = LinkName;
    PDEVICE_OBJECT Device = Driver->DeviceObject;

    PAGED_CODE();
    if (!Forgets) {
        IoDeleteSymbolicLink(&Link);
    }
    IoFreeWorkItem(((EXTENSION *)Device->DeviceExtension)->Item);
    IoDeleteDevice(Device);
}

EXTERN_C NTSTATUS DriverEntry(PDRIVER_OBJECT Driver, PUNICODE_STRING RegistryPath);
EXTERN_C NTSTATUS DriverEntry(PDRIVER_OBJECT Driver, PUNICODE_STRING RegistryPath)
{
    UNICODE_STRING Name = DeviceName, Link = LinkName;
    PDEVICE_OBJECT Device, Another;
    NTSTATUS Status;

    ExInitializeDriverRuntime(DrvRtPoolNxOptIn);
    if (RegistryPath->Length == 0 || Driver->DriverExtension->DriverObject != Driver) {
        return STATUS_UNSUCCESSFUL;
    }
    Status = IoCreateDevice(Driver, sizeof(EXTENSION), &Name, FILE_DEVICE_NETWORK, FILE_DEVICE_SECURE_OPEN, FALSE,
                            &Device);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    if (IoCreateDevice(Driver, 0, &Name, FILE_DEVICE_NETWORK, 0, FALSE, &Another) != STATUS_OBJECT_NAME_COLLISION) {
        return STATUS_UNSUCCESSFUL;
    }
    Device->Flags |= DO_BUFFERED_IO;
    Status = IoCreateSymbolicLink(&Link, &Name);
    ((EXTENSION *)Device->DeviceExtension)->Item = NT_SUCCESS(Status) ? IoAllocateWorkItem(Device) : NULL;
    if (((EXTENSION *)Device->DeviceExtension)->Item == NULL) {
        IoDeleteDevice(Device);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    Driver->MajorFunction[IRP_MJ_CREATE] = Open;
    Driver->MajorFunction[IRP_MJ_CLOSE] = Open;
    Driver->MajorFunction[IRP_MJ_CLEANUP] = Open;
    Driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = Control;
    Driver->MajorFunction[IRP_MJ_READ] = Transfer;
    Driver->MajorFunction[IRP_MJ_WRITE] = Transfer;
    Driver->DriverUnload = Unload;
    return STATUS_SUCCESS;
}

static int Device(void *Context)
{
    void *Driver, *File;
    ULONG Numbers[2] = {40, 2}, Sum = 0;
    char Text[8] = {0};
    size_t Returned = 0;

    UNREFERENCED_PARAMETER(Context);
    CHECK(wsk_host_open("\\\\.\\WskTest", &File) == STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK(wsk_host_load("WskTest", DriverEntry, &Driver) == STATUS_SUCCESS);
    CHECK(wsk_host_open("\\\\.\\wsktest", &File) == STATUS_SUCCESS);
    CHECK(wsk_host_control(File, IOCTL_ADD, Numbers, sizeof(Numbers), &Sum, sizeof(Sum), &Returned) == STATUS_SUCCESS);
    CHECK(Sum == 42 && Returned == sizeof(Sum));
    CHECK(wsk_host_control(File, IOCTL_ADD, Numbers, 4, &Sum, sizeof(Sum), NULL) == STATUS_BUFFER_TOO_SMALL);
    Sum = 0;
    CHECK(wsk_host_control(File, IOCTL_LATER, NULL, 0, &Sum, sizeof(Sum), &Returned) == STATUS_SUCCESS && Sum == 42);
    CHECK(wsk_host_control(File, IOCTL_OUT, NULL, 0, Text, sizeof(Text), &Returned) == STATUS_SUCCESS);
    CHECK(Returned == 6 && RtlEqualMemory(Text, "direct", 7));
    CHECK(wsk_host_control(File, 0, NULL, 0, NULL, 0, NULL) == STATUS_INVALID_DEVICE_REQUEST);
    CHECK(wsk_host_write(File, "wxyz", 4, &Returned) == STATUS_SUCCESS && Returned == 4);
    CHECK(wsk_host_read(File, Text, 4, &Returned) == STATUS_SUCCESS && RtlEqualMemory(Text, "wxyz", 4));
    CHECK(wsk_host_read(File, Text, 5, &Returned) == STATUS_INVALID_PARAMETER && Returned == 0);
    wsk_host_close(File);
    wsk_host_unload(Driver);
    CHECK(wsk_host_open("\\Device\\WskTest", &File) == STATUS_OBJECT_NAME_NOT_FOUND);
    return 0;
}

/* Breaks a rule, and the host stops it. */
static int LeavesALink(void *Context)
{
    void *Driver;

    UNREFERENCED_PARAMETER(Context);
    Forgets = TRUE;
    CHECK(wsk_host_load("WskTest", DriverEntry, &Driver) == STATUS_SUCCESS);
    wsk_host_unload(Driver);
    return 0;
}

static const SCENARIO Scenarios[] = {
    {"device", Device},
    /* Run by name only. */
    {"leaves-a-link", LeavesALink},
};

int main(int argc, char **argv)
{
    return RunScenarios(argc, argv, Scenarios, ARRAYSIZE(Scenarios), 1);
}
