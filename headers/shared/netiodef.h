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

/* The network module registrar (NMR), which brings the clients and the providers of an NPI together. */

typedef enum {
    MIT_GUID = 1,
    MIT_IF_LUID
} NPI_MODULEID_TYPE;

typedef struct _LUID {
    ULONG LowPart;
    LONG HighPart;
} LUID, *PLUID;

typedef struct _NPI_MODULEID {
    USHORT Length;
    NPI_MODULEID_TYPE Type;
    union {
        GUID Guid;
        LUID IfLuid;
    };
} NPI_MODULEID, *PNPI_MODULEID;
typedef CONST NPI_MODULEID *PCNPI_MODULEID;

typedef struct _NPI_REGISTRATION_INSTANCE {
    USHORT Version;
    USHORT Size;
    PNPIID NpiId;
    PCNPI_MODULEID ModuleId;
    ULONG Number;
    CONST VOID *NpiSpecificCharacteristics;
} NPI_REGISTRATION_INSTANCE, *PNPI_REGISTRATION_INSTANCE;
typedef CONST NPI_REGISTRATION_INSTANCE *PCNPI_REGISTRATION_INSTANCE;

EXTERN_C_END

#endif
