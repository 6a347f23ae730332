/*
 * Kinds of devices, and the codes of requests that devices control.
 *
 * Part of the wsk project's own headers.
 */
#ifndef WSK_HEADERS_DEVIOCTL_H
#define WSK_HEADERS_DEVIOCTL_H

#include <basetsd.h>

#define DEVICE_TYPE ULONG

#define FILE_DEVICE_NETWORK     0x00000012
#define FILE_DEVICE_NULL        0x00000015
#define FILE_DEVICE_UNKNOWN     0x00000022
#define FILE_DEVICE_NETWORK_REDIRECTOR 0x00000028

#define CTL_CODE(Type, Function, Method, Access) (((Type) << 16) | ((Access) << 14) | ((Function) << 2) | (Method))
#define DEVICE_TYPE_FROM_CTL_CODE(Code) (((ULONG)((Code) & 0xffff0000)) >> 16)
#define METHOD_FROM_CTL_CODE(Code)      ((ULONG)((Code) & 3))

#define METHOD_BUFFERED   0
#define METHOD_IN_DIRECT  1
#define METHOD_OUT_DIRECT 2
#define METHOD_NEITHER    3

#define FILE_ANY_ACCESS     0
#define FILE_SPECIAL_ACCESS (FILE_ANY_ACCESS)
#define FILE_READ_ACCESS    0x0001
#define FILE_WRITE_ACCESS   0x0002

#endif
