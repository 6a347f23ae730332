/*
 * The Windows release that a driver is compiled for, as NTDDI_VERSION.
 *
 * Part of the wsk project's own headers: written from the documented names and values, so that the
 * bindings can be generated, and C clients compiled, on a machine without a WDK.
 */
#ifndef WSK_HEADERS_SDKDDKVER_H
#define WSK_HEADERS_SDKDDKVER_H

#define NTDDI_VISTA         0x06000000
#define NTDDI_VISTASP1      0x06000100
#define NTDDI_WIN7          0x06010000
#define NTDDI_WIN8          0x06020000
#define NTDDI_WINBLUE       0x06030000
#define NTDDI_WIN10         0x0A000000
#define NTDDI_WIN10_TH2     0x0A000001
#define NTDDI_WIN10_RS1     0x0A000002
#define NTDDI_WIN10_RS2     0x0A000003
#define NTDDI_WIN10_RS3     0x0A000004
#define NTDDI_WIN10_RS4     0x0A000005
#define NTDDI_WIN10_RS5     0x0A000006
#define NTDDI_WIN10_19H1    0x0A000007
#define NTDDI_WIN10_VB      0x0A000008
#define NTDDI_WIN10_MN      0x0A000009
#define NTDDI_WIN10_FE      0x0A00000A
#define NTDDI_WIN10_CO      0x0A00000B
#define NTDDI_WIN10_NI      0x0A00000C
#define NTDDI_WIN10_CU      0x0A00000D
#define NTDDI_WIN11_ZN      0x0A00000E
#define NTDDI_WIN11_GA      0x0A00000F
#define NTDDI_WIN11_GE      0x0A000010

#ifndef NTDDI_VERSION
#define NTDDI_VERSION       NTDDI_WIN11_GE
#endif

#endif
