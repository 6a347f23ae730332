/*
 * The kernel as file system drivers see it. What a client of WSK uses of it is in ntddk.h.
 *
 * Part of the wsk project's own headers.
 */
#ifndef WSK_HEADERS_NTIFS_H
#define WSK_HEADERS_NTIFS_H

#include <ntddk.h>

#endif
