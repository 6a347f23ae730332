/*
 * What is measured, and with what: a client in C (client.c) and one in Rust (../src/lib.rs) do the same.
 */
#ifndef COST_H
#define COST_H

#include <stdint.h>

/* The bytes of a message. */
#define COST_LENGTH 64

/* The parameters and the results of a client. */
typedef struct cost_run {
    /* Rounds before those that count. */
    uint32_t warm_up;
    /* A round sends a message, waits until it was sent, receives one, and waits for that. */
    uint32_t rounds;
    /* Nonzero: the rounds are made by a task of wsk's DpcExecutor. The client in C has no such form. */
    uint32_t in_dpcs;
    /* How often memory was asked for in the rounds that count, by the client and by the kernel for it. */
    uint64_t allocations;
    /* How many bytes were received in them. */
    uint64_t received;
    /* What they took, by cost_time. */
    uint64_t nanoseconds;
} cost_run;

/* The processor time of the calling thread so far. The program defines it. */
uint64_t cost_time(void);

/*
 * A scenario for wsk_host_run, with a cost_run as its context: registers with WSK, connects, makes the rounds,
 * and undoes everything. Returns 0 if all was well.
 */
int cost_client(void *context);

#endif
