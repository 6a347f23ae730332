/*
 * Runs the client in echo.c as a process: with many orders of completion, or on this machine's network.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <ntddk.h>
#include <wsk_host.h>

#include "echo.h"

/* The client prints to a debugger in a kernel, and to stderr here. */
ULONG DbgPrint(PCSTR Format, ...)
{
    va_list arguments;
    ULONG status;

    va_start(arguments, Format);
    status = vDbgPrintEx(DPFLTR_DEFAULT_ID, DPFLTR_INFO_LEVEL, Format, arguments);
    va_end(arguments);
    return status;
}

static int echo(void *context)
{
    unsigned *runs = context;

    ++*runs;
    return NT_SUCCESS(EchoRun()) ? 0 : 1;
}

static int close_twice(void *context)
{
    (void)context;
    return NT_SUCCESS(EchoCloseTwice()) ? 0 : 1;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "--simulated";
    wsk_host_options options = {0};
    unsigned runs = 0;

    if (strcmp(what, "--close-twice") == 0) {
        return wsk_host_run(&options, close_twice, NULL);
    }
    if (strcmp(what, "--real") == 0) {
        options.network = WSK_HOST_NETWORK_REAL;
    } else if (strcmp(what, "--simulated") != 0) {
        fprintf(stderr, "usage: echo [--simulated | --real | --close-twice]\n");
        return 2;
    }
    if (wsk_host_run(&options, echo, &runs) != 0) {
        return 1;
    }
    printf("the message has come back in %u runs\n", runs);
    return 0;
}
