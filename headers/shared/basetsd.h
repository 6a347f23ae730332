/*
 * The scalar types of kernel interfaces, and the attributes of their declarations.
 *
 * Part of the wsk project's own headers. Sizes are those of 64-bit Windows on every compiler. Where `long` has 64 bits
 * (Linux, macOS), LONG is an `int`: use LONG, not `long`, in structures and for Interlocked functions. A WCHAR always has
 * 16 bits; wide literals have 16 bits with -fshort-wchar.
 */
#ifndef WSK_HEADERS_BASETSD_H
#define WSK_HEADERS_BASETSD_H

#include <libc_names.h>
#include <sal.h>

#define VOID void
#define CONST const
#define IN
#define OUT
#define OPTIONAL
#define FAR
#define NEAR
#ifdef __cplusplus
#define EXTERN_C         extern "C"
#define EXTERN_C_START   extern "C" {
#define EXTERN_C_BEGIN   extern "C" {
#define EXTERN_C_END     }
#else
#define EXTERN_C         extern
#define EXTERN_C_START
#define EXTERN_C_BEGIN
#define EXTERN_C_END
#endif

/* The calling conventions differ from the compiler's default only on 32-bit x86, which current WDKs
 * no longer build drivers for. */
#define NTAPI
#define FASTCALL
#ifndef _MSC_VER
#define __cdecl
#define __stdcall
#define __fastcall
#endif

/* Counterparts of Microsoft's __declspec attributes. */
#ifdef _MSC_VER
#define DECLSPEC_ALIGN(Bytes) __declspec(align(Bytes))
#define DECLSPEC_NORETURN     __declspec(noreturn)
#define DECLSPEC_NOINLINE     __declspec(noinline)
#define DECLSPEC_SELECTANY    __declspec(selectany)
#define DECLSPEC_DEPRECATED   __declspec(deprecated)
#define DECLSPEC_IMPORT       __declspec(dllimport)
#define DECLSPEC_EXPORT       __declspec(dllexport)
#else
#define DECLSPEC_ALIGN(Bytes) __attribute__((aligned(Bytes)))
#define DECLSPEC_NORETURN     __attribute__((noreturn))
#define DECLSPEC_NOINLINE     __attribute__((noinline))
#define DECLSPEC_SELECTANY    __attribute__((weak))
#define DECLSPEC_DEPRECATED   __attribute__((deprecated))
#define DECLSPEC_IMPORT
#define DECLSPEC_EXPORT
#if !defined(_WIN32) && !defined(__declspec)
#define __declspec(Kind) WSK_HEADERS_DECLSPEC_##Kind
#define WSK_HEADERS_DECLSPEC_align(Bytes)   DECLSPEC_ALIGN(Bytes)
#define WSK_HEADERS_DECLSPEC_noreturn       DECLSPEC_NORETURN
#define WSK_HEADERS_DECLSPEC_noinline       DECLSPEC_NOINLINE
#define WSK_HEADERS_DECLSPEC_selectany      DECLSPEC_SELECTANY
#define WSK_HEADERS_DECLSPEC_deprecated     DECLSPEC_DEPRECATED
#define WSK_HEADERS_DECLSPEC_dllimport
#define WSK_HEADERS_DECLSPEC_dllexport
#define WSK_HEADERS_DECLSPEC_allocate(Name)
#define WSK_HEADERS_DECLSPEC_code_seg(Name)
#define WSK_HEADERS_DECLSPEC_nothrow
#define WSK_HEADERS_DECLSPEC_novtable
#define WSK_HEADERS_DECLSPEC_restrict
#define WSK_HEADERS_DECLSPEC_uuid(Text)
#endif
#endif
#define DECLSPEC_CACHEALIGN      DECLSPEC_ALIGN(SYSTEM_CACHE_ALIGNMENT_SIZE)
#define NTKERNELAPI
#define NTSYSAPI
#define NTHALAPI
#define NTSYSCALLAPI
#define POINTER_ALIGNMENT        DECLSPEC_ALIGN(8)
#define RESTRICTED_POINTER
#define UNALIGNED

#ifdef _MSC_VER
#define FORCEINLINE static __inline
#define CFORCEINLINE static __inline
#else
#define FORCEINLINE static inline
#define CFORCEINLINE static inline
#ifndef __forceinline
#define __forceinline inline
#endif
#endif

/* C++ has no structures without a name; every compiler does. */
#if defined(__GNUC__) || defined(__clang__)
#define WSK_HEADERS_UNNAMED __extension__
#else
#define WSK_HEADERS_UNNAMED
#endif
#define DUMMYSTRUCTNAME
#define DUMMYSTRUCTNAME2
#define DUMMYUNIONNAME
#define DUMMYUNIONNAME2

#define UNREFERENCED_PARAMETER(Parameter) ((void)(Parameter))
#define DBG_UNREFERENCED_PARAMETER(Parameter) ((void)(Parameter))
#define DBG_UNREFERENCED_LOCAL_VARIABLE(Variable) ((void)(Variable))
#ifdef __cplusplus
#define C_ASSERT(Condition) static_assert((Condition), #Condition)
#else
#define C_ASSERT(Condition) _Static_assert((Condition), #Condition)
#endif
#define ANYSIZE_ARRAY 1

#ifndef NULL
#ifdef __cplusplus
#define NULL 0
#else
#define NULL ((void *)0)
#endif
#endif
#define FALSE 0
#define TRUE 1
#define MINCHAR   0x80
#define MAXCHAR   0x7f
#define MAXUCHAR  0xff
#define MINSHORT  0x8000
#define MAXSHORT  0x7fff
#define MAXUSHORT 0xffff
#define MAXLONG   0x7fffffff
#define MINLONG   (-MAXLONG - 1)
#define MAXULONG  0xffffffff
#define MAXLONGLONG  (0x7fffffffffffffffLL)
#define MAXULONGLONG (0xffffffffffffffffULL)
#define MAXULONG_PTR (~((ULONG_PTR)0))
#define MAXSIZE_T    (~((SIZE_T)0))

/* The limits of types with a size in their names. */
#define MAXUINT8  ((UINT8)~((UINT8)0))
#define MAXINT8   ((INT8)(MAXUINT8 >> 1))
#define MININT8   ((INT8)~MAXINT8)
#define MAXUINT16 ((UINT16)~((UINT16)0))
#define MAXINT16  ((INT16)(MAXUINT16 >> 1))
#define MININT16  ((INT16)~MAXINT16)
#define MAXUINT32 ((UINT32)~((UINT32)0))
#define MAXINT32  ((INT32)(MAXUINT32 >> 1))
#define MININT32  ((INT32)~MAXINT32)
#define MAXUINT64 ((UINT64)~((UINT64)0))
#define MAXINT64  ((INT64)(MAXUINT64 >> 1))
#define MININT64  ((INT64)~MAXINT64)
#define MAXULONG32 ((ULONG32)~((ULONG32)0))
#define MAXLONG32  ((LONG32)(MAXULONG32 >> 1))
#define MINLONG32  ((LONG32)~MAXLONG32)
#define MAXULONG64 ((ULONG64)~((ULONG64)0))
#define MAXLONG64  ((LONG64)(MAXULONG64 >> 1))
#define MINLONG64  ((LONG64)~MAXLONG64)
#define MAXUINT_PTR (~((UINT_PTR)0))
#define MAXINT_PTR  ((INT_PTR)(MAXUINT_PTR >> 1))
#define MININT_PTR  (~MAXINT_PTR)
#define MAXLONG_PTR ((LONG_PTR)(MAXULONG_PTR >> 1))
#define MINLONG_PTR (~MAXLONG_PTR)
#define MAXSSIZE_T  ((SSIZE_T)(MAXSIZE_T >> 1))
#define MAXUINT     ((UINT)~((UINT)0))
#define MAXINT      ((INT)(MAXUINT >> 1))
#define MININT      ((INT)~MAXINT)
#define MAXDWORD    0xffffffff

EXTERN_C_BEGIN

#ifdef __SIZE_TYPE__
typedef __SIZE_TYPE__ size_t;
typedef __UINTPTR_TYPE__ uintptr_t;
typedef __INTPTR_TYPE__ intptr_t;
typedef __PTRDIFF_TYPE__ ptrdiff_t;
#ifndef __cplusplus
typedef __WCHAR_TYPE__ wchar_t;
#endif
#endif
typedef void *PVOID, *LPVOID;
typedef CONST void *PCVOID, *LPCVOID;
typedef char CHAR, CCHAR, *PCHAR, *PSZ, *PSTR, *LPSTR, *PCCHAR;
typedef CONST CHAR *PCSTR, *LPCSTR, *PCCH, *PCSZ;
typedef signed char SCHAR, *PSCHAR;
typedef unsigned char UCHAR, BOOLEAN, *PUCHAR, *PBOOLEAN;
typedef CONST UCHAR *PCUCHAR;
typedef unsigned char BYTE, *PBYTE;
typedef short SHORT, CSHORT, *PSHORT, *PCSHORT;
typedef unsigned short USHORT, *PUSHORT;
typedef int INT, *PINT;
typedef unsigned int UINT, *PUINT;
#ifdef _WIN32
typedef long LONG, *PLONG;
typedef unsigned long ULONG, *PULONG;
#else
typedef int LONG, *PLONG;
typedef unsigned int ULONG, *PULONG;
#endif
typedef LONG HRESULT;
#if defined(__cplusplus) && (defined(_WIN32) || __SIZEOF_WCHAR_T__ == 2)
typedef wchar_t WCHAR;
#else
typedef unsigned short WCHAR;
#endif
typedef long long LONGLONG, LONG64, LONG_PTR, INT_PTR, *PLONGLONG, *PLONG64, *PLONG_PTR, *PINT_PTR;
typedef unsigned long long ULONGLONG, ULONG64, ULONG_PTR, UINT_PTR, DWORDLONG;
typedef unsigned long long *PULONGLONG, *PULONG64, *PULONG_PTR, *PUINT_PTR, DWORD64, DWORD_PTR;
/* The compiler's size_t, as on Windows: clients pass pointers to the one where the other is declared. */
#ifdef __SIZE_TYPE__
typedef __SIZE_TYPE__ SIZE_T, *PSIZE_T;
typedef __PTRDIFF_TYPE__ SSIZE_T, *PSSIZE_T;
#else
typedef size_t SIZE_T, *PSIZE_T;
typedef long long SSIZE_T, *PSSIZE_T;
#endif
typedef signed char INT8, *PINT8;
typedef short INT16, *PINT16;
typedef int INT32, *PINT32;
typedef long long INT64, *PINT64;
typedef unsigned char UINT8, *PUINT8;
typedef unsigned short UINT16, *PUINT16;
typedef unsigned int UINT32, *PUINT32;
typedef unsigned long long UINT64, *PUINT64;
typedef LONG LONG32, *PLONG32;
typedef ULONG ULONG32, *PULONG32, DWORD32, CLONG, *PCLONG;
typedef WCHAR *PWCHAR, *PWCH, *PWSTR, *LPWSTR;
typedef CONST WCHAR *PCWSTR, *LPCWSTR, *PCWCH;
typedef PVOID HANDLE, *PHANDLE;

/* As Microsoft's compiler has them. */
#if !defined(_MSC_VER) && !defined(__int64)
#define __int8  char
#define __int16 short
#define __int32 int
#define __int64 long long
#endif

EXTERN_C_END

/* Numbers in pointers, and the reverse. */
#define PtrToUlong(Pointer)    ((ULONG)(ULONG_PTR)(Pointer))
#define PtrToLong(Pointer)     ((LONG)(LONG_PTR)(Pointer))
#define HandleToUlong(Handle)  ((ULONG)(ULONG_PTR)(Handle))
#define HandleToULong(Handle)  HandleToUlong(Handle)
#define UlongToPtr(Number)     ((PVOID)(ULONG_PTR)(ULONG)(Number))
#define ULongToPtr(Number)     UlongToPtr(Number)
#define LongToPtr(Number)      ((PVOID)(LONG_PTR)(LONG)(Number))
#define UlongToHandle(Number)  ((HANDLE)(ULONG_PTR)(ULONG)(Number))
#define ULongToHandle(Number)  UlongToHandle(Number)

#endif
