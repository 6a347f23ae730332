/*
 * A provider that does nothing, for either client: it completes each request with success, before the call returns.
 *
 * It is a library of its own, which a program is linked with in front of the host: its functions take the place of the
 * host's of the same names. Everything else is the host's, but is not called for a request. So a request costs what the
 * client makes of it, and one IRP that is reused.
 */
#include <string.h>

#include <ntddk.h>
#include <wsk.h>

/* What Windows writes there. */
#define NULL_TYPE_OF_IRP 6

/*
 * IRPs
 */

VOID IoInitializeIrp(PIRP Irp, USHORT PacketSize, CCHAR StackSize)
{
    memset(Irp, 0, PacketSize);
    Irp->Type = NULL_TYPE_OF_IRP;
    Irp->Size = PacketSize;
    Irp->StackCount = StackSize;
    Irp->CurrentLocation = (CHAR)(StackSize + 1);
    InitializeListHead(&Irp->ThreadListEntry);
    Irp->Tail.Overlay.CurrentStackLocation = (PIO_STACK_LOCATION)(Irp + 1) + StackSize;
}

VOID IoReuseIrp(PIRP Irp, NTSTATUS Iostatus)
{
    UCHAR AllocationFlags = Irp->AllocationFlags;

    IoInitializeIrp(Irp, Irp->Size, Irp->StackCount);
    Irp->AllocationFlags = AllocationFlags;
    Irp->IoStatus.Status = Iostatus;
}

PIRP IoAllocateIrp(CCHAR StackSize, BOOLEAN ChargeQuota)
{
    PIRP Irp = (PIRP)ExAllocatePoolWithTag(NonPagedPoolNx, IoSizeOfIrp(StackSize), 0x20707249);

    UNREFERENCED_PARAMETER(ChargeQuota);
    if (Irp != NULL) {
        IoInitializeIrp(Irp, IoSizeOfIrp(StackSize), StackSize);
    }
    return Irp;
}

VOID IoFreeIrp(PIRP Irp)
{
    ExFreePoolWithTag(Irp, 0x20707249);
}

/* Nothing is in flight when a call has returned. */
BOOLEAN IoCancelIrp(PIRP Irp)
{
    UNREFERENCED_PARAMETER(Irp);
    return FALSE;
}

static NTSTATUS NullComplete(PIRP Irp, ULONG_PTR Information)
{
    PIO_STACK_LOCATION Location = IoGetNextIrpStackLocation(Irp);

    Irp->IoStatus.Status = STATUS_SUCCESS;
    Irp->IoStatus.Information = Information;
    if (Location->Control & SL_INVOKE_ON_SUCCESS) {
        (VOID)Location->CompletionRoutine(NULL, Irp, Location->Context);
    }
    return STATUS_SUCCESS;
}

/*
 * Sockets: of all of them, there is one structure, since they have no state
 */

static NTSTATUS WSKAPI NullControlSocket(PWSK_SOCKET Socket, WSK_CONTROL_SOCKET_TYPE RequestType, ULONG ControlCode,
                                         ULONG Level, SIZE_T InputSize, PVOID InputBuffer, SIZE_T OutputSize,
                                         PVOID OutputBuffer, SIZE_T *OutputSizeReturned, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Socket);
    UNREFERENCED_PARAMETER(RequestType);
    UNREFERENCED_PARAMETER(ControlCode);
    UNREFERENCED_PARAMETER(Level);
    UNREFERENCED_PARAMETER(InputSize);
    UNREFERENCED_PARAMETER(InputBuffer);
    UNREFERENCED_PARAMETER(OutputSize);
    UNREFERENCED_PARAMETER(OutputBuffer);
    UNREFERENCED_PARAMETER(OutputSizeReturned);
    return Irp == NULL ? STATUS_SUCCESS : NullComplete(Irp, 0);
}

static NTSTATUS WSKAPI NullClose(PWSK_SOCKET Socket, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Socket);
    return NullComplete(Irp, 0);
}

static NTSTATUS WSKAPI NullBind(PWSK_SOCKET Socket, PSOCKADDR Address, ULONG Flags, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Socket);
    UNREFERENCED_PARAMETER(Address);
    UNREFERENCED_PARAMETER(Flags);
    return NullComplete(Irp, 0);
}

/* All bytes are sent, and as many are received as there is room for. */
static NTSTATUS WSKAPI NullTransfer(PWSK_SOCKET Socket, PWSK_BUF Buffer, ULONG Flags, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Socket);
    UNREFERENCED_PARAMETER(Flags);
    return NullComplete(Irp, Buffer->Length);
}

static NTSTATUS WSKAPI NullDisconnect(PWSK_SOCKET Socket, PWSK_BUF Buffer, ULONG Flags, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Socket);
    UNREFERENCED_PARAMETER(Buffer);
    UNREFERENCED_PARAMETER(Flags);
    return NullComplete(Irp, 0);
}

static const WSK_PROVIDER_CONNECTION_DISPATCH NullConnection = {
    .WskControlSocket = NullControlSocket,
    .WskCloseSocket = NullClose,
    .WskBind = NullBind,
    .WskConnect = NullBind,
    .WskSend = NullTransfer,
    .WskReceive = NullTransfer,
    .WskDisconnect = NullDisconnect,
};

static WSK_SOCKET NullConnected = {&NullConnection};

static NTSTATUS WSKAPI NullSocket(PWSK_CLIENT Client, ADDRESS_FAMILY Family, USHORT Type, ULONG Protocol, ULONG Flags,
                                  PVOID Context, CONST VOID *Dispatch, PEPROCESS Process, PETHREAD Thread,
                                  PSECURITY_DESCRIPTOR Descriptor, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Client);
    UNREFERENCED_PARAMETER(Family);
    UNREFERENCED_PARAMETER(Type);
    UNREFERENCED_PARAMETER(Protocol);
    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(Dispatch);
    UNREFERENCED_PARAMETER(Process);
    UNREFERENCED_PARAMETER(Thread);
    UNREFERENCED_PARAMETER(Descriptor);
    return NullComplete(Irp, (ULONG_PTR)&NullConnected);
}

static NTSTATUS WSKAPI NullSocketConnect(PWSK_CLIENT Client, USHORT Type, ULONG Protocol, PSOCKADDR Local,
                                         PSOCKADDR Remote, ULONG Flags, PVOID Context,
                                         CONST WSK_CLIENT_CONNECTION_DISPATCH *Dispatch, PEPROCESS Process,
                                         PETHREAD Thread, PSECURITY_DESCRIPTOR Descriptor, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Client);
    UNREFERENCED_PARAMETER(Type);
    UNREFERENCED_PARAMETER(Protocol);
    UNREFERENCED_PARAMETER(Local);
    UNREFERENCED_PARAMETER(Remote);
    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(Dispatch);
    UNREFERENCED_PARAMETER(Process);
    UNREFERENCED_PARAMETER(Thread);
    UNREFERENCED_PARAMETER(Descriptor);
    return NullComplete(Irp, (ULONG_PTR)&NullConnected);
}

static NTSTATUS WSKAPI NullControlClient(PWSK_CLIENT Client, ULONG ControlCode, SIZE_T InputSize, PVOID InputBuffer,
                                         SIZE_T OutputSize, PVOID OutputBuffer, SIZE_T *OutputSizeReturned, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Client);
    UNREFERENCED_PARAMETER(ControlCode);
    UNREFERENCED_PARAMETER(InputSize);
    UNREFERENCED_PARAMETER(InputBuffer);
    UNREFERENCED_PARAMETER(OutputSize);
    UNREFERENCED_PARAMETER(OutputBuffer);
    UNREFERENCED_PARAMETER(OutputSizeReturned);
    return Irp == NULL ? STATUS_NOT_IMPLEMENTED : NullComplete(Irp, 0);
}

/* The version 1.0 has all that the clients call. */
static const WSK_PROVIDER_DISPATCH NullProvider = {
    .Version = MAKE_WSK_VERSION(1, 0),
    .WskSocket = NullSocket,
    .WskSocketConnect = NullSocketConnect,
    .WskControlClient = NullControlClient,
};

/*
 * Registration
 */

NTSTATUS WskRegister(PWSK_CLIENT_NPI Client, PWSK_REGISTRATION Registration)
{
    UNREFERENCED_PARAMETER(Client);
    Registration->ReservedRegistrationContext = NULL;
    return STATUS_SUCCESS;
}

VOID WskDeregister(PWSK_REGISTRATION Registration)
{
    UNREFERENCED_PARAMETER(Registration);
}

NTSTATUS WskCaptureProviderNPI(PWSK_REGISTRATION Registration, ULONG Timeout, PWSK_PROVIDER_NPI Provider)
{
    UNREFERENCED_PARAMETER(Registration);
    UNREFERENCED_PARAMETER(Timeout);
    Provider->Client = NULL;
    Provider->Dispatch = &NullProvider;
    return STATUS_SUCCESS;
}

VOID WskReleaseProviderNPI(PWSK_REGISTRATION Registration)
{
    UNREFERENCED_PARAMETER(Registration);
}
