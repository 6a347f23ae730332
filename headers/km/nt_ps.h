/*
 * Threads, handles and objects.
 *
 * Part of the wsk project's own headers: wdm.h includes it.
 */
#ifndef WSK_HEADERS_NT_PS_H
#define WSK_HEADERS_NT_PS_H

#include <nt_types.h>

EXTERN_C_BEGIN

/* Access that is asked for */

#define DELETE            0x00010000L
#define READ_CONTROL      0x00020000L
#define WRITE_DAC         0x00040000L
#define WRITE_OWNER       0x00080000L
#define SYNCHRONIZE       0x00100000L
#define STANDARD_RIGHTS_REQUIRED 0x000F0000L
#define GENERIC_READ      0x80000000L
#define GENERIC_WRITE     0x40000000L
#define GENERIC_EXECUTE   0x20000000L
#define GENERIC_ALL       0x10000000L
#define EVENT_ALL_ACCESS  0x001F0003
#define THREAD_ALL_ACCESS 0x001FFFFF
#define OBJ_KERNEL_HANDLE 0x00000200L

NTSTATUS PsCreateSystemThread(PHANDLE ThreadHandle, ULONG DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes,
                              HANDLE ProcessHandle, PCLIENT_ID ClientId, PKSTART_ROUTINE StartRoutine,
                              PVOID StartContext);
NTSTATUS PsTerminateSystemThread(NTSTATUS ExitStatus);
NTSTATUS ObReferenceObjectByHandle(HANDLE Handle, ACCESS_MASK DesiredAccess, POBJECT_TYPE ObjectType,
                                   KPROCESSOR_MODE AccessMode, PVOID *Object,
                                   POBJECT_HANDLE_INFORMATION HandleInformation);
LONG_PTR FASTCALL ObfReferenceObject(PVOID Object);
LONG_PTR FASTCALL ObfDereferenceObject(PVOID Object);
NTSTATUS ZwClose(HANDLE Handle);
PEPROCESS IoGetCurrentProcess(VOID);
#define PsGetCurrentProcess IoGetCurrentProcess
PKTHREAD KeGetCurrentThread(VOID);
#define PsGetCurrentThread() ((PETHREAD)KeGetCurrentThread())
HANDLE PsGetCurrentThreadId(VOID);
HANDLE PsGetCurrentProcessId(VOID);
extern POBJECT_TYPE *PsThreadType;

NTSTATUS ZwWaitForSingleObject(HANDLE Handle, BOOLEAN Alertable, PLARGE_INTEGER Timeout);
NTSTATUS ObReferenceObjectByHandleWithTag(HANDLE Handle, ACCESS_MASK DesiredAccess, POBJECT_TYPE ObjectType,
                                          KPROCESSOR_MODE AccessMode, ULONG Tag, PVOID *Object,
                                          POBJECT_HANDLE_INFORMATION HandleInformation);
NTSTATUS ObReferenceObjectByPointer(PVOID Object, ACCESS_MASK DesiredAccess, POBJECT_TYPE ObjectType,
                                    KPROCESSOR_MODE AccessMode);
LONG_PTR FASTCALL ObfReferenceObjectWithTag(PVOID Object, ULONG Tag);
LONG_PTR FASTCALL ObfDereferenceObjectWithTag(PVOID Object, ULONG Tag);
VOID ObDereferenceObjectDeferDelete(PVOID Object);
VOID ObDereferenceObjectDeferDeleteWithTag(PVOID Object, ULONG Tag);

/*
 * The current thread's stack, which is a machine thread's on the host: it has more than the 24 KB of Windows. On a system
 * where the host does not know it, the limits are those of the address space.
 */

VOID IoGetStackLimits(PULONG_PTR LowLimit, PULONG_PTR HighLimit);
LOGICAL IoWithinStackLimits(ULONG_PTR RegionStart, SIZE_T RegionSize);

FORCEINLINE ULONG_PTR IoGetRemainingStackSize(VOID)
{
    ULONG_PTR Low, High;

    IoGetStackLimits(&Low, &High);
    return (ULONG_PTR)&Low - Low;
}

BOOLEAN PsGetVersion(PULONG MajorVersion, PULONG MinorVersion, PULONG BuildNumber, PUNICODE_STRING CSDVersion);

#define ObReferenceObject(Object)               ObfReferenceObject(Object)
#define ObDereferenceObject(Object)             ObfDereferenceObject(Object)
#define ObReferenceObjectWithTag(Object, Tag)   ObfReferenceObjectWithTag((Object), (Tag))
#define ObDereferenceObjectWithTag(Object, Tag) ObfDereferenceObjectWithTag((Object), (Tag))

EXTERN_C_END

#endif
