/*
 * The IPv6 half of the socket addresses, and the options of IP, TCP and UDP.
 *
 * Part of the wsk project's own headers. Ports and addresses are in network byte order.
 */
#ifndef WSK_HEADERS_WS2IPDEF_H
#define WSK_HEADERS_WS2IPDEF_H

#include <in6addr.h>
#include <ws2def.h>

EXTERN_C_BEGIN

typedef struct sockaddr_in6 {
    ADDRESS_FAMILY sin6_family;
    USHORT sin6_port;
    ULONG sin6_flowinfo;
    IN6_ADDR sin6_addr;
    union {
        ULONG sin6_scope_id;
        SCOPE_ID sin6_scope_struct;
    };
} SOCKADDR_IN6, *PSOCKADDR_IN6;

#define INET_ADDRSTRLEN  22
#define INET6_ADDRSTRLEN 65
#define SCOPE_LEVEL_GLOBAL 14

#define IN6ADDR_ANY_INIT      {{{0}}}
#define IN6ADDR_LOOPBACK_INIT {{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}}

FORCEINLINE BOOLEAN IN6_ADDR_EQUAL(CONST IN6_ADDR *Left, CONST IN6_ADDR *Right)
{
    return (BOOLEAN)!__builtin_memcmp(Left, Right, sizeof(IN6_ADDR));
}

FORCEINLINE BOOLEAN IN6_IS_ADDR_UNSPECIFIED(CONST IN6_ADDR *Address)
{
    CONST IN6_ADDR Unspecified = IN6ADDR_ANY_INIT;

    return IN6_ADDR_EQUAL(Address, &Unspecified);
}

FORCEINLINE BOOLEAN IN6_IS_ADDR_LOOPBACK(CONST IN6_ADDR *Address)
{
    CONST IN6_ADDR Loopback = IN6ADDR_LOOPBACK_INIT;

    return IN6_ADDR_EQUAL(Address, &Loopback);
}

FORCEINLINE BOOLEAN IN6_IS_ADDR_LINKLOCAL(CONST IN6_ADDR *Address)
{
    return Address->u.Byte[0] == 0xfe && (Address->u.Byte[1] & 0xc0) == 0x80;
}

FORCEINLINE BOOLEAN IN6_IS_ADDR_MULTICAST(CONST IN6_ADDR *Address)
{
    return Address->u.Byte[0] == 0xff;
}

FORCEINLINE BOOLEAN IN6_IS_ADDR_V4MAPPED(CONST IN6_ADDR *Address)
{
    CONST IN6_ADDR Mapped = {{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}}};

    return (BOOLEAN)!__builtin_memcmp(Address, &Mapped, 12);
}

/* The address in a v4-mapped one. */
FORCEINLINE CONST UCHAR *IN6_GET_ADDR_V4MAPPED(CONST IN6_ADDR *Address)
{
    return Address->u.Byte + 12;
}

FORCEINLINE BOOLEAN IN4_IS_ADDR_LOOPBACK(CONST IN_ADDR *Address)
{
    return Address->S_un.S_un_b.s_b1 == 127;
}

FORCEINLINE BOOLEAN IN4_IS_ADDR_UNSPECIFIED(CONST IN_ADDR *Address)
{
    return Address->S_un.S_addr == INADDR_ANY;
}

FORCEINLINE BOOLEAN IN4_ADDR_EQUAL(CONST IN_ADDR *Left, CONST IN_ADDR *Right)
{
    return Left->S_un.S_addr == Right->S_un.S_addr;
}

/* Whether an address of either family is that of any interface, or of this machine. */
FORCEINLINE BOOLEAN INETADDR_ISANY(CONST SOCKADDR *Address)
{
    return Address->sa_family == AF_INET6 ? IN6_IS_ADDR_UNSPECIFIED(&((CONST SOCKADDR_IN6 *)(CONST VOID *)Address)->sin6_addr)
                                          : IN4_IS_ADDR_UNSPECIFIED(&((CONST SOCKADDR_IN *)(CONST VOID *)Address)->sin_addr);
}

FORCEINLINE BOOLEAN INETADDR_ISLOOPBACK(CONST SOCKADDR *Address)
{
    return Address->sa_family == AF_INET6 ? IN6_IS_ADDR_LOOPBACK(&((CONST SOCKADDR_IN6 *)(CONST VOID *)Address)->sin6_addr)
                                          : IN4_IS_ADDR_LOOPBACK(&((CONST SOCKADDR_IN *)(CONST VOID *)Address)->sin_addr);
}

/* An address of either family, which si_family identifies. */
typedef union _SOCKADDR_INET {
    SOCKADDR_IN Ipv4;
    SOCKADDR_IN6 Ipv6;
    ADDRESS_FAMILY si_family;
} SOCKADDR_INET, *PSOCKADDR_INET;

/* The local address and interface of a datagram, as control data. */

typedef struct in_pktinfo {
    IN_ADDR ipi_addr;
    ULONG ipi_ifindex;
} IN_PKTINFO, *PIN_PKTINFO;

typedef struct in6_pktinfo {
    IN6_ADDR ipi6_addr;
    ULONG ipi6_ifindex;
} IN6_PKTINFO, *PIN6_PKTINFO;

/* An error that a datagram has met, as control data of IP_RECVERR and IPV6_RECVERR. */
typedef struct in_recverr {
    IPPROTO protocol;
    ULONG info;
    UCHAR type;
    UCHAR code;
} IN_RECVERR, *PIN_RECVERR;

/* A multicast group to join or to leave, and on which interface. */

typedef struct ip_mreq {
    IN_ADDR imr_multiaddr;
    IN_ADDR imr_interface;
} IP_MREQ, *PIP_MREQ;

typedef struct ipv6_mreq {
    IN6_ADDR ipv6mr_multiaddr;
    ULONG ipv6mr_interface;
} IPV6_MREQ, *PIPV6_MREQ;

/* A source of a multicast group, and on which interface: for IPv4, and for either family. */

typedef struct ip_mreq_source {
    IN_ADDR imr_multiaddr;
    IN_ADDR imr_sourceaddr;
    IN_ADDR imr_interface;
} IP_MREQ_SOURCE, *PIP_MREQ_SOURCE;

typedef struct group_source_req {
    ULONG gsr_interface;
    SOCKADDR_STORAGE gsr_group;
    SOCKADDR_STORAGE gsr_source;
} GROUP_SOURCE_REQ, *PGROUP_SOURCE_REQ;

/* Options of either level for the sources of multicast groups. */

#define MCAST_BLOCK_SOURCE       43
#define MCAST_UNBLOCK_SOURCE     44
#define MCAST_JOIN_SOURCE_GROUP  45
#define MCAST_LEAVE_SOURCE_GROUP 46

/* Options, and types of control messages, at the level of IPv4. */

#define IP_OPTIONS                1
#define IP_TOS                    3
#define IP_TTL                    4
#define IP_MULTICAST_IF           9
#define IP_MULTICAST_TTL          10
#define IP_MULTICAST_LOOP         11
#define IP_ADD_MEMBERSHIP         12
#define IP_DROP_MEMBERSHIP        13
#define IP_DONTFRAGMENT           14
#define IP_ADD_SOURCE_MEMBERSHIP  15
#define IP_DROP_SOURCE_MEMBERSHIP 16
#define IP_BLOCK_SOURCE           17
#define IP_UNBLOCK_SOURCE         18
#define IP_PKTINFO                19
#define IP_HOPLIMIT               21
#define IP_RECVTTL                21
#define IP_UNICAST_IF             31
#define IP_RECVTOS                40
#define IP_ECN                    50
#define IP_RECVECN                50
#define IP_MTU_DISCOVER           71
#define IP_MTU                    73
#define IP_RECVERR                75
#define IP_USER_MTU               76

/* The same for IPv6. */

#define IPV6_UNICAST_HOPS    4
#define IPV6_MULTICAST_IF    9
#define IPV6_MULTICAST_HOPS  10
#define IPV6_MULTICAST_LOOP  11
#define IPV6_ADD_MEMBERSHIP  12
#define IPV6_DROP_MEMBERSHIP 13
#define IPV6_DONTFRAG        14
#define IPV6_PKTINFO         19
#define IPV6_HOPLIMIT        21
#define IPV6_V6ONLY          27
#define IPV6_UNICAST_IF      31
#define IPV6_RTHDR           32
#define IPV6_TCLASS          39
#define IPV6_RECVTCLASS      40
#define IPV6_ECN             50
#define IPV6_RECVECN         50
#define IPV6_MTU_DISCOVER    71
#define IPV6_MTU             72
#define IPV6_RECVERR         75
#define IPV6_USER_MTU        76

/* Values of the two MTU_DISCOVER options. */
typedef enum _PMTUD_STATE {
    IP_PMTUDISC_NOT_SET,
    IP_PMTUDISC_DO,
    IP_PMTUDISC_DONT,
    IP_PMTUDISC_PROBE,
    IP_PMTUDISC_MAX
} PMTUD_STATE, *PPMTUD_STATE;

/* Options of TCP; TCP_NODELAY is in ws2def.h. */

#define TCP_KEEPALIVE  3
#define TCP_MAXRT      5
#define TCP_TIMESTAMPS 10
#define TCP_FASTOPEN   15
#define TCP_KEEPCNT    16
#define TCP_KEEPIDLE   TCP_KEEPALIVE
#define TCP_KEEPINTVL  17

/* Options of UDP, and its control messages: an option for sending is also a control message. */

#define UDP_SEND_MSG_SIZE           2
#define UDP_RECV_MAX_COALESCED_SIZE 3
#define UDP_COALESCED_INFO          3

EXTERN_C_END

#endif
