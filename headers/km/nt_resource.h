/*
 * Resources (locks of one writer or of many readers), and the remove lock of a device.
 *
 * Part of the wsk project's own headers: wdm.h includes it.
 */
#ifndef WSK_HEADERS_NT_RESOURCE_H
#define WSK_HEADERS_NT_RESOURCE_H

#include <nt_interlocked.h>
#include <nt_ke.h>
#include <nt_types.h>

EXTERN_C_BEGIN

/* A thread may take a resource again; a writer may also read. Its threads are in a critical region. */

typedef ULONG_PTR ERESOURCE_THREAD, *PERESOURCE_THREAD;

typedef struct _OWNER_ENTRY {
    ERESOURCE_THREAD OwnerThread;
    ULONG TableSize;
} OWNER_ENTRY, *POWNER_ENTRY;

typedef struct _ERESOURCE {
    LIST_ENTRY SystemResourcesList;
    POWNER_ENTRY OwnerTable;
    SHORT ActiveCount;
    USHORT Flag;
    PVOID SharedWaiters;
    PVOID ExclusiveWaiters;
    OWNER_ENTRY OwnerEntry;
    ULONG ActiveEntries;
    ULONG ContentionCount;
    ULONG NumberOfSharedWaiters;
    ULONG NumberOfExclusiveWaiters;
    PVOID Reserved2;
    PVOID Address;
    KSPIN_LOCK SpinLock;
} ERESOURCE, *PERESOURCE;

NTSTATUS ExInitializeResourceLite(PERESOURCE Resource);
NTSTATUS ExDeleteResourceLite(PERESOURCE Resource);
BOOLEAN ExAcquireResourceExclusiveLite(PERESOURCE Resource, BOOLEAN Wait);
BOOLEAN ExAcquireResourceSharedLite(PERESOURCE Resource, BOOLEAN Wait);
VOID FASTCALL ExReleaseResourceLite(PERESOURCE Resource);
VOID ExConvertExclusiveToSharedLite(PERESOURCE Resource);
BOOLEAN ExIsResourceAcquiredExclusiveLite(PERESOURCE Resource);
ULONG ExIsResourceAcquiredSharedLite(PERESOURCE Resource);
PVOID ExEnterCriticalRegionAndAcquireResourceExclusive(PERESOURCE Resource);
PVOID ExEnterCriticalRegionAndAcquireResourceShared(PERESOURCE Resource);
VOID FASTCALL ExReleaseResourceAndLeaveCriticalRegion(PERESOURCE Resource);

#define ExIsResourceAcquiredLite(Resource) ExIsResourceAcquiredSharedLite(Resource)

/* Remove locks: requests come and go until the device is removed, which waits for the last of them. */

typedef struct _IO_REMOVE_LOCK_COMMON_BLOCK {
    BOOLEAN Removed;
    BOOLEAN Reserved[3];
    volatile LONG IoCount;
    KEVENT RemoveEvent;
} IO_REMOVE_LOCK_COMMON_BLOCK;

typedef struct _IO_REMOVE_LOCK {
    IO_REMOVE_LOCK_COMMON_BLOCK Common;
} IO_REMOVE_LOCK, *PIO_REMOVE_LOCK;

FORCEINLINE VOID IoInitializeRemoveLockEx(PIO_REMOVE_LOCK Lock, ULONG AllocateTag, ULONG MaxLockedMinutes,
                                          ULONG HighWatermark, ULONG RemlockSize)
{
    (void)AllocateTag;
    (void)MaxLockedMinutes;
    (void)HighWatermark;
    (void)RemlockSize;
    Lock->Common.Removed = FALSE;
    Lock->Common.IoCount = 1;
    KeInitializeEvent(&Lock->Common.RemoveEvent, NotificationEvent, FALSE);
}

FORCEINLINE VOID IoReleaseRemoveLockEx(PIO_REMOVE_LOCK Lock, PVOID Tag, ULONG RemlockSize)
{
    (void)Tag;
    (void)RemlockSize;
    if (InterlockedDecrement(&Lock->Common.IoCount) == 0) {
        KeSetEvent(&Lock->Common.RemoveEvent, 0, FALSE);
    }
}

FORCEINLINE NTSTATUS IoAcquireRemoveLockEx(PIO_REMOVE_LOCK Lock, PVOID Tag, PCSTR File, ULONG Line, ULONG RemlockSize)
{
    (void)File;
    (void)Line;
    InterlockedIncrement(&Lock->Common.IoCount);
    if (Lock->Common.Removed) {
        IoReleaseRemoveLockEx(Lock, Tag, RemlockSize);
        return STATUS_DELETE_PENDING;
    }
    return STATUS_SUCCESS;
}

/* Of a caller that has acquired the lock, as its last. */
FORCEINLINE VOID IoReleaseRemoveLockAndWaitEx(PIO_REMOVE_LOCK Lock, PVOID Tag, ULONG RemlockSize)
{
    Lock->Common.Removed = TRUE;
    IoReleaseRemoveLockEx(Lock, Tag, RemlockSize);
    IoReleaseRemoveLockEx(Lock, Tag, RemlockSize);
    (void)KeWaitForSingleObject(&Lock->Common.RemoveEvent, Executive, KernelMode, FALSE, NULL);
}

#define IoInitializeRemoveLock(Lock, Tag, Minutes, Watermark) \
    IoInitializeRemoveLockEx((Lock), (Tag), (Minutes), (Watermark), sizeof(IO_REMOVE_LOCK))
#define IoAcquireRemoveLock(Lock, Tag) \
    IoAcquireRemoveLockEx((Lock), (Tag), __FILE__, __LINE__, sizeof(IO_REMOVE_LOCK))
#define IoReleaseRemoveLock(Lock, Tag)        IoReleaseRemoveLockEx((Lock), (Tag), sizeof(IO_REMOVE_LOCK))
#define IoReleaseRemoveLockAndWait(Lock, Tag) IoReleaseRemoveLockAndWaitEx((Lock), (Tag), sizeof(IO_REMOVE_LOCK))

EXTERN_C_END

#endif
