/*
 * Practices that few clients have, and that Microsoft's documentation allows: the host neither stops them nor warns. The
 * page is named beside each, below https://learn.microsoft.com/windows-hardware/drivers. Each scenario returns the line
 * that has failed, or 0.
 */
#include "client.h"

#include <wsk_host.h>

#include <stdio.h>
#include <string.h>

#define CHECK(Condition)     \
    do {                     \
        if (!(Condition)) {  \
            return __LINE__; \
        }                    \
    } while (0)

static int Sent(CLIENT *Client, PWSK_SOCKET Socket, ULONG Flags)
{
    WSK_BUF Buffer = {Client->Mdl, 0, 100};

    CONNECTION(Socket)->WskSend(Socket, &Buffer, Flags, Reuse(&Client->First));
    return Wait(&Client->First) == STATUS_SUCCESS && Client->First.Irp->IoStatus.Information == 100;
}

/* ddi/wdm/nf-wdm-ioreuseirp: an IRP is prepared for its next request in its completion routine. */
static NTSTATUS Prepares(PDEVICE_OBJECT Device, PIRP Irp, PVOID Context)
{
    CLIENT *Client = (CLIENT *)Context;
    NTSTATUS Status = Irp->IoStatus.Status;

    UNREFERENCED_PARAMETER(Device);
    Client->Count += NT_SUCCESS(Status);
    IoReuseIrp(Irp, STATUS_UNSUCCESSFUL);
    IoSetCompletionRoutine(Irp, Prepares, Client, TRUE, TRUE, TRUE);
    KeSetEvent(&Client->First.Event, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static int ReusesAnIrpInItsRoutine(CLIENT *Client)
{
    PWSK_SOCKET Socket = Bound(Client, WSK_FLAG_DATAGRAM_SOCKET, NULL, 7001);
    WSK_BUF Buffer = {Client->Mdl, 0, 10};
    int Index;

    IoReuseIrp(Client->Second.Irp, STATUS_UNSUCCESSFUL);
    IoSetCompletionRoutine(Client->Second.Irp, Prepares, Client, TRUE, TRUE, TRUE);
    for (Index = 1; Index <= 5; Index++) {
        DATAGRAM(Socket)->WskSendTo(Socket, &Buffer, 0, Loopback(Client, 7001), 0, NULL, Client->Second.Irp);
        KeWaitForSingleObject(&Client->First.Event, Executive, KernelMode, FALSE, NULL);
        CHECK(Client->Count == Index);
    }
    CHECK(Close(Client, Socket) == STATUS_SUCCESS);
    return 0;
}

/* network/using-irps-with-winsock-kernel-functions: memory of the client's for an IRP, initialized by IoInitializeIrp. */
static int HasAnIrpInItsOwnMemory(CLIENT *Client)
{
    PIRP Allocated = Client->First.Irp;
    PWSK_SOCKET Socket;

    Client->First.Irp = (PIRP)ExAllocatePool2(POOL_FLAG_NON_PAGED, IoSizeOfIrp(2), TAG);
    IoInitializeIrp(Client->First.Irp, IoSizeOfIrp(2), 2);
    Socket = Bound(Client, WSK_FLAG_DATAGRAM_SOCKET, NULL, 7001);
    CHECK(Socket != NULL && Close(Client, Socket) == STATUS_SUCCESS);
    ExFreePoolWithTag(Client->First.Irp, TAG);
    Client->First.Irp = Allocated;
    return 0;
}

typedef struct WORK {
    CLIENT *Client;
    PWSK_SOCKET Socket;
    PIO_WORKITEM Item;
    /* Set when the call has returned whose completion routine queues the work item. */
    KEVENT Returned;
} WORK;

static IO_WORKITEM_ROUTINE CloseLater;

static VOID CloseLater(PDEVICE_OBJECT Device, PVOID Context)
{
    WORK *Work = (WORK *)Context;

    UNREFERENCED_PARAMETER(Device);
    KeWaitForSingleObject(&Work->Returned, Executive, KernelMode, FALSE, NULL);
    BASIC(Work->Socket)->WskCloseSocket(Work->Socket, Reuse(&Work->Client->Second));
}

static NTSTATUS QueuesItsClose(PDEVICE_OBJECT Device, PIRP Irp, PVOID Context)
{
    WORK *Work = (WORK *)Context;

    UNREFERENCED_PARAMETER(Device);
    UNREFERENCED_PARAMETER(Irp);
    IoQueueWorkItem(Work->Item, CloseLater, DelayedWorkQueue, Work);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static NTSTATUS LoadDevice(PDRIVER_OBJECT Driver, PUNICODE_STRING Path)
{
    PDEVICE_OBJECT Device;

    UNREFERENCED_PARAMETER(Path);
    return IoCreateDevice(Driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &Device);
}

static VOID UnloadDevice(PDRIVER_OBJECT Driver)
{
    IoDeleteDevice(Driver->DeviceObject);
}

static NTSTATUS Load(PDRIVER_OBJECT Driver, PUNICODE_STRING Path)
{
    Driver->DriverUnload = UnloadDevice;
    return LoadDevice(Driver, Path);
}

/* network/using-irps-with-winsock-kernel-functions: a completion routine calls WSK later, by a work item. */
static int ClosesInAWorkItem(CLIENT *Client)
{
    WSK_BUF Buffer = {Client->Mdl, 0, 10};
    void *Driver;
    WORK *Work = (WORK *)ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(*Work), TAG);

    CHECK(wsk_host_load("Unusual", Load, &Driver) == STATUS_SUCCESS);
    Work->Client = Client;
    Work->Socket = Bound(Client, WSK_FLAG_DATAGRAM_SOCKET, NULL, 7001);
    Work->Item = IoAllocateWorkItem(((PDRIVER_OBJECT)Driver)->DeviceObject);
    KeInitializeEvent(&Work->Returned, NotificationEvent, FALSE);
    IoReuseIrp(Client->First.Irp, STATUS_UNSUCCESSFUL);
    IoSetCompletionRoutine(Client->First.Irp, QueuesItsClose, Work, TRUE, TRUE, TRUE);
    DATAGRAM(Work->Socket)
        ->WskSendTo(Work->Socket, &Buffer, 0, Loopback(Client, 7001), 0, NULL, Client->First.Irp);
    KeSetEvent(&Work->Returned, IO_NO_INCREMENT, FALSE);
    CHECK(Wait(&Client->Second) == STATUS_SUCCESS);
    IoFreeWorkItem(Work->Item);
    ExFreePoolWithTag(Work, TAG);
    wsk_host_unload(Driver);
    return 0;
}

static PWSK_SOCKET Receiver;

/* An earlier list, until the next one releases it. */
static PWSK_DATAGRAM_INDICATION Retained;

static NTSTATUS ReleasesTheLast(PVOID Context, ULONG Flags, PWSK_DATAGRAM_INDICATION List)
{
    CLIENT *Client = (CLIENT *)Context;

    UNREFERENCED_PARAMETER(Flags);
    if (Retained != NULL) {
        DATAGRAM(Receiver)->WskRelease(Receiver, Retained);
    }
    Retained = List;
    for (; List != NULL; List = List->Next) {
        Client->Count++;
    }
    KeSetEvent(&Client->Second.Event, IO_NO_INCREMENT, FALSE);
    return STATUS_PENDING;
}

static const WSK_CLIENT_DATAGRAM_DISPATCH Releasing = {ReleasesTheLast};

/* ddi/wsk/nc-wsk-pfn_wsk_release_datagram_indication_list: at most DISPATCH_LEVEL, so also in a callback. */
static int ReleasesInACallback(CLIENT *Client)
{
    WSK_BUF Buffer = {Client->Mdl, 0, 10};
    WSK_EVENT_CALLBACK_CONTROL Control;
    int Index;

    Retained = NULL;
    Receiver = Bound(Client, WSK_FLAG_DATAGRAM_SOCKET, &Releasing, 7001);
    CHECK(Enable(Receiver, WSK_EVENT_RECEIVE_FROM) == STATUS_SUCCESS);
    for (Index = 1; Index <= 4; Index++) {
        DATAGRAM(Receiver)->WskSendTo(Receiver, &Buffer, 0, Loopback(Client, 7001), 0, NULL, Reuse(&Client->First));
        CHECK(Wait(&Client->First) == STATUS_SUCCESS);
        while (Client->Count < Index) {
            KeWaitForSingleObject(&Client->Second.Event, Executive, KernelMode, FALSE, NULL);
        }
    }
    /* network/enabling-and-disabling-event-callback-functions: with an IRP, which waits for a callback that runs. */
    Control.NpiId = (PNPIID)&NPI_WSK_INTERFACE_ID;
    Control.EventMask = WSK_EVENT_DISABLE | WSK_EVENT_RECEIVE_FROM;
    BASIC(Receiver)->WskControlSocket(Receiver, WskSetOption, SO_WSK_EVENT_CALLBACK, SOL_SOCKET, sizeof(Control),
                                      &Control, 0, NULL, NULL, Reuse(&Client->First));
    CHECK(Wait(&Client->First) == STATUS_SUCCESS);
    CHECK(DATAGRAM(Receiver)->WskRelease(Receiver, Retained) == STATUS_SUCCESS);
    CHECK(Close(Client, Receiver) == STATUS_SUCCESS);
    return 0;
}

/* ddi/wsk/nf-wsk-wskregister: several registrations, each with a block of its own; a provider is captured twice. */
static int RegistersTwice(CLIENT *Client)
{
    CLIENT *Other = Begin();
    WSK_PROVIDER_NPI Again;
    PWSK_SOCKET Socket = Bound(Other, WSK_FLAG_DATAGRAM_SOCKET, NULL, 7001);

    CHECK(WskCaptureProviderNPI(&Client->Registration, WSK_NO_WAIT, &Again) == STATUS_SUCCESS);
    /* The provider is released before the socket is closed. */
    WskReleaseProviderNPI(&Client->Registration);
    CHECK(Close(Other, Socket) == STATUS_SUCCESS);
    End(Other);
    return 0;
}

/* ddi/wsk/nc-wsk-pfn_wsk_send_to: a datagram of no bytes, with an MDL and without. */
static int SendsEmptyDatagrams(CLIENT *Client)
{
    PWSK_SOCKET Socket = Bound(Client, WSK_FLAG_DATAGRAM_SOCKET, NULL, 7001);
    WSK_BUF Empty = {Client->Mdl, 0, 0}, Nothing = {NULL, 0, 0}, Buffer = {Client->Mdl, 0, 10};
    int Index;

    for (Index = 0; Index < 2; Index++) {
        DATAGRAM(Socket)->WskSendTo(Socket, Index ? &Empty : &Nothing, 0, Loopback(Client, 7001), 0, NULL,
                                    Reuse(&Client->First));
        CHECK(Wait(&Client->First) == STATUS_SUCCESS);
        DATAGRAM(Socket)->WskReceiveFrom(Socket, &Buffer, 0, NULL, NULL, NULL, NULL, Reuse(&Client->First));
        CHECK(Wait(&Client->First) == STATUS_SUCCESS && Client->First.Irp->IoStatus.Information == 0);
    }
    CHECK(Close(Client, Socket) == STATUS_SUCCESS);
    return 0;
}

/* Receives 100 bytes, which may come in parts, and then the end. */
static int GetsAll(CLIENT *Client, PWSK_SOCKET Socket, SIZE_T Expected)
{
    WSK_BUF Buffer = {Client->Mdl, 0, PAGE_SIZE};
    SIZE_T Count = 0;

    for (;;) {
        CONNECTION(Socket)->WskReceive(Socket, &Buffer, 0, Reuse(&Client->First));
        CHECK(Wait(&Client->First) == STATUS_SUCCESS);
        if (Client->First.Irp->IoStatus.Information == 0) {
            CHECK(Count == Expected);
            return 0;
        }
        Count += Client->First.Irp->IoStatus.Information;
    }
}

/* ddi/wsk/nc-wsk-pfn_wsk_send: WSK_FLAG_NODELAY. ddi/wsk/nc-wsk-pfn_wsk_disconnect: with the last data. */
static int DisconnectsWithData(CLIENT *Client)
{
    PAIR Pair = Connect(Client, NULL);
    WSK_BUF Last = {Client->Mdl, 50, 20};
    int Line;

    CHECK(Sent(Client, Pair.Near, WSK_FLAG_NODELAY));
    CONNECTION(Pair.Near)->WskDisconnect(Pair.Near, &Last, 0, Reuse(&Client->Second));
    Line = GetsAll(Client, Pair.Far, 120);
    CHECK(Line == 0);
    CONNECTION(Pair.Far)->WskDisconnect(Pair.Far, NULL, 0, Reuse(&Client->First));
    CHECK(Wait(&Client->First) == STATUS_SUCCESS && Wait(&Client->Second) == STATUS_SUCCESS);
    Disconnect(Client, Pair);
    return 0;
}

/* Of each accepted connection. */
typedef struct CONNECTED {
    CLIENT *Client;
    PWSK_SOCKET Socket;
    SIZE_T Count;
} CONNECTED;

static NTSTATUS ConnectionReceives(PVOID Context, ULONG Flags, PWSK_DATA_INDICATION List, SIZE_T Bytes,
                                   SIZE_T *Accepted)
{
    CONNECTED *Connected = (CONNECTED *)Context;

    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(List);
    /* A part of it: the rest is indicated after a receive of no bytes. */
    *Accepted = (Bytes + 1) / 2;
    Connected->Count += *Accepted;
    KeSetEvent(&Connected->Client->Second.Event, IO_NO_INCREMENT, FALSE);
    return STATUS_SUCCESS;
}

static const WSK_CLIENT_CONNECTION_DISPATCH ConnectionEvents = {ConnectionReceives, NULL, NULL};

static NTSTATUS Accepts(PVOID Context, ULONG Flags, PSOCKADDR Local, PSOCKADDR Remote, PWSK_SOCKET Socket,
                        PVOID *AcceptContext, const WSK_CLIENT_CONNECTION_DISPATCH **AcceptDispatch)
{
    CLIENT *Client = (CLIENT *)Context;
    CONNECTED *Connected;

    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(Local);
    UNREFERENCED_PARAMETER(Remote);
    if (Socket == NULL) {
        return STATUS_REQUEST_NOT_ACCEPTED;
    }
    Connected = (CONNECTED *)ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(*Connected), TAG);
    Connected->Client = Client;
    Connected->Socket = Socket;
    *AcceptContext = Connected;
    *AcceptDispatch = &ConnectionEvents;
    /* network/enabling-and-disabling-event-callback-functions: in the callback, when both are written. */
    Enable(Socket, WSK_EVENT_RECEIVE);
    *(CONNECTED **)Client->Bytes = Connected;
    KeSetEvent(&Client->Second.Event, IO_NO_INCREMENT, FALSE);
    return STATUS_SUCCESS;
}

static const WSK_CLIENT_LISTEN_DISPATCH ListenEvents = {Accepts, NULL, NULL};

/* ddi/wsk/nc-wsk-pfn_wsk_accept_event: a context for each connection. ddi/wsk/nc-wsk-pfn_wsk_socket_connect: in one call. */
static int AcceptsWithAContext(CLIENT *Client)
{
    PWSK_SOCKET Listener = Bound(Client, WSK_FLAG_LISTEN_SOCKET, &ListenEvents, 7001), Near;
    SOCKADDR_IN *Local = (SOCKADDR_IN *)(Client->Bytes + 2048);
    WSK_BUF Buffer = {Client->Mdl, 1024, 100}, Nothing = {NULL, 0, 0};
    CONNECTED *Connected;

    CHECK(Enable(Listener, WSK_EVENT_ACCEPT) == STATUS_SUCCESS);
    *Local = *(SOCKADDR_IN *)Loopback(Client, 0);
    Client->Provider.Dispatch->WskSocketConnect(Client->Provider.Client, SOCK_STREAM, IPPROTO_TCP, (PSOCKADDR)Local,
                                                Loopback(Client, 7001), 0, NULL, NULL, NULL, NULL, NULL,
                                                Reuse(&Client->First));
    CHECK(Wait(&Client->First) == STATUS_SUCCESS);
    Near = (PWSK_SOCKET)Client->First.Irp->IoStatus.Information;
    KeWaitForSingleObject(&Client->Second.Event, Executive, KernelMode, FALSE, NULL);
    Connected = *(CONNECTED **)Client->Bytes;
    CONNECTION(Near)->WskSend(Near, &Buffer, 0, Reuse(&Client->First));
    CHECK(Wait(&Client->First) == STATUS_SUCCESS);
    for (;;) {
        KeWaitForSingleObject(&Client->Second.Event, Executive, KernelMode, FALSE, NULL);
        if (Connected->Count == 100) {
            break;
        }
        /* network/receiving-data-over-a-connection-oriented-socket: events go on after a receive. */
        CONNECTION(Connected->Socket)->WskReceive(Connected->Socket, &Nothing, 0, Reuse(&Client->First));
        CHECK(Wait(&Client->First) == STATUS_SUCCESS);
    }
    CHECK(Close(Client, Connected->Socket) == STATUS_SUCCESS);
    CHECK(Close(Client, Near) == STATUS_SUCCESS && Close(Client, Listener) == STATUS_SUCCESS);
    ExFreePoolWithTag(Connected, TAG);
    return 0;
}

/* ddi/wsk/nc-wsk-pfn_wsk_close_socket: with requests in flight, which are cancelled and completed before. */
static int ClosesWithARequestInFlight(CLIENT *Client)
{
    PWSK_SOCKET Socket = Bound(Client, WSK_FLAG_DATAGRAM_SOCKET, NULL, 7001);
    WSK_BUF Buffer = {Client->Mdl, 0, 10};

    DATAGRAM(Socket)->WskReceiveFrom(Socket, &Buffer, 0, NULL, NULL, NULL, NULL, Reuse(&Client->Second));
    CHECK(Close(Client, Socket) == STATUS_SUCCESS);
    CHECK(KeReadStateEvent(&Client->Second.Event) != 0 && Wait(&Client->Second) == STATUS_CANCELLED);
    return 0;
}

/* ddi/wdm/nf-wdm-mmprobeandlockpages: a buffer in paged pool, whose pages are locked. */
static int SendsFromLockedPages(CLIENT *Client)
{
    PVOID Memory = ExAllocatePool2(POOL_FLAG_PAGED, PAGE_SIZE, TAG);
    PMDL Mdl = IoAllocateMdl(Memory, PAGE_SIZE, FALSE, FALSE, NULL);
    PWSK_SOCKET Socket = Bound(Client, WSK_FLAG_DATAGRAM_SOCKET, NULL, 7001);
    WSK_BUF Buffer = {Mdl, 0, 10};

    MmProbeAndLockPages(Mdl, KernelMode, IoReadAccess);
    DATAGRAM(Socket)->WskSendTo(Socket, &Buffer, 0, Loopback(Client, 7001), 0, NULL, Reuse(&Client->First));
    CHECK(Wait(&Client->First) == STATUS_SUCCESS);
    MmUnlockPages(Mdl);
    IoFreeMdl(Mdl);
    ExFreePoolWithTag(Memory, TAG);
    CHECK(Close(Client, Socket) == STATUS_SUCCESS);
    return 0;
}

/* ddi/wsk/nc-wsk-pfn_wsk_send_to: at DISPATCH_LEVEL, with a lock that the completion routine does not take. */
static int SendsWithALock(CLIENT *Client)
{
    PWSK_SOCKET Socket = Bound(Client, WSK_FLAG_DATAGRAM_SOCKET, NULL, 7001);
    WSK_BUF Buffer = {Client->Mdl, 0, 10};
    KSPIN_LOCK Lock;
    KIRQL Irql;

    KeInitializeSpinLock(&Lock);
    KeAcquireSpinLock(&Lock, &Irql);
    DATAGRAM(Socket)->WskSendTo(Socket, &Buffer, 0, Loopback(Client, 7001), 0, NULL, Reuse(&Client->First));
    KeReleaseSpinLock(&Lock, Irql);
    CHECK(Wait(&Client->First) == STATUS_SUCCESS);
    CHECK(Close(Client, Socket) == STATUS_SUCCESS);
    return 0;
}

static REQUEST Third;

/* ddi/wsk/nc-wsk-pfn_wsk_disconnect: an abortive disconnect ends a graceful one, and cancels what is sent. The peer has room
 * for 64 bytes. */
static int AbortsADisconnect(void *Context)
{
    CLIENT *Client = Begin();
    PAIR Pair = Connect(Client, NULL);
    WSK_BUF Buffer = {Client->Mdl, 0, 100};

    UNREFERENCED_PARAMETER(Context);
    Open(&Third);
    CONNECTION(Pair.Near)->WskSend(Pair.Near, &Buffer, 0, Reuse(&Client->First));
    CONNECTION(Pair.Near)->WskDisconnect(Pair.Near, NULL, 0, Reuse(&Client->Second));
    CHECK(KeReadStateEvent(&Client->First.Event) == 0 && KeReadStateEvent(&Client->Second.Event) == 0);
    CONNECTION(Pair.Near)->WskDisconnect(Pair.Near, NULL, WSK_FLAG_ABORTIVE, Reuse(&Third));
    CHECK(Wait(&Third) == STATUS_SUCCESS);
    CHECK(!NT_SUCCESS(Wait(&Client->First)) && !NT_SUCCESS(Wait(&Client->Second)));
    IoFreeIrp(Third.Irp);
    Disconnect(Client, Pair);
    End(Client);
    return 0;
}

typedef int PRACTICE(CLIENT *Client);

static int Scenario(void *Context)
{
    static PRACTICE *const Practices[] = {
        ReusesAnIrpInItsRoutine,
        HasAnIrpInItsOwnMemory,
        ClosesInAWorkItem,
        ReleasesInACallback,
        RegistersTwice,
        SendsEmptyDatagrams,
        DisconnectsWithData,
        AcceptsWithAContext,
        ClosesWithARequestInFlight,
        SendsFromLockedPages,
        SendsWithALock,
    };
    CLIENT *Client;
    size_t Index;
    int Line;

    UNREFERENCED_PARAMETER(Context);
    for (Index = 0; Index < sizeof(Practices) / sizeof(*Practices); Index++) {
        Client = Begin();
        Line = Practices[Index](Client);
        if (Line != 0) {
            return Line;
        }
        End(Client);
    }
    return 0;
}

int main(void)
{
    wsk_host_options Options;
    uint32_t Timing, Status;

    RtlZeroMemory(&Options, sizeof(Options));
    /* Practices that the documentation allows are no warnings either. */
    Options.rules = "strict";
    for (Timing = WSK_HOST_TIMING_MIXED; Timing <= WSK_HOST_TIMING_DEFERRED; Timing++) {
        for (Status = WSK_HOST_CALL_STATUS_MIXED; Status <= WSK_HOST_CALL_STATUS_FINAL; Status++) {
            Options.timing = Timing;
            Options.call_status = Status;
            if (wsk_host_run(&Options, Scenario, NULL) != 0) {
                return __LINE__;
            }
        }
    }
    RtlZeroMemory(&Options, sizeof(Options));
    Options.rules = "strict";
    Options.network = WSK_HOST_NETWORK_REAL;
    Options.seeds = 4;
    if (wsk_host_run(&Options, Scenario, NULL) != 0) {
        return __LINE__;
    }
    RtlZeroMemory(&Options, sizeof(Options));
    Options.rules = "strict";
    Options.window = 64;
    if (wsk_host_run(&Options, AbortsADisconnect, NULL) != 0) {
        return __LINE__;
    }
    printf("unusual\n");
    return 0;
}
