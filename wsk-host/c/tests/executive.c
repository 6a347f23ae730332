/*
 * What drivers use around their sockets, continued from around.c: pool with parameters, work items, allocated timers,
 * queues, pages, the registry, versions, GUIDs and the stack. Scenarios that the host stops follow those that pass.
 */
#include <ntifs.h>

#include "scenarios.h"

#define TAG 'tseT'

static int Pool(void *Context)
{
    POOL_EXTENDED_PARAMETER Parameters[2];
    PUCHAR Block;

    UNREFERENCED_PARAMETER(Context);
    RtlZeroMemory(Parameters, sizeof(Parameters));
    Parameters[0].Type = PoolExtendedParameterPriority;
    Parameters[0].Priority = HighPoolPrioritySpecialPoolOverrun;
    Parameters[1].Type = PoolExtendedParameterNumaNode;
    Parameters[1].PreferredNode = MM_ANY_NODE_OK | 3;
    Block = (PUCHAR)ExAllocatePool3(POOL_FLAG_NON_PAGED, 64, TAG, Parameters, 2);
    CHECK(Block != NULL && Block[0] == 0 && Block[63] == 0);
    ExFreePool2(Block, TAG, NULL, 0);
    /* A node that this machine lacks, and one that may be ignored. */
    Parameters[1].PreferredNode = 3;
    CHECK(ExAllocatePool3(POOL_FLAG_NON_PAGED, 64, TAG, Parameters, 2) == NULL);
    Parameters[1].Optional = 1;
    Block = (PUCHAR)ExAllocatePool3(POOL_FLAG_NON_PAGED, 64, TAG, Parameters, 2);
    CHECK(Block != NULL);
    ExFreePool2(Block, TAG, NULL, 0);
    Parameters[0].Type = PoolExtendedParameterInvalidType;
    CHECK(ExAllocatePool3(POOL_FLAG_NON_PAGED, 64, TAG, Parameters, 2) == NULL);
    CHECK(ExAllocatePool3(POOL_FLAG_NON_PAGED, 64, 0, NULL, 0) == NULL);
    Block = (PUCHAR)ExAllocatePoolWithTagPriority(NonPagedPoolNx, 64, TAG, NormalPoolPriority);
    CHECK(Block != NULL && Block[0] != 0);
    ExFreePool(Block);
    Block = (PUCHAR)ExAllocatePoolWithTag((POOL_TYPE)(NonPagedPoolNx | POOL_ZERO_ALLOCATION), 64, TAG);
    CHECK(Block != NULL && Block[0] == 0 && Block[63] == 0);
    ExFreePool(Block);
    return 0;
}

typedef struct _WORK {
    WORK_QUEUE_ITEM Item;
    KEVENT Done;
    LONG Times;
    KIRQL Irql;
} WORK;

/* Its item may be queued again as soon as it is called. */
static VOID Works(PVOID Parameter)
{
    WORK *Work = (WORK *)Parameter;

    Work->Irql = KeGetCurrentIrql();
    if (InterlockedIncrement(&Work->Times) < 3) {
        ExQueueWorkItem(&Work->Item, CriticalWorkQueue);
    } else {
        KeSetEvent(&Work->Done, IO_NO_INCREMENT, FALSE);
    }
}

static int WorkItems(void *Context)
{
    WORK *Work = (WORK *)ExAllocatePoolZero(NonPagedPoolNx, sizeof(*Work), TAG);
    LARGE_INTEGER Short;
    KIRQL Irql;

    UNREFERENCED_PARAMETER(Context);
    CHECK(Work != NULL);
    Short.QuadPart = -10000;
    KeInitializeEvent(&Work->Done, NotificationEvent, FALSE);
    ExInitializeWorkItem(&Work->Item, Works, Work);
    KeRaiseIrql(DISPATCH_LEVEL, &Irql);
    ExQueueWorkItem(&Work->Item, DelayedWorkQueue);
    KeLowerIrql(Irql);
    CHECK(KeWaitForSingleObject(&Work->Done, Executive, KernelMode, FALSE, NULL) == STATUS_SUCCESS);
    CHECK(Work->Times == 3 && Work->Irql == PASSIVE_LEVEL);
    /* The routine has yet to return from KeSetEvent, and nothing but IoQueueWorkItem waits for that. */
    KeDelayExecutionThread(KernelMode, FALSE, &Short);
    ExFreePoolWithTag(Work, TAG);
    return 0;
}

typedef struct _TICKER {
    PEX_TIMER Timer;
    KEVENT Done;
    LONG Ticks, Deleted;
    KIRQL Irql, DeletedAt;
    BOOLEAN WasSet, IsSetAgain;
} TICKER;

static VOID Deleted(PVOID Context)
{
    TICKER *Ticker = (TICKER *)Context;

    Ticker->DeletedAt = KeGetCurrentIrql();
    InterlockedIncrement(&Ticker->Deleted);
    KeSetEvent(&Ticker->Done, IO_NO_INCREMENT, FALSE);
}

static VOID Tick(PEX_TIMER Timer, PVOID Context)
{
    TICKER *Ticker = (TICKER *)Context;

    Ticker->Irql = Timer == Ticker->Timer ? KeGetCurrentIrql() : HIGH_LEVEL;
    if (InterlockedIncrement(&Ticker->Ticks) == 3) {
        KeSetEvent(&Ticker->Done, IO_NO_INCREMENT, FALSE);
    }
}

/* A callback may delete its timer, which it can no longer set then. */
static VOID TickOnce(PEX_TIMER Timer, PVOID Context)
{
    TICKER *Ticker = (TICKER *)Context;
    EXT_DELETE_PARAMETERS Parameters;

    ExInitializeDeleteTimerParameters(&Parameters);
    Parameters.DeleteCallback = Deleted;
    Parameters.DeleteContext = Ticker;
    InterlockedIncrement(&Ticker->Ticks);
    Ticker->WasSet = ExDeleteTimer(Timer, TRUE, FALSE, &Parameters);
    Ticker->IsSetAgain = ExSetTimer(Timer, -10000, 0, NULL) || ExSetTimer(Timer, -10000, 0, NULL);
}

static int Timers(void *Context)
{
    TICKER *Ticker = (TICKER *)ExAllocatePoolZero(NonPagedPoolNx, sizeof(*Ticker), TAG);
    EXT_SET_PARAMETERS Set;
    EXT_DELETE_PARAMETERS Delete;
    LARGE_INTEGER None;
    PEX_TIMER Timer;

    UNREFERENCED_PARAMETER(Context);
    CHECK(Ticker != NULL);
    None.QuadPart = 0;
    KeInitializeEvent(&Ticker->Done, SynchronizationEvent, FALSE);
    /* Three times, each 5 ms. */
    Ticker->Timer = ExAllocateTimer(Tick, Ticker, EX_TIMER_HIGH_RESOLUTION);
    CHECK(Ticker->Timer != NULL);
    ExInitializeSetTimerParameters(&Set);
    CHECK(!ExSetTimer(Ticker->Timer, -10000, 50000, &Set));
    CHECK(KeWaitForSingleObject(&Ticker->Done, Executive, KernelMode, FALSE, NULL) == STATUS_SUCCESS);
    CHECK(Ticker->Irql == DISPATCH_LEVEL);
    CHECK(ExCancelTimer(Ticker->Timer, NULL) && !ExCancelTimer(Ticker->Timer, NULL));
    ExInitializeDeleteTimerParameters(&Delete);
    Delete.DeleteCallback = Deleted;
    Delete.DeleteContext = Ticker;
    CHECK(!ExSetTimer(Ticker->Timer, -10000000, 0, NULL));
    CHECK(ExSetTimer(Ticker->Timer, -10000000, 0, NULL));
    CHECK(ExDeleteTimer(Ticker->Timer, TRUE, TRUE, &Delete));
    CHECK(Ticker->Deleted == 1 && Ticker->DeletedAt == DISPATCH_LEVEL);
    CHECK(KeWaitForSingleObject(&Ticker->Done, Executive, KernelMode, FALSE, NULL) == STATUS_SUCCESS);
    /* Deleted while it is set: it still expires, once. */
    Ticker->Ticks = 2;
    Ticker->Timer = ExAllocateTimer(Tick, Ticker, 0);
    CHECK(Ticker->Timer != NULL && !ExSetTimer(Ticker->Timer, -10000, 0, NULL));
    CHECK(!ExDeleteTimer(Ticker->Timer, FALSE, FALSE, NULL));
    CHECK(KeWaitForSingleObject(&Ticker->Done, Executive, KernelMode, FALSE, NULL) == STATUS_SUCCESS);
    KeFlushQueuedDpcs();
    CHECK(Ticker->Ticks == 3 && Ticker->Deleted == 1);
    /* Deleted by its callback. */
    Timer = ExAllocateTimer(TickOnce, Ticker, EX_TIMER_NO_WAKE);
    CHECK(Timer != NULL && !ExSetTimer(Timer, -10000, 10000, NULL));
    CHECK(KeWaitForSingleObject(&Ticker->Done, Executive, KernelMode, FALSE, NULL) == STATUS_SUCCESS);
    KeFlushQueuedDpcs();
    CHECK(Ticker->Ticks == 4 && Ticker->Deleted == 2 && Ticker->WasSet && !Ticker->IsSetAgain);
    /* Waited for: one wait for each time, or all later ones. */
    Timer = ExAllocateTimer(NULL, NULL, 0);
    CHECK(Timer != NULL && !ExSetTimer(Timer, -10000, 0, NULL));
    CHECK(KeWaitForSingleObject(Timer, Executive, KernelMode, FALSE, NULL) == STATUS_SUCCESS);
    CHECK(KeWaitForSingleObject(Timer, Executive, KernelMode, FALSE, &None) == STATUS_TIMEOUT);
    CHECK(!ExDeleteTimer(Timer, TRUE, TRUE, NULL));
    Timer = ExAllocateTimer(NULL, NULL, EX_TIMER_NOTIFICATION);
    CHECK(Timer != NULL && !ExSetTimer(Timer, -10000, 0, NULL));
    CHECK(KeWaitForSingleObject(Timer, Executive, KernelMode, FALSE, NULL) == STATUS_SUCCESS);
    CHECK(KeWaitForSingleObject(Timer, Executive, KernelMode, FALSE, &None) == STATUS_SUCCESS);
    CHECK(!ExDeleteTimer(Timer, TRUE, TRUE, NULL));
    ExFreePoolWithTag(Ticker, TAG);
    return 0;
}

typedef struct _JOBS {
    KQUEUE Queue;
    LIST_ENTRY Jobs[3];
    PLIST_ENTRY Last;
    LONG Done;
} JOBS;

static VOID Serve(PVOID Context)
{
    JOBS *Jobs = (JOBS *)Context;

    for (;;) {
        PLIST_ENTRY Entry = KeRemoveQueue(&Jobs->Queue, KernelMode, NULL);

        if ((ULONG_PTR)Entry == (ULONG_PTR)STATUS_ABANDONED) {
            break;
        }
        InterlockedIncrement(&Jobs->Done);
    }
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static int Queues(void *Context)
{
    JOBS *Jobs = (JOBS *)ExAllocatePoolZero(NonPagedPoolNx, sizeof(*Jobs), TAG);
    LARGE_INTEGER None, Short;
    HANDLE Threads[2];
    PLIST_ENTRY First;
    KIRQL Irql;
    ULONG Index;

    UNREFERENCED_PARAMETER(Context);
    CHECK(Jobs != NULL);
    None.QuadPart = 0;
    Short.QuadPart = -10000;
    KeInitializeQueue(&Jobs->Queue, 0);
    KeRaiseIrql(DISPATCH_LEVEL, &Irql);
    CHECK((ULONG_PTR)KeRemoveQueue(&Jobs->Queue, KernelMode, &None) == (ULONG_PTR)STATUS_TIMEOUT);
    CHECK(KeInsertQueue(&Jobs->Queue, &Jobs->Jobs[0]) == 0 && KeInsertQueue(&Jobs->Queue, &Jobs->Jobs[1]) == 1);
    KeLowerIrql(Irql);
    CHECK(KeInsertHeadQueue(&Jobs->Queue, &Jobs->Jobs[2]) == 2 && KeReadStateQueue(&Jobs->Queue) == 3);
    CHECK(KeRemoveQueue(&Jobs->Queue, KernelMode, NULL) == &Jobs->Jobs[2]);
    CHECK(KeRemoveQueue(&Jobs->Queue, KernelMode, &None) == &Jobs->Jobs[0]);
    CHECK(KeRemoveQueue(&Jobs->Queue, KernelMode, &Short) == &Jobs->Jobs[1]);
    CHECK((ULONG_PTR)KeRemoveQueue(&Jobs->Queue, KernelMode, &Short) == (ULONG_PTR)STATUS_TIMEOUT);
    /* Two threads serve the entries until the queue is run down. */
    for (Index = 0; Index < 2; Index++) {
        CHECK(NT_SUCCESS(PsCreateSystemThread(&Threads[Index], THREAD_ALL_ACCESS, NULL, NULL, NULL, Serve, Jobs)));
    }
    for (Index = 0; Index < 3; Index++) {
        KeInsertQueue(&Jobs->Queue, &Jobs->Jobs[Index]);
    }
    while (Jobs->Done < 3) {
        KeDelayExecutionThread(KernelMode, FALSE, &Short);
    }
    CHECK(KeRundownQueue(&Jobs->Queue) == NULL);
    for (Index = 0; Index < 2; Index++) {
        CHECK(ZwWaitForSingleObject(Threads[Index], FALSE, NULL) == STATUS_SUCCESS);
        ZwClose(Threads[Index]);
    }
    CHECK(Jobs->Done == 3);
    /* What is left comes back as a list without a head. */
    KeInitializeQueue(&Jobs->Queue, 0);
    KeInsertQueue(&Jobs->Queue, &Jobs->Jobs[0]);
    KeInsertQueue(&Jobs->Queue, &Jobs->Jobs[1]);
    First = KeRundownQueue(&Jobs->Queue);
    CHECK(First == &Jobs->Jobs[0] && First->Flink == &Jobs->Jobs[1] && First->Flink->Flink == First);
    CHECK(First->Blink == &Jobs->Jobs[1]);
    ExFreePoolWithTag(Jobs, TAG);
    return 0;
}

static int Pages(void *Context)
{
    LARGE_INTEGER Low, High, Skip;
    PUCHAR Bytes;
    PMDL Mdl;

    UNREFERENCED_PARAMETER(Context);
    Low.QuadPart = Skip.QuadPart = 0;
    High.QuadPart = -1;
    Mdl = MmAllocatePagesForMdlEx(Low, High, Skip, PAGE_SIZE + 1, MmCached, MM_ALLOCATE_FULLY_REQUIRED);
    CHECK(Mdl != NULL && MmGetMdlByteCount(Mdl) == 2 * PAGE_SIZE && MmGetMdlByteOffset(Mdl) == 0);
    Bytes = (PUCHAR)MmGetSystemAddressForMdlSafe(Mdl, NormalPagePriority);
    CHECK(Bytes != NULL && Bytes[0] == 0 && Bytes[2 * PAGE_SIZE - 1] == 0);
    Bytes[2 * PAGE_SIZE - 1] = 1;
    CHECK(MmIsAddressValid(Bytes));
    MmUnmapLockedPages(Bytes, Mdl);
    MmFreePagesFromMdl(Mdl);
    ExFreePool(Mdl);
    CHECK(!MmIsAddressValid(NULL) && MmIsAddressValid(&Mdl) && MmIsAddressValid((PVOID)(ULONG_PTR)Pages));
    Mdl = MmAllocatePagesForMdl(Low, High, Skip, 1);
    CHECK(Mdl != NULL && MmGetMdlByteCount(Mdl) == PAGE_SIZE);
    MmFreePagesFromMdl(Mdl);
    ExFreePool(Mdl);
    CHECK(MmAllocatePagesForMdlEx(Low, High, Skip, 0, MmCached, 0) == NULL);
    return 0;
}

static int Registry(void *Context)
{
    DECLARE_CONST_UNICODE_STRING(Services, L"\\Registry\\Machine\\System\\CurrentControlSet\\Services");
    DECLARE_CONST_UNICODE_STRING(Name, L"WskTest");
    DECLARE_CONST_UNICODE_STRING(Below, L"Parameters");
    DECLARE_CONST_UNICODE_STRING(TooFar, L"None\\Parameters");
    DECLARE_CONST_UNICODE_STRING(Value, L"Bytes");
    union {
        KEY_VALUE_PARTIAL_INFORMATION Value;
        UCHAR Bytes[64];
    } Information;
    UCHAR Data[3] = {1, 2, 3};
    OBJECT_ATTRIBUTES Attributes;
    HANDLE Root, Key, Again, Child;
    ULONG Disposition, Length;

    UNREFERENCED_PARAMETER(Context);
#define NAMED(String, Parent)                                                                        \
    InitializeObjectAttributes(&Attributes, (PUNICODE_STRING)(ULONG_PTR)&(String),                   \
                               OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, (Parent), NULL)
    NAMED(Services, NULL);
    CHECK(ZwOpenKey(&Root, KEY_READ, &Attributes) == STATUS_SUCCESS);
    NAMED(TooFar, Root);
    CHECK(ZwCreateKey(&Key, KEY_ALL_ACCESS, &Attributes, 0, NULL, REG_OPTION_NON_VOLATILE, NULL) ==
          STATUS_OBJECT_NAME_NOT_FOUND);
    NAMED(Name, Root);
    CHECK(ZwCreateKey(&Key, KEY_ALL_ACCESS, &Attributes, 0, NULL, REG_OPTION_VOLATILE, &Disposition) ==
          STATUS_SUCCESS);
    CHECK(Disposition == REG_CREATED_NEW_KEY);
    CHECK(ZwCreateKey(&Again, KEY_ALL_ACCESS, &Attributes, 0, NULL, REG_OPTION_VOLATILE, &Disposition) ==
          STATUS_SUCCESS);
    CHECK(Disposition == REG_OPENED_EXISTING_KEY);
    NAMED(Below, Key);
    CHECK(ZwCreateKey(&Child, KEY_ALL_ACCESS, &Attributes, 0, NULL, REG_OPTION_NON_VOLATILE, NULL) ==
          STATUS_CHILD_MUST_BE_VOLATILE);
    CHECK(ZwCreateKey(&Child, KEY_ALL_ACCESS, &Attributes, 0, NULL, REG_OPTION_VOLATILE, NULL) == STATUS_SUCCESS);
    CHECK(ZwSetValueKey(Key, (PUNICODE_STRING)(ULONG_PTR)&Value, 0, REG_BINARY, Data, 3) == STATUS_SUCCESS);
    CHECK(ZwFlushKey(Key) == STATUS_SUCCESS);
    CHECK(ZwQueryValueKey(Again, (PUNICODE_STRING)(ULONG_PTR)&Value, KeyValuePartialInformation, &Information,
                          sizeof(Information), &Length) == STATUS_SUCCESS);
    CHECK(Length == 15 && Information.Value.Type == REG_BINARY && Information.Value.DataLength == 3);
    CHECK(RtlEqualMemory(Information.Value.Data, Data, 3));
    CHECK(ZwDeleteValueKey(Key, (PUNICODE_STRING)(ULONG_PTR)&Value) == STATUS_SUCCESS);
    CHECK(ZwDeleteValueKey(Key, (PUNICODE_STRING)(ULONG_PTR)&Value) == STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK(ZwDeleteKey(Key) == STATUS_CANNOT_DELETE);
    CHECK(ZwDeleteKey(Child) == STATUS_SUCCESS && ZwDeleteKey(Key) == STATUS_SUCCESS);
    /* The handles of a deleted key are only closed. */
    CHECK(ZwFlushKey(Again) == STATUS_KEY_DELETED);
    CHECK(NT_SUCCESS(ZwClose(Again)) && NT_SUCCESS(ZwClose(Key)) && NT_SUCCESS(ZwClose(Child)));
    CHECK(NT_SUCCESS(ZwClose(Root)));
    return 0;
}

static int Versions(void *Context)
{
    RTL_OSVERSIONINFOEXW Version;
    ULONG Major, Minor, Build;
    UNICODE_STRING ServicePack;
    ULONGLONG AtLeast = 0, Mask;

    UNREFERENCED_PARAMETER(Context);
    Version.dwOSVersionInfoSize = sizeof(Version);
    CHECK(RtlGetVersion((PRTL_OSVERSIONINFOW)&Version) == STATUS_SUCCESS);
    CHECK(Version.dwMajorVersion == 10 && Version.dwMinorVersion == 0 && Version.wProductType == VER_NT_WORKSTATION);
    CHECK(Version.wServicePackMajor == 0 && Version.wServicePackMinor == 0);
    CHECK(!PsGetVersion(&Major, &Minor, &Build, &ServicePack));
    CHECK(Major == 10 && Minor == 0 && Build == Version.dwBuildNumber && ServicePack.Length == 0);
    CHECK(!PsGetVersion(NULL, NULL, NULL, NULL));
    /* The values of the pages of VerSetConditionMask: 3 bits for each field. */
    VER_SET_CONDITION(AtLeast, VER_MAJORVERSION, VER_GREATER_EQUAL);
    CHECK(AtLeast == 3 << 3);
    VER_SET_CONDITION(AtLeast, VER_MINORVERSION, VER_GREATER_EQUAL);
    Version.dwMajorVersion = 6;
    Version.dwMinorVersion = 3;
    CHECK(RtlVerifyVersionInfo(&Version, VER_MAJORVERSION | VER_MINORVERSION, AtLeast) == STATUS_SUCCESS);
    Version.dwMajorVersion = 10;
    CHECK(RtlVerifyVersionInfo(&Version, VER_MAJORVERSION | VER_MINORVERSION, AtLeast) == STATUS_REVISION_MISMATCH);
    CHECK(RtlVerifyVersionInfo(&Version, 0, AtLeast) == STATUS_INVALID_PARAMETER);
    Mask = VerSetConditionMask(0, VER_PRODUCT_TYPE, VER_EQUAL);
    CHECK(RtlVerifyVersionInfo(&Version, VER_PRODUCT_TYPE, Mask) == STATUS_SUCCESS);
    Version.wProductType = VER_NT_SERVER;
    CHECK(RtlVerifyVersionInfo(&Version, VER_PRODUCT_TYPE, Mask) == STATUS_REVISION_MISMATCH);
    Mask = VerSetConditionMask(0, VER_BUILDNUMBER, VER_LESS);
    Version.dwBuildNumber++;
    CHECK(RtlVerifyVersionInfo(&Version, VER_BUILDNUMBER, Mask) == STATUS_SUCCESS);
    return 0;
}

static int Guids(void *Context)
{
    static const GUID Guid = {0x6ba7b810, 0x9dad, 0x11d1, {0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8}};
    DECLARE_CONST_UNICODE_STRING(Text, L"{6BA7B810-9DAD-11D1-80B4-00C04FD430C8}");
    DECLARE_CONST_UNICODE_STRING(NoBraces, L"6BA7B810-9DAD-11D1-80B4-00C04FD430C8");
    UNICODE_STRING String;
    GUID Parsed;

    UNREFERENCED_PARAMETER(Context);
#ifdef __cplusplus
    CHECK(RtlStringFromGUID(Guid, &String) == STATUS_SUCCESS);
#else
    CHECK(RtlStringFromGUID(&Guid, &String) == STATUS_SUCCESS);
#endif
    CHECK(RtlEqualUnicodeString(&String, &Text, TRUE));
    RtlFreeUnicodeString(&String);
    CHECK(RtlGUIDFromString(&Text, &Parsed) == STATUS_SUCCESS && RtlEqualMemory(&Parsed, &Guid, sizeof(Guid)));
    CHECK(RtlGUIDFromString(&NoBraces, &Parsed) == STATUS_INVALID_PARAMETER);
    return 0;
}

static int Stack(void *Context)
{
    ULONG_PTR Low, High, Here = (ULONG_PTR)&Low;

    UNREFERENCED_PARAMETER(Context);
    IoGetStackLimits(&Low, &High);
    CHECK(Low < Here && Here < High);
    CHECK(IoGetRemainingStackSize() > 1024 && IoGetRemainingStackSize() < High - Low);
    CHECK(IoWithinStackLimits(Here, sizeof(Low)) && !IoWithinStackLimits(Here, (SIZE_T)-1));
    return 0;
}

static int AtDispatchLevel(void (*Function)(void))
{
    KIRQL Irql;

    KeRaiseIrql(DISPATCH_LEVEL, &Irql);
    Function();
    KeLowerIrql(Irql);
    return 0;
}

static void LooksAtItsStack(void)
{
    (VOID)IoGetRemainingStackSize();
}

static void ParsesAGuid(void)
{
    (VOID)RtlGUIDFromString(NULL, NULL);
}

static void LooksAtTheVersion(void)
{
    (VOID)PsGetVersion(NULL, NULL, NULL, NULL);
}

static void DeletesAKey(void)
{
    (VOID)ZwDeleteKey(NULL);
}

static void WaitsForATimer(void)
{
    (VOID)ExDeleteTimer(ExAllocateTimer(NULL, NULL, 0), TRUE, TRUE, NULL);
}

#define RAISED(Name, Function)                \
    static int Name(void *Context)            \
    {                                         \
        UNREFERENCED_PARAMETER(Context);      \
        return AtDispatchLevel(Function);     \
    }
RAISED(StackAtDispatchLevel, LooksAtItsStack)
RAISED(GuidAtDispatchLevel, ParsesAGuid)
RAISED(VersionAtDispatchLevel, LooksAtTheVersion)
RAISED(KeyAtDispatchLevel, DeletesAKey)
RAISED(TimerAtDispatchLevel, WaitsForATimer)

static int WaitsForAQueueAtDispatchLevel(void *Context)
{
    KQUEUE *Queue = (KQUEUE *)ExAllocatePoolZero(NonPagedPoolNx, sizeof(*Queue), TAG);
    KIRQL Irql;

    UNREFERENCED_PARAMETER(Context);
    KeInitializeQueue(Queue, 0);
    KeRaiseIrql(DISPATCH_LEVEL, &Irql);
    (VOID)KeRemoveQueue(Queue, KernelMode, NULL);
    return 0;
}

static int WaitsForAQueueAsAnObject(void *Context)
{
    KQUEUE *Queue = (KQUEUE *)ExAllocatePoolZero(NonPagedPoolNx, sizeof(*Queue), TAG);

    UNREFERENCED_PARAMETER(Context);
    KeInitializeQueue(Queue, 0);
    (VOID)KeWaitForSingleObject(Queue, Executive, KernelMode, FALSE, NULL);
    return 0;
}

static int FreesAQueuedItem(void *Context)
{
    WORK *Work = (WORK *)ExAllocatePoolZero(NonPagedPoolNx, sizeof(*Work), TAG);
    KIRQL Irql;

    UNREFERENCED_PARAMETER(Context);
    KeInitializeEvent(&Work->Done, NotificationEvent, FALSE);
    ExInitializeWorkItem(&Work->Item, Works, Work);
    /* No worker thread runs meanwhile. */
    KeRaiseIrql(DISPATCH_LEVEL, &Irql);
    ExQueueWorkItem(&Work->Item, DelayedWorkQueue);
    ExFreePoolWithTag(Work, TAG);
    KeLowerIrql(Irql);
    return 0;
}

static int UnloadsBeforeTheRoutine(void *Context)
{
    static WORK Work;

    UNREFERENCED_PARAMETER(Context);
    Work.Times = 2;
    KeInitializeEvent(&Work.Done, NotificationEvent, FALSE);
    ExInitializeWorkItem(&Work.Item, Works, &Work);
    ExQueueWorkItem(&Work.Item, DelayedWorkQueue);
    return KeWaitForSingleObject(&Work.Done, Executive, KernelMode, FALSE, NULL) == STATUS_SUCCESS ? 0 : __LINE__;
}

static int DeletesATimerTwice(void *Context)
{
    PEX_TIMER Timer = ExAllocateTimer(NULL, NULL, 0);

    UNREFERENCED_PARAMETER(Context);
    (VOID)ExDeleteTimer(Timer, TRUE, FALSE, NULL);
    (VOID)ExDeleteTimer(Timer, TRUE, FALSE, NULL);
    return 0;
}

static int LeavesATimer(void *Context)
{
    UNREFERENCED_PARAMETER(Context);
    (VOID)ExAllocateTimer(NULL, NULL, 0);
    return 0;
}

static int UnlocksAllocatedPages(void *Context)
{
    LARGE_INTEGER Zero;

    UNREFERENCED_PARAMETER(Context);
    Zero.QuadPart = 0;
    MmUnlockPages(MmAllocatePagesForMdlEx(Zero, Zero, Zero, 1, MmCached, 0));
    return 0;
}

static int LeavesPages(void *Context)
{
    LARGE_INTEGER Zero;

    UNREFERENCED_PARAMETER(Context);
    Zero.QuadPart = 0;
    /* Only the MDL is freed. */
    IoFreeMdl(MmAllocatePagesForMdlEx(Zero, Zero, Zero, 1, MmCached, 0));
    return 0;
}

static int OpensAFile(void *Context)
{
    DECLARE_CONST_UNICODE_STRING(Name, L"\\SystemRoot\\wsk.log");
    OBJECT_ATTRIBUTES Attributes;
    IO_STATUS_BLOCK Status;
    HANDLE File;

    UNREFERENCED_PARAMETER(Context);
    InitializeObjectAttributes(&Attributes, (PUNICODE_STRING)(ULONG_PTR)&Name, OBJ_KERNEL_HANDLE, NULL, NULL);
    (VOID)ZwCreateFile(&File, FILE_APPEND_DATA | SYNCHRONIZE, &Attributes, &Status, NULL, FILE_ATTRIBUTE_NORMAL,
                       FILE_SHARE_READ, FILE_OPEN_IF, FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0);
    return 0;
}

int main(int argc, char **argv)
{
    static const SCENARIO Scenarios[] = {
        {"pool", Pool},
        {"work-items", WorkItems},
        {"timers", Timers},
        {"queues", Queues},
        {"pages", Pages},
        {"registry", Registry},
        {"versions", Versions},
        {"guids", Guids},
        {"stack", Stack},
        {"stack-at-dispatch-level", StackAtDispatchLevel},
        {"guid-at-dispatch-level", GuidAtDispatchLevel},
        {"version-at-dispatch-level", VersionAtDispatchLevel},
        {"key-at-dispatch-level", KeyAtDispatchLevel},
        {"timer-at-dispatch-level", TimerAtDispatchLevel},
        {"queue-at-dispatch-level", WaitsForAQueueAtDispatchLevel},
        {"queue-as-an-object", WaitsForAQueueAsAnObject},
        {"frees-a-queued-item", FreesAQueuedItem},
        {"unloads-before-the-routine", UnloadsBeforeTheRoutine},
        {"deletes-a-timer-twice", DeletesATimerTwice},
        {"leaves-a-timer", LeavesATimer},
        {"unlocks-allocated-pages", UnlocksAllocatedPages},
        {"leaves-pages", LeavesPages},
        {"opens-a-file", OpensAFile},
    };

    return RunScenarios(argc, argv, Scenarios, ARRAYSIZE(Scenarios), 9);
}
