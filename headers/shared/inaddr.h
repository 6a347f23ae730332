/*
 * The address of an IPv4 node, in network byte order.
 *
 * Part of the wsk project's own headers.
 */
#ifndef WSK_HEADERS_INADDR_H
#define WSK_HEADERS_INADDR_H

#include <basetsd.h>

EXTERN_C_BEGIN

typedef struct in_addr {
    union {
        struct {
            UCHAR s_b1, s_b2, s_b3, s_b4;
        } S_un_b;
        struct {
            USHORT s_w1, s_w2;
        } S_un_w;
        ULONG S_addr;
    } S_un;
} IN_ADDR, *PIN_ADDR;

/* The whole, as it is called in C. */
#define s_addr S_un.S_addr

EXTERN_C_END

#endif
