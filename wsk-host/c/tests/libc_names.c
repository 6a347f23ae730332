/*
 * Functions with names of the C library beside the kernel's headers: the client's own, which the host does not call, and
 * those of the C library, which the program calls. A header of the C library stands before the kernel's, another behind
 * them.
 */
#include <unistd.h>

#include <ntddk.h>
#include <wsk.h>
#include <wsk_host.h>

#include <fcntl.h>

#include <stdio.h>
#include <stdlib.h>

/* The client's own. */
EXTERN_C int connect(int Socket, const void *Address, unsigned Length);
EXTERN_C int bind(int Socket, const void *Address, unsigned Length);
EXTERN_C int send(int Socket, const void *Bytes, int Length, int Flags);

int connect(int Socket, const void *Address, unsigned Length)
{
    return Socket + (Address != NULL) + (int)Length;
}

int bind(int Socket, const void *Address, unsigned Length)
{
    return connect(Socket, Address, Length) + 1;
}

int send(int Socket, const void *Bytes, int Length, int Flags)
{
    return Socket + (Bytes != NULL) + Length + Flags;
}

/* A constructor runs before main, and may also call them. */
__attribute__((constructor)) static void Construct(void)
{
    if (getpid() <= 0) {
        abort();
    }
}

static int Run(void *Context)
{
    static const WSK_CLIENT_DISPATCH Dispatch = {MAKE_WSK_VERSION(1, 0), 0, NULL};
    static WSK_REGISTRATION Registration;
    WSK_CLIENT_NPI Client = {NULL, &Dispatch};

    UNREFERENCED_PARAMETER(Context);
    if (!NT_SUCCESS(WskRegister(&Client, &Registration))) {
        return __LINE__;
    }
    WskDeregister(&Registration);
    return 0;
}

int main(void)
{
    int Pipe[2], Null;
    char Byte = 0;

    /* The client's. */
    if (connect(-7, NULL, 3) != -4 || bind(-7, NULL, 3) != -3 || send(1, NULL, 2, 3) != 6) {
        return __LINE__;
    }
    /* The C library's; one of them has a variable number of arguments. */
    Null = open("/dev/null", O_RDONLY | O_CREAT, 0600);
    if (Null < 0 || read(Null, &Byte, 1) != 0 || (fcntl(Null, F_GETFL) & O_ACCMODE) != O_RDONLY || close(Null) != 0) {
        return __LINE__;
    }
    if (pipe(Pipe) != 0 || write(Pipe[1], "x", 1) != 1 || close(Pipe[1]) != 0 || read(Pipe[0], &Byte, 1) != 1 ||
        Byte != 'x' || close(Pipe[0]) != 0 || getenv("PATH") == NULL) {
        return __LINE__;
    }
    if (wsk_host_run(NULL, Run, NULL) != 0) {
        return __LINE__;
    }
    printf("libc names\n");
    return 0;
}
