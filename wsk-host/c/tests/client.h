/*
 * A client for small scenarios: a registration, requests that are waited for, and sockets on the loopback address. C and
 * C++.
 */
#ifndef WSK_HOST_TESTS_CLIENT_H
#define WSK_HOST_TESTS_CLIENT_H

#include <ntddk.h>
#include <wsk.h>

#define TAG 0x74736554

#define LISTEN(Socket)     ((const WSK_PROVIDER_LISTEN_DISPATCH *)(Socket)->Dispatch)
#define CONNECTION(Socket) ((const WSK_PROVIDER_CONNECTION_DISPATCH *)(Socket)->Dispatch)
#define DATAGRAM(Socket)   ((const WSK_PROVIDER_DATAGRAM_DISPATCH *)(Socket)->Dispatch)
#define BASIC(Socket)      ((const WSK_PROVIDER_BASIC_DISPATCH *)(Socket)->Dispatch)

typedef struct REQUEST {
    PIRP Irp;
    KEVENT Event;
} REQUEST;

typedef struct CLIENT {
    WSK_REGISTRATION Registration;
    WSK_PROVIDER_NPI Provider;
    /* Two requests, which may be in flight at once. */
    REQUEST First, Second;
    /* A page of nonpaged pool, and its description. */
    PUCHAR Bytes;
    PMDL Mdl;
    SOCKADDR_IN Address;
    LONG Count;
} CLIENT;

static const WSK_CLIENT_DISPATCH ClientDispatch = {MAKE_WSK_VERSION(1, 0), 0, NULL};

static inline NTSTATUS Complete(PDEVICE_OBJECT Device, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(Device);
    UNREFERENCED_PARAMETER(Irp);
    KeSetEvent((PKEVENT)Context, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static inline void Open(REQUEST *Request)
{
    Request->Irp = IoAllocateIrp(1, FALSE);
    KeInitializeEvent(&Request->Event, SynchronizationEvent, FALSE);
}

/* The IRP of a request, for one more call. */
static inline PIRP Reuse(REQUEST *Request)
{
    IoReuseIrp(Request->Irp, STATUS_UNSUCCESSFUL);
    IoSetCompletionRoutine(Request->Irp, Complete, &Request->Event, TRUE, TRUE, TRUE);
    return Request->Irp;
}

static inline NTSTATUS Wait(REQUEST *Request)
{
    KeWaitForSingleObject(&Request->Event, Executive, KernelMode, FALSE, NULL);
    return Request->Irp->IoStatus.Status;
}

static inline CLIENT *Begin(void)
{
    CLIENT *Client = (CLIENT *)ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(*Client), TAG);
    WSK_CLIENT_NPI Npi = {NULL, &ClientDispatch};

    WskRegister(&Npi, &Client->Registration);
    WskCaptureProviderNPI(&Client->Registration, WSK_INFINITE_WAIT, &Client->Provider);
    Open(&Client->First);
    Open(&Client->Second);
    Client->Bytes = (PUCHAR)ExAllocatePool2(POOL_FLAG_NON_PAGED, PAGE_SIZE, TAG);
    Client->Mdl = IoAllocateMdl(Client->Bytes, PAGE_SIZE, FALSE, FALSE, NULL);
    MmBuildMdlForNonPagedPool(Client->Mdl);
    return Client;
}

static inline void End(CLIENT *Client)
{
    WskReleaseProviderNPI(&Client->Registration);
    WskDeregister(&Client->Registration);
    IoFreeIrp(Client->First.Irp);
    IoFreeIrp(Client->Second.Irp);
    IoFreeMdl(Client->Mdl);
    ExFreePoolWithTag(Client->Bytes, TAG);
    ExFreePoolWithTag(Client, TAG);
}

/* A port on the loopback address, in the client's memory. */
static inline PSOCKADDR Loopback(CLIENT *Client, USHORT Port)
{
    RtlZeroMemory(&Client->Address, sizeof(Client->Address));
    Client->Address.sin_family = AF_INET;
    Client->Address.sin_port = (USHORT)(Port << 8 | Port >> 8);
    Client->Address.sin_addr.S_un.S_un_b.s_b1 = 127;
    Client->Address.sin_addr.S_un.S_un_b.s_b4 = 1;
    return (PSOCKADDR)&Client->Address;
}

/* A socket of a category. `Table` is NULL, or has callbacks whose context is the client. */
static inline PWSK_SOCKET Create(CLIENT *Client, ULONG Flags, const void *Table)
{
    BOOLEAN IsDatagram = Flags == WSK_FLAG_DATAGRAM_SOCKET;

    Client->Provider.Dispatch->WskSocket(Client->Provider.Client, AF_INET, IsDatagram ? SOCK_DGRAM : SOCK_STREAM,
                                         IsDatagram ? IPPROTO_UDP : IPPROTO_TCP, Flags, Table == NULL ? NULL : Client,
                                         Table, NULL, NULL, NULL, Reuse(&Client->First));
    return NT_SUCCESS(Wait(&Client->First)) ? (PWSK_SOCKET)Client->First.Irp->IoStatus.Information : NULL;
}

/* A socket that is bound to a port of the loopback address. */
static inline PWSK_SOCKET Bound(CLIENT *Client, ULONG Flags, const void *Table, USHORT Port)
{
    PWSK_SOCKET Socket = Create(Client, Flags, Table);

    /* Every category has this function at the same place. */
    DATAGRAM(Socket)->WskBind(Socket, Loopback(Client, Port), 0, Reuse(&Client->First));
    return NT_SUCCESS(Wait(&Client->First)) ? Socket : NULL;
}

static inline NTSTATUS Close(CLIENT *Client, PWSK_SOCKET Socket)
{
    BASIC(Socket)->WskCloseSocket(Socket, Reuse(&Client->First));
    return Wait(&Client->First);
}

/* The two sides of a connection, and the listening socket. */
typedef struct PAIR {
    PWSK_SOCKET Listener, Near, Far;
} PAIR;

static inline PAIR Connect(CLIENT *Client, const void *Table)
{
    PAIR Pair;

    Pair.Listener = Bound(Client, WSK_FLAG_LISTEN_SOCKET, NULL, 7001);
    LISTEN(Pair.Listener)->WskAccept(Pair.Listener, 0, NULL, NULL, NULL, NULL, Reuse(&Client->Second));
    Pair.Near = Bound(Client, WSK_FLAG_CONNECTION_SOCKET, Table, 0);
    CONNECTION(Pair.Near)->WskConnect(Pair.Near, Loopback(Client, 7001), 0, Reuse(&Client->First));
    Wait(&Client->First);
    Wait(&Client->Second);
    Pair.Far = (PWSK_SOCKET)Client->Second.Irp->IoStatus.Information;
    return Pair;
}

static inline void Disconnect(CLIENT *Client, PAIR Pair)
{
    Close(Client, Pair.Near);
    Close(Client, Pair.Far);
    Close(Client, Pair.Listener);
}

/* Enables callbacks of a socket. */
static inline NTSTATUS Enable(PWSK_SOCKET Socket, ULONG Events)
{
    WSK_EVENT_CALLBACK_CONTROL Control = {(PNPIID)&NPI_WSK_INTERFACE_ID, Events};

    return BASIC(Socket)->WskControlSocket(Socket, WskSetOption, SO_WSK_EVENT_CALLBACK, SOL_SOCKET, sizeof(Control),
                                           &Control, 0, NULL, NULL, NULL);
}

#endif
