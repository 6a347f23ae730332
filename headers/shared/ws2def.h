/*
 * Addresses, control messages and control codes that WSK shares with Winsock.
 *
 * Part of the wsk project's own headers. Ports and addresses are in network byte order.
 */
#ifndef WSK_HEADERS_WS2DEF_H
#define WSK_HEADERS_WS2DEF_H

#include <ntdef.h>

EXTERN_C_BEGIN

typedef USHORT ADDRESS_FAMILY;

#define AF_UNSPEC 0
#define AF_INET   2
#define AF_INET6  23

#define SOCK_STREAM 1
#define SOCK_DGRAM  2
#define SOCK_RAW    3

typedef enum {
    IPPROTO_IP = 0,
    IPPROTO_TCP = 6,
    IPPROTO_UDP = 17,
    IPPROTO_IPV6 = 41
} IPPROTO;

#define SOL_SOCKET 0xffff

/* Control codes: direction, owner, number. */

#define IOC_VOID  0x20000000
#define IOC_OUT   0x40000000
#define IOC_IN    0x80000000
#define IOC_INOUT (IOC_IN | IOC_OUT)
#define IOC_WS2   0x08000000
#define IOC_WSK   (IOC_WS2 | 0x07000000)

#define _WSAIO(Owner, Number)   (IOC_VOID | (Owner) | (Number))
#define _WSAIOR(Owner, Number)  (IOC_OUT | (Owner) | (Number))
#define _WSAIOW(Owner, Number)  (IOC_IN | (Owner) | (Number))
#define _WSAIORW(Owner, Number) (IOC_INOUT | (Owner) | (Number))

#define WSK_SO_BASE 0x4000

/* Addresses */

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

typedef struct sockaddr {
    ADDRESS_FAMILY sa_family;
    CHAR sa_data[14];
} SOCKADDR, *PSOCKADDR, *LPSOCKADDR;

typedef struct sockaddr_in {
    ADDRESS_FAMILY sin_family;
    USHORT sin_port;
    IN_ADDR sin_addr;
    CHAR sin_zero[8];
} SOCKADDR_IN, *PSOCKADDR_IN;

/* Room for an address of any family, aligned for all of them. */
typedef struct sockaddr_storage {
    ADDRESS_FAMILY ss_family;
    CHAR __ss_pad1[6];
    long long __ss_align;
    CHAR __ss_pad2[112];
} SOCKADDR_STORAGE, *PSOCKADDR_STORAGE;

/* The zone of a scoped IPv6 address: 28 bits of zone, 4 bits of level, together in Value. */
typedef struct {
    ULONG Value;
} SCOPE_ID, *PSCOPE_ID;

typedef struct _SOCKET_ADDRESS {
    LPSOCKADDR lpSockaddr;
    INT iSockaddrLength;
} SOCKET_ADDRESS, *PSOCKET_ADDRESS;

/* iAddressCount entries follow. */
typedef struct _SOCKET_ADDRESS_LIST {
    INT iAddressCount;
    SOCKET_ADDRESS Address[1];
} SOCKET_ADDRESS_LIST, *PSOCKET_ADDRESS_LIST;

/* Control messages: cmsg_len counts the header and the data that follows it. */
typedef struct cmsghdr {
    SIZE_T cmsg_len;
    INT cmsg_level;
    INT cmsg_type;
} CMSGHDR, *PCMSGHDR;

/* One result of a name look-up. */
typedef struct addrinfoexW {
    int ai_flags;
    int ai_family;
    int ai_socktype;
    int ai_protocol;
    size_t ai_addrlen;
    PWSTR ai_canonname;
    struct sockaddr *ai_addr;
    void *ai_blob;
    size_t ai_bloblen;
    LPGUID ai_provider;
    struct addrinfoexW *ai_next;
} ADDRINFOEXW, *PADDRINFOEXW;

EXTERN_C_END

#endif
