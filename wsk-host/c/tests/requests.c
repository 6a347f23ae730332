/*
 * Return values of calls, completion statuses, and the shapes of indications, as a client in C sees them. Each scenario
 * returns the line that has failed, or 0.
 */
#include <ntddk.h>
#include <wsk.h>
#include <wsk_host.h>

#include <stdio.h>
#include <string.h>

#define TAG 0x74736554
#define CHECK(Condition)     \
    do {                     \
        if (!(Condition)) {  \
            return __LINE__; \
        }                    \
    } while (0)

/* The status of a device in the wrong state, as Windows returns it. */
#define WRONG_STATE ((NTSTATUS)0xC0000184)

typedef struct CLIENT {
    WSK_REGISTRATION Registration;
    WSK_PROVIDER_NPI Provider;
    PIRP Irp;
    KEVENT Completed;
    PUCHAR Bytes;
    PMDL Mdl;
    /* The observations of the callback. */
    KEVENT Called;
    LONG Datagrams, Empty, WithoutMdl, Chains, Front, Behind, Wrong;
} CLIENT;

static const WSK_CLIENT_DISPATCH Dispatch = {MAKE_WSK_VERSION(1, 0), 0, NULL};

static NTSTATUS Complete(PDEVICE_OBJECT Device, PIRP Irp, PVOID Context)
{
    CLIENT *Client = Context;

    UNREFERENCED_PARAMETER(Device);
    UNREFERENCED_PARAMETER(Irp);
    KeSetEvent(&Client->Completed, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static CLIENT *Begin(void)
{
    CLIENT *Client = ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(*Client), TAG);
    WSK_CLIENT_NPI Npi = {NULL, &Dispatch};

    memset(Client, 0, sizeof(*Client));
    WskRegister(&Npi, &Client->Registration);
    WskCaptureProviderNPI(&Client->Registration, WSK_INFINITE_WAIT, &Client->Provider);
    Client->Irp = IoAllocateIrp(1, FALSE);
    KeInitializeEvent(&Client->Completed, SynchronizationEvent, FALSE);
    KeInitializeEvent(&Client->Called, SynchronizationEvent, FALSE);
    Client->Bytes = ExAllocatePoolWithTag(NonPagedPoolNx, PAGE_SIZE, TAG);
    Client->Mdl = IoAllocateMdl(Client->Bytes, PAGE_SIZE, FALSE, FALSE, NULL);
    MmBuildMdlForNonPagedPool(Client->Mdl);
    return Client;
}

static void End(CLIENT *Client)
{
    WskReleaseProviderNPI(&Client->Registration);
    WskDeregister(&Client->Registration);
    IoFreeIrp(Client->Irp);
    IoFreeMdl(Client->Mdl);
    ExFreePoolWithTag(Client->Bytes, TAG);
    ExFreePoolWithTag(Client, TAG);
}

static PIRP Reuse(CLIENT *Client)
{
    IoReuseIrp(Client->Irp, STATUS_UNSUCCESSFUL);
    KeClearEvent(&Client->Completed);
    IoSetCompletionRoutine(Client->Irp, Complete, Client, TRUE, TRUE, TRUE);
    return Client->Irp;
}

/* Waits only for a call that returns STATUS_PENDING, as clients do that take the final status from the call. */
static NTSTATUS Finish(CLIENT *Client, NTSTATUS Status)
{
    if (Status == STATUS_PENDING) {
        KeWaitForSingleObject(&Client->Completed, Executive, KernelMode, FALSE, NULL);
        return Client->Irp->IoStatus.Status;
    }
    return Status;
}

static NTSTATUS Create(CLIENT *Client, USHORT Type, ULONG Protocol, ULONG Flags, const void *Table, PWSK_SOCKET *Socket)
{
    NTSTATUS Status = Client->Provider.Dispatch->WskSocket(
        Client->Provider.Client, AF_INET, Type, Protocol, Flags, Table == NULL ? NULL : Client, Table, NULL, NULL, NULL,
        Reuse(Client));

    Status = Finish(Client, Status);
    *Socket = NT_SUCCESS(Status) ? (PWSK_SOCKET)Client->Irp->IoStatus.Information : NULL;
    return Status;
}

static NTSTATUS Close(CLIENT *Client, PWSK_SOCKET Socket)
{
    const WSK_PROVIDER_BASIC_DISPATCH *Table = Socket->Dispatch;

    return Finish(Client, Table->WskCloseSocket(Socket, Reuse(Client)));
}

static SOCKADDR_IN Loopback(USHORT Port)
{
    SOCKADDR_IN Address = {0};

    Address.sin_family = AF_INET;
    Address.sin_port = (USHORT)(Port << 8 | Port >> 8);
    Address.sin_addr.S_un.S_un_b.s_b1 = 127;
    Address.sin_addr.S_un.S_un_b.s_b4 = 1;
    return Address;
}

/* A walk over a chain that trusts nothing but the length. */
static NTSTATUS Received(PVOID Context, ULONG Flags, PWSK_DATAGRAM_INDICATION List)
{
    CLIENT *Client = Context;

    UNREFERENCED_PARAMETER(Flags);
    for (; List != NULL; List = List->Next) {
        PMDL Mdl = List->Buffer.Mdl;
        SIZE_T Left = List->Buffer.Length;
        ULONG Offset = List->Buffer.Offset, Count = 0, Size, Index;

        Client->Empty += Left == 0;
        Client->WithoutMdl += Mdl == NULL;
        Client->Front += Offset != 0;
        for (; Left > 0; Mdl = Mdl->Next, Offset = 0, Count++) {
            PUCHAR Bytes = MmGetSystemAddressForMdlSafe(Mdl, NormalPagePriority);

            Size = MmGetMdlByteCount(Mdl) - Offset;
            Client->Behind += Size > Left;
            Size = Size > Left ? (ULONG)Left : Size;
            for (Index = 0; Index < Size; Index++) {
                Client->Wrong += Bytes[Offset + Index] != 7;
            }
            Left -= Size;
        }
        Client->Chains += Count > 2;
        Client->Datagrams++;
    }
    KeSetEvent(&Client->Called, IO_NO_INCREMENT, FALSE);
    return STATUS_SUCCESS;
}

static const WSK_CLIENT_DATAGRAM_DISPATCH Datagrams = {Received};

/* Indications of 40 datagrams, half of them empty; counts the shapes of all seeds. */
static LONG WithoutMdl, Chains, Front, Behind;

static int Indications(void *Context)
{
    CLIENT *Client = Begin();
    SOCKADDR_IN Address = Loopback(7001);
    WSK_EVENT_CALLBACK_CONTROL Control = {(PNPIID)&NPI_WSK_INTERFACE_ID, WSK_EVENT_RECEIVE_FROM};
    const WSK_PROVIDER_DATAGRAM_DISPATCH *Table;
    PWSK_SOCKET Socket;
    LONG Sent;

    UNREFERENCED_PARAMETER(Context);
    CHECK(Create(Client, SOCK_DGRAM, IPPROTO_UDP, WSK_FLAG_DATAGRAM_SOCKET, &Datagrams, &Socket) == STATUS_SUCCESS);
    Table = Socket->Dispatch;
    CHECK(Finish(Client, Table->WskBind(Socket, (PSOCKADDR)&Address, 0, Reuse(Client))) == STATUS_SUCCESS);
    CHECK(Table->WskControlSocket(
              Socket, WskSetOption, SO_WSK_EVENT_CALLBACK, SOL_SOCKET, sizeof(Control), &Control, 0, NULL, NULL, NULL) ==
          STATUS_SUCCESS);
    memset(Client->Bytes, 7, PAGE_SIZE);
    for (Sent = 0; Sent < 40; Sent++) {
        WSK_BUF Buffer = {Client->Mdl, 0, Sent % 2 * 100};

        CHECK(
            Finish(Client, Table->WskSendTo(Socket, &Buffer, 0, (PSOCKADDR)&Address, 0, NULL, Reuse(Client))) ==
            STATUS_SUCCESS);
        while (Client->Datagrams <= Sent) {
            KeWaitForSingleObject(&Client->Called, Executive, KernelMode, FALSE, NULL);
        }
    }
    CHECK(Client->Empty == 20 && Client->Wrong == 0);
    CHECK(Close(Client, Socket) == STATUS_SUCCESS);
    WithoutMdl += Client->WithoutMdl;
    Chains += Client->Chains;
    Front += Client->Front;
    Behind += Client->Behind;
    End(Client);
    return 0;
}

/* The number of calls of WskSocket that returned the final status, and of those that did not. */
static LONG Final, Pending;

static int Values(void *Context)
{
    CLIENT *Client = Begin();
    SOCKADDR_IN Address = Loopback(0);
    const WSK_PROVIDER_CONNECTION_DISPATCH *Table;
    const WSK_PROVIDER_LISTEN_DISPATCH *Listen;
    PWSK_SOCKET Socket;
    NTSTATUS Status;

    UNREFERENCED_PARAMETER(Context);
    CHECK(Create(Client, SOCK_STREAM, 0, WSK_FLAG_LISTEN_SOCKET, NULL, &Socket) == STATUS_PROTOCOL_UNREACHABLE);
    CHECK(Create(Client, SOCK_DGRAM, IPPROTO_UDP, WSK_FLAG_LISTEN_SOCKET, NULL, &Socket) == STATUS_SUCCESS);
    Listen = Socket->Dispatch;
    CHECK(
        Finish(Client, Listen->WskBind(Socket, (PSOCKADDR)&Address, 0, Reuse(Client))) == STATUS_NOT_IMPLEMENTED);
    CHECK(Close(Client, Socket) == STATUS_SUCCESS);
    CHECK(Create(Client, SOCK_STREAM, IPPROTO_TCP, WSK_FLAG_CONNECTION_SOCKET, NULL, &Socket) == STATUS_SUCCESS);
    Table = Socket->Dispatch;
    Address = Loopback(7);
    Status = Table->WskConnect(Socket, (PSOCKADDR)&Address, 0, Reuse(Client));
    CHECK(Status == WRONG_STATE || (Context != NULL && Status == STATUS_PENDING));
    CHECK(Finish(Client, Status) == WRONG_STATE && Client->Irp->IoStatus.Status == WRONG_STATE);
    Address = Loopback(0);
    Status = Table->WskBind(Socket, (PSOCKADDR)&Address, 0, Reuse(Client));
    Final += Status == STATUS_SUCCESS;
    Pending += Status == STATUS_PENDING;
    CHECK(Finish(Client, Status) == STATUS_SUCCESS);
    CHECK(Client->Irp->PendingReturned == (Status == STATUS_PENDING ? SL_PENDING_RETURNED : 0));
    CHECK(Close(Client, Socket) == STATUS_SUCCESS);
    End(Client);
    return 0;
}

static NTSTATUS Free(PDEVICE_OBJECT Device, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(Device);
    UNREFERENCED_PARAMETER(Context);
    IoFreeIrp(Irp);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* Frees an IRP after a call that has failed, although its completion routine has freed it: INV-12. */
static int FreesTwice(void *Context)
{
    CLIENT *Client = Begin();
    PIRP Irp = IoAllocateIrp(1, FALSE);

    UNREFERENCED_PARAMETER(Context);
    IoSetCompletionRoutine(Irp, Free, NULL, TRUE, TRUE, TRUE);
    if (!NT_SUCCESS(Client->Provider.Dispatch->WskSocket(
            Client->Provider.Client, AF_INET, SOCK_STREAM, 0, WSK_FLAG_LISTEN_SOCKET, NULL, NULL, NULL, NULL, NULL,
            Irp))) {
        IoFreeIrp(Irp);
    }
    return 0;
}

static NTSTATUS SetIfPending(PDEVICE_OBJECT Device, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(Device);
    if (Irp->PendingReturned) {
        KeSetEvent(Context, IO_NO_INCREMENT, FALSE);
    }
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* Waits in any case for an event that is set only if the call has returned STATUS_PENDING. */
static int WaitsIfPending(void *Context)
{
    CLIENT *Client = Begin();

    UNREFERENCED_PARAMETER(Context);
    IoSetCompletionRoutine(Client->Irp, SetIfPending, &Client->Completed, TRUE, TRUE, TRUE);
    Client->Provider.Dispatch->WskSocket(Client->Provider.Client, AF_INET, SOCK_DGRAM, IPPROTO_UDP,
                                         WSK_FLAG_DATAGRAM_SOCKET, NULL, NULL, NULL, NULL, NULL, Client->Irp);
    KeWaitForSingleObject(&Client->Completed, Executive, KernelMode, FALSE, NULL);
    return 0;
}

static NTSTATUS FreeAndSet(PDEVICE_OBJECT Device, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(Device);
    IoFreeIrp(Irp);
    KeSetEvent(Context, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* Reads the result in an IRP that its completion routine has freed: INV-12. */
static int ReadsFreed(void *Context)
{
    static KEVENT Freed;
    CLIENT *Client = Begin();
    PIRP Irp = IoAllocateIrp(1, FALSE);

    UNREFERENCED_PARAMETER(Context);
    KeInitializeEvent(&Freed, NotificationEvent, FALSE);
    IoSetCompletionRoutine(Irp, FreeAndSet, &Freed, TRUE, TRUE, TRUE);
    (void)Client->Provider.Dispatch->WskSocket(
        Client->Provider.Client, AF_INET, SOCK_STREAM, 0, WSK_FLAG_LISTEN_SOCKET, NULL, NULL, NULL, NULL, NULL, Irp);
    KeWaitForSingleObject(&Freed, Executive, KernelMode, FALSE, NULL);
    return (int)*(volatile NTSTATUS *)&Irp->IoStatus.Status;
}

int main(int Count, char **Arguments)
{
    struct wsk_host_options Options = {0};

    if (Count > 1 && strcmp(Arguments[1], "reads-freed") == 0) {
        return wsk_host_run(&Options, ReadsFreed, NULL);
    }
    if (Count > 1 && strcmp(Arguments[1], "frees-twice") == 0) {
        Options.call_status = WSK_HOST_CALL_STATUS_FINAL;
        return wsk_host_run(&Options, FreesTwice, NULL);
    }
    if (Count > 2 && strcmp(Arguments[1], "waits-if-pending") == 0) {
        Options.network = (uint32_t)(Arguments[2][0] - '0');
        Options.call_status = WSK_HOST_CALL_STATUS_FINAL;
        return wsk_host_run(&Options, WaitsIfPending, NULL);
    }
    if (wsk_host_run(&Options, Values, NULL) != 0 || Final == 0 || Pending == 0) {
        return __LINE__;
    }
    Final = Pending = 0;
    Options.call_status = WSK_HOST_CALL_STATUS_PENDING;
    if (wsk_host_run(&Options, Values, &Options) != 0 || Final != 0) {
        return __LINE__;
    }
    Pending = 0;
    Options.call_status = WSK_HOST_CALL_STATUS_FINAL;
    if (wsk_host_run(&Options, Values, NULL) != 0 || Pending != 0) {
        return __LINE__;
    }
    Options.call_status = WSK_HOST_CALL_STATUS_MIXED;
    if (wsk_host_run(&Options, Indications, NULL) != 0) {
        return __LINE__;
    }
    if (WithoutMdl == 0 || Chains == 0 || Front == 0 || Behind == 0) {
        return __LINE__;
    }
    WithoutMdl = Chains = Front = Behind = 0;
    Options.indications = WSK_HOST_INDICATIONS_PLAIN;
    if (wsk_host_run(&Options, Indications, NULL) != 0 || WithoutMdl + Chains + Front + Behind != 0) {
        return __LINE__;
    }
    printf("requests\n");
    return 0;
}
