/*
 * Microsoft's extensions to Winsock. WSK needs nothing of it but the name, which wsk.h includes.
 *
 * Part of the wsk project's own headers.
 */
#ifndef WSK_HEADERS_MSWSOCKDEF_H
#define WSK_HEADERS_MSWSOCKDEF_H

#include <ws2def.h>

#endif
