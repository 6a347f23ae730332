/*
 * Ends of a process at unusual places: in a run, before main and after it, and in a child. None of them hangs.
 */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ntddk.h>
#include <wsk_host.h>

#include <stdio.h>
#include <string.h>

#define TAG 0x74736554

static const char *Place = "";

static int Nothing(void *Context)
{
    UNREFERENCED_PARAMETER(Context);
    return 0;
}

static void Allocate(void)
{
    PVOID Block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 8, TAG);

    ExFreePoolWithTag(Block, TAG);
}

static void Wait(void)
{
    static KEVENT Event;

    KeInitializeEvent(&Event, NotificationEvent, FALSE);
    KeWaitForSingleObject(&Event, Executive, KernelMode, FALSE, NULL);
}

/* The environment names the place for code that runs without arguments. */
static int IsAt(const char *Name)
{
    const char *Named = getenv("WSK_TEST_PLACE");

    return strcmp(Named == NULL ? Place : Named, Name) == 0;
}

__attribute__((constructor)) static void Construct(void)
{
    if (IsAt("constructor-runs") && wsk_host_run(NULL, Nothing, NULL) == 0) {
        puts("constructor");
    }
    if (IsAt("constructor-lowers")) {
        KeLowerIrql(DISPATCH_LEVEL);
    }
}

__attribute__((destructor)) static void Destruct(void)
{
    if (IsAt("destructor-allocates")) {
        Allocate();
    }
    if (IsAt("destructor-runs")) {
        wsk_host_run(NULL, Nothing, NULL);
    }
    if (IsAt("destructor-waits")) {
        Wait();
    }
}

static void AtExit(void)
{
    if (IsAt("exit-handler")) {
        Allocate();
    }
}

static VOID Thread(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    abort();
}

static int Run(void *Context)
{
    HANDLE Handle;

    UNREFERENCED_PARAMETER(Context);
    if (IsAt("aborts")) {
        abort();
    }
    if (IsAt("traps")) {
        __builtin_trap();
    }
    if (IsAt("faults")) {
        *(volatile int *)(ULONG_PTR)8 = 1;
    }
    if (IsAt("thread-aborts")) {
        PsCreateSystemThread(&Handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, Thread, NULL);
        ZwWaitForSingleObject(Handle, FALSE, NULL);
    }
    if (IsAt("exits")) {
        exit(3);
    }
    if (IsAt("forks")) {
        pid_t Child = fork();
        int Status = -1;

        if (Child == 0) {
            Allocate();
            exit(0);
        }
        return waitpid(Child, &Status, 0) != Child || Status != 0;
    }
    return 0;
}

int main(int Count, char **Arguments)
{
    wsk_host_options Options;

    Place = Count > 1 ? Arguments[1] : "";
    atexit(AtExit);
    RtlZeroMemory(&Options, sizeof(Options));
    Options.first_seed = 7;
    Options.seeds = 1;
    return wsk_host_run(&Options, Run, NULL);
}
