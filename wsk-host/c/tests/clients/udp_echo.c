/*
 * A driver that answers datagrams, including those of a multicast group: it retains the datagrams of its callback, and
 * a system thread that it created sends each datagram back and releases it. The scenario is its peer. C17 and C++20.
 */
#include <wdm.h>
#include <wsk.h>

#include <wsk_host.h>

#include <stdio.h>

#define UDP_TAG     'EpdU'
#define UDP_LARGEST 2048
#define UDP_COUNT   12

static const WSK_CLIENT_DISPATCH UdpClientDispatch = {MAKE_WSK_VERSION(1, 0), 0, NULL};

/* A request that is waited for. */
typedef struct _UDP_REQUEST {
    PIRP Irp;
    KEVENT Event;
} UDP_REQUEST, *PUDP_REQUEST;

/* A list that the callback has retained. */
typedef struct _UDP_INDICATION {
    LIST_ENTRY Link;
    PWSK_DATAGRAM_INDICATION List;
} UDP_INDICATION, *PUDP_INDICATION;

typedef struct _UDP_ECHO {
    WSK_REGISTRATION Registration;
    WSK_PROVIDER_NPI Provider;
    PWSK_SOCKET Socket;
    SOCKADDR_IN Local;
    UDP_REQUEST Request;

    NPAGED_LOOKASIDE_LIST Indications;
    LIST_ENTRY Retained;
    KSPIN_LOCK Lock;
    KSEMAPHORE Available;
    PVOID Thread;
    volatile LONG Stopping;

    PUCHAR Bytes;
    PMDL Mdl;
    SOCKADDR_IN Peer;
    ULONG Echoed, Refused;
} UDP_ECHO, *PUDP_ECHO;

static const WSK_PROVIDER_DATAGRAM_DISPATCH *UdpDispatch(PWSK_SOCKET Socket)
{
    return (const WSK_PROVIDER_DATAGRAM_DISPATCH *)Socket->Dispatch;
}

static const WSK_PROVIDER_BASIC_DISPATCH *UdpBasicDispatch(PWSK_SOCKET Socket)
{
    return (const WSK_PROVIDER_BASIC_DISPATCH *)Socket->Dispatch;
}

static IO_COMPLETION_ROUTINE UdpComplete;

static NTSTATUS UdpComplete(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    KeSetEvent((PKEVENT)Context, IO_NETWORK_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static PIRP UdpPrepare(PUDP_REQUEST Request)
{
    IoReuseIrp(Request->Irp, STATUS_UNSUCCESSFUL);
    KeClearEvent(&Request->Event);
    IoSetCompletionRoutine(Request->Irp, UdpComplete, &Request->Event, TRUE, TRUE, TRUE);
    return Request->Irp;
}

static NTSTATUS UdpWait(PUDP_REQUEST Request, NTSTATUS Status)
{
    if (Status == STATUS_PENDING) {
        KeWaitForSingleObject(&Request->Event, Executive, KernelMode, FALSE, NULL);
        Status = Request->Irp->IoStatus.Status;
    }
    return Status;
}

static BOOLEAN UdpAllocateRequest(PUDP_REQUEST Request)
{
    KeInitializeEvent(&Request->Event, SynchronizationEvent, FALSE);
    Request->Irp = IoAllocateIrp(1, FALSE);
    return Request->Irp != NULL;
}

/* At DISPATCH_LEVEL or below: takes the list, or refuses it if it has no memory for that. */
static NTSTATUS WSKAPI UdpReceiveFromEvent(PVOID SocketContext, ULONG Flags, PWSK_DATAGRAM_INDICATION DataIndication)
{
    PUDP_ECHO Echo = (PUDP_ECHO)SocketContext;
    PUDP_INDICATION Indication;

    UNREFERENCED_PARAMETER(Flags);
    if (DataIndication == NULL) {
        /* The socket is no longer functional. */
        return STATUS_SUCCESS;
    }
    Indication = (PUDP_INDICATION)ExAllocateFromNPagedLookasideList(&Echo->Indications);
    if (Indication == NULL) {
        InterlockedIncrement((volatile LONG *)&Echo->Refused);
        return STATUS_DATA_NOT_ACCEPTED;
    }
    Indication->List = DataIndication;
    ExInterlockedInsertTailList(&Echo->Retained, &Indication->Link, &Echo->Lock);
    KeReleaseSemaphore(&Echo->Available, IO_NO_INCREMENT, 1, FALSE);
    return STATUS_PENDING;
}

static const WSK_CLIENT_DATAGRAM_DISPATCH UdpEvents = {UdpReceiveFromEvent};

/* Copies the bytes that a buffer describes. */
static ULONG UdpCopy(const WSK_BUF *Buffer, PUCHAR Bytes, ULONG Size)
{
    PMDL Mdl = Buffer->Mdl;
    ULONG Offset = Buffer->Offset, Copied = 0, Left = (ULONG)Buffer->Length;

    while (Mdl != NULL && Left > 0 && Copied < Size) {
        PUCHAR From = (PUCHAR)MmGetSystemAddressForMdlSafe(Mdl, NormalPagePriority | MdlMappingNoExecute);
        ULONG Length = MmGetMdlByteCount(Mdl) - Offset;

        if (From == NULL) {
            break;
        }
        if (Length > Left) {
            Length = Left;
        }
        if (Length > Size - Copied) {
            Length = Size - Copied;
        }
        RtlCopyMemory(Bytes + Copied, From + Offset, Length);
        Copied += Length;
        Left -= Length;
        Offset = 0;
        Mdl = Mdl->Next;
    }
    return Copied;
}

/* Sends the datagrams of a list back. */
static VOID UdpAnswer(PUDP_ECHO Echo, PWSK_DATAGRAM_INDICATION List)
{
    for (; List != NULL; List = List->Next) {
        WSK_BUF Buffer = {Echo->Mdl, 0, 0};
        NTSTATUS Status;

        Buffer.Length = UdpCopy(&List->Buffer, Echo->Bytes, UDP_LARGEST);
        RtlCopyMemory(&Echo->Peer, List->RemoteAddress, sizeof(Echo->Peer));
        Status = UdpDispatch(Echo->Socket)
                     ->WskSendTo(Echo->Socket, &Buffer, 0, (PSOCKADDR)&Echo->Peer, 0, NULL,
                                 UdpPrepare(&Echo->Request));
        if (NT_SUCCESS(UdpWait(&Echo->Request, Status))) {
            Echo->Echoed++;
        }
    }
}

static VOID UdpWorker(PVOID StartContext)
{
    PUDP_ECHO Echo = (PUDP_ECHO)StartContext;

    for (;;) {
        PLIST_ENTRY Entry;

        KeWaitForSingleObject(&Echo->Available, Executive, KernelMode, FALSE, NULL);
        Entry = ExInterlockedRemoveHeadList(&Echo->Retained, &Echo->Lock);
        if (Entry != NULL) {
            PUDP_INDICATION Indication = CONTAINING_RECORD(Entry, UDP_INDICATION, Link);

            UdpAnswer(Echo, Indication->List);
            UdpDispatch(Echo->Socket)->WskRelease(Echo->Socket, Indication->List);
            ExFreeToNPagedLookasideList(&Echo->Indications, Indication);
        } else if (ReadAcquire(&Echo->Stopping)) {
            break;
        }
    }
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static NTSTATUS UdpSetOption(PUDP_ECHO Echo, ULONG Level, ULONG Option, PVOID Value, SIZE_T Size)
{
    NTSTATUS Status = UdpBasicDispatch(Echo->Socket)
                          ->WskControlSocket(Echo->Socket, WskSetOption, Option, Level, Size, Value, 0, NULL, NULL,
                                             UdpPrepare(&Echo->Request));

    return UdpWait(&Echo->Request, Status);
}

static NTSTATUS UdpSetEvents(PUDP_ECHO Echo, ULONG Mask)
{
    WSK_EVENT_CALLBACK_CONTROL Control = {&NPI_WSK_INTERFACE_ID, 0};
    NTSTATUS Status;

    Control.EventMask = Mask;
    Status = UdpBasicDispatch(Echo->Socket)
                 ->WskControlSocket(Echo->Socket, WskSetOption, SO_WSK_EVENT_CALLBACK, SOL_SOCKET, sizeof(Control),
                                    &Control, 0, NULL, NULL, NULL);
    /* A callback that has started may still be running. */
    return Status == STATUS_EVENT_PENDING ? STATUS_SUCCESS : Status;
}

/* Opens a socket, and binds it to an address of this machine. */
static NTSTATUS UdpOpen(PUDP_ECHO Echo, const VOID *Events, PWSK_SOCKET *Socket, PSOCKADDR_IN Address)
{
    NTSTATUS Status = Echo->Provider.Dispatch->WskSocket(Echo->Provider.Client, AF_INET, SOCK_DGRAM, IPPROTO_UDP,
                                                         WSK_FLAG_DATAGRAM_SOCKET, Events == NULL ? NULL : Echo,
                                                         Events, NULL, NULL, NULL, UdpPrepare(&Echo->Request));

    Status = UdpWait(&Echo->Request, Status);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    *Socket = (PWSK_SOCKET)Echo->Request.Irp->IoStatus.Information;
    Status = UdpDispatch(*Socket)->WskBind(*Socket, (PSOCKADDR)Address, 0, UdpPrepare(&Echo->Request));
    Status = UdpWait(&Echo->Request, Status);
    if (NT_SUCCESS(Status)) {
        Status = UdpDispatch(*Socket)->WskGetLocalAddress(*Socket, (PSOCKADDR)Address, UdpPrepare(&Echo->Request));
        Status = UdpWait(&Echo->Request, Status);
    }
    return Status;
}

static VOID UdpClose(PUDP_ECHO Echo, PWSK_SOCKET Socket)
{
    UdpWait(&Echo->Request, UdpBasicDispatch(Socket)->WskCloseSocket(Socket, UdpPrepare(&Echo->Request)));
}

static VOID UdpSetAddress(PSOCKADDR_IN Address, UCHAR First, UCHAR Second, UCHAR Third, UCHAR Fourth, USHORT Port)
{
    RtlZeroMemory(Address, sizeof(*Address));
    Address->sin_family = AF_INET;
    Address->sin_port = Port;
    Address->sin_addr.S_un.S_un_b.s_b1 = First;
    Address->sin_addr.S_un.S_un_b.s_b2 = Second;
    Address->sin_addr.S_un.S_un_b.s_b3 = Third;
    Address->sin_addr.S_un.S_un_b.s_b4 = Fourth;
}

static NTSTATUS UdpStart(PUDP_ECHO *Started)
{
    WSK_CLIENT_NPI Npi = {NULL, &UdpClientDispatch};
    PUDP_ECHO Echo = (PUDP_ECHO)ExAllocatePoolZero(NonPagedPoolNx, sizeof(*Echo), UDP_TAG);
    OBJECT_ATTRIBUTES Attributes;
    HANDLE Thread;
    IP_MREQ Membership;
    ULONG Loop = 1;
    NTSTATUS Status;

    if (Echo == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    InitializeListHead(&Echo->Retained);
    KeInitializeSpinLock(&Echo->Lock);
    KeInitializeSemaphore(&Echo->Available, 0, MAXLONG);
    ExInitializeNPagedLookasideList(&Echo->Indications, NULL, NULL, 0, sizeof(UDP_INDICATION), UDP_TAG, 0);
    Echo->Bytes = (PUCHAR)ExAllocatePoolWithTag(NonPagedPoolNx, UDP_LARGEST, UDP_TAG);
    if (Echo->Bytes == NULL || !UdpAllocateRequest(&Echo->Request)) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    Echo->Mdl = IoAllocateMdl(Echo->Bytes, UDP_LARGEST, FALSE, FALSE, NULL);
    if (Echo->Mdl == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    MmBuildMdlForNonPagedPool(Echo->Mdl);
    Status = WskRegister(&Npi, &Echo->Registration);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Status = WskCaptureProviderNPI(&Echo->Registration, WSK_INFINITE_WAIT, &Echo->Provider);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    UdpSetAddress(&Echo->Local, 0, 0, 0, 0, 0);
    Status = UdpOpen(Echo, &UdpEvents, &Echo->Socket, &Echo->Local);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    InitializeObjectAttributes(&Attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    Status = PsCreateSystemThread(&Thread, THREAD_ALL_ACCESS, &Attributes, NULL, NULL, UdpWorker, Echo);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Status = ObReferenceObjectByHandle(Thread, THREAD_ALL_ACCESS, *PsThreadType, KernelMode, &Echo->Thread, NULL);
    ZwClose(Thread);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    UdpSetAddress(&Echo->Peer, 239, 255, 77, 1, 0);
    Membership.imr_multiaddr = Echo->Peer.sin_addr;
    UdpSetAddress(&Echo->Peer, 127, 0, 0, 1, 0);
    Membership.imr_interface = Echo->Peer.sin_addr;
    Status = UdpSetOption(Echo, IPPROTO_IP, IP_ADD_MEMBERSHIP, &Membership, sizeof(Membership));
    if (NT_SUCCESS(Status)) {
        Status = UdpSetOption(Echo, IPPROTO_IP, IP_MULTICAST_LOOP, &Loop, sizeof(Loop));
    }
    if (NT_SUCCESS(Status)) {
        Status = UdpSetEvents(Echo, WSK_EVENT_RECEIVE_FROM);
    }
    *Started = Echo;
    return Status;
}

/* The order of the end: no more callbacks, no more retained lists, no thread, no socket, no registration. Returns whether
 * this many datagrams were sent back, and none refused. */
static BOOLEAN UdpStop(PUDP_ECHO Echo, ULONG Expected)
{
    BOOLEAN IsComplete;

    UdpSetEvents(Echo, WSK_EVENT_RECEIVE_FROM | WSK_EVENT_DISABLE);
    WriteRelease(&Echo->Stopping, TRUE);
    KeReleaseSemaphore(&Echo->Available, IO_NO_INCREMENT, 1, FALSE);
    KeWaitForSingleObject(Echo->Thread, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(Echo->Thread);
    IsComplete = Echo->Echoed == Expected && Echo->Refused == 0;
    UdpClose(Echo, Echo->Socket);
    WskReleaseProviderNPI(&Echo->Registration);
    WskDeregister(&Echo->Registration);
    ExDeleteNPagedLookasideList(&Echo->Indications);
    IoFreeMdl(Echo->Mdl);
    IoFreeIrp(Echo->Request.Irp);
    ExFreePoolWithTag(Echo->Bytes, UDP_TAG);
    ExFreePoolWithTag(Echo, UDP_TAG);
    return IsComplete;
}

/* A peer with its own socket, on a second registration: it sends, and waits for the answer. */
static NTSTATUS UdpExchange(PUDP_ECHO Peer, PSOCKADDR_IN To, ULONG Length)
{
    WSK_BUF Outgoing = {Peer->Mdl, 0, 0}, Incoming = {Peer->Mdl, UDP_LARGEST / 2, UDP_LARGEST / 2};
    NTSTATUS Status;
    ULONG Index;

    Outgoing.Length = Length;
    for (Index = 0; Index < Length; Index++) {
        Peer->Bytes[Index] = (UCHAR)(Index + Length);
    }
    Peer->Local = *To;
    Status = UdpDispatch(Peer->Socket)
                 ->WskSendTo(Peer->Socket, &Outgoing, 0, (PSOCKADDR)&Peer->Local, 0, NULL,
                             UdpPrepare(&Peer->Request));
    Status = UdpWait(&Peer->Request, Status);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Status = UdpDispatch(Peer->Socket)
                 ->WskReceiveFrom(Peer->Socket, &Incoming, 0, (PSOCKADDR)&Peer->Peer, NULL, NULL, NULL,
                                  UdpPrepare(&Peer->Request));
    Status = UdpWait(&Peer->Request, Status);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    if (Peer->Request.Irp->IoStatus.Information != Length ||
        !RtlEqualMemory(Peer->Bytes, Peer->Bytes + UDP_LARGEST / 2, Length) ||
        Peer->Peer.sin_port != To->sin_port) {
        return STATUS_DATA_ERROR;
    }
    return STATUS_SUCCESS;
}

static int UdpScenario(void *Context)
{
    static UDP_ECHO Peer;
    static const ULONG Lengths[] = {5, 0, 1000, 1, 512, 77};
    WSK_CLIENT_NPI Npi = {NULL, &UdpClientDispatch};
    PUDP_ECHO Echo = NULL;
    SOCKADDR_IN To;
    IN_ADDR Interface;
    NTSTATUS Status;
    ULONG Index;

    UNREFERENCED_PARAMETER(Context);
    Status = UdpStart(&Echo);
    if (!NT_SUCCESS(Status)) {
        fprintf(stderr, "UdpStart: 0x%08X\n", (unsigned)Status);
        return 1;
    }
    RtlZeroMemory(&Peer, sizeof(Peer));
    Peer.Bytes = (PUCHAR)ExAllocatePoolWithTag(NonPagedPoolNx, UDP_LARGEST, UDP_TAG);
    if (Peer.Bytes == NULL || !UdpAllocateRequest(&Peer.Request) ||
        (Peer.Mdl = IoAllocateMdl(Peer.Bytes, UDP_LARGEST, FALSE, FALSE, NULL)) == NULL) {
        return 2;
    }
    MmBuildMdlForNonPagedPool(Peer.Mdl);
    if (!NT_SUCCESS(WskRegister(&Npi, &Peer.Registration)) ||
        !NT_SUCCESS(WskCaptureProviderNPI(&Peer.Registration, WSK_INFINITE_WAIT, &Peer.Provider))) {
        return 3;
    }
    UdpSetAddress(&Peer.Local, 127, 0, 0, 1, 0);
    Status = UdpOpen(&Peer, NULL, &Peer.Socket, &Peer.Local);
    Interface = Peer.Local.sin_addr;
    if (NT_SUCCESS(Status)) {
        Status = UdpSetOption(&Peer, IPPROTO_IP, IP_MULTICAST_IF, &Interface, sizeof(Interface));
    }
    for (Index = 0; Index < UDP_COUNT && NT_SUCCESS(Status); Index++) {
        if (Index % 2 == 0) {
            UdpSetAddress(&To, 127, 0, 0, 1, Echo->Local.sin_port);
        } else {
            UdpSetAddress(&To, 239, 255, 77, 1, Echo->Local.sin_port);
        }
        Status = UdpExchange(&Peer, &To, Lengths[Index % ARRAYSIZE(Lengths)]);
    }
    UdpClose(&Peer, Peer.Socket);
    WskReleaseProviderNPI(&Peer.Registration);
    WskDeregister(&Peer.Registration);
    IoFreeMdl(Peer.Mdl);
    IoFreeIrp(Peer.Request.Irp);
    ExFreePoolWithTag(Peer.Bytes, UDP_TAG);
    if (!UdpStop(Echo, UDP_COUNT) && NT_SUCCESS(Status)) {
        Status = STATUS_UNSUCCESSFUL;
    }
    if (!NT_SUCCESS(Status)) {
        fprintf(stderr, "UdpExchange %u: 0x%08X\n", (unsigned)Index, (unsigned)Status);
        return 4;
    }
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
        if (wsk_host_run(&Options, UdpScenario, NULL) != 0) {
            return 1;
        }
    }
    printf("udp echo\n");
    return 0;
}
