/*
 * A driver that relays connections: a control device starts and stops it, completion routines queue work items, and
 * those move the bytes. Towards the upstream server, each block has its own header, in a chain of two MDLs; the end of
 * a stream carries a farewell. Stopping cancels the accept that waits. The scenario is both peers. C17 and C++20.
 */
#include <ntddk.h>
#include <wsk.h>

#include <wsk_host.h>

#include <stdio.h>

#define PROXY_TAG     'xorP'
#define PROXY_BLOCK   512
#define PROXY_HEADER  2
#define IOCTL_PROXY_START CTL_CODE(FILE_DEVICE_NETWORK, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS)
#define IOCTL_PROXY_STOP  CTL_CODE(FILE_DEVICE_NETWORK, 0x801, METHOD_BUFFERED, FILE_ANY_ACCESS)

static const CHAR ProxyFarewell[] = {'b', 'y', 'e'};

struct _PROXY_SESSION;

/* One direction of a connection. */
typedef struct _PROXY_PUMP {
    struct _PROXY_SESSION *Session;
    PWSK_SOCKET From, To;
    PIRP Irp;
    PIO_WORKITEM Item;
    PUCHAR Bytes;
    PMDL Header, Payload;
    BOOLEAN IsFramed;
} PROXY_PUMP, *PPROXY_PUMP;

typedef struct _PROXY {
    PDEVICE_OBJECT Device;
    WSK_REGISTRATION Registration;
    WSK_PROVIDER_NPI Provider;
    PWSK_SOCKET Listener;
    SOCKADDR_IN Local, Upstream, Any;
    LOOKASIDE_LIST_EX Sessions;
    EX_RUNDOWN_REF Rundown;
    FAST_MUTEX Lock;
    /* Under the lock: the accept that waits. */
    PIRP AcceptIrp;
    BOOLEAN IsStopping, IsStarted;
    LONG Relayed;
} PROXY, *PPROXY;

typedef struct _PROXY_SESSION {
    PPROXY Proxy;
    PIRP Irp;
    PIO_WORKITEM Item;
    PWSK_SOCKET Inner, Outer;
    PROXY_PUMP Pumps[2];
    LONG Running;
} PROXY_SESSION, *PPROXY_SESSION;

static const WSK_CLIENT_DISPATCH ProxyClientDispatch = {MAKE_WSK_VERSION(1, 0), 0, NULL};

static const WSK_PROVIDER_CONNECTION_DISPATCH *ProxyConnection(PWSK_SOCKET Socket)
{
    return (const WSK_PROVIDER_CONNECTION_DISPATCH *)Socket->Dispatch;
}

static const WSK_PROVIDER_LISTEN_DISPATCH *ProxyListen(PWSK_SOCKET Socket)
{
    return (const WSK_PROVIDER_LISTEN_DISPATCH *)Socket->Dispatch;
}

static const WSK_PROVIDER_BASIC_DISPATCH *ProxyBasic(PWSK_SOCKET Socket)
{
    return (const WSK_PROVIDER_BASIC_DISPATCH *)Socket->Dispatch;
}

/*
 * Requests that are waited for
 */

static NTSTATUS ProxySignal(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    KeSetEvent((PKEVENT)Context, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static PIRP ProxyPrepare(PIRP Irp, PKEVENT Event)
{
    KeInitializeEvent(Event, NotificationEvent, FALSE);
    IoReuseIrp(Irp, STATUS_UNSUCCESSFUL);
    IoSetCompletionRoutine(Irp, ProxySignal, Event, TRUE, TRUE, TRUE);
    return Irp;
}

static NTSTATUS ProxyWait(PIRP Irp, PKEVENT Event)
{
    KeWaitForSingleObject(Event, Executive, KernelMode, FALSE, NULL);
    return Irp->IoStatus.Status;
}

static VOID ProxyClose(PIRP Irp, PWSK_SOCKET Socket)
{
    KEVENT Event;

    if (Socket != NULL) {
        ProxyBasic(Socket)->WskCloseSocket(Socket, ProxyPrepare(Irp, &Event));
        ProxyWait(Irp, &Event);
    }
}

/*
 * Pumps: completion routines must not call WSK, so each step is a work item's
 */

static IO_WORKITEM_ROUTINE ProxyReceive, ProxySend, ProxyFinish;

static NTSTATUS ProxyQueue(PPROXY_PUMP Pump, PIO_WORKITEM_ROUTINE Routine)
{
    IoQueueWorkItem(Pump->Item, Routine, DelayedWorkQueue, Pump);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static NTSTATUS ProxyReceived(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    return ProxyQueue((PPROXY_PUMP)Context, ProxySend);
}

static NTSTATUS ProxySent(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    return ProxyQueue((PPROXY_PUMP)Context, ProxyReceive);
}

/* A pump's last call has returned, or its IRP has completed. The sockets are closed once all calls of both pumps have ended. */
static VOID ProxyRelease(PPROXY_SESSION Session)
{
    if (InterlockedDecrement(&Session->Running) == 0) {
        IoQueueWorkItem(Session->Item, ProxyFinish, DelayedWorkQueue, Session);
    }
}

static NTSTATUS ProxyEnded(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    ProxyRelease(((PPROXY_PUMP)Context)->Session);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static PIRP ProxyNext(PPROXY_PUMP Pump, PIO_COMPLETION_ROUTINE Routine)
{
    IoReuseIrp(Pump->Irp, STATUS_UNSUCCESSFUL);
    IoSetCompletionRoutine(Pump->Irp, Routine, Pump, TRUE, TRUE, TRUE);
    return Pump->Irp;
}

/* The data that a pump sends: the payload, after its header if it has one. */
static WSK_BUF ProxyFrame(PPROXY_PUMP Pump, ULONG Length)
{
    WSK_BUF Buffer = {Pump->Payload, 0, 0};

    Buffer.Length = Length;
    if (Pump->IsFramed) {
        Pump->Bytes[0] = (UCHAR)(Length >> 8);
        Pump->Bytes[1] = (UCHAR)Length;
        Pump->Header->Next = Pump->Payload;
        Buffer.Mdl = Pump->Header;
        Buffer.Length += PROXY_HEADER;
    }
    return Buffer;
}

/* A pump's last call: disconnects a socket. */
static VOID ProxyEnd(PPROXY_PUMP Pump, PWSK_SOCKET Socket, PWSK_BUF Buffer, ULONG Flags)
{
    PPROXY_SESSION Session = Pump->Session;

    ProxyConnection(Socket)->WskDisconnect(Socket, Buffer, Flags, ProxyNext(Pump, ProxyEnded));
    ProxyRelease(Session);
}

/* A block was sent, if any: receives the next. */
static VOID ProxyReceive(PDEVICE_OBJECT DeviceObject, PVOID Context)
{
    PPROXY_PUMP Pump = (PPROXY_PUMP)Context;
    PPROXY_SESSION Session = Pump->Session;
    WSK_BUF Buffer = {Pump->Payload, 0, PROXY_BLOCK};

    UNREFERENCED_PARAMETER(DeviceObject);
    if (!NT_SUCCESS(Pump->Irp->IoStatus.Status)) {
        /* The other side must see that this one is lost. */
        ProxyEnd(Pump, Pump->From, NULL, WSK_FLAG_ABORTIVE);
        return;
    }
    Pump->Header->Next = NULL;
    /* The IRP can complete, and both pumps can end, before this call has returned. */
    InterlockedIncrement(&Session->Running);
    ProxyConnection(Pump->From)->WskReceive(Pump->From, &Buffer, 0, ProxyNext(Pump, ProxyReceived));
    ProxyRelease(Session);
}

/* A block was received: sends it, or the farewell at the end. */
static VOID ProxySend(PDEVICE_OBJECT DeviceObject, PVOID Context)
{
    PPROXY_PUMP Pump = (PPROXY_PUMP)Context;
    PPROXY_SESSION Session = Pump->Session;
    ULONG Length = (ULONG)Pump->Irp->IoStatus.Information;
    WSK_BUF Buffer;

    UNREFERENCED_PARAMETER(DeviceObject);
    if (!NT_SUCCESS(Pump->Irp->IoStatus.Status)) {
        ProxyEnd(Pump, Pump->To, NULL, WSK_FLAG_ABORTIVE);
    } else if (Length > 0) {
        Buffer = ProxyFrame(Pump, Length);
        InterlockedIncrement(&Session->Running);
        ProxyConnection(Pump->To)->WskSend(Pump->To, &Buffer, 0, ProxyNext(Pump, ProxySent));
        ProxyRelease(Session);
    } else {
        RtlCopyMemory(Pump->Bytes + PROXY_HEADER, ProxyFarewell, sizeof(ProxyFarewell));
        Buffer = ProxyFrame(Pump, sizeof(ProxyFarewell));
        ProxyEnd(Pump, Pump->To, &Buffer, 0);
    }
}

static VOID ProxyFreePump(PPROXY_PUMP Pump)
{
    if (Pump->Header != NULL) {
        IoFreeMdl(Pump->Header);
    }
    if (Pump->Payload != NULL) {
        IoFreeMdl(Pump->Payload);
    }
    if (Pump->Bytes != NULL) {
        ExFreePoolWithTag(Pump->Bytes, PROXY_TAG);
    }
    if (Pump->Item != NULL) {
        IoFreeWorkItem(Pump->Item);
    }
    if (Pump->Irp != NULL) {
        IoFreeIrp(Pump->Irp);
    }
}

static BOOLEAN ProxyMakePump(PPROXY_SESSION Session, PPROXY_PUMP Pump, PWSK_SOCKET From, PWSK_SOCKET To)
{
    Pump->Session = Session;
    Pump->From = From;
    Pump->To = To;
    Pump->Irp = IoAllocateIrp(1, FALSE);
    Pump->Item = IoAllocateWorkItem(Session->Proxy->Device);
    Pump->Bytes = (PUCHAR)ExAllocatePool2(POOL_FLAG_NON_PAGED, PROXY_HEADER + PROXY_BLOCK, PROXY_TAG);
    if (Pump->Bytes == NULL) {
        return FALSE;
    }
    Pump->Header = IoAllocateMdl(Pump->Bytes, PROXY_HEADER, FALSE, FALSE, NULL);
    Pump->Payload = IoAllocateMdl(Pump->Bytes + PROXY_HEADER, PROXY_BLOCK, FALSE, FALSE, NULL);
    if (Pump->Header == NULL || Pump->Payload == NULL) {
        return FALSE;
    }
    MmBuildMdlForNonPagedPool(Pump->Header);
    MmBuildMdlForNonPagedPool(Pump->Payload);
    return Pump->Irp != NULL && Pump->Item != NULL;
}

/*
 * Sessions
 */

static VOID ProxyFreeSession(PPROXY_SESSION Session)
{
    PPROXY Proxy = Session->Proxy;

    ProxyFreePump(&Session->Pumps[0]);
    ProxyFreePump(&Session->Pumps[1]);
    if (Session->Item != NULL) {
        IoFreeWorkItem(Session->Item);
    }
    if (Session->Irp != NULL) {
        IoFreeIrp(Session->Irp);
    }
    ExFreeToLookasideListEx(&Proxy->Sessions, Session);
    ExReleaseRundownProtection(&Proxy->Rundown);
}

/* Both directions have ended. */
static VOID ProxyFinish(PDEVICE_OBJECT DeviceObject, PVOID Context)
{
    PPROXY_SESSION Session = (PPROXY_SESSION)Context;

    UNREFERENCED_PARAMETER(DeviceObject);
    ProxyClose(Session->Irp, Session->Inner);
    ProxyClose(Session->Irp, Session->Outer);
    InterlockedIncrement(&Session->Proxy->Relayed);
    ProxyFreeSession(Session);
}

static NTSTATUS ProxyAccept(PPROXY Proxy);

/* A connection was accepted, or the accept was cancelled. */
static VOID ProxyServe(PDEVICE_OBJECT DeviceObject, PVOID Context)
{
    PPROXY_SESSION Session = (PPROXY_SESSION)Context;
    PPROXY Proxy = Session->Proxy;
    KEVENT Event;
    NTSTATUS Status;

    ExAcquireFastMutex(&Proxy->Lock);
    Proxy->AcceptIrp = NULL;
    ExReleaseFastMutex(&Proxy->Lock);
    Status = Session->Irp->IoStatus.Status;
    if (!NT_SUCCESS(Status)) {
        ProxyFreeSession(Session);
        return;
    }
    Session->Inner = (PWSK_SOCKET)Session->Irp->IoStatus.Information;
    (VOID)ProxyAccept(Proxy);
    Proxy->Provider.Dispatch->WskSocketConnect(
        Proxy->Provider.Client, SOCK_STREAM, IPPROTO_TCP, (PSOCKADDR)&Proxy->Any, (PSOCKADDR)&Proxy->Upstream, 0, NULL,
        NULL, NULL, NULL, NULL, ProxyPrepare(Session->Irp, &Event));
    Status = ProxyWait(Session->Irp, &Event);
    Session->Outer = NT_SUCCESS(Status) ? (PWSK_SOCKET)Session->Irp->IoStatus.Information : NULL;
    if (Session->Outer == NULL || !ProxyMakePump(Session, &Session->Pumps[0], Session->Inner, Session->Outer) ||
        !ProxyMakePump(Session, &Session->Pumps[1], Session->Outer, Session->Inner)) {
        ProxyClose(Session->Irp, Session->Inner);
        ProxyClose(Session->Irp, Session->Outer);
        ProxyFreeSession(Session);
        return;
    }
    Session->Pumps[0].IsFramed = TRUE;
    Session->Running = 4;
    Session->Pumps[0].Irp->IoStatus.Status = STATUS_SUCCESS;
    Session->Pumps[1].Irp->IoStatus.Status = STATUS_SUCCESS;
    ProxyReceive(DeviceObject, &Session->Pumps[0]);
    ProxyReceive(DeviceObject, &Session->Pumps[1]);
}

static NTSTATUS ProxyAccepted(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    PPROXY_SESSION Session = (PPROXY_SESSION)Context;

    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    IoQueueWorkItem(Session->Item, ProxyServe, DelayedWorkQueue, Session);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* Waits for the next connection, unless the proxy stops. */
static NTSTATUS ProxyAccept(PPROXY Proxy)
{
    PPROXY_SESSION Session;
    NTSTATUS Status = STATUS_CANCELLED;

    if (!ExAcquireRundownProtection(&Proxy->Rundown)) {
        return STATUS_CANCELLED;
    }
    Session = (PPROXY_SESSION)ExAllocateFromLookasideListEx(&Proxy->Sessions);
    if (Session == NULL) {
        ExReleaseRundownProtection(&Proxy->Rundown);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    RtlZeroMemory(Session, sizeof(*Session));
    Session->Proxy = Proxy;
    Session->Irp = IoAllocateIrp(1, FALSE);
    Session->Item = IoAllocateWorkItem(Proxy->Device);
    if (Session->Irp == NULL || Session->Item == NULL) {
        ProxyFreeSession(Session);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    ExAcquireFastMutex(&Proxy->Lock);
    if (!Proxy->IsStopping) {
        Proxy->AcceptIrp = Session->Irp;
        IoSetCompletionRoutine(Session->Irp, ProxyAccepted, Session, TRUE, TRUE, TRUE);
        ProxyListen(Proxy->Listener)->WskAccept(Proxy->Listener, 0, NULL, NULL, NULL, NULL, Session->Irp);
        Status = STATUS_SUCCESS;
    }
    ExReleaseFastMutex(&Proxy->Lock);
    if (!NT_SUCCESS(Status)) {
        ProxyFreeSession(Session);
    }
    return Status;
}

/*
 * The device
 */

static VOID ProxyAddress(PSOCKADDR_IN Address, BOOLEAN IsLoopback, USHORT Port)
{
    RtlZeroMemory(Address, sizeof(*Address));
    Address->sin_family = AF_INET;
    Address->sin_port = Port;
    if (IsLoopback) {
        Address->sin_addr.S_un.S_addr = RtlUlongByteSwap(0x7f000001);
    }
}

static NTSTATUS ProxyStart(PPROXY Proxy, PIRP Irp, USHORT Upstream)
{
    KEVENT Event;
    NTSTATUS Status;

    ProxyAddress(&Proxy->Local, TRUE, 0);
    ProxyAddress(&Proxy->Any, FALSE, 0);
    ProxyAddress(&Proxy->Upstream, TRUE, Upstream);
    Proxy->Provider.Dispatch->WskSocket(Proxy->Provider.Client, AF_INET, SOCK_STREAM, IPPROTO_TCP,
                                        WSK_FLAG_LISTEN_SOCKET, NULL, NULL, NULL, NULL, NULL,
                                        ProxyPrepare(Irp, &Event));
    Status = ProxyWait(Irp, &Event);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Proxy->Listener = (PWSK_SOCKET)Irp->IoStatus.Information;
    ProxyListen(Proxy->Listener)->WskBind(Proxy->Listener, (PSOCKADDR)&Proxy->Local, 0, ProxyPrepare(Irp, &Event));
    Status = ProxyWait(Irp, &Event);
    if (NT_SUCCESS(Status)) {
        ProxyListen(Proxy->Listener)
            ->WskGetLocalAddress(Proxy->Listener, (PSOCKADDR)&Proxy->Local, ProxyPrepare(Irp, &Event));
        Status = ProxyWait(Irp, &Event);
    }
    if (NT_SUCCESS(Status)) {
        Status = ProxyAccept(Proxy);
    }
    Proxy->IsStarted = TRUE;
    return Status;
}

static VOID ProxyStop(PPROXY Proxy, PIRP Irp)
{
    if (!Proxy->IsStarted) {
        return;
    }
    ExAcquireFastMutex(&Proxy->Lock);
    Proxy->IsStopping = TRUE;
    if (Proxy->AcceptIrp != NULL) {
        IoCancelIrp(Proxy->AcceptIrp);
    }
    ExReleaseFastMutex(&Proxy->Lock);
    ExWaitForRundownProtectionRelease(&Proxy->Rundown);
    ProxyClose(Irp, Proxy->Listener);
    Proxy->IsStarted = FALSE;
}

static NTSTATUS ProxyControl(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PPROXY Proxy = (PPROXY)DeviceObject->DeviceExtension;
    PIO_STACK_LOCATION Location = IoGetCurrentIrpStackLocation(Irp);
    PVOID Buffer = Irp->AssociatedIrp.SystemBuffer;
    ULONG Size = Location->Parameters.DeviceIoControl.OutputBufferLength;
    NTSTATUS Status = STATUS_INVALID_DEVICE_REQUEST;
    PIRP Own = IoAllocateIrp(1, FALSE);

    PAGED_CODE();
    Irp->IoStatus.Information = 0;
    if (Own == NULL) {
        Status = STATUS_INSUFFICIENT_RESOURCES;
    } else if (Location->Parameters.DeviceIoControl.IoControlCode == IOCTL_PROXY_START) {
        if (Location->Parameters.DeviceIoControl.InputBufferLength < sizeof(USHORT) || Size < sizeof(USHORT)) {
            Status = STATUS_BUFFER_TOO_SMALL;
        } else {
            Status = ProxyStart(Proxy, Own, *(PUSHORT)Buffer);
            *(PUSHORT)Buffer = Proxy->Local.sin_port;
            Irp->IoStatus.Information = sizeof(USHORT);
        }
    } else if (Location->Parameters.DeviceIoControl.IoControlCode == IOCTL_PROXY_STOP && Size >= sizeof(LONG)) {
        ProxyStop(Proxy, Own);
        *(PLONG)Buffer = Proxy->Relayed;
        Irp->IoStatus.Information = sizeof(LONG);
        Status = STATUS_SUCCESS;
    }
    if (Own != NULL) {
        IoFreeIrp(Own);
    }
    Irp->IoStatus.Status = Status;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return Status;
}

static NTSTATUS ProxyCreateClose(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    Irp->IoStatus.Status = STATUS_SUCCESS;
    Irp->IoStatus.Information = 0;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

static VOID ProxyUnload(PDRIVER_OBJECT DriverObject)
{
    UNICODE_STRING Link = RTL_CONSTANT_STRING(L"\\DosDevices\\WskProxy");
    PPROXY Proxy = (PPROXY)DriverObject->DeviceObject->DeviceExtension;

    WskReleaseProviderNPI(&Proxy->Registration);
    WskDeregister(&Proxy->Registration);
    ExDeleteLookasideListEx(&Proxy->Sessions);
    IoDeleteSymbolicLink(&Link);
    IoDeleteDevice(DriverObject->DeviceObject);
}

static NTSTATUS ProxyEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNICODE_STRING Name = RTL_CONSTANT_STRING(L"\\Device\\WskProxy"), Link = RTL_CONSTANT_STRING(L"\\DosDevices\\WskProxy");
    WSK_CLIENT_NPI Npi = {NULL, &ProxyClientDispatch};
    PDEVICE_OBJECT Device;
    PPROXY Proxy;
    NTSTATUS Status;

    UNREFERENCED_PARAMETER(RegistryPath);
    Status = IoCreateDevice(DriverObject, sizeof(PROXY), &Name, FILE_DEVICE_NETWORK, FILE_DEVICE_SECURE_OPEN, FALSE,
                            &Device);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Proxy = (PPROXY)Device->DeviceExtension;
    Proxy->Device = Device;
    ExInitializeFastMutex(&Proxy->Lock);
    ExInitializeRundownProtection(&Proxy->Rundown);
    Status = ExInitializeLookasideListEx(&Proxy->Sessions, NULL, NULL, NonPagedPoolNx, 0, sizeof(PROXY_SESSION),
                                         PROXY_TAG, 0);
    if (!NT_SUCCESS(Status)) {
        IoDeleteDevice(Device);
        return Status;
    }
    Status = WskRegister(&Npi, &Proxy->Registration);
    if (NT_SUCCESS(Status)) {
        Status = WskCaptureProviderNPI(&Proxy->Registration, WSK_INFINITE_WAIT, &Proxy->Provider);
        if (!NT_SUCCESS(Status)) {
            WskDeregister(&Proxy->Registration);
        }
    }
    if (NT_SUCCESS(Status)) {
        Status = IoCreateSymbolicLink(&Link, &Name);
        if (!NT_SUCCESS(Status)) {
            WskReleaseProviderNPI(&Proxy->Registration);
            WskDeregister(&Proxy->Registration);
        }
    }
    if (!NT_SUCCESS(Status)) {
        ExDeleteLookasideListEx(&Proxy->Sessions);
        IoDeleteDevice(Device);
        return Status;
    }
    DriverObject->MajorFunction[IRP_MJ_CREATE] = ProxyCreateClose;
    DriverObject->MajorFunction[IRP_MJ_CLEANUP] = ProxyCreateClose;
    DriverObject->MajorFunction[IRP_MJ_CLOSE] = ProxyCreateClose;
    DriverObject->MajorFunction[IRP_MJ_DEVICE_CONTROL] = ProxyControl;
    DriverObject->DriverUnload = ProxyUnload;
    Device->Flags &= ~(ULONG)DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}

/*
 * The peers
 */

#define PEER_REQUEST 3000
#define PEER_ANSWER  2000

typedef struct _PEER {
    WSK_REGISTRATION Registration;
    WSK_PROVIDER_NPI Provider;
    SOCKADDR_IN Address, Any;
    PIRP Irp;
    KEVENT Event;
    PUCHAR Bytes;
    PMDL Mdl;
} PEER;

static NTSTATUS PeerTransfer(PEER *Peer, PWSK_SOCKET Socket, BOOLEAN IsSend, ULONG Length, PULONG Count)
{
    WSK_BUF Buffer = {Peer->Mdl, 0, 0};
    NTSTATUS Status;

    Buffer.Length = Length;
    if (IsSend) {
        ProxyConnection(Socket)->WskSend(Socket, &Buffer, 0, ProxyPrepare(Peer->Irp, &Peer->Event));
    } else {
        ProxyConnection(Socket)->WskReceive(Socket, &Buffer, 0, ProxyPrepare(Peer->Irp, &Peer->Event));
    }
    Status = ProxyWait(Peer->Irp, &Peer->Event);
    *Count = NT_SUCCESS(Status) ? (ULONG)Peer->Irp->IoStatus.Information : 0;
    return Status;
}

/* Receives a number of bytes, or all until the end, and returns their number. */
static ULONG PeerReceive(PEER *Peer, PWSK_SOCKET Socket, PUCHAR Bytes, ULONG Size)
{
    ULONG Filled = 0, Count;

    while (Filled < Size) {
        if (!NT_SUCCESS(PeerTransfer(Peer, Socket, FALSE, Size - Filled, &Count)) || Count == 0) {
            break;
        }
        RtlCopyMemory(Bytes + Filled, Peer->Bytes, Count);
        Filled += Count;
    }
    return Filled;
}

static NTSTATUS PeerDisconnect(PEER *Peer, PWSK_SOCKET Socket)
{
    ProxyConnection(Socket)->WskDisconnect(Socket, NULL, 0, ProxyPrepare(Peer->Irp, &Peer->Event));
    return ProxyWait(Peer->Irp, &Peer->Event);
}

static UCHAR PeerPattern(ULONG Index)
{
    return (UCHAR)(Index * 7 + Index / 251);
}

#define CHECK(Condition)     \
    do {                     \
        if (!(Condition)) {  \
            return __LINE__; \
        }                    \
    } while (0)

static UCHAR PeerText[PEER_REQUEST + 16];

/* The data that the server gets: blocks with headers, until it has the whole request. */
static int PeerServe(PEER *Peer, PWSK_SOCKET Server)
{
    UCHAR Header[PROXY_HEADER];
    ULONG Total = 0, Length, Index;

    while (Total < PEER_REQUEST) {
        CHECK(PeerReceive(Peer, Server, Header, PROXY_HEADER) == PROXY_HEADER);
        Length = (ULONG)Header[0] << 8 | Header[1];
        CHECK(Length > 0 && Length <= PROXY_BLOCK && Total + Length <= PEER_REQUEST);
        CHECK(PeerReceive(Peer, Server, PeerText + Total, Length) == Length);
        Total += Length;
    }
    for (Index = 0; Index < PEER_REQUEST; Index++) {
        CHECK(PeerText[Index] == PeerPattern(Index));
    }
    return 0;
}

static int PeerTalk(PEER *Peer, PWSK_SOCKET Client, PWSK_SOCKET Server)
{
    ULONG Sent, Count, Index;
    int Line;

    for (Sent = 0; Sent < PEER_REQUEST; Sent += 1000) {
        for (Index = 0; Index < 1000; Index++) {
            Peer->Bytes[Index] = PeerPattern(Sent + Index);
        }
        CHECK(NT_SUCCESS(PeerTransfer(Peer, Client, TRUE, 1000, &Count)) && Count == 1000);
    }
    Line = PeerServe(Peer, Server);
    if (Line != 0) {
        return Line;
    }
    RtlFillMemory(Peer->Bytes, PEER_ANSWER, 0x5a);
    CHECK(NT_SUCCESS(PeerTransfer(Peer, Server, TRUE, PEER_ANSWER, &Count)) && Count == PEER_ANSWER);
    CHECK(PeerReceive(Peer, Client, PeerText, PEER_ANSWER) == PEER_ANSWER);
    CHECK(PeerText[0] == 0x5a && PeerText[PEER_ANSWER - 1] == 0x5a);
    /* The ends, each with its farewell. */
    CHECK(NT_SUCCESS(PeerDisconnect(Peer, Client)));
    CHECK(PeerReceive(Peer, Server, PeerText, sizeof(PeerText)) == PROXY_HEADER + sizeof(ProxyFarewell));
    CHECK(PeerText[1] == sizeof(ProxyFarewell) &&
          RtlEqualMemory(PeerText + PROXY_HEADER, ProxyFarewell, sizeof(ProxyFarewell)));
    CHECK(NT_SUCCESS(PeerDisconnect(Peer, Server)));
    CHECK(PeerReceive(Peer, Client, PeerText, sizeof(PeerText)) == sizeof(ProxyFarewell));
    CHECK(RtlEqualMemory(PeerText, ProxyFarewell, sizeof(ProxyFarewell)));
    return 0;
}

static int ProxyScenario(void *Context)
{
    WSK_CLIENT_NPI Npi = {NULL, &ProxyClientDispatch};
    PEER *Peer = (PEER *)ExAllocatePoolZero(NonPagedPoolNx, sizeof(*Peer), PROXY_TAG);
    PWSK_SOCKET Listener, Client, Server;
    USHORT Port;
    LONG Relayed = -1;
    void *Driver, *File;
    int Line;

    UNREFERENCED_PARAMETER(Context);
    CHECK(Peer != NULL);
    Peer->Irp = IoAllocateIrp(1, FALSE);
    Peer->Bytes = (PUCHAR)ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(PeerText), PROXY_TAG);
    Peer->Mdl = IoAllocateMdl(Peer->Bytes, sizeof(PeerText), FALSE, FALSE, NULL);
    CHECK(Peer->Irp != NULL && Peer->Bytes != NULL && Peer->Mdl != NULL);
    MmBuildMdlForNonPagedPool(Peer->Mdl);
    CHECK(NT_SUCCESS(WskRegister(&Npi, &Peer->Registration)));
    CHECK(NT_SUCCESS(WskCaptureProviderNPI(&Peer->Registration, WSK_INFINITE_WAIT, &Peer->Provider)));
    Peer->Provider.Dispatch->WskSocket(Peer->Provider.Client, AF_INET, SOCK_STREAM, IPPROTO_TCP, WSK_FLAG_LISTEN_SOCKET,
                                       NULL, NULL, NULL, NULL, NULL, ProxyPrepare(Peer->Irp, &Peer->Event));
    CHECK(NT_SUCCESS(ProxyWait(Peer->Irp, &Peer->Event)));
    Listener = (PWSK_SOCKET)Peer->Irp->IoStatus.Information;
    ProxyAddress(&Peer->Address, TRUE, 0);
    ProxyListen(Listener)->WskBind(Listener, (PSOCKADDR)&Peer->Address, 0, ProxyPrepare(Peer->Irp, &Peer->Event));
    CHECK(NT_SUCCESS(ProxyWait(Peer->Irp, &Peer->Event)));
    ProxyListen(Listener)
        ->WskGetLocalAddress(Listener, (PSOCKADDR)&Peer->Address, ProxyPrepare(Peer->Irp, &Peer->Event));
    CHECK(NT_SUCCESS(ProxyWait(Peer->Irp, &Peer->Event)));

    CHECK(wsk_host_load("WskProxy", ProxyEntry, &Driver) == STATUS_SUCCESS);
    CHECK(wsk_host_open("\\\\.\\WskProxy", &File) == STATUS_SUCCESS);
    Port = Peer->Address.sin_port;
    CHECK(wsk_host_control(File, IOCTL_PROXY_START, &Port, sizeof(Port), &Port, sizeof(Port), NULL) == STATUS_SUCCESS);

    ProxyAddress(&Peer->Address, TRUE, Port);
    Peer->Provider.Dispatch->WskSocketConnect(Peer->Provider.Client, SOCK_STREAM, IPPROTO_TCP, (PSOCKADDR)&Peer->Any,
                                              (PSOCKADDR)&Peer->Address, 0, NULL, NULL, NULL, NULL, NULL,
                                              ProxyPrepare(Peer->Irp, &Peer->Event));
    /* The address has no family. */
    CHECK(!NT_SUCCESS(ProxyWait(Peer->Irp, &Peer->Event)));
    ProxyAddress(&Peer->Any, FALSE, 0);
    Peer->Provider.Dispatch->WskSocketConnect(Peer->Provider.Client, SOCK_STREAM, IPPROTO_TCP, (PSOCKADDR)&Peer->Any,
                                              (PSOCKADDR)&Peer->Address, 0, NULL, NULL, NULL, NULL, NULL,
                                              ProxyPrepare(Peer->Irp, &Peer->Event));
    CHECK(NT_SUCCESS(ProxyWait(Peer->Irp, &Peer->Event)));
    Client = (PWSK_SOCKET)Peer->Irp->IoStatus.Information;
    ProxyListen(Listener)->WskAccept(Listener, 0, NULL, NULL, NULL, NULL, ProxyPrepare(Peer->Irp, &Peer->Event));
    CHECK(NT_SUCCESS(ProxyWait(Peer->Irp, &Peer->Event)));
    Server = (PWSK_SOCKET)Peer->Irp->IoStatus.Information;
    Line = PeerTalk(Peer, Client, Server);
    if (Line != 0) {
        return Line;
    }
    ProxyClose(Peer->Irp, Client);
    ProxyClose(Peer->Irp, Server);

    CHECK(wsk_host_control(File, IOCTL_PROXY_STOP, NULL, 0, &Relayed, sizeof(Relayed), NULL) == STATUS_SUCCESS);
    CHECK(Relayed == 1);
    wsk_host_close(File);
    wsk_host_unload(Driver);
    ProxyClose(Peer->Irp, Listener);
    WskReleaseProviderNPI(&Peer->Registration);
    WskDeregister(&Peer->Registration);
    IoFreeMdl(Peer->Mdl);
    IoFreeIrp(Peer->Irp);
    ExFreePoolWithTag(Peer->Bytes, PROXY_TAG);
    ExFreePoolWithTag(Peer, PROXY_TAG);
    return 0;
}

int main(void)
{
    wsk_host_options Options;
    unsigned Network;

    for (Network = WSK_HOST_NETWORK_SIMULATED; Network <= WSK_HOST_NETWORK_REAL; Network++) {
        RtlZeroMemory(&Options, sizeof(Options));
        Options.network = Network;
        Options.seeds = 32;
        if (wsk_host_run(&Options, ProxyScenario, NULL) != 0) {
            return 1;
        }
    }
    printf("tcp proxy\n");
    return 0;
}
