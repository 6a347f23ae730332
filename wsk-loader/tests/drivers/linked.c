/*
 * The driver of mistakes.c, linked with the host. The argument is its name.
 */
#include <stddef.h>

#include <wsk_host.h>

wsk_host_driver_entry DriverEntry;

static int Scenario(void *Name)
{
    void *Driver = NULL;

    if (wsk_host_load((const char *)Name, DriverEntry, &Driver) != 0) {
        return 1;
    }
    wsk_host_unload(Driver);
    return 0;
}

int main(int Count, char **Arguments)
{
    return Count == 2 ? wsk_host_run(NULL, Scenario, Arguments[1]) : 2;
}
