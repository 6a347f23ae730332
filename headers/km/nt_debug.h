/*
 * Debug output and assertions.
 *
 * Part of the wsk project's own headers: wdm.h includes it.
 */
#ifndef WSK_HEADERS_NT_DEBUG_H
#define WSK_HEADERS_NT_DEBUG_H

#include <nt_ke.h>
#include <nt_types.h>

EXTERN_C_BEGIN

/*
 * DbgPrint is the program's own where a client runs in a process: wsk-host/c/examples/main.c has it. The rest ends in
 * vDbgPrintEx, which the host writes to the standard error, whatever the component and the level. Formats are the
 * kernel's: %wZ, %Z, %ws, %S, %I64d, and no floating-point numbers.
 */

#define DPFLTR_ERROR_LEVEL   0
#define DPFLTR_WARNING_LEVEL 1
#define DPFLTR_TRACE_LEVEL   2
#define DPFLTR_INFO_LEVEL    3
#define DPFLTR_MASK          0x80000000

#define DPFLTR_SYSTEM_ID     0
#define DPFLTR_DEFAULT_ID    101
#define DPFLTR_IHVDRIVER_ID  77
#define DPFLTR_IHVNETWORK_ID 79

ULONG DbgPrint(PCSTR Format, ...);
ULONG vDbgPrintEx(ULONG ComponentId, ULONG Level, PCCH Format, __builtin_va_list Arguments);
ULONG vDbgPrintExWithPrefix(PCCH Prefix, ULONG ComponentId, ULONG Level, PCCH Format, __builtin_va_list Arguments);

FORCEINLINE ULONG DbgPrintEx(ULONG ComponentId, ULONG Level, PCSTR Format, ...)
{
    __builtin_va_list Arguments;
    ULONG Status;

    __builtin_va_start(Arguments, Format);
    Status = vDbgPrintEx(ComponentId, Level, Format, Arguments);
    __builtin_va_end(Arguments);
    return Status;
}

#ifndef DBG
#define DBG 0
#endif
#if DBG
#define KdPrint(Arguments)   DbgPrint Arguments
#define KdPrintEx(Arguments) DbgPrintEx Arguments
#else
#define KdPrint(Arguments)   ((void)0)
#define KdPrintEx(Arguments) ((void)0)
#endif
#define KdBreakPoint() ((void)0)
#ifndef _MSC_VER
#define __debugbreak() DbgBreakPoint()
#endif

/*
 * Assertions, which the host stops at; they are checked in debug builds (DBG), as in the WDK. That pageable code runs at
 * a low level is always checked.
 */

VOID RtlAssert(PVOID VoidFailedAssertion, PVOID VoidFileName, ULONG LineNumber, PSTR MutableMessage);
VOID DbgBreakPoint(VOID);

#define WSK_HEADERS_ASSERT(Condition, Text, Message) \
    ((Condition) ? TRUE : (RtlAssert((PVOID)(ULONG_PTR)(Text), (PVOID)(ULONG_PTR)__FILE__, __LINE__, (Message)), FALSE))
#if DBG
#define ASSERT(Condition)             ((void)WSK_HEADERS_ASSERT(Condition, #Condition, NULL))
#define ASSERTMSG(Message, Condition) ((void)WSK_HEADERS_ASSERT(Condition, #Condition, (PSTR)(ULONG_PTR)(Message)))
#define NT_VERIFY(Condition)          WSK_HEADERS_ASSERT(Condition, #Condition, NULL)
#else
#define ASSERT(Condition)             ((void)0)
#define ASSERTMSG(Message, Condition) ((void)0)
#define NT_VERIFY(Condition)          ((Condition) ? TRUE : FALSE)
#endif
#define NT_ASSERT(Condition)              ASSERT(Condition)
#define NT_ASSERTMSG(Message, Condition)  ASSERTMSG(Message, Condition)
#define NT_FRE_ASSERT(Condition)          ((void)WSK_HEADERS_ASSERT(Condition, #Condition, NULL))
#define PAGED_CODE() \
    ((void)WSK_HEADERS_ASSERT(KeGetCurrentIrql() <= APC_LEVEL, "PAGED_CODE: the IRQL is at most APC_LEVEL", NULL))
#define PAGED_CODE_LOCKED() ((void)0)

EXTERN_C_END

#endif
