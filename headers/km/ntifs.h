/*
 * The kernel API of file system drivers. The part that clients of WSK use is in ntddk.h.
 *
 * Part of the wsk project's own headers.
 */
#ifndef WSK_HEADERS_NTIFS_H
#define WSK_HEADERS_NTIFS_H

#include <ntddk.h>

#endif
