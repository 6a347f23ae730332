/*
 * Runs clients of Windows Kernel Sockets in a process, without Windows.
 *
 * The library behind this header, libwsk_host_c.a, defines the kernel's functions and WSK's
 * (WskRegister, IoAllocateIrp, KeWaitForSingleObject, ...) under their own names: a client's sources
 * are compiled as they are, against <ntddk.h> and <wsk.h>, and linked with it. It does not define
 * DbgPrint, whose number of arguments varies: that is the program's.
 *
 * The library stops the process with a report as soon as the client breaks one of WSK's rules that it
 * can see: which rule, in which call, and where the object came from.
 *
 * This header stands alone, and may be included before or after those of the kernel.
 */
#ifndef WSK_HOST_H
#define WSK_HOST_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What sockets are connected by: wsk_host_options.network. */
enum {
    /* A network in memory, between the sockets of one host. */
    WSK_HOST_NETWORK_SIMULATED = 0,
    /* The network of this machine: any program can be the peer. */
    WSK_HOST_NETWORK_REAL = 1,
    /*
     * None, to measure what a client costs: each connection is made at once, and has a peer that gives back
     * as many zeroes as are sent to it. Nobody connects to a listener, and datagrams are lost.
     */
    WSK_HOST_NETWORK_NULL = 2
};

/* When requests complete: wsk_host_options.timing. */
enum {
    /* Each before its call returns, or later, as numbers from a seed decide. */
    WSK_HOST_TIMING_MIXED = 0,
    /* Before the call that makes them returns, wherever that is possible. */
    WSK_HOST_TIMING_INLINE = 1,
    /* Later or meanwhile, on another thread, at DISPATCH_LEVEL. */
    WSK_HOST_TIMING_DEFERRED = 2
};

/* How many seeds there are unless wsk_host_options.seeds says another number. */
#define WSK_HOST_DEFAULT_SEEDS 32

/*
 * How to run a scenario. Zeroes are the defaults, also of the members that later versions add: initialise
 * it with `= {0}`, then set what is to be different.
 */
typedef struct wsk_host_options {
    /* WSK_HOST_NETWORK_... */
    uint32_t network;
    /* WSK_HOST_TIMING_... */
    uint32_t timing;
    /* The first seed. With `seeds` being 1, this repeats the run that failed with that seed. */
    uint64_t first_seed;
    /* How many seeds, one after the other, or 0 for WSK_HOST_DEFAULT_SEEDS. */
    uint64_t seeds;
} wsk_host_options;

/*
 * A scenario: registers with WSK, does something, and undoes everything. Returns 0 if all was well.
 *
 * It returns, or ends the process. To leave it with longjmp or an exception is undefined.
 */
typedef int wsk_host_scenario(void *context);

/*
 * Runs a scenario on a new host for every seed; only once if the timing leaves nothing to a seed.
 *
 * A host is a kernel with a network and a pool of its own. The calling thread is the host's, at
 * PASSIVE_LEVEL, while the scenario runs, and so are the system threads that it creates with
 * PsCreateSystemThread. Other threads are not. When the scenario has returned, nothing may be left in the
 * pool.
 *
 * Returns 0 if every run was well. Otherwise it says on the standard error what has happened and with
 * which seed, makes no further runs, and returns 1. A rule that is broken ends the process (SIGABRT).
 *
 * `options` may be NULL, for the defaults. `context` is passed on to the scenario.
 *
 * Threads may call this at the same time: each has hosts of its own.
 */
int wsk_host_run(const wsk_host_options *options, wsk_host_scenario *scenario, void *context);

/*
 * How often the current thread's host was asked for memory: by clients and by its own kernel for them, pool,
 * IRPs and MDLs included. To be compared before and after what should need none.
 */
uint64_t wsk_host_allocations(void);

#ifdef __cplusplus
}
#endif

#endif
