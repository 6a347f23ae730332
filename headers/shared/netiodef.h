/*
 * Identifiers of network programming interfaces (NPIs), of which WSK is one.
 *
 * Part of the wsk project's own headers.
 */
#ifndef WSK_HEADERS_NETIODEF_H
#define WSK_HEADERS_NETIODEF_H

#include <ws2def.h>
#include <ws2ipdef.h>
#include <mswsockdef.h>
#include <mstcpip.h>

EXTERN_C_BEGIN

typedef GUID NPIID;
typedef CONST NPIID *PNPIID;

EXTERN_C_END

#endif
