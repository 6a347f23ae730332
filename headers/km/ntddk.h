/*
 * The kernel as most drivers see it: wdm.h, and balanced trees.
 *
 * Part of the wsk project's own headers.
 */
#ifndef WSK_HEADERS_NTDDK_H
#define WSK_HEADERS_NTDDK_H

#include <wdm.h>

#include <nt_avl.h>

#endif
