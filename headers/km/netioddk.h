/*
 * The kernel's side of netiodef.h. WSK needs nothing of it but the name, which wsk.h includes.
 *
 * Part of the wsk project's own headers.
 */
#ifndef WSK_HEADERS_NETIODDK_H
#define WSK_HEADERS_NETIODDK_H

#include <netiodef.h>

#endif
