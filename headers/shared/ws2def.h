/*
 * Addresses, control messages and control codes that WSK shares with Winsock.
 *
 * Part of the wsk project's own headers. Ports and addresses are in network byte order.
 */
#ifndef WSK_HEADERS_WS2DEF_H
#define WSK_HEADERS_WS2DEF_H

#include <inaddr.h>
#include <ntdef.h>

EXTERN_C_BEGIN

typedef USHORT ADDRESS_FAMILY;

#define AF_UNSPEC 0
#define AF_UNIX   1
#define AF_INET   2
#define AF_INET6  23

#define PF_UNSPEC AF_UNSPEC
#define PF_INET   AF_INET
#define PF_INET6  AF_INET6

#define SOCK_STREAM 1
#define SOCK_DGRAM  2
#define SOCK_RAW    3

typedef enum {
    IPPROTO_IP = 0,
    IPPROTO_ICMP = 1,
    IPPROTO_TCP = 6,
    IPPROTO_UDP = 17,
    IPPROTO_IPV6 = 41,
    IPPROTO_ICMPV6 = 58,
    IPPROTO_RAW = 255
} IPPROTO;

#define SOL_SOCKET 0xffff

/* Options of a socket of any protocol. The first of WSK's own is WSK_SO_BASE + 1. */

#define SO_REUSEADDR           0x0004
#define SO_KEEPALIVE           0x0008
#define SO_BROADCAST           0x0020
#define SO_LINGER              0x0080
#define SO_SNDBUF              0x1001
#define SO_RCVBUF              0x1002
#define SO_SNDTIMEO            0x1005
#define SO_RCVTIMEO            0x1006
#define SO_ERROR               0x1007
#define SO_TYPE                0x1008
#define SO_CONDITIONAL_ACCEPT  0x3002
#define SO_COMPARTMENT_ID      0x3004
#define SO_RANDOMIZE_PORT      0x3005
#define SO_PORT_SCALABILITY    0x3006
#define SO_REUSE_UNICASTPORT   0x3007
#define SO_REUSE_MULTICASTPORT 0x3008
/* The only one that is negative. */
#define SO_EXCLUSIVEADDRUSE    (~SO_REUSEADDR)

#define WSK_SO_BASE 0x4000

/* Those of TCP are in ws2ipdef.h, but for this one. */
#define TCP_NODELAY 1

/* Control codes: direction, owner, number. */

#define IOC_VOID   0x20000000
#define IOC_OUT    0x40000000
#define IOC_IN     0x80000000
#define IOC_INOUT  (IOC_IN | IOC_OUT)
#define IOC_WS2    0x08000000
#define IOC_VENDOR 0x18000000
#define IOC_WSK    (IOC_WS2 | 0x07000000)

#define _WSAIO(Owner, Number)   (IOC_VOID | (Owner) | (Number))
#define _WSAIOR(Owner, Number)  (IOC_OUT | (Owner) | (Number))
#define _WSAIOW(Owner, Number)  (IOC_IN | (Owner) | (Number))
#define _WSAIORW(Owner, Number) (IOC_INOUT | (Owner) | (Number))

#define SIO_ADDRESS_LIST_QUERY  _WSAIOR(IOC_WS2, 22)
#define SIO_ADDRESS_LIST_CHANGE _WSAIO(IOC_WS2, 23)
#define SIO_ADDRESS_LIST_SORT   _WSAIORW(IOC_WS2, 25)

/* Addresses */

#define INADDR_ANY       (ULONG)0x00000000
#define INADDR_LOOPBACK  0x7f000001
#define INADDR_BROADCAST (ULONG)0xffffffff
#define INADDR_NONE      0xffffffff

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

#define SCOPEID_UNSPECIFIED_INIT {0}

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

/* Headers begin at multiples of the one, data at multiples of the other; in 64-bit Windows both are 8. */
#define WSK_HEADERS_ROUND_UP(Bytes, Multiple) (((Bytes) + (Multiple) - 1) & ~((Multiple) - 1))
#define WSA_CMSGHDR_ALIGN(Bytes)  WSK_HEADERS_ROUND_UP(Bytes, TYPE_ALIGNMENT(CMSGHDR))
#define WSA_CMSGDATA_ALIGN(Bytes) WSK_HEADERS_ROUND_UP(Bytes, MAX_NATURAL_ALIGNMENT)

/* For `Bytes` bytes of data: the value of cmsg_len, and the room that the message takes in all. */
#define WSA_CMSG_LEN(Bytes)   (WSA_CMSGDATA_ALIGN(sizeof(CMSGHDR)) + (Bytes))
#define WSA_CMSG_SPACE(Bytes) WSA_CMSGDATA_ALIGN(sizeof(CMSGHDR) + WSA_CMSGHDR_ALIGN(Bytes))
#define WSA_CMSG_DATA(Header) ((PUCHAR)(Header) + WSA_CMSGDATA_ALIGN(sizeof(CMSGHDR)))

typedef CMSGHDR WSACMSGHDR, *PWSACMSGHDR, *LPWSACMSGHDR;

/* A buffer, and a message with its address and control messages, as Winsock has them. */

typedef struct _WSABUF {
    ULONG len;
    CHAR *buf;
} WSABUF, *LPWSABUF;

typedef struct _WSAMSG {
    LPSOCKADDR name;
    INT namelen;
    LPWSABUF lpBuffers;
    ULONG dwBufferCount;
    WSABUF Control;
    ULONG dwFlags;
} WSAMSG, *PWSAMSG, *LPWSAMSG;

/* The first control message of a WSAMSG, and the one behind another; NULL if there is none. */
#define WSA_CMSG_FIRSTHDR(Message) \
    ((Message)->Control.len >= sizeof(WSACMSGHDR) ? (LPWSACMSGHDR)(Message)->Control.buf : (LPWSACMSGHDR)NULL)
#define WSA_CMSG_NXTHDR(Message, Header)                                                                        \
    ((Header) == NULL ? WSA_CMSG_FIRSTHDR(Message)                                                              \
     : (PUCHAR)(Header) + WSA_CMSGHDR_ALIGN((Header)->cmsg_len) + sizeof(WSACMSGHDR) >                          \
             (PUCHAR)(Message)->Control.buf + (Message)->Control.len                                            \
         ? (LPWSACMSGHDR)NULL                                                                                   \
         : (LPWSACMSGHDR)((PUCHAR)(Header) + WSA_CMSGHDR_ALIGN((Header)->cmsg_len)))

/* The metadata of a received datagram. */
#define MSG_TRUNC  0x0100
#define MSG_CTRUNC 0x0200
#define MSG_BCAST  0x0400
#define MSG_MCAST  0x0800

/* Flags of a name look-up, in ai_flags of its hints. */
#define AI_PASSIVE                0x00000001
#define AI_CANONNAME              0x00000002
#define AI_NUMERICHOST            0x00000004
#define AI_NUMERICSERV            0x00000008
#define AI_ALL                    0x00000100
#define AI_ADDRCONFIG             0x00000400
#define AI_V4MAPPED               0x00000800
#define AI_NON_AUTHORITATIVE      0x00004000
#define AI_SECURE                 0x00008000
#define AI_RETURN_PREFERRED_NAMES 0x00010000
#define AI_FQDN                   0x00020000
#define AI_FILESERVER             0x00040000
#define AI_DISABLE_IDN_ENCODING   0x00080000
#define AI_EXTENDED               0x80000000

/* Where it looks. */
#define NS_ALL 0
#define NS_DNS 12

/* Flags of the look-up of an address, and the maximum lengths of names in characters, with their NUL. */
#define NI_NOFQDN      0x01
#define NI_NUMERICHOST 0x02
#define NI_NAMEREQD    0x04
#define NI_NUMERICSERV 0x08
#define NI_DGRAM       0x10
#define NI_MAXHOST     1025
#define NI_MAXSERV     32

/* One result of a name look-up, as Winsock has it, and as WSK. */
typedef struct addrinfo {
    INT ai_flags;
    INT ai_family;
    INT ai_socktype;
    INT ai_protocol;
    size_t ai_addrlen;
    CHAR *ai_canonname;
    struct sockaddr *ai_addr;
    struct addrinfo *ai_next;
} ADDRINFOA, *PADDRINFOA;

typedef struct addrinfoW {
    INT ai_flags;
    INT ai_family;
    INT ai_socktype;
    INT ai_protocol;
    size_t ai_addrlen;
    PWSTR ai_canonname;
    struct sockaddr *ai_addr;
    struct addrinfoW *ai_next;
} ADDRINFOW, *PADDRINFOW;

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
