/*
 * The listener and the connections.
 */
#include "echo.h"

typedef struct _ECHO_CONNECTION {
    /* Receives, sends, and disconnects. */
    ECHO_REQUEST Request;
    ECHO_REQUEST Close;
    BOOLEAN Closing;
    LIST_ENTRY Link;
    PWSK_SOCKET Socket;
    SOCKADDR_STORAGE Local;
    SOCKADDR_STORAGE Peer;
    /* What of the bytes is received or sent next, and how many were received. */
    WSK_BUF Buffer;
    SIZE_T Received;
    UCHAR Bytes[ECHO_BUFFER_SIZE];
} ECHO_CONNECTION, *PECHO_CONNECTION;

typedef struct _ECHO_LISTENER {
    ECHO_REQUEST Accept;
    ECHO_REQUEST Close;
    BOOLEAN Closing;
    BOOLEAN Closed;
    PWSK_SOCKET Socket;
    SOCKADDR_IN Address;
    /* The connections' workers, of which the first is the listener's, too. */
    PECHO_WORKER Workers;
    ULONG NextWorker;
    /* What the next accept fills. */
    PECHO_CONNECTION Next;
    /* Of the calls that DriverEntry waits for. */
    KEVENT Ready;
} ECHO_LISTENER;

static ECHO_LISTENER EchoListener;

static BOOLEAN EchoIsPeersDoing(NTSTATUS Status)
{
    switch (Status) {
    case STATUS_CONNECTION_RESET:
    case STATUS_CONNECTION_DISCONNECTED:
    case STATUS_CONNECTION_ABORTED:
    case STATUS_REMOTE_DISCONNECT:
    case STATUS_LOCAL_DISCONNECT:
    case STATUS_INVALID_CONNECTION:
        return TRUE;
    default:
        return FALSE;
    }
}

/*
 * Connections
 */

static PECHO_CONNECTION EchoAllocateConnection(VOID)
{
    PECHO_CONNECTION Connection = (PECHO_CONNECTION)EchoAllocate(sizeof(*Connection));

    if (Connection == NULL) {
        return NULL;
    }
    RtlZeroMemory(Connection, __builtin_offsetof(ECHO_CONNECTION, Bytes));
    Connection->Buffer.Mdl = IoAllocateMdl(Connection->Bytes, ECHO_BUFFER_SIZE, FALSE, FALSE, NULL);
    if (Connection->Buffer.Mdl == NULL) {
        EchoFree(Connection);
        return NULL;
    }
    MmBuildMdlForNonPagedPool(Connection->Buffer.Mdl);
    EchoInitializeRequest(&Connection->Request, NULL);
    EchoInitializeRequest(&Connection->Close, NULL);
    return Connection;
}

static VOID EchoFreeConnection(PECHO_CONNECTION Connection)
{
    if (Connection != NULL) {
        IoFreeMdl(Connection->Buffer.Mdl);
        EchoFree(Connection);
    }
}

static const WSK_PROVIDER_CONNECTION_DISPATCH *EchoDispatch(PECHO_CONNECTION Connection)
{
    return (const WSK_PROVIDER_CONNECTION_DISPATCH *)Connection->Socket->Dispatch;
}

/* What was in flight has ended before. */
static VOID EchoClosed(PECHO_REQUEST Request)
{
    PECHO_CONNECTION Connection = CONTAINING_RECORD(Request, ECHO_CONNECTION, Close);

    RemoveEntryList(&Connection->Link);
    EchoFreeConnection(Connection);
}

static VOID EchoClose(PECHO_CONNECTION Connection)
{
    if (!Connection->Closing) {
        Connection->Closing = TRUE;
        EchoDispatch(Connection)->WskCloseSocket(Connection->Socket, EchoBegin(&Connection->Close, EchoClosed));
    }
}

static VOID EchoFail(PECHO_CONNECTION Connection, NTSTATUS Status)
{
    const SOCKADDR_IN *Peer = (const SOCKADDR_IN *)&Connection->Peer;
    const UCHAR *Ip = (const UCHAR *)&Peer->sin_addr;
    const UCHAR *Port = (const UCHAR *)&Peer->sin_port;

    if (!EchoIsPeersDoing(Status)) {
        DbgPrint("echo: the connection of %u.%u.%u.%u:%u failed: 0x%08X\n", Ip[0], Ip[1], Ip[2], Ip[3],
                 Port[0] << 8 | Port[1], Status);
    }
    EchoClose(Connection);
}

/* Wine cannot disconnect, and never completes the IRP. There, closing is graceful. */
static ECHO_STEP EchoDisconnected;

static VOID EchoDisconnect(PECHO_CONNECTION Connection)
{
    NTSTATUS Status;

    Status = EchoDispatch(Connection)->WskDisconnect(Connection->Socket, NULL, 0,
                                                     EchoBegin(&Connection->Request, EchoDisconnected));
    if (Status == STATUS_NOT_IMPLEMENTED) {
        EchoClose(Connection);
    }
}

static VOID EchoDisconnected(PECHO_REQUEST Request)
{
    PECHO_CONNECTION Connection = CONTAINING_RECORD(Request, ECHO_CONNECTION, Request);

    if (Connection->Closing) {
        return;
    }
    if (NT_SUCCESS(Request->Irp.IoStatus.Status)) {
        EchoClose(Connection);
    } else {
        EchoFail(Connection, Request->Irp.IoStatus.Status);
    }
}

static ECHO_STEP EchoReceived;
static ECHO_STEP EchoSent;

static VOID EchoReceive(PECHO_CONNECTION Connection)
{
    Connection->Buffer.Offset = 0;
    Connection->Buffer.Length = ECHO_BUFFER_SIZE;
    EchoDispatch(Connection)->WskReceive(Connection->Socket, &Connection->Buffer, 0,
                                         EchoBegin(&Connection->Request, EchoReceived));
}

static VOID EchoSend(PECHO_CONNECTION Connection)
{
    EchoDispatch(Connection)->WskSend(Connection->Socket, &Connection->Buffer, 0,
                                      EchoBegin(&Connection->Request, EchoSent));
}

static VOID EchoReceived(PECHO_REQUEST Request)
{
    PECHO_CONNECTION Connection = CONTAINING_RECORD(Request, ECHO_CONNECTION, Request);

    if (Connection->Closing) {
        return;
    }
    if (!NT_SUCCESS(Request->Irp.IoStatus.Status)) {
        EchoFail(Connection, Request->Irp.IoStatus.Status);
    } else if (Request->Irp.IoStatus.Information == 0) {
        EchoDisconnect(Connection);
    } else {
        Connection->Buffer.Length = Request->Irp.IoStatus.Information;
        EchoSend(Connection);
    }
}

static VOID EchoSent(PECHO_REQUEST Request)
{
    PECHO_CONNECTION Connection = CONTAINING_RECORD(Request, ECHO_CONNECTION, Request);
    SIZE_T Sent = Request->Irp.IoStatus.Information;

    if (Connection->Closing) {
        return;
    }
    if (!NT_SUCCESS(Request->Irp.IoStatus.Status)) {
        EchoFail(Connection, Request->Irp.IoStatus.Status);
    } else if (Sent == 0) {
        EchoFail(Connection, STATUS_CONNECTION_ABORTED);
    } else if (Sent < Connection->Buffer.Length) {
        Connection->Buffer.Offset += (ULONG)Sent;
        Connection->Buffer.Length -= Sent;
        EchoSend(Connection);
    } else {
        EchoReceive(Connection);
    }
}

/* The first step of a connection, in the thread of its worker. */
static VOID EchoBeginConnection(PECHO_REQUEST Request)
{
    PECHO_CONNECTION Connection = CONTAINING_RECORD(Request, ECHO_CONNECTION, Request);

    InsertTailList(&Request->Worker->Connections, &Connection->Link);
    EchoReceive(Connection);
}

/*
 * The listener
 */

static const WSK_PROVIDER_LISTEN_DISPATCH *EchoListenDispatch(VOID)
{
    return (const WSK_PROVIDER_LISTEN_DISPATCH *)EchoListener.Socket->Dispatch;
}

static ECHO_STEP EchoAccepted;

static VOID EchoAccept(PECHO_REQUEST Request)
{
    PECHO_CONNECTION Next = EchoListener.Next;

    if (Next == NULL) {
        Next = EchoListener.Next = EchoAllocateConnection();
    }
    if (Next == NULL) {
        DbgPrint("echo: no more connections can be accepted: 0x%08X\n", STATUS_INSUFFICIENT_RESOURCES);
        return;
    }
    EchoListenDispatch()->WskAccept(EchoListener.Socket, 0, NULL, NULL, (PSOCKADDR)&Next->Local,
                                    (PSOCKADDR)&Next->Peer, EchoBegin(Request, EchoAccepted));
}

static VOID EchoAccepted(PECHO_REQUEST Request)
{
    NTSTATUS Status = Request->Irp.IoStatus.Status;

    if (NT_SUCCESS(Status)) {
        PECHO_CONNECTION Connection = EchoListener.Next;
        PECHO_WORKER Worker = &EchoListener.Workers[EchoListener.NextWorker++ % ECHO_WORKERS];

        EchoListener.Next = NULL;
        Connection->Socket = (PWSK_SOCKET)Request->Irp.IoStatus.Information;
        Connection->Close.Worker = Worker;
        EchoPass(&Connection->Request, Worker, EchoBeginConnection);
    }
    if (EchoListener.Closing) {
        return;
    }
    if (NT_SUCCESS(Status) || EchoIsPeersDoing(Status)) {
        EchoAccept(Request);
    } else {
        DbgPrint("echo: no more connections can be accepted: 0x%08X\n", Status);
    }
}

/* The accept has ended before. */
static VOID EchoListenerClosed(PECHO_REQUEST Request)
{
    UNREFERENCED_PARAMETER(Request);
    EchoFreeConnection(EchoListener.Next);
    EchoListener.Closed = TRUE;
}

static VOID EchoCloseListener(VOID)
{
    if (EchoListener.Socket == NULL) {
        EchoListener.Closed = TRUE;
    } else if (!EchoListener.Closing) {
        EchoListener.Closing = TRUE;
        EchoListenDispatch()->WskCloseSocket(EchoListener.Socket, EchoBegin(&EchoListener.Close, EchoListenerClosed));
    }
}

/* May be called again. */
VOID EchoCloseAll(PECHO_WORKER Worker)
{
    PLIST_ENTRY Entry;

    if (Worker == EchoListener.Workers) {
        EchoCloseListener();
    }
    for (Entry = Worker->Connections.Flink; Entry != &Worker->Connections; Entry = Entry->Flink) {
        EchoClose(CONTAINING_RECORD(Entry, ECHO_CONNECTION, Link));
    }
}

BOOLEAN EchoHasEnded(PECHO_WORKER Worker)
{
    return IsListEmpty(&Worker->Connections) && (Worker != EchoListener.Workers || EchoListener.Closed);
}

static IO_COMPLETION_ROUTINE EchoReady;

static NTSTATUS EchoReady(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    KeSetEvent((PRKEVENT)Context, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* The IRP for a call that EchoWait waits for. */
static PIRP EchoBeginWaiting(VOID)
{
    PIRP Irp = &EchoListener.Accept.Irp;

    IoReuseIrp(Irp, STATUS_UNSUCCESSFUL);
    IoSetCompletionRoutine(Irp, EchoReady, &EchoListener.Ready, TRUE, TRUE, TRUE);
    return Irp;
}

static NTSTATUS EchoWait(VOID)
{
    KeWaitForSingleObject(&EchoListener.Ready, Executive, KernelMode, FALSE, NULL);
    return EchoListener.Accept.Irp.IoStatus.Status;
}

/* On an error, what there is is closed when the listener's worker stops. */
NTSTATUS EchoListen(const WSK_PROVIDER_NPI *Provider, PECHO_WORKER Workers, USHORT Port)
{
    NTSTATUS Status;

    EchoListener.Workers = Workers;
    EchoInitializeRequest(&EchoListener.Accept, Workers);
    EchoInitializeRequest(&EchoListener.Close, Workers);
    KeInitializeEvent(&EchoListener.Ready, SynchronizationEvent, FALSE);

    Provider->Dispatch->WskSocket(Provider->Client, AF_INET, SOCK_STREAM, IPPROTO_TCP, WSK_FLAG_LISTEN_SOCKET, NULL,
                                  NULL, NULL, NULL, NULL, EchoBeginWaiting());
    Status = EchoWait();
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    EchoListener.Socket = (PWSK_SOCKET)EchoListener.Accept.Irp.IoStatus.Information;

    EchoListener.Address.sin_family = AF_INET;
    EchoListener.Address.sin_port = (USHORT)(Port << 8 | Port >> 8);
    EchoListenDispatch()->WskBind(EchoListener.Socket, (PSOCKADDR)&EchoListener.Address, 0, EchoBeginWaiting());
    return EchoWait();
}

/* Lets the first worker accept connections. */
VOID EchoServe(VOID)
{
    EchoPass(&EchoListener.Accept, EchoListener.Workers, EchoAccept);
}
