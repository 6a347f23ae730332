/*
 * A program of scenarios: each is a function that returns the line that has failed, or 0. The kernel's headers come first.
 */
#ifndef WSK_TEST_SCENARIOS_H
#define WSK_TEST_SCENARIOS_H

#include <wsk_host.h>

#include <stdio.h>

#define CHECK(Condition)     \
    do {                     \
        if (!(Condition)) {  \
            return __LINE__; \
        }                    \
    } while (0)

typedef struct _SCENARIO {
    const char *Name;
    wsk_host_scenario *Function;
} SCENARIO;

/*
 * Runs the scenario that the command line names, or else the first ones, and prints the name of each that has passed. Those
 * that follow the first ones run by name only: they print, or the host stops them.
 */
static int RunScenarios(int argc, char **argv, const SCENARIO *Scenarios, size_t All, size_t First)
{
    wsk_host_options Options;
    size_t Index, Ran = 0;

    RtlZeroMemory(&Options, sizeof(Options));
    for (Index = 0; Index < (argc > 1 ? All : First); Index++) {
        const char *Name = Scenarios[Index].Name;

        if (argc > 1 && __builtin_strcmp(argv[1], Name) != 0) {
            continue;
        }
        if (wsk_host_run(&Options, Scenarios[Index].Function, NULL) != 0) {
            fprintf(stderr, "%s has failed\n", Name);
            return 1;
        }
        printf("%s\n", Name);
        Ran++;
    }
    if (Ran == 0) {
        fprintf(stderr, "no scenario is called %s\n", argv[1]);
        return 1;
    }
    return 0;
}

#endif
