/*
 * Runs clients of Windows Kernel Sockets in a process, without Windows.
 *
 * The library behind this header, libwsk_host.a, defines the kernel's functions and WSK's
 * (WskRegister, IoAllocateIrp, KeWaitForSingleObject, ...) under their own names: a client's sources
 * are compiled as they are, against <ntddk.h> and <wsk.h>, and linked with it. It does not define
 * DbgPrint, whose number of arguments varies: the program defines it.
 *
 * The library stops the process with a report as soon as the client breaks one of WSK's rules that it
 * can see: which rule, in which call, and where the object came from.
 *
 * This header stands alone, and may be included before or after those of the kernel.
 */
#ifndef WSK_HOST_H
#define WSK_HOST_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The network that connects sockets: wsk_host_options.network. */
enum {
    /* A network in memory, between the sockets of one host. */
    WSK_HOST_NETWORK_SIMULATED = 0,
    /* The network of this machine: any program can be the peer. */
    WSK_HOST_NETWORK_REAL = 1,
    /*
     * No network, to measure the cost of a client: each connection is established at once, to a peer that returns
     * as many zeroes as it is sent. No connection arrives at a listener, and datagrams are lost.
     */
    WSK_HOST_NETWORK_NULL = 2
};

/* When requests complete: wsk_host_options.timing. */
enum {
    /* Each request completes before its call returns, or later, as the seed decides. */
    WSK_HOST_TIMING_MIXED = 0,
    /* Requests complete before the call that issues them returns, wherever that is possible. */
    WSK_HOST_TIMING_INLINE = 1,
    /* Requests complete during the call or later, on another thread, at DISPATCH_LEVEL. */
    WSK_HOST_TIMING_DEFERRED = 2
};

/* The return value of a call whose request completes before the call returns: wsk_host_options.call_status. */
enum {
    /* STATUS_PENDING or the final status, as the seed decides; without a seed the final status with
     * WSK_HOST_TIMING_INLINE, and STATUS_PENDING with WSK_HOST_TIMING_DEFERRED. */
    WSK_HOST_CALL_STATUS_MIXED = 0,
    /* STATUS_PENDING, always. */
    WSK_HOST_CALL_STATUS_PENDING = 1,
    /* The final status, success or failure, wherever the request can complete at once: its IRP is completed, and was not
     * marked pending. */
    WSK_HOST_CALL_STATUS_FINAL = 2
};

/* The shapes in which received data is indicated to callbacks: wsk_host_options.indications. */
enum {
    /* All that WSK's documentation allows, as the seed decides: data in one structure or several, each with a chain of one
     * MDL or several, with other bytes in front of the data and behind it, and with MDLs of no bytes; a datagram of no
     * bytes with an MDL or without. */
    WSK_HOST_INDICATIONS_MIXED = 0,
    /* The data in one structure, a datagram in one each, with one MDL that describes the data and nothing else. */
    WSK_HOST_INDICATIONS_PLAIN = 1
};

/* When WSK becomes ready to be captured: wsk_host_options.readiness. */
enum {
    WSK_HOST_READINESS_READY = 0,
    /* wsk_host_options.ready_after microseconds after the host was created. */
    WSK_HOST_READINESS_AFTER = 1,
    WSK_HOST_READINESS_NEVER = 2
};

/* The removal of control data from sent datagrams: wsk_host_options.stripping. */
enum {
    WSK_HOST_STRIPPING_NOTHING = 0,
    /* Packet info is removed if it is the only control message. */
    WSK_HOST_STRIPPING_PACKET_INFO_ALONE = 1,
    /* A filter of the Transport Driver Interface removes all of it, unless the client bypasses that interface. */
    WSK_HOST_STRIPPING_TDI_FILTER = 2
};

/* How the choices of runs are made with WSK_HOST_TIMING_MIXED: wsk_host_options.schedule. */
enum {
    WSK_HOST_SCHEDULE_DEFAULT = 0,
    /* Everything by the seed, each thread as likely as another. */
    WSK_HOST_SCHEDULE_UNIFORM = 1,
    /* Probabilistic concurrency testing: priorities by the seed, of which schedule_depth - 1 change during a run. */
    WSK_HOST_SCHEDULE_PCT = 2,
    /* Uniform for even seeds, and PCT for odd ones. */
    WSK_HOST_SCHEDULE_ALTERNATE = 3,
    /* All runs in which at most schedule_depth of the first schedule_choices choices differ from the plainest. */
    WSK_HOST_SCHEDULE_EXHAUSTIVE = 4
};

/* No time at all, where zero means the default. */
#define WSK_HOST_NONE UINT64_MAX

/* The number of seeds if wsk_host_options.seeds is 0. */
#define WSK_HOST_DEFAULT_SEEDS 32

/*
 * How to run a scenario. Zero is the default of every member, including those that later versions add: initialize the
 * structure with `= {0}`, then set the members that differ.
 */
typedef struct wsk_host_options {
    /* WSK_HOST_NETWORK_... */
    uint32_t network;
    /* WSK_HOST_TIMING_... */
    uint32_t timing;
    /* The first seed. With `seeds` being 1, this repeats the run that failed with that seed. */
    uint64_t first_seed;
    /* The number of consecutive seeds; 0 for WSK_HOST_DEFAULT_SEEDS. */
    uint64_t seeds;
    /* The emulated version of Windows, such as 6, 1, 7601; zeroes for the newest. */
    uint32_t windows_major;
    uint32_t windows_minor;
    uint32_t windows_build;
    /* WSK_HOST_READINESS_... */
    uint32_t readiness;
    /* Microseconds, with WSK_HOST_READINESS_AFTER. */
    uint64_t ready_after;
    /* The longest delay of the simulated network in microseconds, or WSK_HOST_NONE. */
    uint64_t delay;
    /* The bytes that a connection of the simulated network buffers between its two sides. */
    uint64_t window;
    /* Probabilities in thousandths, on the simulated network: a datagram is lost, a datagram arrives twice, a connection is
     * reset after a segment. */
    uint16_t loss;
    uint16_t duplication;
    uint16_t reset;
    /* Probabilities in thousandths: a socket is no longer functional after a request; a request does not complete until it
     * is cancelled or its socket is closed. */
    uint16_t forced_close;
    uint16_t hold;
    /* Nonzero: a receive returns all available bytes, never fewer at random. */
    uint8_t whole_receives;
    /* Nonzero: these functions fail as in Wine 8. */
    uint8_t refuse_disconnect;
    uint8_t refuse_socket_connect;
    uint8_t refuse_cancel;
    uint8_t refuse_name_info;
    uint8_t refuse_control;
    uint8_t refuse_addresses;
    /* Nonzero: TCP_NODELAY fails with STATUS_NOT_SUPPORTED. */
    uint8_t refuse_nodelay;
    uint8_t reserved[2];
    /* WSK_HOST_STRIPPING_... */
    uint32_t stripping;
    /* The level of each of WSK's rules, or NULL: a list such as "INV-16=warn,INV-26=off" (stop, warn or off), "all=warn",
     * "strict" or "tolerant", separated by commas. The default is "tolerant": the host warns of what WSK's
     * documentation forbids and shipped drivers do, and stops at every other violation; "strict" stops there, too. The
     * environment variable WSK_HOST_RULES overrides this. */
    const char *rules;
    /* WSK_HOST_CALL_STATUS_... */
    uint32_t call_status;
    /* WSK_HOST_INDICATIONS_... */
    uint32_t indications;
    /* WSK_HOST_SCHEDULE_... */
    uint32_t schedule;
    /* The depth of PCT (0 for 3), or the number of choices that differ in an exhaustive search (0 for 1). */
    uint32_t schedule_depth;
    /* The choices at the start of a run that an exhaustive search varies; 0 for 100. */
    uint32_t schedule_choices;
} wsk_host_options;

/*
 * A scenario: registers with WSK, uses it, and releases everything. Returns 0 on success.
 *
 * It returns, or ends the process. Leaving it with longjmp or an exception is undefined behavior.
 */
typedef int wsk_host_scenario(void *context);

/*
 * Runs a scenario on a new host for every seed; only once if the timing does not use seeds.
 *
 * A host is a kernel with its own network and pool. The calling thread belongs to the host, at
 * PASSIVE_LEVEL, while the scenario runs, and so are the system threads that it creates with
 * PsCreateSystemThread. Other threads are not. When the scenario has returned, nothing may be left in the
 * pool.
 *
 * Returns 0 if every run succeeded. After a run that failed, it prints the failure and the seed to stderr, makes no
 * further runs, and returns 1. Breaking a WSK rule ends the process (SIGABRT).
 *
 * Static variables of the client keep their values between the runs. A client that initializes itself only once
 * (RtlRunOnce) needs a process for each seed: `seeds` is 1, and `first_seed` differs.
 *
 * `options` may be NULL, for the defaults. `context` is passed on to the scenario.
 *
 * Threads may call this at the same time: each has its own hosts.
 */
int wsk_host_run(const wsk_host_options *options, wsk_host_scenario *scenario, void *context);

/*
 * The number of allocations of the current thread's host so far: pool, IRPs and MDLs, by clients and by the kernel for
 * them. Compare it before and after code that should allocate nothing.
 */
uint64_t wsk_host_allocations(void);

/*
 * Writes the packets of all later calls of the current thread's host to a file in the format pcapng, which Wireshark
 * opens. An existing file is replaced. `path` is in UTF-8. Returns 0, or prints the reason to stderr and returns 1 if the
 * file cannot be created.
 */
int wsk_host_capture_packets(const char *path);

/*
 * A driver with a control device, as the system and its programs see it. All of these are called at PASSIVE_LEVEL, in a
 * scenario. Texts are in UTF-8, and a status is an NTSTATUS.
 */

#ifdef _WIN32
typedef long wsk_host_status;
#else
typedef int wsk_host_status;
#endif

struct _DRIVER_OBJECT;
struct _UNICODE_STRING;

/* A DriverEntry. */
typedef wsk_host_status wsk_host_driver_entry(struct _DRIVER_OBJECT *driver, struct _UNICODE_STRING *registry_path);

/* Loads a driver: calls its entry point, with an object that refuses every request. Returns what that returns. */
wsk_host_status wsk_host_load(const char *name, wsk_host_driver_entry *entry, void **driver);

/*
 * Unloads a driver. Stops the process, with a report, if it has no DriverUnload, if one of its devices is open, or if
 * it leaves a device or a symbolic link behind.
 */
void wsk_host_unload(void *driver);

/* Opens a device by its name, such as "\\\\.\\Sample", which is "\\??\\Sample", or "\\Device\\Sample". */
wsk_host_status wsk_host_open(const char *path, void **file);

/*
 * Send requests, and wait until each has completed. `returned` is NULL, or receives the number of bytes that the driver
 * has written or consumed.
 */
wsk_host_status wsk_host_control(void *file, uint32_t code, const void *input, size_t input_size, void *output,
                                 size_t output_size, size_t *returned);
wsk_host_status wsk_host_read(void *file, void *buffer, size_t size, size_t *returned);
wsk_host_status wsk_host_write(void *file, const void *buffer, size_t size, size_t *returned);

/* Closes a file: the driver gets IRP_MJ_CLEANUP and IRP_MJ_CLOSE. */
void wsk_host_close(void *file);

#ifdef __cplusplus
}
#endif

#endif
