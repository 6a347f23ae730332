/*
 * A TCP echo server as a driver, in C: what the driver in examples/echo does, to compare their sizes.
 *
 *   driver.c  DriverEntry and DriverUnload, the registry, memory
 *   worker.c  requests, and the threads that go on with them
 *   server.c  the listener and the connections
 */
#ifndef ECHO_H
#define ECHO_H

#include <ntddk.h>
#include <wsk.h>

/* The threads that connections are served by. */
#define ECHO_WORKERS 2

/* Bytes that one connection receives at once. */
#define ECHO_BUFFER_SIZE (64 * 1024)

/*
 * An IRP with its stack location, for one call at a time. When the call has completed, the request's worker
 * takes the next step.
 */
typedef struct _ECHO_REQUEST ECHO_REQUEST, *PECHO_REQUEST;
typedef VOID ECHO_STEP(PECHO_REQUEST Request);

struct _ECHO_REQUEST {
    IRP Irp;
    IO_STACK_LOCATION Location;
    LIST_ENTRY Link;
    struct _ECHO_WORKER *Worker;
    ECHO_STEP *Step;
};

/*
 * A thread that makes all calls of some connections: so none is made to a socket that is being closed, and
 * none within a completion routine.
 */
typedef struct _ECHO_WORKER {
    KSPIN_LOCK Lock;
    LIST_ENTRY Completed;
    KEVENT Wake;
    LONG volatile Stopping;
    LIST_ENTRY Connections;
    PVOID Thread;
} ECHO_WORKER, *PECHO_WORKER;

/* worker.c */
VOID EchoInitializeRequest(PECHO_REQUEST Request, PECHO_WORKER Worker);
PIRP EchoBegin(PECHO_REQUEST Request, ECHO_STEP *Step);
VOID EchoPass(PECHO_REQUEST Request, PECHO_WORKER Worker, ECHO_STEP *Step);
NTSTATUS EchoStartWorker(PECHO_WORKER Worker);
VOID EchoStopWorker(PECHO_WORKER Worker);

/* server.c */
NTSTATUS EchoListen(const WSK_PROVIDER_NPI *Provider, PECHO_WORKER Workers, USHORT Port);
VOID EchoServe(VOID);
VOID EchoCloseAll(PECHO_WORKER Worker);
BOOLEAN EchoHasEnded(PECHO_WORKER Worker);

/* driver.c */
PVOID EchoAllocate(SIZE_T Size);
VOID EchoFree(PVOID Memory);

#endif
