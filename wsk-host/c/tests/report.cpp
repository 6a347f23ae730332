/*
 * A client in C++ that leaves an allocation: the report names the function and its line.
 */
#include <ntddk.h>
#include <wsk.h>
#include <wsk_host.h>

namespace client {

struct Sender {
    PVOID left;

    void leave(ULONG size);
};

static const ULONG tag = 0x74736554;

/* The line that the test expects. */
__attribute__((noinline)) void Sender::leave(ULONG size)
{
    left = ExAllocatePool2(POOL_FLAG_NON_PAGED, size, tag);
}

static int run(void *context)
{
    Sender *sender = static_cast<Sender *>(context);

    sender->leave(64);
    return sender->left == nullptr;
}

} // namespace client

int main()
{
    client::Sender sender = {nullptr};

    return wsk_host_run(nullptr, client::run, &sender);
}
