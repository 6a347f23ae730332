/*
 * A client that sends and receives, again and again, as a careful author of drivers writes it for speed: to be
 * compared with the one in Rust, by `cargo xtask bench`.
 *
 * Everything that WSK touches is allocated once. A request waits with an event, but only if its IRP has not
 * completed before: a flag says so, since a call of the kernel's costs more.
 */
#include <ntddk.h>
#include <wsk.h>
#include <wsk_host.h>

#include "cost.h"

/* "Cost" in a dump of the pool. */
#define COST_TAG 0x74736F43

/* The states of a request. */
#define COST_IN_FLIGHT  0
#define COST_WAITED_FOR 1
#define COST_COMPLETED  2

/* An IRP, for one call at a time, again and again. */
typedef struct _COST_REQUEST {
    PIRP Irp;
    LONG volatile State;
    KEVENT Completed;
} COST_REQUEST, *PCOST_REQUEST;

/* Bytes that WSK may fill or read. */
typedef struct _COST_BUFFER {
    PUCHAR Bytes;
    WSK_BUF Buffer;
} COST_BUFFER, *PCOST_BUFFER;

/* Everything, in nonpaged pool. */
typedef struct _COST_CLIENT {
    WSK_REGISTRATION Registration;
    WSK_PROVIDER_NPI Provider;
    BOOLEAN Registered;
    BOOLEAN Captured;
    COST_REQUEST Request;
    COST_BUFFER Outgoing;
    COST_BUFFER Incoming;
    PWSK_SOCKET Socket;
    SOCKADDR_IN Local;
    SOCKADDR_IN Remote;
} COST_CLIENT, *PCOST_CLIENT;

static const WSK_CLIENT_DISPATCH CostDispatch = {MAKE_WSK_VERSION(1, 0), 0, NULL};

/*
 * Requests
 */

static IO_COMPLETION_ROUTINE CostCompleted;

static NTSTATUS CostCompleted(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    PCOST_REQUEST Request = (PCOST_REQUEST)Context;

    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    if (InterlockedExchange(&Request->State, COST_COMPLETED) == COST_WAITED_FOR) {
        KeSetEvent(&Request->Completed, IO_NO_INCREMENT, FALSE);
    }
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static PIRP CostBegin(PCOST_REQUEST Request)
{
    Request->State = COST_IN_FLIGHT;
    IoReuseIrp(Request->Irp, STATUS_UNSUCCESSFUL);
    IoSetCompletionRoutine(Request->Irp, CostCompleted, Request, TRUE, TRUE, TRUE);
    return Request->Irp;
}

/* Waits for a call. What it has returned adds nothing: WSK completes the IRP in every case. */
static NTSTATUS CostWait(PCOST_REQUEST Request)
{
    if (Request->State != COST_COMPLETED &&
        InterlockedCompareExchange(&Request->State, COST_WAITED_FOR, COST_IN_FLIGHT) == COST_IN_FLIGHT) {
        KeWaitForSingleObject(&Request->Completed, Executive, KernelMode, FALSE, NULL);
    }
    return Request->Irp->IoStatus.Status;
}

/*
 * What is measured
 */

static const WSK_PROVIDER_CONNECTION_DISPATCH *CostConnectionDispatch(PWSK_SOCKET Socket)
{
    return (const WSK_PROVIDER_CONNECTION_DISPATCH *)Socket->Dispatch;
}

/* Sends a whole message. */
static NTSTATUS CostSend(PCOST_CLIENT Client)
{
    PWSK_SOCKET Socket = Client->Socket;
    SIZE_T Sent = 0;

    while (Sent < COST_LENGTH) {
        NTSTATUS Status;

        Client->Outgoing.Buffer.Offset = (ULONG)Sent;
        Client->Outgoing.Buffer.Length = COST_LENGTH - Sent;
        CostConnectionDispatch(Socket)->WskSend(Socket, &Client->Outgoing.Buffer, 0, CostBegin(&Client->Request));
        Status = CostWait(&Client->Request);
        if (!NT_SUCCESS(Status)) {
            return Status;
        }
        if (Client->Request.Irp->IoStatus.Information == 0) {
            return STATUS_CONNECTION_ABORTED;
        }
        Sent += Client->Request.Irp->IoStatus.Information;
    }
    return STATUS_SUCCESS;
}

/* Receives what there is, and says how much. */
static NTSTATUS CostReceive(PCOST_CLIENT Client, PSIZE_T Received)
{
    PWSK_SOCKET Socket = Client->Socket;
    NTSTATUS Status;

    Client->Incoming.Buffer.Offset = 0;
    Client->Incoming.Buffer.Length = COST_LENGTH;
    CostConnectionDispatch(Socket)->WskReceive(Socket, &Client->Incoming.Buffer, 0, CostBegin(&Client->Request));
    Status = CostWait(&Client->Request);
    if (NT_SUCCESS(Status)) {
        *Received = Client->Request.Irp->IoStatus.Information;
    }
    return Status;
}

static NTSTATUS CostRounds(PCOST_CLIENT Client, ULONG Rounds, PSIZE_T Received)
{
    ULONG Round;

    *Received = 0;
    for (Round = 0; Round < Rounds; Round++) {
        SIZE_T Part = 0;
        NTSTATUS Status;

        Status = CostSend(Client);
        if (NT_SUCCESS(Status)) {
            Status = CostReceive(Client, &Part);
        }
        if (!NT_SUCCESS(Status)) {
            return Status;
        }
        *Received += Part;
    }
    return STATUS_SUCCESS;
}

/*
 * What has to be there
 */

static NTSTATUS CostAllocateRequest(PCOST_REQUEST Request)
{
    Request->Irp = IoAllocateIrp(1, FALSE);
    if (Request->Irp == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    KeInitializeEvent(&Request->Completed, SynchronizationEvent, FALSE);
    return STATUS_SUCCESS;
}

static NTSTATUS CostAllocateBuffer(PCOST_BUFFER Buffer)
{
    Buffer->Bytes = (PUCHAR)ExAllocatePoolWithTag(NonPagedPoolNx, COST_LENGTH, COST_TAG);
    if (Buffer->Bytes == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    RtlZeroMemory(Buffer->Bytes, COST_LENGTH);
    Buffer->Buffer.Mdl = IoAllocateMdl(Buffer->Bytes, COST_LENGTH, FALSE, FALSE, NULL);
    if (Buffer->Buffer.Mdl == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    MmBuildMdlForNonPagedPool(Buffer->Buffer.Mdl);
    return STATUS_SUCCESS;
}

static VOID CostFreeBuffer(PCOST_BUFFER Buffer)
{
    if (Buffer->Buffer.Mdl != NULL) {
        IoFreeMdl(Buffer->Buffer.Mdl);
    }
    if (Buffer->Bytes != NULL) {
        ExFreePoolWithTag(Buffer->Bytes, COST_TAG);
    }
}

static NTSTATUS CostConnect(PCOST_CLIENT Client)
{
    NTSTATUS Status;

    Client->Local.sin_family = AF_INET;
    Client->Remote.sin_family = AF_INET;
    Client->Remote.sin_port = 0x0700;
    Client->Remote.sin_addr.S_un.S_un_b.s_b1 = 127;
    Client->Remote.sin_addr.S_un.S_un_b.s_b4 = 1;
    Client->Provider.Dispatch->WskSocketConnect(Client->Provider.Client, SOCK_STREAM, IPPROTO_TCP,
                                                (PSOCKADDR)&Client->Local, (PSOCKADDR)&Client->Remote, 0, NULL, NULL,
                                                NULL, NULL, NULL, CostBegin(&Client->Request));
    Status = CostWait(&Client->Request);
    if (NT_SUCCESS(Status)) {
        Client->Socket = (PWSK_SOCKET)Client->Request.Irp->IoStatus.Information;
    }
    return Status;
}

/* What was done is undone by CostStop, also after a failure. */
static NTSTATUS CostStart(PCOST_CLIENT Client)
{
    WSK_CLIENT_NPI Npi = {NULL, &CostDispatch};
    NTSTATUS Status;

    Status = CostAllocateRequest(&Client->Request);
    if (NT_SUCCESS(Status)) {
        Status = CostAllocateBuffer(&Client->Outgoing);
    }
    if (NT_SUCCESS(Status)) {
        Status = CostAllocateBuffer(&Client->Incoming);
    }
    if (NT_SUCCESS(Status)) {
        Status = WskRegister(&Npi, &Client->Registration);
        Client->Registered = NT_SUCCESS(Status);
    }
    if (NT_SUCCESS(Status)) {
        Status = WskCaptureProviderNPI(&Client->Registration, WSK_NO_WAIT, &Client->Provider);
        Client->Captured = NT_SUCCESS(Status);
    }
    if (NT_SUCCESS(Status)) {
        Status = CostConnect(Client);
    }
    return Status;
}

static VOID CostStop(PCOST_CLIENT Client)
{
    if (Client->Socket != NULL) {
        CostConnectionDispatch(Client->Socket)->WskCloseSocket(Client->Socket, CostBegin(&Client->Request));
        (VOID)CostWait(&Client->Request);
    }
    if (Client->Captured) {
        WskReleaseProviderNPI(&Client->Registration);
    }
    if (Client->Registered) {
        WskDeregister(&Client->Registration);
    }
    CostFreeBuffer(&Client->Incoming);
    CostFreeBuffer(&Client->Outgoing);
    if (Client->Request.Irp != NULL) {
        IoFreeIrp(Client->Request.Irp);
    }
}

int cost_client(void *context)
{
    cost_run *Run = (cost_run *)context;
    PCOST_CLIENT Client = (PCOST_CLIENT)ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(*Client), COST_TAG);
    SIZE_T Received = 0;
    NTSTATUS Status;

    if (Client == NULL) {
        return 1;
    }
    RtlZeroMemory(Client, sizeof(*Client));
    Status = CostStart(Client);
    if (NT_SUCCESS(Status)) {
        Status = CostRounds(Client, Run->warm_up, &Received);
    }
    if (NT_SUCCESS(Status)) {
        uint64_t Before = wsk_host_allocations();
        uint64_t Start = cost_time();

        Status = CostRounds(Client, Run->rounds, &Received);
        Run->nanoseconds = cost_time() - Start;
        Run->allocations = wsk_host_allocations() - Before;
        Run->received = Received;
    }
    CostStop(Client);
    ExFreePoolWithTag(Client, COST_TAG);
    if (!NT_SUCCESS(Status)) {
        DbgPrint("cost: 0x%08X\n", Status);
    }
    return NT_SUCCESS(Status) ? 0 : 1;
}
