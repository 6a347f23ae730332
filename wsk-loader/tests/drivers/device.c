/*
 * A driver with two devices, which keep what is written to them: one has buffered I/O, the other one direct I/O.
 */
#include <ntddk.h>

#define DEVICE_SIZE 64

/* Each inverts its input, which is as large as its output. */
#define IOCTL_INVERT_BUFFERED CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS)
#define IOCTL_INVERT_DIRECT   CTL_CODE(FILE_DEVICE_UNKNOWN, 0x801, METHOD_OUT_DIRECT, FILE_ANY_ACCESS)
#define IOCTL_INVERT_NEITHER  CTL_CODE(FILE_DEVICE_UNKNOWN, 0x802, METHOD_NEITHER, FILE_ANY_ACCESS)

typedef struct _DEVICE_EXTENSION {
    ULONG Written;
    LONG Opened;
    UCHAR Bytes[DEVICE_SIZE];
} DEVICE_EXTENSION, *PDEVICE_EXTENSION;

static NTSTATUS DeviceComplete(PIRP Irp, NTSTATUS Status, ULONG_PTR Information)
{
    Irp->IoStatus.Status = Status;
    Irp->IoStatus.Information = Information;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return Status;
}

static DRIVER_DISPATCH DeviceOpen;
static DRIVER_DISPATCH DeviceClose;
static DRIVER_DISPATCH DeviceTransfer;
static DRIVER_DISPATCH DeviceControl;

static NTSTATUS DeviceOpen(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    ((PDEVICE_EXTENSION)DeviceObject->DeviceExtension)->Opened++;
    return DeviceComplete(Irp, STATUS_SUCCESS, 0);
}

static NTSTATUS DeviceClose(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    ((PDEVICE_EXTENSION)DeviceObject->DeviceExtension)->Opened--;
    return DeviceComplete(Irp, STATUS_SUCCESS, 0);
}

static NTSTATUS DeviceTransfer(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PDEVICE_EXTENSION Device = (PDEVICE_EXTENSION)DeviceObject->DeviceExtension;
    PIO_STACK_LOCATION Location = IoGetCurrentIrpStackLocation(Irp);
    BOOLEAN IsBuffered = (DeviceObject->Flags & DO_BUFFERED_IO) != 0;
    PUCHAR Buffer = (PUCHAR)(IsBuffered ? Irp->AssociatedIrp.SystemBuffer
                                        : MmGetSystemAddressForMdlSafe(Irp->MdlAddress, NormalPagePriority));
    ULONG Length = Location->Parameters.Read.Length;

    if (Buffer == NULL) {
        return DeviceComplete(Irp, STATUS_INSUFFICIENT_RESOURCES, 0);
    }
    if (Location->MajorFunction == IRP_MJ_WRITE) {
        if (Length > DEVICE_SIZE) {
            return DeviceComplete(Irp, STATUS_INVALID_PARAMETER, 0);
        }
        RtlCopyMemory(Device->Bytes, Buffer, Length);
        Device->Written = Length;
        return DeviceComplete(Irp, STATUS_SUCCESS, Length);
    }
    if (Length > Device->Written) {
        Length = Device->Written;
    }
    RtlCopyMemory(Buffer, Device->Bytes, Length);
    return DeviceComplete(Irp, STATUS_SUCCESS, Length);
}

static NTSTATUS DeviceControl(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PIO_STACK_LOCATION Location = IoGetCurrentIrpStackLocation(Irp);
    ULONG Length = Location->Parameters.DeviceIoControl.OutputBufferLength;
    PUCHAR Input = (PUCHAR)Irp->AssociatedIrp.SystemBuffer;
    PUCHAR Output = Input;
    ULONG Index;

    UNREFERENCED_PARAMETER(DeviceObject);
    switch (Location->Parameters.DeviceIoControl.IoControlCode) {
    case IOCTL_INVERT_BUFFERED:
        break;
    case IOCTL_INVERT_DIRECT:
        Output = (PUCHAR)MmGetSystemAddressForMdlSafe(Irp->MdlAddress, NormalPagePriority);
        break;
    case IOCTL_INVERT_NEITHER:
        Input = (PUCHAR)Location->Parameters.DeviceIoControl.Type3InputBuffer;
        Output = (PUCHAR)Irp->UserBuffer;
        break;
    default:
        return DeviceComplete(Irp, STATUS_INVALID_DEVICE_REQUEST, 0);
    }
    if (Output == NULL || Length > Location->Parameters.DeviceIoControl.InputBufferLength) {
        return DeviceComplete(Irp, STATUS_INVALID_PARAMETER, 0);
    }
    for (Index = 0; Index < Length; Index++) {
        Output[Index] = (UCHAR)~Input[Index];
    }
    return DeviceComplete(Irp, STATUS_SUCCESS, Length);
}

static NTSTATUS DeviceCreate(PDRIVER_OBJECT DriverObject, PCWSTR Path, ULONG Flags)
{
    UNICODE_STRING Name;
    PDEVICE_OBJECT Device;
    NTSTATUS Status;

    RtlInitUnicodeString(&Name, Path);
    Status = IoCreateDevice(DriverObject, sizeof(DEVICE_EXTENSION), &Name, FILE_DEVICE_UNKNOWN, 0, FALSE, &Device);
    if (NT_SUCCESS(Status)) {
        Device->Flags |= Flags;
        Device->Flags &= ~(ULONG)DO_DEVICE_INITIALIZING;
    }
    return Status;
}

DRIVER_UNLOAD DeviceUnload;

VOID DeviceUnload(PDRIVER_OBJECT DriverObject)
{
    while (DriverObject->DeviceObject != NULL) {
        IoDeleteDevice(DriverObject->DeviceObject);
    }
}

DRIVER_INITIALIZE DriverEntry;

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    static const WCHAR Buffered[] = {'\\', 'D', 'e', 'v', 'i', 'c', 'e', '\\', 'B', 'u', 'f', 'f', 'e', 'r', 'e', 'd', 0};
    static const WCHAR Direct[] = {'\\', 'D', 'e', 'v', 'i', 'c', 'e', '\\', 'D', 'i', 'r', 'e', 'c', 't', 0};
    NTSTATUS Status;

    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = DeviceUnload;
    DriverObject->MajorFunction[IRP_MJ_CREATE] = DeviceOpen;
    DriverObject->MajorFunction[IRP_MJ_CLOSE] = DeviceClose;
    DriverObject->MajorFunction[IRP_MJ_READ] = DeviceTransfer;
    DriverObject->MajorFunction[IRP_MJ_WRITE] = DeviceTransfer;
    DriverObject->MajorFunction[IRP_MJ_DEVICE_CONTROL] = DeviceControl;
    Status = DeviceCreate(DriverObject, Buffered, DO_BUFFERED_IO);
    if (NT_SUCCESS(Status)) {
        Status = DeviceCreate(DriverObject, Direct, DO_DIRECT_IO);
        if (!NT_SUCCESS(Status)) {
            DeviceUnload(DriverObject);
        }
    }
    return Status;
}
