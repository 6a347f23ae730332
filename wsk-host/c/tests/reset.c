/*
 * A client continues to send to a peer that has reset the connection: each send fails with a status, and the process is
 * not ended by a signal.
 */
#include <ntddk.h>
#include <wsk.h>
#include <wsk_host.h>

#include <stdio.h>

#define TAG 'tseR'
#define CHECK(Condition)     \
    do {                     \
        if (!(Condition)) {  \
            return __LINE__; \
        }                    \
    } while (0)

typedef struct _CLIENT {
    WSK_REGISTRATION Registration;
    WSK_PROVIDER_NPI Provider;
    PIRP Irp;
    KEVENT Done;
    PMDL Mdl;
    SOCKADDR_IN Address;
    CHAR Bytes[64];
} CLIENT, *PCLIENT;

static NTSTATUS Completed(PDEVICE_OBJECT Device, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(Device);
    UNREFERENCED_PARAMETER(Irp);
    KeSetEvent(&((PCLIENT)Context)->Done, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static PIRP Begin(PCLIENT Client)
{
    IoReuseIrp(Client->Irp, STATUS_UNSUCCESSFUL);
    IoSetCompletionRoutine(Client->Irp, Completed, Client, TRUE, TRUE, TRUE);
    return Client->Irp;
}

static NTSTATUS Wait(PCLIENT Client)
{
    KeWaitForSingleObject(&Client->Done, Executive, KernelMode, FALSE, NULL);
    return Client->Irp->IoStatus.Status;
}

static NTSTATUS Socket(PCLIENT Client, ULONG Flags, PWSK_SOCKET *Made)
{
    NTSTATUS Status;

    Client->Provider.Dispatch->WskSocket(Client->Provider.Client, AF_INET, SOCK_STREAM, IPPROTO_TCP, Flags, NULL, NULL,
                                         NULL, NULL, NULL, Begin(Client));
    Status = Wait(Client);
    *Made = (PWSK_SOCKET)Client->Irp->IoStatus.Information;
    return Status;
}

static NTSTATUS Close(PCLIENT Client, PWSK_SOCKET Open)
{
    ((const WSK_PROVIDER_BASIC_DISPATCH *)Open->Dispatch)->WskCloseSocket(Open, Begin(Client));
    return Wait(Client);
}

static int Exchange(PCLIENT Client)
{
    PWSK_SOCKET Listening, Sending, Accepted;
    const WSK_PROVIDER_LISTEN_DISPATCH *Listener;
    const WSK_PROVIDER_CONNECTION_DISPATCH *Sender;
    WSK_BUF Buffer = {Client->Mdl, 0, sizeof(Client->Bytes)};
    SOCKADDR_IN Any = {0};
    int Index;

    CHECK(NT_SUCCESS(Socket(Client, WSK_FLAG_LISTEN_SOCKET, &Listening)));
    Listener = (const WSK_PROVIDER_LISTEN_DISPATCH *)Listening->Dispatch;
    Client->Address.sin_family = Any.sin_family = AF_INET;
    Client->Address.sin_addr.s_addr = RtlUlongByteSwap(0x7F000001);
    Listener->WskBind(Listening, (PSOCKADDR)&Client->Address, 0, Begin(Client));
    CHECK(NT_SUCCESS(Wait(Client)));
    Listener->WskGetLocalAddress(Listening, (PSOCKADDR)&Client->Address, Begin(Client));
    CHECK(NT_SUCCESS(Wait(Client)));

    CHECK(NT_SUCCESS(Socket(Client, WSK_FLAG_CONNECTION_SOCKET, &Sending)));
    Sender = (const WSK_PROVIDER_CONNECTION_DISPATCH *)Sending->Dispatch;
    Sender->WskBind(Sending, (PSOCKADDR)&Any, 0, Begin(Client));
    CHECK(NT_SUCCESS(Wait(Client)));
    Sender->WskConnect(Sending, (PSOCKADDR)&Client->Address, 0, Begin(Client));
    CHECK(NT_SUCCESS(Wait(Client)));

    Listener->WskAccept(Listening, 0, NULL, NULL, NULL, NULL, Begin(Client));
    CHECK(NT_SUCCESS(Wait(Client)));
    Accepted = (PWSK_SOCKET)Client->Irp->IoStatus.Information;
    CHECK(NT_SUCCESS(Close(Client, Accepted)));

    for (Index = 0; Index < 5; Index++) {
        LARGE_INTEGER Interval = {.QuadPart = -10 * 1000 * 10};

        Sender->WskSend(Sending, &Buffer, 0, Begin(Client));
        /* The first one may be on its way before the reset has arrived. */
        CHECK(!NT_SUCCESS(Wait(Client)) || Index == 0);
        KeDelayExecutionThread(KernelMode, FALSE, &Interval);
    }
    CHECK(NT_SUCCESS(Close(Client, Sending)));
    CHECK(NT_SUCCESS(Close(Client, Listening)));
    return 0;
}

static int Reset(void *Context)
{
    static const WSK_CLIENT_DISPATCH Dispatch = {MAKE_WSK_VERSION(1, 0), 0, NULL};
    WSK_CLIENT_NPI Npi = {NULL, &Dispatch};
    PCLIENT Client = ExAllocatePoolZero(NonPagedPoolNx, sizeof(CLIENT), TAG);
    int Line;

    UNREFERENCED_PARAMETER(Context);
    CHECK(Client != NULL);
    KeInitializeEvent(&Client->Done, SynchronizationEvent, FALSE);
    Client->Irp = IoAllocateIrp(1, FALSE);
    Client->Mdl = IoAllocateMdl(Client->Bytes, sizeof(Client->Bytes), FALSE, FALSE, NULL);
    CHECK(Client->Irp != NULL && Client->Mdl != NULL);
    MmBuildMdlForNonPagedPool(Client->Mdl);
    CHECK(NT_SUCCESS(WskRegister(&Npi, &Client->Registration)));
    CHECK(NT_SUCCESS(WskCaptureProviderNPI(&Client->Registration, WSK_INFINITE_WAIT, &Client->Provider)));
    Line = Exchange(Client);
    CHECK(Line == 0 || (fprintf(stderr, "line %d\n", Line), FALSE));
    WskReleaseProviderNPI(&Client->Registration);
    WskDeregister(&Client->Registration);
    IoFreeMdl(Client->Mdl);
    IoFreeIrp(Client->Irp);
    ExFreePoolWithTag(Client, TAG);
    return 0;
}

int main(void)
{
    wsk_host_options Options = {0};

    Options.network = WSK_HOST_NETWORK_REAL;
    Options.seeds = 8;
    return wsk_host_run(&Options, Reset, NULL);
}
