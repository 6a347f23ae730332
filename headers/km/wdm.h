/*
 * The kernel API of WDM drivers, as far as clients of WSK use it around their sockets.
 *
 * Part of the wsk project's own headers: the items that wsk.h needs, that wsk-sys binds, and that public C clients use.
 * Where the layout of a structure matters but its members do not, the members are left out. The nt_*.h files are
 * this project's own; include this header, <ntddk.h> or <ntifs.h>.
 */
#ifndef WSK_HEADERS_WDM_H
#define WSK_HEADERS_WDM_H

#include <nt_csq.h>
#include <nt_debug.h>
#include <nt_device.h>
#include <nt_ex.h>
#include <nt_file.h>
#include <nt_interlocked.h>
#include <nt_irp.h>
#include <nt_ke.h>
#include <nt_lists.h>
#include <nt_mm.h>
#include <nt_ps.h>
#include <nt_registry.h>
#include <nt_resource.h>
#include <nt_rtl.h>
#include <nt_types.h>

#include <nt_exceptions.h>

#endif
