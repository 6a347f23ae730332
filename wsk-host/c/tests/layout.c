/*
 * The layouts and the values that drivers are compiled with, as Microsoft's headers have them for 64-bit processors.
 * This compiles as C and as C++, for Windows and for the machine, or it fails.
 */
#include <ntifs.h>
#include <wsk.h>

#include <ntintsafe.h>
#include <ntstrsafe.h>

#define SIZE(Type, Bytes)          C_ASSERT(sizeof(Type) == (Bytes))
#define AT(Type, Member, Position) C_ASSERT(FIELD_OFFSET(Type, Member) == (Position))

/* Scalars */
SIZE(LONG, 4);
SIZE(ULONG, 4);
SIZE(LONG64, 8);
SIZE(SIZE_T, 8);
SIZE(HANDLE, 8);
SIZE(WCHAR, 2);
SIZE(BOOLEAN, 1);
SIZE(UINT8, 1);
SIZE(UINT16, 2);
SIZE(UINT32, 4);
SIZE(UINT64, 8);
SIZE(LARGE_INTEGER, 8);
AT(LARGE_INTEGER, HighPart, 4);
AT(LARGE_INTEGER, u.HighPart, 4);
SIZE(UNICODE_STRING, 16);
SIZE(ANSI_STRING, 16);
SIZE(OBJECT_ATTRIBUTES, 48);
SIZE(GUID, 16);

/* Devices */
SIZE(DEVICE_OBJECT, 0x150);
AT(DEVICE_OBJECT, DriverObject, 0x08);
AT(DEVICE_OBJECT, NextDevice, 0x10);
AT(DEVICE_OBJECT, Flags, 0x30);
AT(DEVICE_OBJECT, DeviceExtension, 0x40);
AT(DEVICE_OBJECT, DeviceType, 0x48);
AT(DEVICE_OBJECT, StackSize, 0x4c);
AT(DEVICE_OBJECT, Queue, 0x50);
AT(DEVICE_OBJECT, AlignmentRequirement, 0x98);
AT(DEVICE_OBJECT, DeviceQueue, 0xa0);
AT(DEVICE_OBJECT, Dpc, 0xc8);
AT(DEVICE_OBJECT, SecurityDescriptor, 0x110);
AT(DEVICE_OBJECT, DeviceLock, 0x118);
AT(DEVICE_OBJECT, DeviceObjectExtension, 0x138);
SIZE(FILE_OBJECT, 0xd8);
AT(FILE_OBJECT, FsContext, 0x18);
AT(FILE_OBJECT, FsContext2, 0x20);
AT(FILE_OBJECT, Flags, 0x50);
AT(FILE_OBJECT, FileName, 0x58);
AT(FILE_OBJECT, Event, 0x98);
SIZE(DRIVER_OBJECT, 0x150);
AT(DRIVER_OBJECT, DriverUnload, 0x68);
AT(DRIVER_OBJECT, MajorFunction, 0x70);
SIZE(DRIVER_EXTENSION, 0x28);

/* Requests */
SIZE(IRP, 0xd0);
AT(IRP, IoStatus, 0x30);
AT(IRP, CancelRoutine, 0x68);
AT(IRP, UserBuffer, 0x70);
AT(IRP, Tail.Overlay.CurrentStackLocation, 0xb8);
SIZE(IO_STACK_LOCATION, 0x48);
AT(IO_STACK_LOCATION, Parameters.DeviceIoControl.OutputBufferLength, 0x08);
AT(IO_STACK_LOCATION, Parameters.DeviceIoControl.InputBufferLength, 0x10);
AT(IO_STACK_LOCATION, Parameters.DeviceIoControl.IoControlCode, 0x18);
AT(IO_STACK_LOCATION, Parameters.DeviceIoControl.Type3InputBuffer, 0x20);
AT(IO_STACK_LOCATION, Parameters.Read.Key, 0x10);
AT(IO_STACK_LOCATION, Parameters.Read.ByteOffset, 0x18);
AT(IO_STACK_LOCATION, Parameters.Create.Options, 0x10);
AT(IO_STACK_LOCATION, Parameters.Create.FileAttributes, 0x18);
AT(IO_STACK_LOCATION, Parameters.Create.ShareAccess, 0x1a);
AT(IO_STACK_LOCATION, Parameters.Create.EaLength, 0x20);
AT(IO_STACK_LOCATION, FileObject, 0x30);
SIZE(MDL, 0x30);

/* Objects and locks */
SIZE(KEVENT, 0x18);
SIZE(KSEMAPHORE, 0x20);
SIZE(KTIMER, 0x40);
SIZE(KDPC, 0x40);
SIZE(FAST_MUTEX, 0x38);
AT(FAST_MUTEX, Event, 0x18);
AT(FAST_MUTEX, OldIrql, 0x30);
SIZE(EX_PUSH_LOCK, 8);
SIZE(EX_SPIN_LOCK, 4);
SIZE(EX_RUNDOWN_REF, 8);
SIZE(KLOCK_QUEUE_HANDLE, 0x18);
SIZE(KDEVICE_QUEUE, 0x28);
SIZE(WAIT_CONTEXT_BLOCK, 0x48);
SIZE(RTL_RUN_ONCE, 8);

/* Lists */
SIZE(SLIST_HEADER, 16);
SIZE(SLIST_ENTRY, 16);
SIZE(LOOKASIDE_LIST_EX, 0x60);
AT(LOOKASIDE_LIST_EX, L.Depth, 0x10);
AT(LOOKASIDE_LIST_EX, L.Type, 0x24);
AT(LOOKASIDE_LIST_EX, L.AllocateEx, 0x30);
AT(LOOKASIDE_LIST_EX, L.ListEntry, 0x40);
SIZE(NPAGED_LOOKASIDE_LIST, 0x80);
SIZE(RTL_BALANCED_LINKS, 0x20);
SIZE(RTL_AVL_TABLE, 0x68);
AT(RTL_AVL_TABLE, NumberGenericTableElements, 0x2c);
AT(RTL_AVL_TABLE, CompareRoutine, 0x48);
AT(RTL_AVL_TABLE, TableContext, 0x60);
SIZE(TIME_FIELDS, 16);

/* Addresses, control messages, and the registrar of network modules */
SIZE(IN_ADDR, 4);
SIZE(SOCKADDR_STORAGE, 128);
SIZE(WSABUF, 16);
SIZE(WSAMSG, 56);
SIZE(WSACMSGHDR, 16);
SIZE(IN_RECVERR, 12);
SIZE(ADDRINFOA, 48);
SIZE(NPI_MODULEID, 24);
SIZE(NPI_REGISTRATION_INSTANCE, 40);
SIZE(NPI_CLIENT_CHARACTERISTICS, 72);
SIZE(NPI_PROVIDER_CHARACTERISTICS, 72);

/* Values */
C_ASSERT(CTL_CODE(FILE_DEVICE_NETWORK, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS) == 0x00122000);
C_ASSERT(STATUS_WAIT_0 == 0 && STATUS_TIMEOUT == 0x102);
C_ASSERT(NT_ERROR(STATUS_UNSUCCESSFUL) && !NT_ERROR(STATUS_BUFFER_OVERFLOW) && NT_WARNING(STATUS_BUFFER_OVERFLOW));
C_ASSERT(RtlUshortByteSwap(0x1234) == 0x3412);
C_ASSERT(RtlUlongByteSwap(0x12345678) == 0x78563412);
C_ASSERT(RtlUlonglongByteSwap(0x0102030405060708) == 0x0807060504030201);
C_ASSERT(UInt32x32To64(0xffffffff, 2) == 0x1fffffffe);
C_ASSERT(PAGE_SIZE == 4096 && BYTES_TO_PAGES(4097) == 2 && ROUND_TO_PAGES(1) == 4096);
C_ASSERT(POOL_FLAG_PAGED == 0x100 && MEMORY_ALLOCATION_ALIGNMENT == 16);
C_ASSERT(INADDR_ANY == 0 && SO_TYPE == 0x1008 && SO_SNDTIMEO == 0x1005 && SO_RCVTIMEO == 0x1006);
