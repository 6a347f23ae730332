/*
 * What drivers use around their sockets, continued from kernel.c: periodic timers, processors, priorities, random numbers,
 * cancel-safe queues, guarded mutexes, the registry. Each scenario returns the line that has failed, or 0.
 */
#include <ntddk.h>

#include <bcrypt.h>
#include <wsk_host.h>

#include <stdio.h>

#define TAG 'tseT'
#define CHECK(Condition)     \
    do {                     \
        if (!(Condition)) {  \
            return __LINE__; \
        }                    \
    } while (0)

typedef struct _TICKER {
    KTIMER Timer;
    KDPC Dpc;
    KEVENT Event;
    LONG Ticks;
    LONGLONG Last;
    LONGLONG Shortest;
} TICKER;

static VOID Tick(PKDPC Dpc, PVOID Context, PVOID First, PVOID Second)
{
    TICKER *Ticker = (TICKER *)Context;
    LONGLONG Now = (LONGLONG)KeQueryInterruptTime();

    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(First);
    UNREFERENCED_PARAMETER(Second);
    if (Ticker->Ticks > 0 && Now - Ticker->Last < Ticker->Shortest) {
        Ticker->Shortest = Now - Ticker->Last;
    }
    Ticker->Last = Now;
    if (InterlockedIncrement(&Ticker->Ticks) == 4) {
        KeSetEvent(&Ticker->Event, IO_NO_INCREMENT, FALSE);
    }
}

static int Timers(void *Context)
{
    TICKER *Ticker = (TICKER *)ExAllocatePoolZero(NonPagedPoolNx, sizeof(*Ticker), TAG);
    LARGE_INTEGER Due;
    PROCESSOR_NUMBER Number;

    UNREFERENCED_PARAMETER(Context);
    CHECK(Ticker != NULL);
    KeInitializeTimer(&Ticker->Timer);
    KeInitializeDpc(&Ticker->Dpc, Tick, Ticker);
    KeInitializeEvent(&Ticker->Event, SynchronizationEvent, FALSE);
    CHECK(NT_SUCCESS(KeGetProcessorNumberFromIndex(0, &Number)));
    CHECK(NT_SUCCESS(KeSetTargetProcessorDpcEx(&Ticker->Dpc, &Number)));
    KeSetImportanceDpc(&Ticker->Dpc, HighImportance);
    /* First after 1 ms, then each 5 ms. */
    Ticker->Shortest = MAXLONGLONG;
    Due.QuadPart = -10000;
    CHECK(!KeSetTimerEx(&Ticker->Timer, Due, 5, &Ticker->Dpc));
    CHECK(KeWaitForSingleObject(&Ticker->Event, Executive, KernelMode, FALSE, NULL) == STATUS_SUCCESS);
    /* It is set until it is cancelled. */
    CHECK(KeReadStateTimer(&Ticker->Timer) && KeCancelTimer(&Ticker->Timer) && !KeCancelTimer(&Ticker->Timer));
    KeFlushQueuedDpcs();
    CHECK(Ticker->Ticks >= 4);
    /* On the simulated network, no tick comes early. On this machine's, one may be late, and the next less so. */
    CHECK(Context != NULL || Ticker->Shortest >= 50000);
    /* Once. */
    Ticker->Ticks = 3;
    CHECK(!KeSetCoalescableTimer(&Ticker->Timer, Due, 0, 10, &Ticker->Dpc));
    CHECK(KeWaitForSingleObject(&Ticker->Event, Executive, KernelMode, FALSE, NULL) == STATUS_SUCCESS);
    KeFlushQueuedDpcs();
    CHECK(!KeCancelTimer(&Ticker->Timer) && Ticker->Ticks == 4);
    ExFreePoolWithTag(Ticker, TAG);
    return 0;
}

static int Processors(void *Context)
{
    PROCESSOR_NUMBER Number = {0, 0, 0};
    GROUP_AFFINITY Affinity = {1, 0, {0, 0, 0}}, Other = {2, 0, {0, 0, 0}}, Previous;
    KPRIORITY Before;

    UNREFERENCED_PARAMETER(Context);
    CHECK(KeGetProcessorIndexFromNumber(&Number) == 0 && KeGetCurrentProcessorIndex() == 0);
    CHECK(KeGetProcessorNumberFromIndex(1, &Number) == STATUS_INVALID_PARAMETER);
    Number.Number = 1;
    CHECK(KeGetProcessorIndexFromNumber(&Number) == INVALID_PROCESSOR_INDEX);
    KeSetSystemGroupAffinityThread(&Affinity, &Previous);
    CHECK(Previous.Mask == 0);
    /* A processor that this machine lacks. */
    KeSetSystemGroupAffinityThread(&Other, &Previous);
    CHECK(Previous.Mask == 0);
    KeSetSystemGroupAffinityThread(&Affinity, &Previous);
    CHECK(Previous.Mask == 1);
    RtlZeroMemory(&Previous, sizeof(Previous));
    KeRevertToUserGroupAffinityThread(&Previous);
    Before = KeSetPriorityThread(KeGetCurrentThread(), LOW_REALTIME_PRIORITY);
    CHECK(KeQueryPriorityThread(KeGetCurrentThread()) == LOW_REALTIME_PRIORITY);
    CHECK(KeSetPriorityThread(KeGetCurrentThread(), Before) == LOW_REALTIME_PRIORITY);
    CHECK(KeSetBasePriorityThread(KeGetCurrentThread(), 2) == 0);
    CHECK(KeSetBasePriorityThread(KeGetCurrentThread(), 0) == 2);
    return 0;
}

static int Random(void *Context)
{
    UCHAR First[32], Second[32];
    BCRYPT_ALG_HANDLE Generator = NULL;
    KIRQL Irql;

    UNREFERENCED_PARAMETER(Context);
    RtlZeroMemory(First, sizeof(First));
    CHECK(BCRYPT_SUCCESS(BCryptGenRandom(NULL, First, sizeof(First), BCRYPT_USE_SYSTEM_PREFERRED_RNG)));
    CHECK(BCryptGenRandom(NULL, Second, sizeof(Second), 0) == STATUS_INVALID_HANDLE);
    CHECK(BCryptOpenAlgorithmProvider(&Generator, BCRYPT_RNG_ALGORITHM L"X", NULL, 0) == STATUS_NOT_FOUND);
    CHECK(BCRYPT_SUCCESS(BCryptOpenAlgorithmProvider(&Generator, BCRYPT_RNG_ALGORITHM, NULL, BCRYPT_PROV_DISPATCH)));
    KeRaiseIrql(DISPATCH_LEVEL, &Irql);
    CHECK(BCRYPT_SUCCESS(BCryptGenRandom(Generator, Second, sizeof(Second), 0)));
    KeLowerIrql(Irql);
    CHECK(!RtlEqualMemory(First, Second, sizeof(First)));
    CHECK(BCryptGenRandom(Generator, NULL, 1, 0) == STATUS_INVALID_PARAMETER);
    CHECK(BCRYPT_SUCCESS(BCryptCloseAlgorithmProvider(Generator, 0)));
    CHECK(BCryptCloseAlgorithmProvider(NULL, 0) == STATUS_INVALID_HANDLE);
    return 0;
}

/* A queue of requests, and the number of those that were completed, by their status. */
typedef struct _REQUESTS {
    IO_CSQ Queue;
    LIST_ENTRY List;
    KSPIN_LOCK Lock;
    LONG Cancelled, Served, Limit;
} REQUESTS;

static REQUESTS *RequestsOf(PIO_CSQ Queue)
{
    return CONTAINING_RECORD(Queue, REQUESTS, Queue);
}

static NTSTATUS Insert(PIO_CSQ Queue, PIRP Irp, PVOID Context)
{
    REQUESTS *Requests = RequestsOf(Queue);

    if (Context != NULL && *(LONG *)Context == 0) {
        return STATUS_DEVICE_BUSY;
    }
    InsertTailList(&Requests->List, &Irp->Tail.Overlay.ListEntry);
    return STATUS_SUCCESS;
}

static VOID Remove(PIO_CSQ Queue, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Queue);
    RemoveEntryList(&Irp->Tail.Overlay.ListEntry);
}

static PIRP PeekNext(PIO_CSQ Queue, PIRP Irp, PVOID Context)
{
    LIST_ENTRY *List = &RequestsOf(Queue)->List;
    LIST_ENTRY *Next = Irp == NULL ? List->Flink : Irp->Tail.Overlay.ListEntry.Flink;

    UNREFERENCED_PARAMETER(Context);
    return Next == List ? NULL : CONTAINING_RECORD(Next, IRP, Tail.Overlay.ListEntry);
}

static VOID Acquire(PIO_CSQ Queue, PKIRQL Irql)
{
    KeAcquireSpinLock(&RequestsOf(Queue)->Lock, Irql);
}

static VOID Release(PIO_CSQ Queue, KIRQL Irql)
{
    KeReleaseSpinLock(&RequestsOf(Queue)->Lock, Irql);
}

static VOID Finish(PIRP Irp, NTSTATUS Status)
{
    Irp->IoStatus.Status = Status;
    Irp->IoStatus.Information = 0;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
}

static VOID CompleteCancelled(PIO_CSQ Queue, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Queue);
    Finish(Irp, STATUS_CANCELLED);
}

static NTSTATUS Completed(PDEVICE_OBJECT Device, PIRP Irp, PVOID Context)
{
    REQUESTS *Requests = (REQUESTS *)Context;

    UNREFERENCED_PARAMETER(Device);
    InterlockedIncrement(Irp->IoStatus.Status == STATUS_CANCELLED ? &Requests->Cancelled : &Requests->Served);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* A request as a driver gets it: the location above has the routine. */
static PIRP Request(REQUESTS *Requests)
{
    PIRP Irp = IoAllocateIrp(2, FALSE);

    if (Irp != NULL) {
        IoSetNextIrpStackLocation(Irp);
        IoSetCompletionRoutine(Irp, Completed, Requests, TRUE, TRUE, TRUE);
        IoSetNextIrpStackLocation(Irp);
    }
    return Irp;
}

static int Queues(void *Context)
{
    REQUESTS *Requests = (REQUESTS *)ExAllocatePoolZero(NonPagedPoolNx, sizeof(*Requests), TAG);
    IO_CSQ_IRP_CONTEXT Own;
    PIRP Irps[4];
    LONG Room = 0;
    ULONG Index;

    UNREFERENCED_PARAMETER(Context);
    CHECK(Requests != NULL);
    InitializeListHead(&Requests->List);
    KeInitializeSpinLock(&Requests->Lock);
    CHECK(NT_SUCCESS(
        IoCsqInitializeEx(&Requests->Queue, Insert, Remove, PeekNext, Acquire, Release, CompleteCancelled)));
    for (Index = 0; Index < 4; Index++) {
        Irps[Index] = Request(Requests);
        CHECK(Irps[Index] != NULL);
    }
    /* Refused, and still the caller's. */
    CHECK(IoCsqInsertIrpEx(&Requests->Queue, Irps[0], NULL, &Room) == STATUS_DEVICE_BUSY);
    CHECK(!IoCancelIrp(Irps[0]) && Requests->Cancelled == 0);
    /* Cancelled before it is queued. */
    CHECK(NT_SUCCESS(IoCsqInsertIrpEx(&Requests->Queue, Irps[0], NULL, NULL)) && Requests->Cancelled == 1);
    /* Cancelled while it is queued. */
    IoCsqInsertIrp(&Requests->Queue, Irps[1], NULL);
    IoCsqInsertIrp(&Requests->Queue, Irps[2], &Own);
    IoCsqInsertIrp(&Requests->Queue, Irps[3], NULL);
    CHECK(IoCancelIrp(Irps[1]) && Requests->Cancelled == 2);
    /* Removed by its context, and then no longer cancelled. */
    CHECK(IoCsqRemoveIrp(&Requests->Queue, &Own) == Irps[2] && IoCsqRemoveIrp(&Requests->Queue, &Own) == NULL);
    CHECK(!IoCancelIrp(Irps[2]));
    Finish(Irps[2], STATUS_SUCCESS);
    CHECK(IoCsqRemoveNextIrp(&Requests->Queue, NULL) == Irps[3]);
    CHECK(IoCsqRemoveNextIrp(&Requests->Queue, NULL) == NULL);
    Finish(Irps[3], STATUS_SUCCESS);
    CHECK(Requests->Cancelled == 2 && Requests->Served == 2 && IsListEmpty(&Requests->List));
    for (Index = 0; Index < 4; Index++) {
        IoFreeIrp(Irps[Index]);
    }
    ExFreePoolWithTag(Requests, TAG);
    return 0;
}

static int Small(void *Context)
{
    KGUARDED_MUTEX *Mutex = (KGUARDED_MUTEX *)ExAllocatePoolZero(NonPagedPoolNx, sizeof(*Mutex), TAG);
    PAGED_LOOKASIDE_LIST *List =
        (PAGED_LOOKASIDE_LIST *)ExAllocatePoolZero(NonPagedPoolNx, sizeof(PAGED_LOOKASIDE_LIST), TAG);
    volatile SHORT Number = 1;
    volatile CHAR Flag = 1;
    LARGE_INTEGER Time, Back;
    ULONG Seconds;
    PVOID Block;

    UNREFERENCED_PARAMETER(Context);
    CHECK(Mutex != NULL && List != NULL);
    KeInitializeGuardedMutex(Mutex);
    KeAcquireGuardedMutex(Mutex);
    CHECK(KeGetCurrentIrql() == PASSIVE_LEVEL && KeAreAllApcsDisabled());
    KeReleaseGuardedMutex(Mutex);
    CHECK(!KeAreAllApcsDisabled());
    ExInitializePagedLookasideList(List, NULL, NULL, 0, 64, TAG, 0);
    Block = ExAllocateFromPagedLookasideList(List);
    CHECK(Block != NULL);
    RtlFillMemory(Block, 64, 1);
    ExFreeToPagedLookasideList(List, Block);
    ExDeletePagedLookasideList(List);
    CHECK(InterlockedIncrement16(&Number) == 2 && InterlockedDecrement16(&Number) == 1);
    CHECK(InterlockedCompareExchange16(&Number, 7, 1) == 1 && InterlockedExchange16(&Number, 9) == 7);
    CHECK(InterlockedOr8(&Flag, 2) == 1 && InterlockedAnd8(&Flag, 2) == 3 && InterlockedExchange8(&Flag, 0) == 2);
    KeQuerySystemTimePrecise(&Time);
    CHECK(RtlTimeToSecondsSince1970(&Time, &Seconds));
    RtlSecondsSince1970ToTime(Seconds, &Back);
    CHECK(Time.QuadPart - Back.QuadPart >= 0 && Time.QuadPart - Back.QuadPart < 10000000);
    Time.QuadPart = 0;
    CHECK(!RtlTimeToSecondsSince1970(&Time, &Seconds));
    ExFreePoolWithTag(List, TAG);
    ExFreePoolWithTag(Mutex, TAG);
    return 0;
}

static int Registry(void *Context)
{
    DECLARE_CONST_UNICODE_STRING(Path, L"\\Registry\\Machine\\System\\CurrentControlSet\\Services\\None");
    OBJECT_ATTRIBUTES Attributes;
    HANDLE Key = NULL;

    UNREFERENCED_PARAMETER(Context);
    InitializeObjectAttributes(&Attributes, (PUNICODE_STRING)(ULONG_PTR)&Path, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE,
                               NULL, NULL);
    CHECK(ZwOpenKey(&Key, KEY_READ, &Attributes) == STATUS_OBJECT_NAME_NOT_FOUND && Key == NULL);
    return 0;
}

int main(void)
{
    static const struct {
        const char *Name;
        wsk_host_scenario *Function;
    } Scenarios[] = {
        {"timers", Timers},   {"processors", Processors}, {"random", Random},
        {"queues", Queues},   {"small", Small},           {"registry", Registry},
    };
    wsk_host_options Options;
    size_t Index, Network;

    for (Index = 0; Index < ARRAYSIZE(Scenarios); Index++) {
        for (Network = 0; Network < 2; Network++) {
            RtlZeroMemory(&Options, sizeof(Options));
            Options.network = (uint32_t)Network;
            if (wsk_host_run(&Options, Scenarios[Index].Function, Network == 0 ? NULL : &Options) != 0) {
                fprintf(stderr, "%s has failed\n", Scenarios[Index].Name);
                return 1;
            }
        }
        printf("%s\n", Scenarios[Index].Name);
    }
    return 0;
}
