/*
 * A client of WSK that talks to itself: the interface of echo.c.
 */
#ifndef ECHO_H
#define ECHO_H

#include <ntddk.h>

/*
 * Sends a message through a connection and back, and compares the received bytes.
 *
 * Registers with WSK first, and has released everything when it returns, whatever the status.
 * IRQL: PASSIVE_LEVEL.
 */
NTSTATUS EchoRun(VOID);

/*
 * Closes a socket twice, which no client may: in a kernel, the second call uses memory that was freed.
 *
 * IRQL: PASSIVE_LEVEL.
 */
NTSTATUS EchoCloseTwice(VOID);

#endif
