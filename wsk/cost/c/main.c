/*
 * Runs a client on a host whose network carries nothing: `cost inline|later WARM_UP ROUNDS`.
 *
 * Which client it is decides the library that the program is linked with.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ntddk.h>
#include <wsk_host.h>

#include "cost.h"

ULONG DbgPrint(PCSTR Format, ...)
{
    va_list arguments;

    va_start(arguments, Format);
    vfprintf(stderr, Format, arguments);
    va_end(arguments);
    return STATUS_SUCCESS;
}

int main(int argc, char **argv)
{
    wsk_host_options options = {0};
    cost_run run = {0};

    if (argc != 4 || (strcmp(argv[1], "inline") != 0 && strcmp(argv[1], "later") != 0)) {
        fprintf(stderr, "usage: cost inline|later WARM_UP ROUNDS\n");
        return 2;
    }
    options.network = WSK_HOST_NETWORK_NULL;
    options.timing = strcmp(argv[1], "inline") == 0 ? WSK_HOST_TIMING_INLINE : WSK_HOST_TIMING_DEFERRED;
    run.warm_up = (uint32_t)strtoul(argv[2], NULL, 10);
    run.rounds = (uint32_t)strtoul(argv[3], NULL, 10);
    if (wsk_host_run(&options, cost_client, &run) != 0) {
        return 1;
    }
    if (run.received != (uint64_t)run.rounds * COST_LENGTH) {
        fprintf(stderr, "cost: %" PRIu64 " bytes were received in %" PRIu32 " rounds\n", run.received, run.rounds);
        return 1;
    }
    printf("%" PRIu64 " allocations in %" PRIu32 " rounds\n", run.allocations, run.rounds);
    return 0;
}
