/*
 * A WSK client that talks to itself, written as for a driver: a driver would use this file unchanged.
 *
 * A listener, a connection to it, and a message there and back; every call's IRP is the client's own.
 */
#include <ntddk.h>
#include <wsk.h>

#include "echo.h"

/* "Echo" in a dump of the pool. */
#define ECHO_TAG 0x6F686345

static const CHAR EchoMessage[] = "hello";

#define ECHO_LENGTH ((ULONG)sizeof(EchoMessage))

/*
 * An IRP, and the event that signals its completion. It serves one call at a time, and is reused:
 * so there is also one for the last close when memory is short.
 */
typedef struct _ECHO_REQUEST {
    PIRP Irp;
    KEVENT Done;
} ECHO_REQUEST, *PECHO_REQUEST;

/* Bytes that WSK may fill or read. */
typedef struct _ECHO_BUFFER {
    PUCHAR Bytes;
    WSK_BUF Buffer;
} ECHO_BUFFER, *PECHO_BUFFER;

/* Everything, in nonpaged pool: WSK writes to it at DISPATCH_LEVEL. */
typedef struct _ECHO {
    WSK_REGISTRATION Registration;
    WSK_PROVIDER_NPI Provider;
    BOOLEAN Registered;
    BOOLEAN Captured;

    ECHO_REQUEST Request;
    ECHO_REQUEST AcceptRequest;
    ECHO_BUFFER Outgoing;
    ECHO_BUFFER Incoming;

    PWSK_SOCKET Listener;
    PWSK_SOCKET Client;
    PWSK_SOCKET Server;
    SOCKADDR_IN Address;
} ECHO, *PECHO;

static const WSK_CLIENT_DISPATCH EchoDispatch = {MAKE_WSK_VERSION(1, 0), 0, NULL};

/*
 * Requests
 */

static IO_COMPLETION_ROUTINE EchoRequestDone;

/* Signals that a call has completed, and keeps the IRP, which does not belong to the I/O manager. */
static NTSTATUS EchoRequestDone(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    PECHO_REQUEST Request = (PECHO_REQUEST)Context;

    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    KeSetEvent(&Request->Done, IO_NETWORK_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static NTSTATUS EchoAllocateRequest(PECHO_REQUEST Request)
{
    Request->Irp = IoAllocateIrp(1, FALSE);
    if (Request->Irp == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    KeInitializeEvent(&Request->Done, SynchronizationEvent, FALSE);
    return STATUS_SUCCESS;
}

static VOID EchoFreeRequest(PECHO_REQUEST Request)
{
    if (Request->Irp != NULL) {
        IoFreeIrp(Request->Irp);
    }
}

/* The IRP for the next call, which EchoWait waits for. */
static PIRP EchoBegin(PECHO_REQUEST Request)
{
    IoReuseIrp(Request->Irp, STATUS_UNSUCCESSFUL);
    IoSetCompletionRoutine(Request->Irp, EchoRequestDone, Request, TRUE, TRUE, TRUE);
    return Request->Irp;
}

/*
 * Waits for a call, and returns its result. The status that the call itself returned is not needed: WSK
 * completes the IRP in every case.
 */
static NTSTATUS EchoWait(PECHO_REQUEST Request, PCSTR Call)
{
    NTSTATUS Status;

    KeWaitForSingleObject(&Request->Done, Executive, KernelMode, FALSE, NULL);
    Status = Request->Irp->IoStatus.Status;
    if (!NT_SUCCESS(Status)) {
        DbgPrint("echo: %s: 0x%08X\n", Call, Status);
    }
    return Status;
}

/*
 * Buffers
 */

static NTSTATUS EchoAllocateBuffer(PECHO_BUFFER Buffer, ULONG Length)
{
    Buffer->Bytes = (PUCHAR)ExAllocatePoolWithTag(NonPagedPoolNx, Length, ECHO_TAG);
    if (Buffer->Bytes == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    Buffer->Buffer.Mdl = IoAllocateMdl(Buffer->Bytes, Length, FALSE, FALSE, NULL);
    if (Buffer->Buffer.Mdl == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    MmBuildMdlForNonPagedPool(Buffer->Buffer.Mdl);
    return STATUS_SUCCESS;
}

static VOID EchoFreeBuffer(PECHO_BUFFER Buffer)
{
    if (Buffer->Buffer.Mdl != NULL) {
        IoFreeMdl(Buffer->Buffer.Mdl);
    }
    if (Buffer->Bytes != NULL) {
        ExFreePoolWithTag(Buffer->Bytes, ECHO_TAG);
    }
}

/*
 * Sockets: one function for each WSK call
 */

static const WSK_PROVIDER_LISTEN_DISPATCH *ListenDispatch(PWSK_SOCKET Socket)
{
    return (const WSK_PROVIDER_LISTEN_DISPATCH *)Socket->Dispatch;
}

static const WSK_PROVIDER_CONNECTION_DISPATCH *ConnectionDispatch(PWSK_SOCKET Socket)
{
    return (const WSK_PROVIDER_CONNECTION_DISPATCH *)Socket->Dispatch;
}

static NTSTATUS EchoCreateSocket(PECHO Echo, ULONG Flags, PWSK_SOCKET *Socket)
{
    NTSTATUS Status;

    Echo->Provider.Dispatch->WskSocket(Echo->Provider.Client, AF_INET, SOCK_STREAM, IPPROTO_TCP, Flags, NULL, NULL,
                                       NULL, NULL, NULL, EchoBegin(&Echo->Request));
    Status = EchoWait(&Echo->Request, "WskSocket");
    if (NT_SUCCESS(Status)) {
        *Socket = (PWSK_SOCKET)Echo->Request.Irp->IoStatus.Information;
    }
    return Status;
}

static NTSTATUS EchoCloseSocket(PECHO Echo, PWSK_SOCKET Socket)
{
    const WSK_PROVIDER_BASIC_DISPATCH *Dispatch = (const WSK_PROVIDER_BASIC_DISPATCH *)Socket->Dispatch;

    Dispatch->WskCloseSocket(Socket, EchoBegin(&Echo->Request));
    return EchoWait(&Echo->Request, "WskCloseSocket");
}

/* Listens on a port that WSK chooses, for this machine only. */
static NTSTATUS EchoListen(PECHO Echo)
{
    NTSTATUS Status;

    Status = EchoCreateSocket(Echo, WSK_FLAG_LISTEN_SOCKET, &Echo->Listener);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }

    Echo->Address.sin_family = AF_INET;
    Echo->Address.sin_addr.S_un.S_un_b.s_b1 = 127;
    Echo->Address.sin_addr.S_un.S_un_b.s_b4 = 1;
    ListenDispatch(Echo->Listener)
        ->WskBind(Echo->Listener, (PSOCKADDR)&Echo->Address, 0, EchoBegin(&Echo->Request));
    Status = EchoWait(&Echo->Request, "WskBind");
    if (!NT_SUCCESS(Status)) {
        return Status;
    }

    ListenDispatch(Echo->Listener)
        ->WskGetLocalAddress(Echo->Listener, (PSOCKADDR)&Echo->Address, EchoBegin(&Echo->Request));
    Status = EchoWait(&Echo->Request, "WskGetLocalAddress");
    if (NT_SUCCESS(Status) && Echo->Address.sin_port == 0) {
        DbgPrint("echo: the listener has no port\n");
        Status = STATUS_INVALID_ADDRESS;
    }
    return Status;
}

static NTSTATUS EchoConnect(PECHO Echo)
{
    SOCKADDR_IN Any = {0};
    NTSTATUS Status;

    Status = EchoCreateSocket(Echo, WSK_FLAG_CONNECTION_SOCKET, &Echo->Client);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }

    Any.sin_family = AF_INET;
    ConnectionDispatch(Echo->Client)->WskBind(Echo->Client, (PSOCKADDR)&Any, 0, EchoBegin(&Echo->Request));
    Status = EchoWait(&Echo->Request, "WskBind");
    if (!NT_SUCCESS(Status)) {
        return Status;
    }

    ConnectionDispatch(Echo->Client)
        ->WskConnect(Echo->Client, (PSOCKADDR)&Echo->Address, 0, EchoBegin(&Echo->Request));
    return EchoWait(&Echo->Request, "WskConnect");
}

/* A pair of connected sockets: the accept waits while the client connects. */
static NTSTATUS EchoConnectAndAccept(PECHO Echo)
{
    NTSTATUS Connected;
    NTSTATUS Accepted;

    ListenDispatch(Echo->Listener)
        ->WskAccept(Echo->Listener, 0, NULL, NULL, NULL, NULL, EchoBegin(&Echo->AcceptRequest));
    Connected = EchoConnect(Echo);
    if (!NT_SUCCESS(Connected)) {
        IoCancelIrp(Echo->AcceptRequest.Irp);
    }
    /* In any case: the IRP cannot be freed before. The accept may have come before its cancellation. */
    Accepted = EchoWait(&Echo->AcceptRequest, "WskAccept");
    if (NT_SUCCESS(Accepted)) {
        Echo->Server = (PWSK_SOCKET)Echo->AcceptRequest.Irp->IoStatus.Information;
    }
    return NT_SUCCESS(Connected) ? Accepted : Connected;
}

static NTSTATUS EchoSend(PECHO Echo, PWSK_SOCKET Socket, PECHO_BUFFER Buffer)
{
    NTSTATUS Status;

    Buffer->Buffer.Offset = 0;
    Buffer->Buffer.Length = ECHO_LENGTH;
    ConnectionDispatch(Socket)->WskSend(Socket, &Buffer->Buffer, 0, EchoBegin(&Echo->Request));
    Status = EchoWait(&Echo->Request, "WskSend");
    if (NT_SUCCESS(Status) && Echo->Request.Irp->IoStatus.Information != ECHO_LENGTH) {
        DbgPrint("echo: a part of the message was sent\n");
        Status = STATUS_INVALID_BUFFER_SIZE;
    }
    return Status;
}

/* Receives a whole message, which may come in parts. */
static NTSTATUS EchoReceive(PECHO Echo, PWSK_SOCKET Socket, PECHO_BUFFER Buffer)
{
    ULONG Received = 0;

    while (Received < ECHO_LENGTH) {
        NTSTATUS Status;

        Buffer->Buffer.Offset = Received;
        Buffer->Buffer.Length = ECHO_LENGTH - Received;
        ConnectionDispatch(Socket)->WskReceive(Socket, &Buffer->Buffer, 0, EchoBegin(&Echo->Request));
        Status = EchoWait(&Echo->Request, "WskReceive");
        if (!NT_SUCCESS(Status)) {
            return Status;
        }
        if (Echo->Request.Irp->IoStatus.Information == 0) {
            DbgPrint("echo: the peer has ended in a message\n");
            return STATUS_GRACEFUL_DISCONNECT;
        }
        Received += (ULONG)Echo->Request.Irp->IoStatus.Information;
    }
    return STATUS_SUCCESS;
}

static NTSTATUS EchoDisconnect(PECHO Echo, PWSK_SOCKET Socket)
{
    ConnectionDispatch(Socket)->WskDisconnect(Socket, NULL, 0, EchoBegin(&Echo->Request));
    return EchoWait(&Echo->Request, "WskDisconnect");
}

/* The peer has disconnected: a success without bytes means that no more data will arrive. */
static NTSTATUS EchoReceiveEnd(PECHO Echo, PWSK_SOCKET Socket, PECHO_BUFFER Buffer)
{
    NTSTATUS Status;

    Buffer->Buffer.Offset = 0;
    Buffer->Buffer.Length = ECHO_LENGTH;
    ConnectionDispatch(Socket)->WskReceive(Socket, &Buffer->Buffer, 0, EchoBegin(&Echo->Request));
    Status = EchoWait(&Echo->Request, "WskReceive");
    if (NT_SUCCESS(Status) && Echo->Request.Irp->IoStatus.Information != 0) {
        DbgPrint("echo: more has come than was sent\n");
        Status = STATUS_DATA_NOT_ACCEPTED;
    }
    return Status;
}

/*
 * The client
 */

/* Allocates everything, and registers. What was done is undone by EchoStop, also after a failure. */
static NTSTATUS EchoStart(PECHO Echo)
{
    WSK_CLIENT_NPI Client = {NULL, &EchoDispatch};
    NTSTATUS Status;

    Status = EchoAllocateRequest(&Echo->Request);
    if (NT_SUCCESS(Status)) {
        Status = EchoAllocateRequest(&Echo->AcceptRequest);
    }
    if (NT_SUCCESS(Status)) {
        Status = EchoAllocateBuffer(&Echo->Outgoing, ECHO_LENGTH);
    }
    if (NT_SUCCESS(Status)) {
        Status = EchoAllocateBuffer(&Echo->Incoming, ECHO_LENGTH);
    }
    if (!NT_SUCCESS(Status)) {
        DbgPrint("echo: no memory\n");
        return Status;
    }

    Status = WskRegister(&Client, &Echo->Registration);
    if (!NT_SUCCESS(Status)) {
        DbgPrint("echo: WskRegister: 0x%08X\n", Status);
        return Status;
    }
    Echo->Registered = TRUE;

    Status = WskCaptureProviderNPI(&Echo->Registration, WSK_INFINITE_WAIT, &Echo->Provider);
    if (!NT_SUCCESS(Status)) {
        DbgPrint("echo: WskCaptureProviderNPI: 0x%08X\n", Status);
        return Status;
    }
    Echo->Captured = TRUE;
    return STATUS_SUCCESS;
}

static VOID EchoStop(PECHO Echo)
{
    PWSK_SOCKET Sockets[] = {Echo->Server, Echo->Client, Echo->Listener};
    ULONG Index;

    for (Index = 0; Index < sizeof(Sockets) / sizeof(Sockets[0]); Index++) {
        if (Sockets[Index] != NULL) {
            (VOID)EchoCloseSocket(Echo, Sockets[Index]);
        }
    }
    if (Echo->Captured) {
        WskReleaseProviderNPI(&Echo->Registration);
    }
    if (Echo->Registered) {
        WskDeregister(&Echo->Registration);
    }
    EchoFreeBuffer(&Echo->Incoming);
    EchoFreeBuffer(&Echo->Outgoing);
    EchoFreeRequest(&Echo->AcceptRequest);
    EchoFreeRequest(&Echo->Request);
}

/* Sends the message and echoes it; then both ends disconnect. */
static NTSTATUS EchoTalk(PECHO Echo)
{
    NTSTATUS Status;

    RtlCopyMemory(Echo->Outgoing.Bytes, EchoMessage, ECHO_LENGTH);
    Status = EchoSend(Echo, Echo->Client, &Echo->Outgoing);
    if (NT_SUCCESS(Status)) {
        Status = EchoReceive(Echo, Echo->Server, &Echo->Incoming);
    }
    if (NT_SUCCESS(Status)) {
        Status = EchoSend(Echo, Echo->Server, &Echo->Incoming);
    }
    if (NT_SUCCESS(Status)) {
        RtlZeroMemory(Echo->Incoming.Bytes, ECHO_LENGTH);
        Status = EchoReceive(Echo, Echo->Client, &Echo->Incoming);
    }
    if (NT_SUCCESS(Status) && !RtlEqualMemory(Echo->Incoming.Bytes, EchoMessage, ECHO_LENGTH)) {
        DbgPrint("echo: the message has changed on its way\n");
        Status = STATUS_DATA_NOT_ACCEPTED;
    }

    if (NT_SUCCESS(Status)) {
        Status = EchoDisconnect(Echo, Echo->Client);
    }
    if (NT_SUCCESS(Status)) {
        Status = EchoReceiveEnd(Echo, Echo->Server, &Echo->Incoming);
    }
    if (NT_SUCCESS(Status)) {
        Status = EchoDisconnect(Echo, Echo->Server);
    }
    if (NT_SUCCESS(Status)) {
        Status = EchoReceiveEnd(Echo, Echo->Client, &Echo->Incoming);
    }
    return Status;
}

static PECHO EchoAllocate(VOID)
{
    PECHO Echo = (PECHO)ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(*Echo), ECHO_TAG);

    if (Echo == NULL) {
        DbgPrint("echo: no memory\n");
    } else {
        RtlZeroMemory(Echo, sizeof(*Echo));
    }
    return Echo;
}

NTSTATUS EchoRun(VOID)
{
    PECHO Echo = EchoAllocate();
    NTSTATUS Status;

    if (Echo == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    Status = EchoStart(Echo);
    if (NT_SUCCESS(Status)) {
        Status = EchoListen(Echo);
    }
    if (NT_SUCCESS(Status)) {
        Status = EchoConnectAndAccept(Echo);
    }
    if (NT_SUCCESS(Status)) {
        Status = EchoTalk(Echo);
    }
    EchoStop(Echo);
    ExFreePoolWithTag(Echo, ECHO_TAG);
    return Status;
}

NTSTATUS EchoCloseTwice(VOID)
{
    PECHO Echo = EchoAllocate();
    NTSTATUS Status;

    if (Echo == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    Status = EchoStart(Echo);
    if (NT_SUCCESS(Status)) {
        Status = EchoListen(Echo);
    }
    if (NT_SUCCESS(Status)) {
        /* The table is kept, since the first close frees the socket with the pointer to its table. */
        const WSK_PROVIDER_LISTEN_DISPATCH *Dispatch = ListenDispatch(Echo->Listener);

        Status = EchoCloseSocket(Echo, Echo->Listener);
        if (NT_SUCCESS(Status)) {
            /* The mistake. */
            Dispatch->WskCloseSocket(Echo->Listener, EchoBegin(&Echo->Request));
            Status = EchoWait(&Echo->Request, "WskCloseSocket");
        }
        Echo->Listener = NULL;
    }
    EchoStop(Echo);
    ExFreePoolWithTag(Echo, ECHO_TAG);
    return Status;
}
