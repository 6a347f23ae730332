/*
 * One mistake each: the argument names it. The page of Microsoft's documentation that forbids it is named beside it,
 * below https://learn.microsoft.com/windows-hardware/drivers.
 */
#include "client.h"

#include <wsk_host.h>

#include <stdio.h>
#include <string.h>

/* ddi/wsk/nf-wsk-wskregister: PASSIVE_LEVEL. */
static void RegistersAtDispatchLevel(CLIENT *Client)
{
    static WSK_REGISTRATION Registration;
    WSK_CLIENT_NPI Npi = {NULL, &ClientDispatch};
    KIRQL Irql;

    UNREFERENCED_PARAMETER(Client);
    KeRaiseIrql(DISPATCH_LEVEL, &Irql);
    WskRegister(&Npi, &Registration);
}

/* ddi/wsk/nf-wsk-wskcaptureprovidernpi: PASSIVE_LEVEL, unless the wait is WSK_NO_WAIT. */
static void CapturesAtDispatchLevel(CLIENT *Client)
{
    WSK_PROVIDER_NPI Provider;
    KIRQL Irql;

    KeRaiseIrql(DISPATCH_LEVEL, &Irql);
    WskCaptureProviderNPI(&Client->Registration, 1, &Provider);
}

/* ddi/wsk/nf-wsk-wskderegister: PASSIVE_LEVEL. */
static void DeregistersAtDispatchLevel(CLIENT *Client)
{
    KIRQL Irql;

    WskReleaseProviderNPI(&Client->Registration);
    KeRaiseIrql(DISPATCH_LEVEL, &Irql);
    WskDeregister(&Client->Registration);
}

/* ddi/wsk/nc-wsk-pfn_wsk_control_socket: PASSIVE_LEVEL for SIO_ADDRESS_LIST_QUERY. */
static void QueriesAddressesAtDispatchLevel(CLIENT *Client)
{
    PWSK_SOCKET Socket = Create(Client, WSK_FLAG_BASIC_SOCKET, NULL);
    KIRQL Irql;

    KeRaiseIrql(DISPATCH_LEVEL, &Irql);
    BASIC(Socket)->WskControlSocket(Socket, WskIoctl, SIO_ADDRESS_LIST_QUERY, 0, 0, NULL, PAGE_SIZE, Client->Bytes, NULL,
                                    Reuse(&Client->First));
}

/* ddi/wdm/nf-wdm-exallocatepool2: at most APC_LEVEL for paged pool. */
static void AllocatesPagedPoolAtDispatchLevel(CLIENT *Client)
{
    KIRQL Irql;

    UNREFERENCED_PARAMETER(Client);
    KeRaiseIrql(DISPATCH_LEVEL, &Irql);
    ExAllocatePool2(POOL_FLAG_PAGED, 16, TAG);
}

/* ddi/wdm/nf-wdm-exfreepoolwithtag: at most APC_LEVEL for paged pool. */
static void FreesPagedPoolAtDispatchLevel(CLIENT *Client)
{
    PVOID Memory = ExAllocatePool2(POOL_FLAG_PAGED, 16, TAG);
    KIRQL Irql;

    UNREFERENCED_PARAMETER(Client);
    KeRaiseIrql(DISPATCH_LEVEL, &Irql);
    ExFreePoolWithTag(Memory, TAG);
}

/* ddi/wdm/nf-wdm-mmbuildmdlfornonpagedpool: nonpaged pool. */
static void DescribesPagedPool(CLIENT *Client)
{
    PVOID Memory = ExAllocatePool2(POOL_FLAG_PAGED, 16, TAG);
    PMDL Mdl = IoAllocateMdl(Memory, 16, FALSE, FALSE, NULL);

    UNREFERENCED_PARAMETER(Client);
    MmBuildMdlForNonPagedPool(Mdl);
}

/* ddi/wsk/ns-wsk-_wsk_buf: the pages of its MDLs are locked. */
static void SendsFromAnMdlThatWasNeverBuilt(CLIENT *Client)
{
    PAIR Pair = Connect(Client, NULL);
    WSK_BUF Buffer = {IoAllocateMdl(Client->Bytes, 16, FALSE, FALSE, NULL), 0, 16};

    CONNECTION(Pair.Near)->WskSend(Pair.Near, &Buffer, 0, Reuse(&Client->First));
}

/* ddi/wdm/nf-wdm-mmunlockpages: only after the request has completed. */
static void UnlocksPagesInFlight(CLIENT *Client)
{
    PAIR Pair = Connect(Client, NULL);
    PVOID Memory = ExAllocatePool2(POOL_FLAG_PAGED, PAGE_SIZE, TAG);
    WSK_BUF Buffer = {IoAllocateMdl(Memory, 16, FALSE, FALSE, NULL), 0, 16};

    MmProbeAndLockPages(Buffer.Mdl, KernelMode, IoWriteAccess);
    CONNECTION(Pair.Near)->WskReceive(Pair.Near, &Buffer, 0, Reuse(&Client->First));
    MmUnlockPages(Buffer.Mdl);
}

/* An MDL of 16 locked bytes, of an IRP if there is one. */
static PMDL Locked(PIRP Irp)
{
    PMDL Mdl = IoAllocateMdl(ExAllocatePool2(POOL_FLAG_PAGED, PAGE_SIZE, TAG), 16, FALSE, FALSE, Irp);

    MmProbeAndLockPages(Mdl, KernelMode, IoWriteAccess);
    return Mdl;
}

/* ddi/wdm/nf-wdm-iocompleterequest: the completion unlocks and frees the MDLs of the IRP. */
static void CompletesAnIrpWhoseMemoryItHasLent(CLIENT *Client)
{
    PAIR Pair = Connect(Client, NULL);
    PIRP Irp = IoAllocateIrp(1, FALSE);
    WSK_BUF Buffer = {Locked(Irp), 0, 16};

    IoSetNextIrpStackLocation(Irp);
    CONNECTION(Pair.Near)->WskReceive(Pair.Near, &Buffer, 0, Reuse(&Client->First));
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
}

/* ddi/wsk/ns-wsk-_wsk_buf: the MDLs stay as they are until the request has completed. */
static void ShortensAnMdlInFlight(CLIENT *Client)
{
    PAIR Pair = Connect(Client, NULL);
    WSK_BUF Buffer = {Client->Mdl, 0, 16};

    CONNECTION(Pair.Near)->WskReceive(Pair.Near, &Buffer, 0, Reuse(&Client->First));
    Client->Mdl->ByteCount = 8;
    IoCancelIrp(Client->First.Irp);
}

/* ddi/wdm/nf-wdm-iobuildpartialmdl: a partial MDL describes the pages of its source, while they are locked. */
static void UsesAPartialMdlAfterItsSource(CLIENT *Client)
{
    PAIR Pair = Connect(Client, NULL);
    PMDL Source = Locked(NULL);
    PVOID Bytes = MmGetMdlVirtualAddress(Source);
    WSK_BUF Buffer = {IoAllocateMdl(Bytes, 16, FALSE, FALSE, NULL), 0, 16};

    IoBuildPartialMdl(Source, Buffer.Mdl, Bytes, 16);
    MmUnlockPages(Source);
    CONNECTION(Pair.Near)->WskReceive(Pair.Near, &Buffer, 0, Reuse(&Client->First));
}

/* ddi/wdm/nf-wdm-mmunlockpages: pages that MmProbeAndLockPages has locked. */
static void UnlocksNonpagedPool(CLIENT *Client)
{
    MmUnlockPages(Client->Mdl);
}

/* ddi/wdm/nf-wdm-iobuildpartialmdl: within the source. */
static void DescribesMoreThanTheWhole(CLIENT *Client)
{
    PMDL Mdl = IoAllocateMdl(Client->Bytes, 2 * PAGE_SIZE, FALSE, FALSE, NULL);

    IoBuildPartialMdl(Client->Mdl, Mdl, Client->Bytes + 8, PAGE_SIZE);
}

/* kernel/introduction-to-spin-locks: a thread that acquires a lock which it holds waits for itself. */
static void AcquiresItsSpinLock(CLIENT *Client)
{
    KSPIN_LOCK Lock;
    KIRQL Irql, Again;

    UNREFERENCED_PARAMETER(Client);
    KeInitializeSpinLock(&Lock);
    KeAcquireSpinLock(&Lock, &Irql);
    KeAcquireSpinLock(&Lock, &Again);
}

/* The same, with a queued lock. */
static void AcquiresItsQueuedSpinLock(CLIENT *Client)
{
    KSPIN_LOCK Lock;
    KLOCK_QUEUE_HANDLE First, Second;

    UNREFERENCED_PARAMETER(Client);
    KeInitializeSpinLock(&Lock);
    KeAcquireInStackQueuedSpinLock(&Lock, &First);
    KeAcquireInStackQueuedSpinLock(&Lock, &Second);
}

/* The same, with a lock of readers and writers: the reader becomes a writer. */
static void WritesWhileItReads(CLIENT *Client)
{
    EX_SPIN_LOCK Lock = 0;

    UNREFERENCED_PARAMETER(Client);
    ExAcquireSpinLockShared(&Lock);
    ExAcquireSpinLockExclusive(&Lock);
}

static KSPIN_LOCK SendLock;

static NTSTATUS Locks(PDEVICE_OBJECT Device, PIRP Irp, PVOID Context)
{
    KIRQL Irql;

    KeAcquireSpinLock(&SendLock, &Irql);
    KeReleaseSpinLock(&SendLock, Irql);
    return Complete(Device, Irp, Context);
}

/* network/using-irps-with-winsock-kernel-functions: the completion routine may run before the call returns. */
static void SendsWithTheLockOfItsRoutine(CLIENT *Client)
{
    PAIR Pair = Connect(Client, NULL);
    WSK_BUF Buffer = {Client->Mdl, 0, 16};
    KIRQL Irql;

    KeInitializeSpinLock(&SendLock);
    Reuse(&Client->First);
    IoSetCompletionRoutine(Client->First.Irp, Locks, &Client->First.Event, TRUE, TRUE, TRUE);
    KeAcquireSpinLock(&SendLock, &Irql);
    CONNECTION(Pair.Near)->WskSend(Pair.Near, &Buffer, 0, Client->First.Irp);
    KeReleaseSpinLock(&SendLock, Irql);
}

/* ddi/wdm/nf-wdm-kewaitforsingleobject: at most APC_LEVEL, if it waits. */
static void WaitsWithASpinLock(CLIENT *Client)
{
    PWSK_SOCKET Socket = Bound(Client, WSK_FLAG_DATAGRAM_SOCKET, NULL, 7001);
    WSK_BUF Buffer = {Client->Mdl, 0, 16};
    KIRQL Irql;

    KeInitializeSpinLock(&SendLock);
    KeAcquireSpinLock(&SendLock, &Irql);
    DATAGRAM(Socket)->WskSendTo(Socket, &Buffer, 0, Loopback(Client, 7001), 0, NULL, Reuse(&Client->First));
    Wait(&Client->First);
    KeReleaseSpinLock(&SendLock, Irql);
}

static NTSTATUS LeavesRaised(PDEVICE_OBJECT Device, PIRP Irp, PVOID Context)
{
    KIRQL Irql;

    KeRaiseIrql(DISPATCH_LEVEL, &Irql);
    return Complete(Device, Irp, Context);
}

/* ddi/wdm/nf-wdm-kelowerirql: a routine restores the IRQL that it has raised. */
static void CompletesAtARaisedLevel(CLIENT *Client)
{
    PWSK_SOCKET Socket = Create(Client, WSK_FLAG_DATAGRAM_SOCKET, NULL);

    Reuse(&Client->First);
    IoSetCompletionRoutine(Client->First.Irp, LeavesRaised, &Client->First.Event, TRUE, TRUE, TRUE);
    DATAGRAM(Socket)->WskBind(Socket, Loopback(Client, 0), 0, Client->First.Irp);
    Wait(&Client->First);
}

static NTSTATUS ReceivesRaised(PVOID Context, ULONG Flags, PWSK_DATAGRAM_INDICATION List)
{
    KIRQL Irql;

    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(List);
    KeRaiseIrql(DISPATCH_LEVEL, &Irql);
    KeSetEvent(&((CLIENT *)Context)->Second.Event, IO_NO_INCREMENT, FALSE);
    return STATUS_SUCCESS;
}

static const WSK_CLIENT_DATAGRAM_DISPATCH Raising = {ReceivesRaised};

/* The same in a callback. */
static void ReturnsFromACallbackAtARaisedLevel(CLIENT *Client)
{
    PWSK_SOCKET Socket = Bound(Client, WSK_FLAG_DATAGRAM_SOCKET, &Raising, 7001);
    WSK_BUF Buffer = {Client->Mdl, 0, 16};

    Enable(Socket, WSK_EVENT_RECEIVE_FROM);
    DATAGRAM(Socket)->WskSendTo(Socket, &Buffer, 0, Loopback(Client, 7001), 0, NULL, Reuse(&Client->First));
    Wait(&Client->First);
    KeWaitForSingleObject(&Client->Second.Event, Executive, KernelMode, FALSE, NULL);
}

/* The same in a scenario. */
static void EndsAtARaisedLevel(CLIENT *Client)
{
    KIRQL Irql;

    End(Client);
    KeRaiseIrql(DISPATCH_LEVEL, &Irql);
}

/* ddi/wdm/nf-wdm-kereleasespinlock: the lock is held. */
static void ReleasesAFreeSpinLock(CLIENT *Client)
{
    KSPIN_LOCK Lock;

    UNREFERENCED_PARAMETER(Client);
    KeInitializeSpinLock(&Lock);
    KeReleaseSpinLock(&Lock, PASSIVE_LEVEL);
}

/* ddi/wdm/nf-wdm-kereleasespinlock: the IRQL is that of the acquisition. These are exchanged. */
static void ExchangesTheLevelsOfItsSpinLocks(CLIENT *Client)
{
    KSPIN_LOCK Outer, Inner;
    KIRQL Old, Raised;

    UNREFERENCED_PARAMETER(Client);
    KeInitializeSpinLock(&Outer);
    KeInitializeSpinLock(&Inner);
    KeAcquireSpinLock(&Outer, &Old);
    KeAcquireSpinLock(&Inner, &Raised);
    KeReleaseSpinLock(&Inner, Old);
    KeReleaseSpinLock(&Outer, Raised);
}

static NTSTATUS FreesAndPassesOn(PDEVICE_OBJECT Device, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(Device);
    UNREFERENCED_PARAMETER(Context);
    IoFreeIrp(Irp);
    return STATUS_SUCCESS;
}

/* network/using-irps-with-winsock-kernel-functions: STATUS_MORE_PROCESSING_REQUIRED, for an IRP of the client's. */
static void FreesItsIrpAndPassesItOn(CLIENT *Client)
{
    PWSK_SOCKET Socket = Create(Client, WSK_FLAG_DATAGRAM_SOCKET, NULL);
    PIRP Irp = IoAllocateIrp(1, FALSE);

    IoSetCompletionRoutine(Irp, FreesAndPassesOn, NULL, TRUE, TRUE, TRUE);
    DATAGRAM(Socket)->WskBind(Socket, Loopback(Client, 0), 0, Irp);
    Close(Client, Socket);
}

/* ddi/wdm/nf-wdm-iocancelirp: the IRP is allocated. */
static void CancelsAFreedIrp(CLIENT *Client)
{
    PIRP Irp = IoAllocateIrp(1, FALSE);

    UNREFERENCED_PARAMETER(Client);
    IoFreeIrp(Irp);
    IoCancelIrp(Irp);
}

/* ddi/wdm/nf-wdm-iofreeirp: once. */
static void FreesAnIrpTwice(CLIENT *Client)
{
    PIRP Irp = IoAllocateIrp(1, FALSE);

    UNREFERENCED_PARAMETER(Client);
    IoFreeIrp(Irp);
    IoFreeIrp(Irp);
}

/* network/using-irps-with-winsock-kernel-functions: the result is there when the IRP has completed. */
static void UsesASocketBeforeItsCompletion(CLIENT *Client)
{
    PWSK_SOCKET Socket;

    Client->Provider.Dispatch->WskSocket(Client->Provider.Client, AF_INET, SOCK_DGRAM, IPPROTO_UDP,
                                         WSK_FLAG_DATAGRAM_SOCKET, NULL, NULL, NULL, NULL, NULL,
                                         Reuse(&Client->First));
    Socket = (PWSK_SOCKET)Client->First.Irp->IoStatus.Information;
    DATAGRAM(Socket)->WskBind(Socket, Loopback(Client, 0), 0, Reuse(&Client->Second));
}

#if defined(__GNUC__)
__attribute__((noinline))
#endif
static void ReceiveWithAnEventOnTheStack(CLIENT *Client, PWSK_SOCKET Socket, PIRP Irp)
{
    WSK_BUF Buffer = {Client->Mdl, 0, 16};
    KEVENT Event;

    KeInitializeEvent(&Event, NotificationEvent, FALSE);
    IoSetCompletionRoutine(Irp, Complete, &Event, TRUE, TRUE, TRUE);
    CONNECTION(Socket)->WskReceive(Socket, &Buffer, 0, Irp);
}

/* ddi/wdm/nf-wdm-keinitializeevent: the event stays resident while it is used. */
static void SetsAnEventOfAFunctionThatHasReturned(CLIENT *Client)
{
    PAIR Pair = Connect(Client, NULL);
    WSK_BUF Buffer = {Client->Mdl, 16, 16};

    IoReuseIrp(Client->Second.Irp, STATUS_UNSUCCESSFUL);
    ReceiveWithAnEventOnTheStack(Client, Pair.Near, Client->Second.Irp);
    CONNECTION(Pair.Far)->WskSend(Pair.Far, &Buffer, 0, Reuse(&Client->First));
    Wait(&Client->First);
    Disconnect(Client, Pair);
    IoFreeIrp(Client->Second.Irp);
}

/* ddi/wdm/nf-wdm-kesetevent: with Wait, the next call waits. */
static void SetsAnEventToWaitAtDispatchLevel(CLIENT *Client)
{
    KIRQL Irql;

    KeRaiseIrql(DISPATCH_LEVEL, &Irql);
    KeSetEvent(&Client->First.Event, IO_NO_INCREMENT, TRUE);
}

/* network/enabling-and-disabling-event-callback-functions: callbacks are disabled at first. */
static void WaitsForADisabledCallback(CLIENT *Client)
{
    PWSK_SOCKET Socket = Bound(Client, WSK_FLAG_DATAGRAM_SOCKET, &Raising, 7001);
    WSK_BUF Buffer = {Client->Mdl, 0, 16};

    DATAGRAM(Socket)->WskSendTo(Socket, &Buffer, 0, Loopback(Client, 7001), 0, NULL, Reuse(&Client->First));
    Wait(&Client->First);
    KeWaitForSingleObject(&Client->Second.Event, Executive, KernelMode, FALSE, NULL);
}

static void SetsAnOptionOfFreedMemory(CLIENT *Client)
{
    PWSK_SOCKET Socket = Create(Client, WSK_FLAG_DATAGRAM_SOCKET, NULL);
    PVOID Memory = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(ULONG), TAG);

    ExFreePoolWithTag(Memory, TAG);
    BASIC(Socket)->WskControlSocket(Socket, WskSetOption, SO_BROADCAST, SOL_SOCKET, sizeof(ULONG), Memory, 0, NULL, NULL,
                                    Reuse(&Client->First));
}

/* ddi/wsk/nc-wsk-pfn_wsk_control_client: the same, of the client. */
static void SetsStaticEventsOfFreedMemory(CLIENT *Client)
{
    PVOID Memory = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(WSK_EVENT_CALLBACK_CONTROL), TAG);

    ExFreePoolWithTag(Memory, TAG);
    Client->Provider.Dispatch->WskControlClient(Client->Provider.Client, WSK_SET_STATIC_EVENT_CALLBACKS,
                                                sizeof(WSK_EVENT_CALLBACK_CONTROL), Memory, 0, NULL, NULL, NULL);
}

/* The buffer has fewer bytes than its declared size. */
static void GetsAnOptionIntoTooLittleMemory(CLIENT *Client)
{
    PWSK_SOCKET Socket = Create(Client, WSK_FLAG_DATAGRAM_SOCKET, NULL);
    PVOID Memory = ExAllocatePool2(POOL_FLAG_NON_PAGED, 2, TAG);

    BASIC(Socket)->WskControlSocket(Socket, WskGetOption, SO_BROADCAST, SOL_SOCKET, 0, NULL, 64, Memory,
                                    NULL, Reuse(&Client->First));
}

/* ddi/wsk/nc-wsk-pfn_wsk_get_local_address: a buffer. */
static void GetsAnAddressWithoutABuffer(CLIENT *Client)
{
    PWSK_SOCKET Socket = Bound(Client, WSK_FLAG_DATAGRAM_SOCKET, NULL, 7001);

    DATAGRAM(Socket)->WskGetLocalAddress(Socket, NULL, Reuse(&Client->First));
}

/* ddi/wsk/nc-wsk-pfn_wsk_release_datagram_indication_list: a list. */
static void ReleasesNothing(CLIENT *Client)
{
    PWSK_SOCKET Socket = Bound(Client, WSK_FLAG_DATAGRAM_SOCKET, NULL, 7001);

    DATAGRAM(Socket)->WskRelease(Socket, NULL);
}

/* ddi/wsk/nc-wsk-pfn_wsk_send_messages: a list. */
static void SendsNoMessages(CLIENT *Client)
{
    PWSK_SOCKET Socket = Bound(Client, WSK_FLAG_DATAGRAM_SOCKET, NULL, 7001);

    DATAGRAM(Socket)->WskSendMessages(Socket, NULL, 0, Loopback(Client, 7001), 0, NULL, Reuse(&Client->First));
}

/* ddi/wsk/nc-wsk-pfn_wsk_inspect_complete: the identifier of a connection. */
static void DecidesOnNoConnection(CLIENT *Client)
{
    PWSK_SOCKET Socket = Bound(Client, WSK_FLAG_LISTEN_SOCKET, NULL, 7001);

    LISTEN(Socket)->WskInspectComplete(Socket, NULL, WskInspectAccept, Reuse(&Client->First));
}

static void RegistersNothing(CLIENT *Client)
{
    static WSK_REGISTRATION Registration;

    UNREFERENCED_PARAMETER(Client);
    WskRegister(NULL, &Registration);
}

static void CapturesNothing(CLIENT *Client)
{
    WskCaptureProviderNPI(&Client->Registration, WSK_NO_WAIT, NULL);
}

/* ddi/wsk/nf-wsk-wskqueryprovidercharacteristics: a registration. */
static void QueriesAfterItsEnd(CLIENT *Client)
{
    WSK_PROVIDER_CHARACTERISTICS Characteristics;

    WskReleaseProviderNPI(&Client->Registration);
    WskDeregister(&Client->Registration);
    WskQueryProviderCharacteristics(&Client->Registration, &Characteristics);
}

static VOID Thread(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

/* ddi/wdm/nf-wdm-pscreatesystemthread: PASSIVE_LEVEL. */
static void CreatesAThreadAtDispatchLevel(CLIENT *Client)
{
    HANDLE Handle;
    KIRQL Irql;

    UNREFERENCED_PARAMETER(Client);
    KeRaiseIrql(DISPATCH_LEVEL, &Irql);
    PsCreateSystemThread(&Handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, Thread, NULL);
}

/* ddi/ntifs/nf-ntifs-zwclose: a handle that is open. */
static void ClosesAHandleTwice(CLIENT *Client)
{
    HANDLE Handle;

    UNREFERENCED_PARAMETER(Client);
    PsCreateSystemThread(&Handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, Thread, NULL);
    ZwClose(Handle);
    ZwClose(Handle);
}

/* ddi/wdm/nf-wdm-keinitializeevent: before it is used. */
static void WaitsForNoEvent(CLIENT *Client)
{
    static KEVENT Event;

    UNREFERENCED_PARAMETER(Client);
    KeWaitForSingleObject(&Event, Executive, KernelMode, FALSE, NULL);
}

/* ddi/wdm/nf-wdm-exfreepoolwithtag: the tag of the allocation. */
static void FreesWithAnotherTag(CLIENT *Client)
{
    PVOID Memory = ExAllocatePool2(POOL_FLAG_NON_PAGED, 16, TAG);

    UNREFERENCED_PARAMETER(Client);
    ExFreePoolWithTag(Memory, TAG + 1);
}

/* ddi/wdm/nf-wdm-exfreepoolwithtag: the address of the allocation. */
static void FreesThePartOfABlock(CLIENT *Client)
{
    PUCHAR Memory = (PUCHAR)ExAllocatePool2(POOL_FLAG_NON_PAGED, 64, TAG);

    UNREFERENCED_PARAMETER(Client);
    ExFreePoolWithTag(Memory + 16, TAG);
}

static NTSTATUS Retains(PVOID Context, ULONG Flags, PWSK_DATAGRAM_INDICATION List)
{
    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(List);
    KeSetEvent(&((CLIENT *)Context)->Second.Event, IO_NO_INCREMENT, FALSE);
    return STATUS_PENDING;
}

static const WSK_CLIENT_DATAGRAM_DISPATCH Retaining = {Retains};

/* ddi/wsk/nc-wsk-pfn_wsk_receive_from_event: a list that is retained is released. */
static void NeverReleasesWhatItRetains(CLIENT *Client)
{
    PWSK_SOCKET Socket = Bound(Client, WSK_FLAG_DATAGRAM_SOCKET, &Retaining, 7001);
    WSK_BUF Buffer = {Client->Mdl, 0, 16};

    Enable(Socket, WSK_EVENT_RECEIVE_FROM);
    DATAGRAM(Socket)->WskSendTo(Socket, &Buffer, 0, Loopback(Client, 7001), 0, NULL, Reuse(&Client->First));
    Wait(&Client->First);
    KeWaitForSingleObject(&Client->Second.Event, Executive, KernelMode, FALSE, NULL);
    Close(Client, Socket);
}

static PWSK_DATAGRAM_INDICATION Retained;

static NTSTATUS KeepsTheList(PVOID Context, ULONG Flags, PWSK_DATAGRAM_INDICATION List)
{
    Retained = List;
    return Retains(Context, Flags, List);
}

static const WSK_CLIENT_DATAGRAM_DISPATCH Keeping = {KeepsTheList};

/* ddi/wsk/nc-wsk-pfn_wsk_release_datagram_indication_list: WSK frees the MDLs of the list. */
static void ReleasesWhatItSends(CLIENT *Client)
{
    PWSK_SOCKET Socket = Bound(Client, WSK_FLAG_DATAGRAM_SOCKET, &Keeping, 7001);
    WSK_BUF Buffer = {Client->Mdl, 0, 16};

    Enable(Socket, WSK_EVENT_RECEIVE_FROM);
    DATAGRAM(Socket)->WskSendTo(Socket, &Buffer, 0, Loopback(Client, 7001), 0, NULL, Reuse(&Client->First));
    Wait(&Client->First);
    KeWaitForSingleObject(&Client->Second.Event, Executive, KernelMode, FALSE, NULL);
    DATAGRAM(Socket)->WskSendTo(Socket, &Retained->Buffer, 0, Loopback(Client, 7002), 0, NULL,
                                Reuse(&Client->First));
    DATAGRAM(Socket)->WskRelease(Socket, Retained);
}

/* ddi/wsk/ns-wsk-_wsk_buf: the MDLs are valid until the request has completed. */
static void SendsFreedMemory(CLIENT *Client)
{
    PWSK_SOCKET Socket = Bound(Client, WSK_FLAG_DATAGRAM_SOCKET, NULL, 7001);
    PVOID Memory = ExAllocatePool2(POOL_FLAG_NON_PAGED, 16, TAG);
    WSK_BUF Buffer = {IoAllocateMdl(Memory, 16, FALSE, FALSE, NULL), 0, 16};

    MmBuildMdlForNonPagedPool(Buffer.Mdl);
    ExFreePoolWithTag(Memory, TAG);
    DATAGRAM(Socket)->WskSendTo(Socket, &Buffer, 0, Loopback(Client, 7001), 0, NULL, Reuse(&Client->First));
}

static void SendsByAFreedMdl(CLIENT *Client)
{
    PWSK_SOCKET Socket = Bound(Client, WSK_FLAG_DATAGRAM_SOCKET, NULL, 7001);
    WSK_BUF Buffer = {Client->Mdl, 0, 16};

    IoFreeMdl(Client->Mdl);
    DATAGRAM(Socket)->WskSendTo(Socket, &Buffer, 0, Loopback(Client, 7001), 0, NULL, Reuse(&Client->First));
}

/* ddi/wsk/nc-wsk-pfn_wsk_get_local_address: nonpaged memory. */
static void GetsAnAddressIntoFreedMemory(CLIENT *Client)
{
    PWSK_SOCKET Socket = Bound(Client, WSK_FLAG_DATAGRAM_SOCKET, NULL, 7001);
    PVOID Memory = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(SOCKADDR_IN), TAG);

    ExFreePoolWithTag(Memory, TAG);
    DATAGRAM(Socket)->WskGetLocalAddress(Socket, (PSOCKADDR)Memory, Reuse(&Client->First));
}

static void GetsAnAddressIntoPagedPool(CLIENT *Client)
{
    PWSK_SOCKET Socket = Bound(Client, WSK_FLAG_DATAGRAM_SOCKET, NULL, 7001);
    PVOID Memory = ExAllocatePool2(POOL_FLAG_PAGED, sizeof(SOCKADDR_IN), TAG);

    DATAGRAM(Socket)->WskGetLocalAddress(Socket, (PSOCKADDR)Memory, Reuse(&Client->First));
}

/* ddi/wsk/nc-wsk-pfn_wsk_socket: the context is in memory that is not paged. */
static void HasItsContextInPagedPool(CLIENT *Client)
{
    PVOID Memory = ExAllocatePoolWithTag(PagedPool, 16, TAG);

    Client->Provider.Dispatch->WskSocket(Client->Provider.Client, AF_INET, SOCK_DGRAM, IPPROTO_UDP,
                                         WSK_FLAG_DATAGRAM_SOCKET, Memory, &Raising, NULL, NULL, NULL,
                                         Reuse(&Client->First));
}

/* ddi/wdm/nf-wdm-keinitializeevent: the event is resident. */
static void HasAnEventInPagedPool(CLIENT *Client)
{
    PKEVENT Event = (PKEVENT)ExAllocatePool2(POOL_FLAG_PAGED, sizeof(*Event), TAG);

    UNREFERENCED_PARAMETER(Client);
    KeInitializeEvent(Event, NotificationEvent, FALSE);
}

/* The same: it is used at its place. */
static void SetsACopyOfAnEvent(CLIENT *Client)
{
    KEVENT Copy = Client->First.Event;

    KeSetEvent(&Copy, IO_NO_INCREMENT, FALSE);
}

static void SetsAnEventInFreedMemory(CLIENT *Client)
{
    PKEVENT Event = (PKEVENT)ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(*Event), TAG);

    UNREFERENCED_PARAMETER(Client);
    KeInitializeEvent(Event, NotificationEvent, FALSE);
    ExFreePoolWithTag(Event, TAG);
    KeSetEvent(Event, IO_NO_INCREMENT, FALSE);
}

/* ddi/wsk/nc-wsk-pfn_wsk_send_messages: a list has an end. */
static void SendsAnEndlessList(CLIENT *Client)
{
    PWSK_SOCKET Socket = Bound(Client, WSK_FLAG_DATAGRAM_SOCKET, NULL, 7001);
    PWSK_BUF_LIST List = (PWSK_BUF_LIST)(Client->Bytes + 1024);

    List[0].Next = &List[1];
    List[1].Next = &List[2];
    List[2].Next = &List[1];
    DATAGRAM(Socket)->WskSendMessages(Socket, List, 0, Loopback(Client, 7001), 0, NULL, Reuse(&Client->First));
}

/* ddi/wsk/nc-wsk-pfn_wsk_send_to: an address. */
static void SendsToAFreedAddress(CLIENT *Client)
{
    PWSK_SOCKET Socket = Bound(Client, WSK_FLAG_DATAGRAM_SOCKET, NULL, 7001);
    PVOID Memory = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(SOCKADDR_IN), TAG);
    WSK_BUF Buffer = {Client->Mdl, 0, 16};

    *(SOCKADDR_IN *)Memory = Client->Address;
    ExFreePoolWithTag(Memory, TAG);
    DATAGRAM(Socket)->WskSendTo(Socket, &Buffer, 0, (PSOCKADDR)Memory, 0, NULL, Reuse(&Client->First));
}

static void BindsToHalfAnAddress(CLIENT *Client)
{
    PWSK_SOCKET Socket = Create(Client, WSK_FLAG_DATAGRAM_SOCKET, NULL);
    PSOCKADDR Memory = (PSOCKADDR)ExAllocatePool2(POOL_FLAG_NON_PAGED, 8, TAG);

    Memory->sa_family = AF_INET;
    DATAGRAM(Socket)->WskBind(Socket, Memory, 0, Reuse(&Client->First));
}

/* ddi/wsk/nc-wsk-pfn_wsk_send_to: control data until the request has completed. */
static void SendsFreedControlData(CLIENT *Client)
{
    PWSK_SOCKET Socket = Bound(Client, WSK_FLAG_DATAGRAM_SOCKET, NULL, 7001);
    PVOID Memory = ExAllocatePool2(POOL_FLAG_NON_PAGED, 64, TAG);
    WSK_BUF Buffer = {Client->Mdl, 0, 16};

    ExFreePoolWithTag(Memory, TAG);
    DATAGRAM(Socket)->WskSendTo(Socket, &Buffer, 0, Loopback(Client, 7001), 64, (PCMSGHDR)Memory,
                                Reuse(&Client->First));
}

static KSPIN_LOCK Abandoned;

static VOID AbandonsALock(PVOID Context)
{
    KIRQL Irql;

    UNREFERENCED_PARAMETER(Context);
    KeAcquireSpinLock(&Abandoned, &Irql);
    KeLowerIrql(Irql);
}

/* kernel/introduction-to-spin-locks: a holder releases its lock. */
static void AcquiresAnAbandonedSpinLock(CLIENT *Client)
{
    HANDLE Handle;
    KIRQL Irql;

    UNREFERENCED_PARAMETER(Client);
    KeInitializeSpinLock(&Abandoned);
    PsCreateSystemThread(&Handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, AbandonsALock, NULL);
    ZwWaitForSingleObject(Handle, FALSE, NULL);
    KeAcquireSpinLock(&Abandoned, &Irql);
}

/* ddi/wsk/ns-wsk-_wsk_buf: a chain of MDLs has all of the buffer's bytes. */
static void SendsFromHalfAChain(CLIENT *Client)
{
    PAIR Pair = Connect(Client, NULL);
    WSK_BUF Buffer = {Client->Mdl, 0, PAGE_SIZE + 1};

    CONNECTION(Pair.Near)->WskSend(Pair.Near, &Buffer, 0, Reuse(&Client->First));
}

typedef struct MISTAKE {
    const char *Name;
    void (*Make)(CLIENT *Client);
    uint32_t Timing;
} MISTAKE;

#define MISTAKE(Function)    {#Function, Function, WSK_HOST_TIMING_INLINE}
#define DEFERRED(Function) {#Function, Function, WSK_HOST_TIMING_DEFERRED}

static const MISTAKE Mistakes[] = {
    MISTAKE(RegistersAtDispatchLevel),
    MISTAKE(CapturesAtDispatchLevel),
    MISTAKE(DeregistersAtDispatchLevel),
    MISTAKE(QueriesAddressesAtDispatchLevel),
    MISTAKE(AllocatesPagedPoolAtDispatchLevel),
    MISTAKE(FreesPagedPoolAtDispatchLevel),
    MISTAKE(DescribesPagedPool),
    MISTAKE(SendsFromAnMdlThatWasNeverBuilt),
    MISTAKE(UnlocksPagesInFlight),
    MISTAKE(CompletesAnIrpWhoseMemoryItHasLent),
    MISTAKE(ShortensAnMdlInFlight),
    MISTAKE(UsesAPartialMdlAfterItsSource),
    MISTAKE(UnlocksNonpagedPool),
    MISTAKE(DescribesMoreThanTheWhole),
    MISTAKE(AcquiresItsSpinLock),
    MISTAKE(AcquiresItsQueuedSpinLock),
    MISTAKE(WritesWhileItReads),
    MISTAKE(SendsWithTheLockOfItsRoutine),
    MISTAKE(WaitsWithASpinLock),
    MISTAKE(CompletesAtARaisedLevel),
    MISTAKE(ReturnsFromACallbackAtARaisedLevel),
    MISTAKE(EndsAtARaisedLevel),
    MISTAKE(ReleasesAFreeSpinLock),
    MISTAKE(ExchangesTheLevelsOfItsSpinLocks),
    MISTAKE(FreesItsIrpAndPassesItOn),
    MISTAKE(CancelsAFreedIrp),
    MISTAKE(FreesAnIrpTwice),
    DEFERRED(UsesASocketBeforeItsCompletion),
    MISTAKE(SetsAnEventOfAFunctionThatHasReturned),
    MISTAKE(SetsAnEventToWaitAtDispatchLevel),
    MISTAKE(WaitsForADisabledCallback),
    MISTAKE(SetsAnOptionOfFreedMemory),
    MISTAKE(SetsStaticEventsOfFreedMemory),
    MISTAKE(GetsAnOptionIntoTooLittleMemory),
    MISTAKE(GetsAnAddressWithoutABuffer),
    MISTAKE(ReleasesNothing),
    MISTAKE(SendsNoMessages),
    MISTAKE(DecidesOnNoConnection),
    MISTAKE(RegistersNothing),
    MISTAKE(CapturesNothing),
    MISTAKE(QueriesAfterItsEnd),
    MISTAKE(CreatesAThreadAtDispatchLevel),
    MISTAKE(ClosesAHandleTwice),
    MISTAKE(WaitsForNoEvent),
    MISTAKE(FreesWithAnotherTag),
    MISTAKE(FreesThePartOfABlock),
    MISTAKE(NeverReleasesWhatItRetains),
    DEFERRED(ReleasesWhatItSends),
    MISTAKE(SendsFreedMemory),
    MISTAKE(SendsByAFreedMdl),
    MISTAKE(GetsAnAddressIntoFreedMemory),
    MISTAKE(GetsAnAddressIntoPagedPool),
    MISTAKE(HasItsContextInPagedPool),
    MISTAKE(HasAnEventInPagedPool),
    MISTAKE(SetsACopyOfAnEvent),
    MISTAKE(SetsAnEventInFreedMemory),
    MISTAKE(SendsAnEndlessList),
    MISTAKE(SendsToAFreedAddress),
    MISTAKE(BindsToHalfAnAddress),
    MISTAKE(SendsFreedControlData),
    MISTAKE(AcquiresAnAbandonedSpinLock),
    MISTAKE(SendsFromHalfAChain),
};

static int Scenario(void *Context)
{
    const MISTAKE *Mistake = (const MISTAKE *)Context;

    Mistake->Make(Begin());
    return 0;
}

/* Without an argument, prints the names of the mistakes. */
int main(int Count, char **Arguments)
{
    wsk_host_options Options;
    size_t Index;

    RtlZeroMemory(&Options, sizeof(Options));
    for (Index = 0; Index < sizeof(Mistakes) / sizeof(*Mistakes); Index++) {
        if (Count == 1) {
            puts(Mistakes[Index].Name);
        } else if (strcmp(Mistakes[Index].Name, Arguments[1]) == 0) {
            Options.timing = Mistakes[Index].Timing;
            return wsk_host_run(&Options, Scenario, (void *)&Mistakes[Index]);
        }
    }
    return Count == 1 ? 0 : 2;
}
