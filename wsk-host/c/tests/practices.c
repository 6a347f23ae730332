/*
 * Practices of shipped drivers that WSK's documentation forbids or leaves open. By default a client in C is warned of the former,
 * once, and runs on. The argument names the scenario.
 */
#include <stdio.h>
#include <string.h>

#include <ntddk.h>
#include <wsk.h>
#include <mstcpip.h>

#include <wsk_host.h>

#define TAG 'carp'

static const WSK_CLIENT_DISPATCH Dispatch = {MAKE_WSK_VERSION(1, 0), 0, NULL};

typedef struct _CLIENT {
    WSK_REGISTRATION Registration;
    WSK_PROVIDER_NPI Provider;
    PIRP Irp;
    KEVENT Event;
    PVOID Memory;
    PMDL Mdl;
} CLIENT;

static NTSTATUS Completed(PDEVICE_OBJECT Device, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(Device);
    UNREFERENCED_PARAMETER(Irp);
    KeSetEvent(&((CLIENT *)Context)->Event, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* The client's IRP, for one more request. */
static PIRP Begin(CLIENT *Client)
{
    IoReuseIrp(Client->Irp, STATUS_UNSUCCESSFUL);
    IoSetCompletionRoutine(Client->Irp, Completed, Client, TRUE, TRUE, TRUE);
    return Client->Irp;
}

static NTSTATUS Wait(CLIENT *Client)
{
    KeWaitForSingleObject(&Client->Event, Executive, KernelMode, FALSE, NULL);
    return Client->Irp->IoStatus.Status;
}

static CLIENT *Register(void)
{
    WSK_CLIENT_NPI Npi = {NULL, &Dispatch};
    CLIENT *Client = (CLIENT *)ExAllocatePoolWithTag(NonPagedPoolNx, sizeof *Client, TAG);

    WskRegister(&Npi, &Client->Registration);
    WskCaptureProviderNPI(&Client->Registration, WSK_INFINITE_WAIT, &Client->Provider);
    Client->Irp = IoAllocateIrp(1, FALSE);
    KeInitializeEvent(&Client->Event, SynchronizationEvent, FALSE);
    Client->Memory = ExAllocatePoolWithTag(NonPagedPoolNx, PAGE_SIZE, TAG);
    Client->Mdl = IoAllocateMdl(Client->Memory, PAGE_SIZE, FALSE, FALSE, NULL);
    MmBuildMdlForNonPagedPool(Client->Mdl);
    return Client;
}

static void Deregister(CLIENT *Client)
{
    WskReleaseProviderNPI(&Client->Registration);
    WskDeregister(&Client->Registration);
    IoFreeMdl(Client->Mdl);
    ExFreePoolWithTag(Client->Memory, TAG);
    IoFreeIrp(Client->Irp);
    ExFreePoolWithTag(Client, TAG);
}

static NTSTATUS Received(PVOID Context, ULONG Flags, PWSK_DATAGRAM_INDICATION Datagrams)
{
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(Datagrams);
    return STATUS_SUCCESS;
}

static const WSK_CLIENT_DATAGRAM_DISPATCH Events = {Received};

#define TABLE(Socket) ((const WSK_PROVIDER_DATAGRAM_DISPATCH *)(Socket)->Dispatch)

/* A bound datagram socket, and its address, if `address` is not null. */
static PWSK_SOCKET Bound(CLIENT *Client, PVOID Context, SOCKADDR_IN *Address)
{
    SOCKADDR_IN *Any = (SOCKADDR_IN *)Client->Memory;
    PWSK_SOCKET Socket;

    Client->Provider.Dispatch->WskSocket(Client->Provider.Client, AF_INET, SOCK_DGRAM, IPPROTO_UDP,
                                         WSK_FLAG_DATAGRAM_SOCKET, Context, &Events, NULL, NULL, NULL, Begin(Client));
    if (!NT_SUCCESS(Wait(Client))) {
        return NULL;
    }
    Socket = (PWSK_SOCKET)Client->Irp->IoStatus.Information;
    memset(Any, 0, sizeof *Any);
    Any->sin_family = AF_INET;
    Any->sin_addr.S_un.S_un_b.s_b1 = 127;
    Any->sin_addr.S_un.S_un_b.s_b4 = 1;
    TABLE(Socket)->WskBind(Socket, (PSOCKADDR)Any, 0, Begin(Client));
    Wait(Client);
    if (Address != NULL) {
        TABLE(Socket)->WskGetLocalAddress(Socket, (PSOCKADDR)Any, Begin(Client));
        Wait(Client);
        *Address = *Any;
    }
    return Socket;
}

static void Close(CLIENT *Client, PWSK_SOCKET Socket)
{
    TABLE(Socket)->WskCloseSocket(Socket, Begin(Client));
    Wait(Client);
}

/* Sends with a WSK_BUF that is a local variable, and returns before the request has completed. */
static void Send(CLIENT *Client, PWSK_SOCKET Socket, PSOCKADDR To, PCMSGHDR Control)
{
    WSK_BUF Buffer = {Client->Mdl, 0, 4};

    TABLE(Socket)->WskSendTo(Socket, &Buffer, 0, To, 0, Control, Begin(Client));
}

static const char *Name;

static int is(const char *Other)
{
    return strcmp(Name, Other) == 0;
}

static int Scenario(void *Parameter)
{
    static char Resident;
    char OnStack;
    CLIENT *Client = Register();
    SOCKADDR_IN Address, Local;
    PWSK_SOCKET Socket = Bound(Client, is("context-on-the-stack") ? &OnStack : &Resident, &Address);
    SOCKADDR_IN *To = (SOCKADDR_IN *)((char *)Client->Memory + 1024);
    NTSTATUS Status = STATUS_SUCCESS;

    UNREFERENCED_PARAMETER(Parameter);
    *To = Address;
    if (is("local-buffer")) {
        Send(Client, Socket, (PSOCKADDR)To, NULL);
        Status = Wait(Client);
    } else if (is("address-on-the-stack")) {
        TABLE(Socket)->WskGetLocalAddress(Socket, (PSOCKADDR)&Local, Begin(Client));
        Status = Wait(Client);
        if (Local.sin_port != Address.sin_port) {
            Status = STATUS_UNSUCCESSFUL;
        }
    } else if (is("registration-on-the-stack")) {
        WSK_CLIENT_NPI Npi = {NULL, &Dispatch};
        WSK_REGISTRATION Registration;
        Status = WskRegister(&Npi, &Registration);
        if (NT_SUCCESS(Status)) {
            WskDeregister(&Registration);
        }
    } else if (is("empty-control-data")) {
        Send(Client, Socket, (PSOCKADDR)To, (PCMSGHDR)((char *)Client->Memory + 2048));
        Status = Wait(Client);
    } else if (is("events-with-an-irp")) {
        WSK_EVENT_CALLBACK_CONTROL *Control = (WSK_EVENT_CALLBACK_CONTROL *)Client->Memory;
        Control->NpiId = (PNPIID)&NPI_WSK_INTERFACE_ID;
        Control->EventMask = WSK_EVENT_RECEIVE_FROM;
        TABLE(Socket)->WskControlSocket(Socket, WskSetOption, SO_WSK_EVENT_CALLBACK, SOL_SOCKET, sizeof *Control,
                                        Control, 0, NULL, NULL, Begin(Client));
        Status = Wait(Client);
    } else if (is("irp-and-size")) {
        SIZE_T Size;
        TABLE(Socket)->WskControlSocket(Socket, WskGetOption, SO_BROADCAST, SOL_SOCKET, 0, NULL, sizeof(ULONG),
                                        Client->Memory, &Size, Begin(Client));
        Status = Wait(Client);
    } else if (!is("context-on-the-stack")) {
        Status = STATUS_INVALID_PARAMETER;
    }
    Close(Client, Socket);
    Deregister(Client);
    return NT_SUCCESS(Status) ? 0 : 1;
}

int main(int Count, char **Arguments)
{
    Name = Count > 1 ? Arguments[1] : "";
    return wsk_host_run(NULL, Scenario, NULL);
}
