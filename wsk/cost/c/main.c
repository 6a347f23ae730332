/*
 * Runs a client on a host whose network carries nothing: `cost inline|later|dpc WARM_UP ROUNDS`.
 *
 * Which client it is, and whether null.c takes the place of the host's provider, decide the libraries that the program
 * is linked with.
 */
/* For clock_gettime. */
#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

uint64_t cost_time(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) != 0) {
        perror("cost: clock_gettime");
        exit(1);
    }
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int is_timing(const char *name)
{
    return strcmp(name, "inline") == 0 || strcmp(name, "later") == 0 || strcmp(name, "dpc") == 0;
}

int main(int argc, char **argv)
{
    wsk_host_options options = {0};
    cost_run run = {0};

    if (argc != 4 || !is_timing(argv[1])) {
        fprintf(stderr, "usage: cost inline|later|dpc WARM_UP ROUNDS\n");
        return 2;
    }
    options.network = WSK_HOST_NETWORK_NULL;
    options.timing = strcmp(argv[1], "inline") == 0 ? WSK_HOST_TIMING_INLINE : WSK_HOST_TIMING_DEFERRED;
    run.in_dpcs = strcmp(argv[1], "dpc") == 0;
    run.warm_up = (uint32_t)strtoul(argv[2], NULL, 10);
    run.rounds = (uint32_t)strtoul(argv[3], NULL, 10);
    if (wsk_host_run(&options, cost_client, &run) != 0) {
        return 1;
    }
    if (run.received != (uint64_t)run.rounds * COST_LENGTH) {
        fprintf(stderr, "cost: %" PRIu64 " bytes were received in %" PRIu32 " rounds\n", run.received, run.rounds);
        return 1;
    }
    printf("%" PRIu64 " allocations and %" PRIu64 " ns in %" PRIu32 " rounds\n", run.allocations, run.nanoseconds,
           run.rounds);
    return 0;
}
