/*
 * Structured exceptions, which GCC and clang do not have outside of Windows.
 *
 * Part of the wsk project's own headers: wdm.h includes it. They are refused with a message that describes the alternative.
 */
#ifndef WSK_HEADERS_NT_EXCEPTIONS_H
#define WSK_HEADERS_NT_EXCEPTIONS_H

#if !defined(_MSC_VER)

#define EXCEPTION_EXECUTE_HANDLER    1
#define EXCEPTION_CONTINUE_SEARCH    0
#define EXCEPTION_CONTINUE_EXECUTION (-1)

#ifdef WSK_HEADERS_NO_EXCEPTIONS
/* No function of the host raises an exception: the block runs, and its handler is compiled and never runs. */
#undef __try
#define __try            if (1)
#define __except(Filter) else if (Filter)
#define GetExceptionCode() ((NTSTATUS)STATUS_UNSUCCESSFUL)
#define GetExceptionInformation() NULL
#else
#define WSK_HEADERS_REFUSED                                                                                          \
    _Pragma("GCC error \"structured exceptions need Microsoft's compiler: define WSK_HEADERS_NO_EXCEPTIONS to run every \
__try block as it is and no __except block ever, since no function of the host raises an exception\"")
/* The C++ standard library defines its own __try. */
#ifndef __cplusplus
#define __try WSK_HEADERS_REFUSED
#endif
#define __except(Filter) WSK_HEADERS_REFUSED
#endif
#define __finally \
    _Pragma("GCC error \"__finally needs Microsoft's compiler: release what the block holds before each of its ends\"")
#define __leave \
    _Pragma("GCC error \"__leave needs Microsoft's compiler: use goto\"")

#endif

/* As excpt.h of the WDK has them in C. */
#ifndef __cplusplus
#define try     __try
#define except  __except
#define finally __finally
#endif

#endif
