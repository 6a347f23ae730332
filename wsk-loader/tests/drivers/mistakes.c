/*
 * A driver that makes one mistake: the one whose digit its name ends with. `cargo xtask test run` loads its image, and the
 * same source linked with the host; both must be reported alike.
 */
#include <ntddk.h>
#include <wsk.h>

#define MISTAKES_TAG 0x6B61744D

static const WSK_CLIENT_DISPATCH MistakesDispatch = {MAKE_WSK_VERSION(1, 0), 0, NULL};

static WSK_REGISTRATION MistakesRegistration;
static WSK_PROVIDER_NPI MistakesProvider;
static KEVENT MistakesEvent;
static KTIMER MistakesTimer;
static KDPC MistakesDpc;

static NTSTATUS MistakesCompleted(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    KeSetEvent((PKEVENT)Context, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static PIRP MistakesBegin(PIRP Irp)
{
    IoReuseIrp(Irp, STATUS_UNSUCCESSFUL);
    IoSetCompletionRoutine(Irp, MistakesCompleted, &MistakesEvent, TRUE, TRUE, TRUE);
    return Irp;
}

static VOID MistakesWait(VOID)
{
    KeWaitForSingleObject(&MistakesEvent, Executive, KernelMode, FALSE, NULL);
}

static PVOID MistakesAllocate(VOID)
{
    return ExAllocatePoolWithTag(NonPagedPoolNx, PAGE_SIZE, MISTAKES_TAG);
}

/* Mistakes without sockets */

static DECLSPEC_NOINLINE VOID MistakesFreeTwice(VOID)
{
    PVOID Memory = MistakesAllocate();

    ExFreePoolWithTag(Memory, MISTAKES_TAG);
    ExFreePoolWithTag(Memory, MISTAKES_TAG);
}

static DECLSPEC_NOINLINE VOID MistakesReadFreed(VOID)
{
    CHAR volatile *Memory = (CHAR volatile *)MistakesAllocate();

    ExFreePoolWithTag((PVOID)Memory, MISTAKES_TAG);
    (VOID)*Memory;
}

static DECLSPEC_NOINLINE VOID MistakesWriteBehind(VOID)
{
    CHAR volatile *Memory = (CHAR volatile *)MistakesAllocate();

    Memory[PAGE_SIZE] = 1;
    ExFreePoolWithTag((PVOID)Memory, MISTAKES_TAG);
}

static DECLSPEC_NOINLINE VOID MistakesWaitRaised(VOID)
{
    KIRQL Irql;

    KeRaiseIrql(DISPATCH_LEVEL, &Irql);
    MistakesWait();
    KeLowerIrql(Irql);
}

static DECLSPEC_NOINLINE VOID MistakesStayRaised(VOID)
{
    KIRQL Irql;

    KeRaiseIrql(DISPATCH_LEVEL, &Irql);
}

static VOID MistakesElapsed(PKDPC Dpc, PVOID Context, PVOID First, PVOID Second)
{
    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(First);
    UNREFERENCED_PARAMETER(Second);
}

static DECLSPEC_NOINLINE VOID MistakesLeaveTimer(VOID)
{
    LARGE_INTEGER Due;

    Due.QuadPart = -10000000;
    KeInitializeDpc(&MistakesDpc, MistakesElapsed, NULL);
    KeInitializeTimer(&MistakesTimer);
    KeSetTimer(&MistakesTimer, Due, &MistakesDpc);
}

/* Mistakes with a socket for datagrams */

#define MISTAKES_TABLE(Socket) ((const WSK_PROVIDER_DATAGRAM_DISPATCH *)(Socket)->Dispatch)

static PWSK_SOCKET MistakesOpen(PIRP Irp)
{
    MistakesProvider.Dispatch->WskSocket(MistakesProvider.Client, AF_INET, SOCK_DGRAM, IPPROTO_UDP,
                                         WSK_FLAG_DATAGRAM_SOCKET, NULL, NULL, NULL, NULL, NULL, MistakesBegin(Irp));
    MistakesWait();
    return (PWSK_SOCKET)Irp->IoStatus.Information;
}

static VOID MistakesBind(PWSK_SOCKET Socket, PVOID Memory, PIRP Irp)
{
    PSOCKADDR_IN Any = (PSOCKADDR_IN)Memory;

    RtlZeroMemory(Any, sizeof(*Any));
    Any->sin_family = AF_INET;
    MISTAKES_TABLE(Socket)->WskBind(Socket, (PSOCKADDR)Any, 0, MistakesBegin(Irp));
    MistakesWait();
}

static DECLSPEC_NOINLINE VOID MistakesClose(PWSK_SOCKET Socket, PIRP Irp)
{
    MISTAKES_TABLE(Socket)->WskCloseSocket(Socket, MistakesBegin(Irp));
    MistakesWait();
}

/* A receive that no datagram ends, into memory of a page. */
static VOID MistakesReceive(PWSK_SOCKET Socket, PMDL Mdl, PIRP Irp)
{
    WSK_BUF Buffer = {Mdl, 0, PAGE_SIZE};

    MISTAKES_TABLE(Socket)->WskReceiveFrom(Socket, &Buffer, 0, NULL, NULL, NULL, NULL, MistakesBegin(Irp));
}

static DECLSPEC_NOINLINE VOID MistakesWithSocket(CHAR Mistake)
{
    WSK_CLIENT_NPI Client = {NULL, &MistakesDispatch};
    PIRP Irp = IoAllocateIrp(1, FALSE);
    PVOID Memory = MistakesAllocate();
    PMDL Mdl = IoAllocateMdl(Memory, PAGE_SIZE, FALSE, FALSE, NULL);
    PWSK_SOCKET Socket;

    MmBuildMdlForNonPagedPool(Mdl);
    WskRegister(&Client, &MistakesRegistration);
    WskCaptureProviderNPI(&MistakesRegistration, WSK_INFINITE_WAIT, &MistakesProvider);
    Socket = MistakesOpen(Irp);
    MistakesBind(Socket, Memory, Irp);
    switch (Mistake) {
    case '5':
        MistakesClose(Socket, Irp);
        MistakesClose(Socket, Irp);
        break;
    case '6':
        /* The socket stays open. */
        break;
    case '7':
        MistakesReceive(Socket, Mdl, Irp);
        MistakesReceive(Socket, Mdl, Irp);
        break;
    case '8':
        MistakesReceive(Socket, Mdl, Irp);
        ExFreePoolWithTag(Memory, MISTAKES_TAG);
        break;
    default:
        /* An address that no rule allows: of the other family. */
        ((PSOCKADDR_IN)Memory)->sin_family = AF_INET6;
        MISTAKES_TABLE(Socket)->WskBind(Socket, (PSOCKADDR)Memory, 0, NULL);
    }
    WskReleaseProviderNPI(&MistakesRegistration);
    WskDeregister(&MistakesRegistration);
    IoFreeMdl(Mdl);
    ExFreePoolWithTag(Memory, MISTAKES_TAG);
    IoFreeIrp(Irp);
}

DRIVER_UNLOAD MistakesUnload;

VOID MistakesUnload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

DRIVER_INITIALIZE DriverEntry;

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    CHAR Mistake = (CHAR)RegistryPath->Buffer[RegistryPath->Length / sizeof(WCHAR) - 1];

    DriverObject->DriverUnload = MistakesUnload;
    KeInitializeEvent(&MistakesEvent, SynchronizationEvent, FALSE);
    switch (Mistake) {
    case '0':
        MistakesFreeTwice();
        break;
    case '1':
        MistakesReadFreed();
        break;
    case '2':
        MistakesWriteBehind();
        break;
    case '3':
        MistakesWaitRaised();
        break;
    case '4':
        MistakesLeaveTimer();
        break;
    case 'a':
        MistakesStayRaised();
        break;
    default:
        MistakesWithSocket(Mistake);
    }
    return STATUS_SUCCESS;
}
