/*
 * Control codes of Microsoft's TCP/IP, and their arguments.
 *
 * Part of the wsk project's own headers.
 */
#ifndef WSK_HEADERS_MSTCPIP_H
#define WSK_HEADERS_MSTCPIP_H

#include <ws2def.h>

EXTERN_C_BEGIN

#define SIO_KEEPALIVE_VALS                        _WSAIOW(IOC_VENDOR, 4)
#define SIO_LOOPBACK_FAST_PATH                    _WSAIOW(IOC_VENDOR, 16)
#define SIO_QUERY_RSS_SCALABILITY_INFO            _WSAIOR(IOC_VENDOR, 210)
#define SIO_QUERY_WFP_CONNECTION_REDIRECT_RECORDS _WSAIOW(IOC_VENDOR, 220)
#define SIO_QUERY_WFP_CONNECTION_REDIRECT_CONTEXT _WSAIOW(IOC_VENDOR, 221)
#define SIO_SET_WFP_CONNECTION_REDIRECT_RECORDS   _WSAIOW(IOC_VENDOR, 222)

/* Times are in milliseconds. It has no other name in C. */
struct tcp_keepalive {
    ULONG onoff;
    ULONG keepalivetime;
    ULONG keepaliveinterval;
};

typedef struct _RSS_SCALABILITY_INFO {
    BOOLEAN RssEnabled;
} RSS_SCALABILITY_INFO, *PRSS_SCALABILITY_INFO;

EXTERN_C_END

#endif
