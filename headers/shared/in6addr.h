/*
 * The address of an IPv6 node, in network byte order.
 *
 * Part of the wsk project's own headers.
 */
#ifndef WSK_HEADERS_IN6ADDR_H
#define WSK_HEADERS_IN6ADDR_H

#include <basetsd.h>

EXTERN_C_BEGIN

typedef struct in6_addr {
    union {
        UCHAR Byte[16];
        USHORT Word[8];
    } u;
} IN6_ADDR, *PIN6_ADDR;

#define s6_addr  u.Byte
#define s6_bytes u.Byte
#define s6_words u.Word

EXTERN_C_END

#endif
