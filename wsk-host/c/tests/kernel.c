/*
 * What drivers use around their sockets, as C and as C++: each group of functions in a scenario of its own.
 */
#define DBG 1
#include <ntifs.h>

#include <ntintsafe.h>
#include <ntstrsafe.h>
#include <wsk.h>

#include "scenarios.h"

#include <stdarg.h>

EXTERN_C ULONG DbgPrint(PCSTR Format, ...)
{
    va_list Arguments;
    ULONG Status;

    va_start(Arguments, Format);
    Status = vDbgPrintEx(DPFLTR_DEFAULT_ID, DPFLTR_INFO_LEVEL, Format, Arguments);
    va_end(Arguments);
    return Status;
}

#define TAG 'tseT'

static int Strings(void *Context)
{
    DECLARE_CONST_UNICODE_STRING(Name, L"\\Device\\Echo");
    DECLARE_UNICODE_STRING_SIZE(Buffer, 32);
    UNICODE_STRING Other = RTL_CONSTANT_STRING(L"\\DEVICE\\ECHO"), Made;
    ANSI_STRING Ansi = RTL_CONSTANT_STRING("port 7"), Back;
    CHAR Text[24];
    WCHAR Wide[24];
    ULONG Value = 0, Bytes = 0;
    size_t Length = 0;

    UNREFERENCED_PARAMETER(Context);
    CHECK(Name.Length == 24 && Name.MaximumLength == 26 && Ansi.Length == 6);
    CHECK(!RtlEqualUnicodeString(&Name, &Other, FALSE) && RtlEqualUnicodeString(&Name, &Other, TRUE));
    CHECK(RtlCompareUnicodeString(&Name, &Other, FALSE) > 0);
    RtlCopyUnicodeString(&Buffer, &Name);
    CHECK(NT_SUCCESS(RtlAppendUnicodeToString(&Buffer, L"-7")) && Buffer.Length == 28);
    CHECK(RtlPrefixUnicodeString(&Name, &Buffer, FALSE) && !RtlPrefixUnicodeString(&Buffer, &Name, FALSE));
    while (NT_SUCCESS(RtlAppendUnicodeToString(&Buffer, L"x"))) {
    }
    CHECK(Buffer.Length == Buffer.MaximumLength && Buffer_buffer[31] == L'x');
    CHECK(NT_SUCCESS(RtlAnsiStringToUnicodeString(&Made, &Ansi, TRUE)) && Made.Length == 12 && Made.Buffer[6] == 0);
    CHECK(RtlAnsiStringToUnicodeSize(&Ansi) == 14);
    CHECK(NT_SUCCESS(RtlUnicodeStringToAnsiString(&Back, &Made, TRUE)) && RtlEqualString(&Back, &Ansi, FALSE));
    RtlFreeAnsiString(&Back);
    RtlFreeUnicodeString(&Made);
    CHECK(Made.Buffer == NULL);
    RtlInitEmptyUnicodeString(&Made, Wide, sizeof(Wide));
    CHECK(NT_SUCCESS(RtlIntegerToUnicodeString(0x1F, 16, &Made)) && Made.Length == 4 && Made.Buffer[1] == L'F');
    CHECK(NT_SUCCESS(RtlUnicodeStringToInteger(&Made, 16, &Value)) && Value == 0x1F);
    CHECK(NT_SUCCESS(RtlUnicodeToUTF8N(Text, sizeof(Text), &Bytes, L"\x00e9", 2)) && Bytes == 2);
    CHECK((UCHAR)Text[0] == 0xc3 && (UCHAR)Text[1] == 0xa9);

    CHECK(NT_SUCCESS(RtlStringCbPrintfA(Text, sizeof(Text), "%u %s %wZ %-4d|", 7, "ab", &Made, -3)));
    CHECK(RtlEqualMemory(Text, "7 ab 1F -3  |", 14));
    CHECK(NT_SUCCESS(RtlStringCbPrintfA(Text, sizeof(Text), "%I64x %Z %ws %c", 0x123456789aULL, &Ansi, L"w", 'c')));
    CHECK(RtlEqualMemory(Text, "123456789a port 7 w c", 22));
    CHECK(RtlStringCbPrintfA(Text, 4, "%d", 12345) == STATUS_BUFFER_OVERFLOW && RtlEqualMemory(Text, "123", 4));
    /* More arguments than a processor has registers for. */
    CHECK(NT_SUCCESS(RtlStringCchPrintfA(Text, 24, "%d%d%d%d%d%d%d%d%d", 1, 2, 3, 4, 5, 6, 7, 8, 9)));
    CHECK(RtlEqualMemory(Text, "123456789", 10));
    CHECK(NT_SUCCESS(RtlStringCbPrintfW(Wide, sizeof(Wide), L"%s %S %04x", L"w", "n", 0xab)));
    CHECK(RtlEqualMemory(Wide, L"w n 00ab", 18));
    CHECK(NT_SUCCESS(RtlStringCbCopyA(Text, 4, "abc")) && RtlStringCbCatA(Text, 5, "de") == STATUS_BUFFER_OVERFLOW);
    CHECK(NT_SUCCESS(RtlStringCbLengthA(Text, sizeof(Text), &Length)) && Length == 4);
    CHECK(RtlStringCbCopyA(Text, 3, "abc") == STATUS_BUFFER_OVERFLOW && RtlEqualMemory(Text, "ab", 3));
    CHECK(NT_SUCCESS(RtlULongAdd(1, 2, &Value)) && Value == 3);
    CHECK(RtlULongAdd(0xffffffff, 1, &Value) == STATUS_INTEGER_OVERFLOW && Value == 0xffffffff);
    CHECK(RtlSizeTToULong(0x100000000, &Value) == STATUS_INTEGER_OVERFLOW);
    return 0;
}

static int Addresses(void *Context)
{
    IN_ADDR Address;
    IN6_ADDR Six = IN6ADDR_ANY_INIT, Other = IN6ADDR_LOOPBACK_INIT;
    CHAR Text[INET6_ADDRSTRLEN];
    PCSTR End;
    USHORT Port = 0;
    ULONG Scope = 0, Length = sizeof(Text);

    UNREFERENCED_PARAMETER(Context);
    CHECK(NT_SUCCESS(RtlIpv4StringToAddressA("10.0.0.1:7", TRUE, &End, &Address)) && *End == ':');
    CHECK(Address.s_addr == RtlUlongByteSwap(0x0a000001));
    CHECK(*RtlIpv4AddressToStringA(&Address, Text) == 0 && RtlEqualMemory(Text, "10.0.0.1", 9));
    CHECK(NT_SUCCESS(RtlIpv4StringToAddressExA("10.0.0.1:7", TRUE, &Address, &Port)) && Port == RtlUshortByteSwap(7));
    CHECK(!NT_SUCCESS(RtlIpv4StringToAddressA("10.1", TRUE, &End, &Address)));
    CHECK(IN6_IS_ADDR_UNSPECIFIED(&Six) && IN6_IS_ADDR_LOOPBACK(&Other) && !IN6_ADDR_EQUAL(&Six, &Other));
    CHECK(NT_SUCCESS(RtlIpv6StringToAddressExA("[fe80::1%3]:80", &Six, &Scope, &Port)) && Scope == 3);
    CHECK(NT_SUCCESS(RtlIpv6AddressToStringExA(&Six, Scope, Port, Text, &Length)) && Length == 15);
    CHECK(RtlEqualMemory(Text, "[fe80::1%3]:80", 15));
    return 0;
}

typedef struct _NODE {
    SLIST_ENTRY Link;
    LIST_ENTRY Entry;
    ULONG Number;
} NODE;

static int Lists(void *Context)
{
    SLIST_HEADER *Head = (SLIST_HEADER *)ExAllocatePoolZero(NonPagedPoolNx, sizeof(SLIST_HEADER), TAG);
    NODE *Nodes = (NODE *)ExAllocatePoolUninitialized(NonPagedPoolNx, 3 * sizeof(NODE), TAG);
    LIST_ENTRY List;
    KSPIN_LOCK Lock;
    ULONG Index;

    UNREFERENCED_PARAMETER(Context);
    CHECK(Head != NULL && Nodes != NULL);
    InitializeSListHead(Head);
    InitializeListHead(&List);
    KeInitializeSpinLock(&Lock);
    for (Index = 0; Index < 3; Index++) {
        Nodes[Index].Number = Index;
        InterlockedPushEntrySList(Head, &Nodes[Index].Link);
        CHECK((ExInterlockedInsertTailList(&List, &Nodes[Index].Entry, &Lock) == NULL) == (Index == 0));
    }
    CHECK(QueryDepthSList(Head) == 3 && FirstEntrySList(Head) == &Nodes[2].Link);
    CHECK(InterlockedPopEntrySList(Head) == &Nodes[2].Link && QueryDepthSList(Head) == 2);
    CHECK(InterlockedFlushSList(Head) == &Nodes[1].Link && InterlockedPopEntrySList(Head) == NULL);
    CHECK(CONTAINING_RECORD(ExInterlockedRemoveHeadList(&List, &Lock), NODE, Entry)->Number == 0);
    CHECK(CONTAINING_RECORD(RemoveTailList(&List), NODE, Entry)->Number == 2);
    CHECK(RemoveEntryList(&Nodes[1].Entry) && IsListEmpty(&List));
    CHECK(ExInterlockedRemoveHeadList(&List, &Lock) == NULL);
    ExFreePoolWithTag(Nodes, TAG);
    ExFreePool(Head);
    return 0;
}

static int Lookaside(void *Context)
{
    LOOKASIDE_LIST_EX *List = (LOOKASIDE_LIST_EX *)ExAllocatePoolZero(NonPagedPoolNx, sizeof(*List), TAG);
    PVOID Blocks[6];
    uint64_t Before;
    ULONG Round, Index;

    UNREFERENCED_PARAMETER(Context);
    CHECK(List != NULL);
    CHECK(NT_SUCCESS(ExInitializeLookasideListEx(List, NULL, NULL, NonPagedPoolNx, 0, 100, TAG, 0)));
    Before = wsk_host_allocations();
    for (Round = 0; Round < 3; Round++) {
        for (Index = 0; Index < 4; Index++) {
            Blocks[Index] = ExAllocateFromLookasideListEx(List);
            CHECK(Blocks[Index] != NULL);
            RtlFillMemory(Blocks[Index], 100, 1);
        }
        for (Index = 0; Index < 4; Index++) {
            ExFreeToLookasideListEx(List, Blocks[Index]);
        }
    }
    /* Blocks that are kept for reuse need no new memory. */
    CHECK(wsk_host_allocations() == Before + 4);
    for (Index = 0; Index < 6; Index++) {
        Blocks[Index] = ExAllocateFromLookasideListEx(List);
    }
    for (Index = 0; Index < 6; Index++) {
        ExFreeToLookasideListEx(List, Blocks[Index]);
    }
    CHECK(List->L.TotalAllocates == 18 && List->L.AllocateMisses == 6 && List->L.FreeMisses == 2);
    ExDeleteLookasideListEx(List);
    ExFreePool(List);
    return 0;
}

/* Threads that count under one lock after the other. */
typedef struct _COUNTER {
    FAST_MUTEX Mutex;
    EX_PUSH_LOCK PushLock;
    KSPIN_LOCK SpinLock;
    EX_SPIN_LOCK ReadWrite;
    RTL_RUN_ONCE Once;
    volatile LONG Initialized;
    volatile long Native;
    ULONG Counts[4];
} COUNTER;

#define THREADS 3
#define ROUNDS  5

static ULONG Initialize(PRTL_RUN_ONCE Once, PVOID Parameter, PVOID *Context)
{
    LARGE_INTEGER Wait;

    UNREFERENCED_PARAMETER(Once);
    Wait.QuadPart = -10;
    KeDelayExecutionThread(KernelMode, FALSE, &Wait);
    InterlockedIncrement(&((COUNTER *)Parameter)->Initialized);
    *Context = Parameter;
    return TRUE;
}

static void Step(ULONG *Count)
{
    ULONG Before = *(volatile ULONG *)Count;
    KIRQL Irql = KeGetCurrentIrql();

    if (Irql <= APC_LEVEL) {
        LARGE_INTEGER Wait;

        /* Other threads run here, and must not enter. */
        Wait.QuadPart = -1;
        KeDelayExecutionThread(KernelMode, FALSE, &Wait);
    }
    *(volatile ULONG *)Count = Before + 1;
}

static VOID Counts(PVOID Context)
{
    COUNTER *Counter = (COUNTER *)Context;
    KLOCK_QUEUE_HANDLE Handle;
    PVOID Made = NULL;
    ULONG Round;
    KIRQL Irql;

    if (!NT_SUCCESS(RtlRunOnceExecuteOnce(&Counter->Once, Initialize, Counter, &Made)) || Made != Counter) {
        return;
    }
    for (Round = 0; Round < ROUNDS; Round++) {
        ExAcquireFastMutex(&Counter->Mutex);
        NT_ASSERT(KeGetCurrentIrql() == APC_LEVEL);
        Step(&Counter->Counts[0]);
        ExReleaseFastMutex(&Counter->Mutex);

        KeEnterCriticalRegion();
        ExAcquirePushLockExclusive(&Counter->PushLock);
        Step(&Counter->Counts[1]);
        ExReleasePushLockExclusive(&Counter->PushLock);
        ExAcquirePushLockShared(&Counter->PushLock);
        ExReleasePushLockShared(&Counter->PushLock);
        KeLeaveCriticalRegion();

        KeAcquireInStackQueuedSpinLock(&Counter->SpinLock, &Handle);
        Step(&Counter->Counts[2]);
        KeReleaseInStackQueuedSpinLock(&Handle);

        Irql = ExAcquireSpinLockExclusive(&Counter->ReadWrite);
        Step(&Counter->Counts[3]);
        ExReleaseSpinLockExclusive(&Counter->ReadWrite, Irql);
        Irql = ExAcquireSpinLockShared(&Counter->ReadWrite);
        ExReleaseSpinLockShared(&Counter->ReadWrite, Irql);
        InterlockedIncrement(&Counter->Native);
    }
}

static int Locks(void *Context)
{
    COUNTER *Counter = (COUNTER *)ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(COUNTER), TAG);
    PVOID Threads[THREADS];
    HANDLE Handle;
    ULONG Index;

    UNREFERENCED_PARAMETER(Context);
    CHECK(Counter != NULL);
    ExInitializeFastMutex(&Counter->Mutex);
    ExInitializePushLock(&Counter->PushLock);
    KeInitializeSpinLock(&Counter->SpinLock);
    RtlRunOnceInitialize(&Counter->Once);
    for (Index = 0; Index < THREADS; Index++) {
        CHECK(NT_SUCCESS(PsCreateSystemThread(&Handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, Counts, Counter)));
        CHECK(NT_SUCCESS(ObReferenceObjectByHandleWithTag(Handle, SYNCHRONIZE, *PsThreadType, KernelMode, TAG,
                                                          &Threads[Index], NULL)));
        ZwClose(Handle);
    }
    for (Index = 0; Index < THREADS; Index++) {
        CHECK(KeWaitForSingleObject(Threads[Index], Executive, KernelMode, FALSE, NULL) == STATUS_WAIT_0);
        ObDereferenceObjectWithTag(Threads[Index], TAG);
    }
    for (Index = 0; Index < 4; Index++) {
        CHECK(Counter->Counts[Index] == THREADS * ROUNDS);
    }
    CHECK(Counter->Initialized == 1 && Counter->Native == THREADS * ROUNDS);
    CHECK(!KeAreApcsDisabled() && KeTestSpinLock(&Counter->SpinLock));
    CHECK(ExTryToAcquireFastMutex(&Counter->Mutex) && KeAreApcsDisabled());
    ExReleaseFastMutex(&Counter->Mutex);
    ExFreePool(Counter);
    return 0;
}

static int Interlocked(void *Context)
{
    volatile LONG Number = 1;
    volatile LONG64 Large = 1;
    volatile long Native = -1;
    PVOID volatile Pointer = NULL;
    int Object = 0;

    UNREFERENCED_PARAMETER(Context);
    CHECK(InterlockedAdd(&Number, 4) == 5 && InterlockedExchangeAdd(&Number, 1) == 5 && Number == 6);
    CHECK(InterlockedCompareExchange(&Number, 9, 6) == 6 && InterlockedCompareExchange(&Number, 7, 6) == 9);
    CHECK(InterlockedOr(&Number, 2) == 9 && InterlockedAnd(&Number, 3) == 11 && InterlockedXor(&Number, 1) == 3);
    CHECK(InterlockedBitTestAndSet(&Number, 31) == 0 && Number < 0 && InterlockedBitTestAndReset(&Number, 31) == 1);
    CHECK(InterlockedIncrement64(&Large) == 2 && InterlockedExchange64(&Large, 1LL << 40) == 2);
    CHECK(InterlockedDecrement(&Native) == -2 && InterlockedExchange(&Native, 5) == -2 && Native == 5);
    CHECK(InterlockedExchangePointer(&Pointer, &Object) == NULL && ReadPointerAcquire(&Pointer) == &Object);
    CHECK(InterlockedCompareExchangePointer(&Pointer, NULL, &Object) == &Object && Pointer == NULL);
    return 0;
}

/* A table of numbers. */

static RTL_GENERIC_COMPARE_RESULTS Compare(PRTL_AVL_TABLE Table, PVOID First, PVOID Second)
{
    ULONG Left = *(ULONG *)First, Right = *(ULONG *)Second;

    UNREFERENCED_PARAMETER(Table);
    return Left < Right ? GenericLessThan : Left > Right ? GenericGreaterThan : GenericEqual;
}

static PVOID Allocate(PRTL_AVL_TABLE Table, ULONG Size)
{
    UNREFERENCED_PARAMETER(Table);
    return ExAllocatePool2(POOL_FLAG_NON_PAGED, Size, TAG);
}

static VOID Free(PRTL_AVL_TABLE Table, PVOID Buffer)
{
    UNREFERENCED_PARAMETER(Table);
    ExFreePoolWithTag(Buffer, TAG);
}

static int Tables(void *Context)
{
    RTL_AVL_TABLE Table;
    ULONG Number, Seed = 7, *Found, Last = 0, Count = 0;
    BOOLEAN IsNew;

    UNREFERENCED_PARAMETER(Context);
    RtlInitializeGenericTableAvl(&Table, Compare, Allocate, Free, NULL);
    while (RtlNumberGenericTableElementsAvl(&Table) < 100) {
        Number = RtlRandomEx(&Seed) % 1000 + 1;
        Found = (ULONG *)RtlInsertElementGenericTableAvl(&Table, &Number, sizeof(Number), &IsNew);
        CHECK(Found != NULL && *Found == Number);
    }
    CHECK(RtlLookupElementGenericTableAvl(&Table, &Number) == Found);
    for (Found = (ULONG *)RtlEnumerateGenericTableAvl(&Table, TRUE); Found != NULL;
         Found = (ULONG *)RtlEnumerateGenericTableAvl(&Table, FALSE)) {
        CHECK(*Found > Last);
        Last = *Found;
        Count++;
    }
    CHECK(Count == 100);
    while (!RtlIsGenericTableEmptyAvl(&Table)) {
        Number = *(ULONG *)RtlGetElementGenericTableAvl(&Table, 0);
        CHECK(RtlDeleteElementGenericTableAvl(&Table, &Number));
    }
    CHECK(!RtlDeleteElementGenericTableAvl(&Table, &Number));
    return 0;
}

static VOID Deferred(PKDPC Dpc, PVOID Context, PVOID First, PVOID Second)
{
    UNREFERENCED_PARAMETER(Dpc);
    if (KeGetCurrentIrql() == DISPATCH_LEVEL && First == Second) {
        KeSetEvent((PKEVENT)Context, IO_NO_INCREMENT, FALSE);
    }
}

static int Times(void *Context)
{
    KEVENT *Event = (KEVENT *)ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(KEVENT) + sizeof(KDPC), TAG);
    KDPC *Dpc = (KDPC *)(Event + 1);
    LARGE_INTEGER Before, After, Frequency, Counter, Wait;
    TIME_FIELDS Fields;

    UNREFERENCED_PARAMETER(Context);
    CHECK(Event != NULL);
    KeQuerySystemTime(&Before);
    Counter = KeQueryPerformanceCounter(&Frequency);
    Wait.QuadPart = -50000;
    KeDelayExecutionThread(KernelMode, FALSE, &Wait);
    KeQuerySystemTime(&After);
    CHECK(After.QuadPart - Before.QuadPart >= 50000 && Frequency.QuadPart == 10000000);
    CHECK(KeQueryPerformanceCounter(NULL).QuadPart - Counter.QuadPart >= 50000);
    RtlTimeToTimeFields(&After, &Fields);
    CHECK(Fields.Year >= 2025 && RtlTimeFieldsToTime(&Fields, &Before) && Before.HighPart == After.HighPart);
    CHECK(KeQueryInterruptTime() > 0 && KeQueryTimeIncrement() == 156250);

    KeInitializeEvent(Event, NotificationEvent, FALSE);
    KeInitializeDpc(Dpc, Deferred, Event);
    CHECK(KeInsertQueueDpc(Dpc, Event, Event));
    CHECK(KeWaitForSingleObject(Event, Executive, KernelMode, FALSE, NULL) == STATUS_SUCCESS);
    KeFlushQueuedDpcs();
    CHECK(!KeRemoveQueueDpc(Dpc));
    ExFreePool(Event);
    return 0;
}

static int Memory(void *Context)
{
    PUCHAR Bytes = (PUCHAR)ExAllocatePoolZero(NonPagedPoolNx, 100, TAG);
    PMDL Mdl;
    UCHAR Other[100] = {0};

    UNREFERENCED_PARAMETER(Context);
    CHECK(Bytes != NULL && RtlCompareMemory(Bytes, Other, 100) == 100);
    Bytes[7] = 1;
    CHECK(RtlCompareMemory(Bytes, Other, 100) == 7);
    Mdl = IoAllocateMdl(Bytes, 100, FALSE, FALSE, NULL);
    CHECK(Mdl != NULL && MmGetMdlByteCount(Mdl) == 100 && MmGetMdlVirtualAddress(Mdl) == Bytes);
    MmBuildMdlForNonPagedPool(Mdl);
    CHECK(MmGetSystemAddressForMdlSafe(Mdl, NormalPagePriority | MdlMappingNoExecute) == Bytes);
    IoFreeMdl(Mdl);
    RtlSecureZeroMemory(Bytes, 100);
    CHECK(RtlEqualMemory(Bytes, Other, 100));
    ExFreePoolWithTag(Bytes, TAG);
    CHECK(NPI_WSK_INTERFACE_ID.Data1 == 0x2227E803);
    return 0;
}

static int PrintsAll(void *Context)
{
    UNREFERENCED_PARAMETER(Context);
    DbgPrint("plain %d\n", 1);
    DbgPrintEx(DPFLTR_IHVDRIVER_ID, DPFLTR_INFO_LEVEL, "with %s\n", "a level");
    KdPrint(("in a debug build\n"));
    return 0;
}

/* Each of these breaks a rule, and the host stops it. */

static int Asserts(void *Context)
{
    ASSERT(Context != NULL);
    return 0;
}

static int PagedCodeAtDispatchLevel(void *Context)
{
    KIRQL Irql;

    UNREFERENCED_PARAMETER(Context);
    KeRaiseIrql(DISPATCH_LEVEL, &Irql);
    PAGED_CODE();
    return 0;
}

static int PushLockOutsideOfARegion(void *Context)
{
    static EX_PUSH_LOCK Lock;

    UNREFERENCED_PARAMETER(Context);
    ExInitializePushLock(&Lock);
    ExAcquirePushLockExclusive(&Lock);
    return 0;
}

static int MutexTwice(void *Context)
{
    static FAST_MUTEX Mutex;

    UNREFERENCED_PARAMETER(Context);
    ExInitializeFastMutex(&Mutex);
    ExAcquireFastMutex(&Mutex);
    ExAcquireFastMutex(&Mutex);
    return 0;
}

static int SpinLockAtPassiveLevel(void *Context)
{
    static KSPIN_LOCK Lock;

    UNREFERENCED_PARAMETER(Context);
    KeInitializeSpinLock(&Lock);
    KeAcquireSpinLockAtDpcLevel(&Lock);
    return 0;
}

static int PrintsAFloat(void *Context)
{
    CHAR Text[8];

    UNREFERENCED_PARAMETER(Context);
    return RtlStringCbPrintfA(Text, sizeof(Text), "%f", 1.5);
}

static const SCENARIO Scenarios[] = {
    {"strings", Strings},
    {"addresses", Addresses},
    {"lists", Lists},
    {"lookaside", Lookaside},
    {"locks", Locks},
    {"interlocked", Interlocked},
    {"tables", Tables},
    {"times", Times},
    {"memory", Memory},
    /* Run by name only. */
    {"prints", PrintsAll},
    {"asserts", Asserts},
    {"paged-code-at-dispatch-level", PagedCodeAtDispatchLevel},
    {"push-lock-outside-of-a-region", PushLockOutsideOfARegion},
    {"mutex-twice", MutexTwice},
    {"spin-lock-at-passive-level", SpinLockAtPassiveLevel},
    {"prints-a-float", PrintsAFloat},
};

int main(int argc, char **argv)
{
    return RunScenarios(argc, argv, Scenarios, ARRAYSIZE(Scenarios), 9);
}
