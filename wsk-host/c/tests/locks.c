/*
 * Mutexes, resources, remove locks, and the safe strings that return their end, as C and as C++: each in a scenario of
 * its own.
 */
#include <ntddk.h>
#include <ntstrsafe.h>

#include "scenarios.h"

#define TAG 'kcoL'

enum { THREADS = 3, ROUNDS = 20 };

typedef struct _SHARED {
    KMUTEX Mutex;
    KSEMAPHORE Semaphore;
    ERESOURCE Resource;
    IO_REMOVE_LOCK RemoveLock;
    KEVENT Entered;
    ULONG Counts[2];
    ULONG Seen;
} SHARED;

__declspec(noinline) static PVOID Start(PKSTART_ROUTINE Routine, PVOID Context)
{
    HANDLE Handle;
    PVOID Thread = NULL;

    if (NT_SUCCESS(PsCreateSystemThread(&Handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, Routine, Context))) {
        (void)ObReferenceObjectByHandle(Handle, SYNCHRONIZE, NULL, KernelMode, &Thread, NULL);
        ZwClose(Handle);
    }
    return Thread;
}

static VOID Join(PVOID Thread)
{
    KeWaitForSingleObject(Thread, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(Thread);
}

/* Adds one, with an interruption in between. */
static VOID Step(ULONG *Count)
{
    LARGE_INTEGER Interval;
    ULONG Value = *Count;

    Interval.QuadPart = -10;
    KeDelayExecutionThread(KernelMode, FALSE, &Interval);
    *Count = Value + 1;
}

static VOID Counting(PVOID Context)
{
    SHARED *Shared = (SHARED *)Context;
    ULONG Round;

    for (Round = 0; Round < ROUNDS; Round++) {
        KeWaitForMutexObject(&Shared->Mutex, Executive, KernelMode, FALSE, NULL);
        KeWaitForSingleObject(&Shared->Mutex, Executive, KernelMode, FALSE, NULL);
        Step(&Shared->Counts[0]);
        KeReleaseMutex(&Shared->Mutex, FALSE);
        KeReleaseMutex(&Shared->Mutex, FALSE);

        ExEnterCriticalRegionAndAcquireResourceExclusive(&Shared->Resource);
        Step(&Shared->Counts[1]);
        ExReleaseResourceAndLeaveCriticalRegion(&Shared->Resource);
    }
}

static SHARED *Make(VOID)
{
    SHARED *Shared = (SHARED *)ExAllocatePoolZero(NonPagedPoolNx, sizeof(SHARED), TAG);

    KeInitializeMutex(&Shared->Mutex, 0);
    KeInitializeSemaphore(&Shared->Semaphore, 1, 2);
    ExInitializeResourceLite(&Shared->Resource);
    IoInitializeRemoveLock(&Shared->RemoveLock, TAG, 0, 0);
    KeInitializeEvent(&Shared->Entered, NotificationEvent, FALSE);
    return Shared;
}

static int Excludes(void *Context)
{
    SHARED *Shared = Make();
    PVOID Threads[THREADS];
    ULONG Index;

    UNREFERENCED_PARAMETER(Context);
    C_ASSERT(sizeof(KMUTEX) == 0x38 && sizeof(ERESOURCE) == 0x68 && sizeof(IO_REMOVE_LOCK) == 0x20);
    for (Index = 0; Index < THREADS; Index++) {
        Threads[Index] = Start(Counting, Shared);
        CHECK(Threads[Index] != NULL);
    }
    for (Index = 0; Index < THREADS; Index++) {
        Join(Threads[Index]);
    }
    CHECK(Shared->Counts[0] == THREADS * ROUNDS && Shared->Counts[1] == THREADS * ROUNDS);
    CHECK(NT_SUCCESS(ExDeleteResourceLite(&Shared->Resource)));
    ExFreePoolWithTag(Shared, TAG);
    return 0;
}

static VOID Reading(PVOID Context)
{
    SHARED *Shared = (SHARED *)Context;
    LARGE_INTEGER Now;

    Now.QuadPart = 0;
    Shared->Seen = KeWaitForSingleObject(&Shared->Mutex, Executive, KernelMode, FALSE, &Now) == STATUS_TIMEOUT;
    KeEnterCriticalRegion();
    Shared->Seen += ExAcquireResourceExclusiveLite(&Shared->Resource, FALSE) == FALSE;
    Shared->Seen += ExAcquireResourceSharedLite(&Shared->Resource, FALSE) == TRUE;
    ExReleaseResourceLite(&Shared->Resource);
    KeLeaveCriticalRegion();
    KeSetEvent(&Shared->Entered, 0, FALSE);
}

static int Owns(void *Context)
{
    SHARED *Shared = Make();
    PVOID Thread;

    UNREFERENCED_PARAMETER(Context);
    CHECK(KeReadStateMutex(&Shared->Mutex) == 1 && !KeAreApcsDisabled());
    CHECK(KeWaitForSingleObject(&Shared->Mutex, Executive, KernelMode, FALSE, NULL) == STATUS_SUCCESS);
    CHECK(KeReadStateMutex(&Shared->Mutex) == 0 && KeAreApcsDisabled());
    KeEnterCriticalRegion();
    CHECK(ExAcquireResourceExclusiveLite(&Shared->Resource, TRUE));
    CHECK(ExAcquireResourceSharedLite(&Shared->Resource, TRUE));
    CHECK(ExIsResourceAcquiredExclusiveLite(&Shared->Resource));
    CHECK(ExIsResourceAcquiredSharedLite(&Shared->Resource) == 2);
    ExReleaseResourceLite(&Shared->Resource);
    ExConvertExclusiveToSharedLite(&Shared->Resource);
    CHECK(!ExIsResourceAcquiredExclusiveLite(&Shared->Resource));
    Thread = Start(Reading, Shared);
    CHECK(Thread != NULL);
    Join(Thread);
    CHECK(Shared->Seen == 3);
    ExReleaseResourceLite(&Shared->Resource);
    KeLeaveCriticalRegion();
    CHECK(ExIsResourceAcquiredLite(&Shared->Resource) == 0);
    CHECK(KeReleaseMutex(&Shared->Mutex, FALSE) == 0 && !KeAreApcsDisabled());
    CHECK(NT_SUCCESS(ExDeleteResourceLite(&Shared->Resource)));
    ExFreePoolWithTag(Shared, TAG);
    return 0;
}

static int Counts(void *Context)
{
    SHARED *Shared = Make();

    UNREFERENCED_PARAMETER(Context);
    CHECK(KeReadStateSemaphore(&Shared->Semaphore) == 1);
    CHECK(KeWaitForSingleObject(&Shared->Semaphore, Executive, KernelMode, FALSE, NULL) == STATUS_SUCCESS);
    CHECK(KeReadStateSemaphore(&Shared->Semaphore) == 0);
    CHECK(KeReleaseSemaphore(&Shared->Semaphore, 0, 2, FALSE) == 0 && KeReadStateSemaphore(&Shared->Semaphore) == 2);
    CHECK(NT_SUCCESS(ExDeleteResourceLite(&Shared->Resource)));
    ExFreePoolWithTag(Shared, TAG);
    return 0;
}

static VOID Requesting(PVOID Context)
{
    SHARED *Shared = (SHARED *)Context;

    Step(&Shared->Seen);
    IoReleaseRemoveLock(&Shared->RemoveLock, NULL);
}

static int Removes(void *Context)
{
    SHARED *Shared = Make();
    PVOID Thread;

    UNREFERENCED_PARAMETER(Context);
    CHECK(NT_SUCCESS(IoAcquireRemoveLock(&Shared->RemoveLock, NULL)));
    CHECK(NT_SUCCESS(IoAcquireRemoveLock(&Shared->RemoveLock, NULL)));
    Thread = Start(Requesting, Shared);
    CHECK(Thread != NULL);
    IoReleaseRemoveLockAndWait(&Shared->RemoveLock, NULL);
    CHECK(Shared->Seen == 1);
    CHECK(IoAcquireRemoveLock(&Shared->RemoveLock, NULL) == STATUS_DELETE_PENDING);
    Join(Thread);
    CHECK(NT_SUCCESS(ExDeleteResourceLite(&Shared->Resource)));
    ExFreePoolWithTag(Shared, TAG);
    return 0;
}

static int Strings(void *Context)
{
    CHAR Text[8], *End = NULL;
    WCHAR Wide[8], *WideEnd = NULL;
    size_t Left = 0;

    UNREFERENCED_PARAMETER(Context);
    CHECK(NT_SUCCESS(RtlStringCbPrintfExA(Text, sizeof(Text), &End, &Left, STRSAFE_FILL_BYTE('x'), "%d", 42)));
    CHECK(End == Text + 2 && *End == 0 && Left == 6 && Text[3] == 'x' && Text[7] == 'x');
    CHECK(NT_SUCCESS(RtlStringCchCatExA(Text, 8, "abc", &End, &Left, 0)) && End == Text + 5 && Left == 3);
    CHECK(RtlStringCchCopyExA(Text, 8, "too long a text", &End, &Left, 0) == STATUS_BUFFER_OVERFLOW);
    CHECK(End == Text + 7 && Left == 1 && Text[6] == 'n' && Text[7] == 0);
    CHECK(RtlStringCbCopyExA(Text, 8, "too long a text", &End, &Left, STRSAFE_NO_TRUNCATION) == STATUS_BUFFER_OVERFLOW);
    CHECK(End == Text && Left == 8 && Text[0] == 0);
    CHECK(RtlStringCbCopyExA(Text, 8, "too long a text", &End, &Left, STRSAFE_FAILURE_BYTE('!')) ==
          STATUS_BUFFER_OVERFLOW);
    CHECK(End == Text + 7 && Left == 1 && Text[0] == '!' && Text[6] == '!');
    CHECK(RtlStringCchCopyExA(Text, 8, "x", NULL, NULL, 0x80000000) == STATUS_INVALID_PARAMETER);
    CHECK(NT_SUCCESS(RtlStringCchCopyExA(Text, 8, NULL, &End, NULL, STRSAFE_IGNORE_NULLS)) && End == Text);
    CHECK(NT_SUCCESS(RtlStringCbPrintfExW(Wide, sizeof(Wide), &WideEnd, &Left, 0, L"%s", L"abc")));
    CHECK(WideEnd == Wide + 3 && Left == 10 && Wide[3] == 0);
    CHECK(NT_SUCCESS(RtlStringCbCatNExW(Wide, sizeof(Wide), L"defgh", 4, &WideEnd, &Left, 0)));
    CHECK(WideEnd == Wide + 5 && Left == 6 && Wide[4] == L'e');
    return 0;
}

/* Each of these breaks a rule, and the host stops it. */

static int ReleasesAnothersMutex(void *Context)
{
    KMUTEX Mutex;

    UNREFERENCED_PARAMETER(Context);
    KeInitializeMutex(&Mutex, 0);
    KeReleaseMutex(&Mutex, FALSE);
    return 0;
}

static VOID Keeping(PVOID Context)
{
    KeWaitForSingleObject(Context, Executive, KernelMode, FALSE, NULL);
}

static int EndsWithAMutex(void *Context)
{
    SHARED *Shared = Make();

    UNREFERENCED_PARAMETER(Context);
    Join(Start(Keeping, &Shared->Mutex));
    return 0;
}

static int WaitsForItself(void *Context)
{
    SHARED *Shared = Make();

    UNREFERENCED_PARAMETER(Context);
    KeEnterCriticalRegion();
    ExAcquireResourceSharedLite(&Shared->Resource, TRUE);
    ExAcquireResourceExclusiveLite(&Shared->Resource, TRUE);
    return 0;
}

static const SCENARIO Scenarios[] = {
    {"excludes", Excludes},
    {"owns", Owns},
    {"counts", Counts},
    {"removes", Removes},
    {"strings", Strings},
    /* Run by name only. */
    {"releases-anothers-mutex", ReleasesAnothersMutex},
    {"ends-with-a-mutex", EndsWithAMutex},
    {"waits-for-itself", WaitsForItself},
};

int main(int argc, char **argv)
{
    return RunScenarios(argc, argv, Scenarios, ARRAYSIZE(Scenarios), 5);
}
