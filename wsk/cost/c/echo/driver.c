/*
 * DriverEntry and DriverUnload, the registry, memory.
 */
#include "echo.h"

/* "Echo" in a dump of the pool. */
#define ECHO_TAG 0x6F686345

/* The port of the echo service, unless the registry names another. */
#define ECHO_DEFAULT_PORT 7

static struct {
    WSK_REGISTRATION Registration;
    WSK_PROVIDER_NPI Provider;
    BOOLEAN Registered;
    BOOLEAN Captured;
    ECHO_WORKER Workers[ECHO_WORKERS];
} Echo;

static const WSK_CLIENT_DISPATCH EchoClientDispatch = {MAKE_WSK_VERSION(1, 0), 0, NULL};

/*
 * Memory, counted
 */

static LONG volatile EchoAllocations;
static LONG volatile EchoFrees;
static LONG volatile EchoPeak;

PVOID EchoAllocate(SIZE_T Size)
{
    PVOID Memory = ExAllocatePoolWithTag(NonPagedPoolNx, Size, ECHO_TAG);

    if (Memory != NULL) {
        LONG Outstanding = InterlockedIncrement(&EchoAllocations) - EchoFrees;
        LONG Peak = EchoPeak;

        while (Outstanding > Peak) {
            LONG Found = InterlockedCompareExchange(&EchoPeak, Outstanding, Peak);

            if (Found == Peak) {
                break;
            }
            Peak = Found;
        }
    }
    return Memory;
}

VOID EchoFree(PVOID Memory)
{
    InterlockedIncrement(&EchoFrees);
    ExFreePoolWithTag(Memory, ECHO_TAG);
}

/*
 * The registry
 */

typedef struct _ECHO_DWORD_VALUE {
    ULONG TitleIndex;
    ULONG Type;
    ULONG DataLength;
    ULONG Data;
} ECHO_DWORD_VALUE;

static NTSTATUS EchoOpenKey(HANDLE Parent, PUNICODE_STRING Name, PHANDLE Key)
{
    OBJECT_ATTRIBUTES Attributes = {
        sizeof(Attributes), Parent, Name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL,
    };

    return ZwOpenKey(Key, KEY_READ, &Attributes);
}

/* Parameters\Port, a DWORD, below the driver's key. */
static USHORT EchoPort(PUNICODE_STRING RegistryPath)
{
    static const WCHAR Parameters[] = {'P', 'a', 'r', 'a', 'm', 'e', 't', 'e', 'r', 's', 0};
    static const WCHAR Port[] = {'P', 'o', 'r', 't', 0};
    ECHO_DWORD_VALUE Value = {0};
    UNICODE_STRING Name;
    HANDLE DriverKey;
    HANDLE Key;
    ULONG Length;
    NTSTATUS Status;

    if (!NT_SUCCESS(EchoOpenKey(NULL, RegistryPath, &DriverKey))) {
        return ECHO_DEFAULT_PORT;
    }
    RtlInitUnicodeString(&Name, Parameters);
    Status = EchoOpenKey(DriverKey, &Name, &Key);
    ZwClose(DriverKey);
    if (!NT_SUCCESS(Status)) {
        return ECHO_DEFAULT_PORT;
    }
    RtlInitUnicodeString(&Name, Port);
    Status = ZwQueryValueKey(Key, &Name, KeyValuePartialInformation, &Value, sizeof(Value), &Length);
    ZwClose(Key);
    if (!NT_SUCCESS(Status) || Value.Type != REG_DWORD || Value.DataLength != 4 || Value.Data > 0xFFFF) {
        return ECHO_DEFAULT_PORT;
    }
    return (USHORT)Value.Data;
}

/*
 * The driver
 */

/* What was done is undone by EchoStop, also after a failure. */
static NTSTATUS EchoStart(USHORT Port)
{
    WSK_CLIENT_NPI Client = {NULL, &EchoClientDispatch};
    NTSTATUS Status;
    ULONG Index;

    Status = WskRegister(&Client, &Echo.Registration);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Echo.Registered = TRUE;

    Status = WskCaptureProviderNPI(&Echo.Registration, 5000, &Echo.Provider);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Echo.Captured = TRUE;

    for (Index = 0; Index < ECHO_WORKERS; Index++) {
        Status = EchoStartWorker(&Echo.Workers[Index]);
        if (!NT_SUCCESS(Status)) {
            return Status;
        }
    }
    Status = EchoListen(&Echo.Provider, Echo.Workers, Port);
    if (NT_SUCCESS(Status)) {
        EchoServe();
    }
    return Status;
}

static VOID EchoStop(VOID)
{
    ULONG Index;

    /* The first one first: it gives connections to the others. */
    for (Index = 0; Index < ECHO_WORKERS; Index++) {
        EchoStopWorker(&Echo.Workers[Index]);
    }
    if (Echo.Captured) {
        WskReleaseProviderNPI(&Echo.Registration);
    }
    if (Echo.Registered) {
        WskDeregister(&Echo.Registration);
    }
}

DRIVER_UNLOAD EchoUnload;

VOID EchoUnload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    EchoStop();
    DbgPrint("echo: unloaded; pool: %d allocations, %d frees, %d outstanding, %d at most\n", EchoAllocations, EchoFrees,
             EchoAllocations - EchoFrees, EchoPeak);
}

DRIVER_INITIALIZE DriverEntry;

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    USHORT Port = EchoPort(RegistryPath);
    NTSTATUS Status = EchoStart(Port);

    if (NT_SUCCESS(Status)) {
        DriverObject->DriverUnload = EchoUnload;
        DbgPrint("echo: serving on port %u\n", Port);
    } else {
        DbgPrint("echo: cannot serve on port %u: 0x%08X\n", Port, Status);
        EchoStop();
    }
    return Status;
}
