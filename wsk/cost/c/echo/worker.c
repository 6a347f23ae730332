/*
 * Requests, and the threads that go on with them.
 */
#include "echo.h"

_Static_assert(__builtin_offsetof(ECHO_REQUEST, Location) == sizeof(IRP), "the location follows the IRP");

VOID EchoInitializeRequest(PECHO_REQUEST Request, PECHO_WORKER Worker)
{
    IoInitializeIrp(&Request->Irp, IoSizeOfIrp(1), 1);
    Request->Worker = Worker;
}

static VOID EchoQueue(PECHO_REQUEST Request)
{
    PECHO_WORKER Worker = Request->Worker;
    BOOLEAN Sleeps;
    KIRQL Irql;

    KeAcquireSpinLock(&Worker->Lock, &Irql);
    Sleeps = IsListEmpty(&Worker->Completed);
    InsertTailList(&Worker->Completed, &Request->Link);
    KeReleaseSpinLock(&Worker->Lock, Irql);
    if (Sleeps) {
        KeSetEvent(&Worker->Wake, IO_NO_INCREMENT, FALSE);
    }
}

static IO_COMPLETION_ROUTINE EchoCompleted;

static NTSTATUS EchoCompleted(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    EchoQueue((PECHO_REQUEST)Context);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* The IRP for a call, after which the worker takes a step. */
PIRP EchoBegin(PECHO_REQUEST Request, ECHO_STEP *Step)
{
    Request->Step = Step;
    IoReuseIrp(&Request->Irp, STATUS_UNSUCCESSFUL);
    IoSetCompletionRoutine(&Request->Irp, EchoCompleted, Request, TRUE, TRUE, TRUE);
    return &Request->Irp;
}

/* Lets a worker take a step. */
VOID EchoPass(PECHO_REQUEST Request, PECHO_WORKER Worker, ECHO_STEP *Step)
{
    Request->Worker = Worker;
    Request->Step = Step;
    EchoQueue(Request);
}

static PECHO_REQUEST EchoNext(PECHO_WORKER Worker)
{
    PECHO_REQUEST Request = NULL;
    KIRQL Irql;

    KeAcquireSpinLock(&Worker->Lock, &Irql);
    if (!IsListEmpty(&Worker->Completed)) {
        Request = CONTAINING_RECORD(RemoveHeadList(&Worker->Completed), ECHO_REQUEST, Link);
    }
    KeReleaseSpinLock(&Worker->Lock, Irql);
    return Request;
}

static VOID EchoWork(PVOID Context)
{
    PECHO_WORKER Worker = (PECHO_WORKER)Context;

    for (;;) {
        PECHO_REQUEST Request = EchoNext(Worker);

        if (Request != NULL) {
            Request->Step(Request);
            continue;
        }
        if (Worker->Stopping) {
            EchoCloseAll(Worker);
            if (EchoHasEnded(Worker)) {
                break;
            }
        }
        KeWaitForSingleObject(&Worker->Wake, Executive, KernelMode, FALSE, NULL);
    }
    PsTerminateSystemThread(STATUS_SUCCESS);
}

NTSTATUS EchoStartWorker(PECHO_WORKER Worker)
{
    OBJECT_ATTRIBUTES Attributes = {sizeof(Attributes), NULL, NULL, OBJ_KERNEL_HANDLE, NULL, NULL};
    HANDLE Thread;
    NTSTATUS Status;

    KeInitializeSpinLock(&Worker->Lock);
    InitializeListHead(&Worker->Completed);
    InitializeListHead(&Worker->Connections);
    KeInitializeEvent(&Worker->Wake, SynchronizationEvent, FALSE);
    Status = PsCreateSystemThread(&Thread, THREAD_ALL_ACCESS, &Attributes, NULL, NULL, EchoWork, Worker);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    /* Of a handle that this driver has just got, this cannot fail. */
    ObReferenceObjectByHandle(Thread, THREAD_ALL_ACCESS, NULL, KernelMode, &Worker->Thread, NULL);
    ZwClose(Thread);
    return STATUS_SUCCESS;
}

/* Returns when nothing of the worker runs any more. */
VOID EchoStopWorker(PECHO_WORKER Worker)
{
    if (Worker->Thread == NULL) {
        return;
    }
    InterlockedExchange(&Worker->Stopping, TRUE);
    KeSetEvent(&Worker->Wake, IO_NO_INCREMENT, FALSE);
    KeWaitForSingleObject(Worker->Thread, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(Worker->Thread);
}
