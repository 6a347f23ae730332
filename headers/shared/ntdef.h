/*
 * The scalar types, strings and lists that kernel interfaces are written in.
 *
 * Part of the wsk project's own headers. Sizes are those of 64-bit Windows on every compiler: where
 * `long` has 64 bits (Linux, macOS), LONG is an `int`, and a WCHAR always has 16 bits.
 */
#ifndef WSK_HEADERS_NTDEF_H
#define WSK_HEADERS_NTDEF_H

#include <sdkddkver.h>

#define VOID void
#define CONST const
#define IN
#define OUT
#define OPTIONAL
#ifdef __cplusplus
#define EXTERN_C_BEGIN extern "C" {
#define EXTERN_C_END }
#else
#define EXTERN_C_BEGIN
#define EXTERN_C_END
#endif

/* The calling conventions differ from the compiler's default only on 32-bit x86, which current WDKs
 * no longer build drivers for. */
#define NTAPI
#define FASTCALL

EXTERN_C_BEGIN

#ifdef __SIZE_TYPE__
typedef __SIZE_TYPE__ size_t;
#endif
typedef void *PVOID;
typedef char CHAR, CCHAR;
typedef signed char SCHAR;
typedef unsigned char UCHAR, BOOLEAN, *PUCHAR, *PBOOLEAN;
typedef short SHORT, CSHORT;
typedef unsigned short USHORT, *PUSHORT;
typedef int INT;
typedef unsigned int UINT;
#ifdef _WIN32
typedef long LONG, *PLONG;
typedef unsigned long ULONG, *PULONG;
#else
typedef int LONG, *PLONG;
typedef unsigned int ULONG, *PULONG;
#endif
#if defined(_WIN32) && defined(__cplusplus)
typedef wchar_t WCHAR;
#else
typedef unsigned short WCHAR;
#endif
typedef long long LONGLONG, LONG_PTR;
typedef unsigned long long ULONGLONG, ULONG64, ULONG_PTR, SIZE_T, *PSIZE_T;
typedef WCHAR *PWCH, *PWSTR;
typedef CONST WCHAR *PCWSTR;
typedef CONST CHAR *PCSTR;
typedef PVOID HANDLE, *PHANDLE;
typedef PVOID PSECURITY_DESCRIPTOR;
typedef LONG NTSTATUS, *PNTSTATUS;
typedef ULONG ACCESS_MASK;
typedef LONG KPRIORITY;
typedef CCHAR KPROCESSOR_MODE;
typedef UCHAR KIRQL, *PKIRQL;
typedef ULONG_PTR KSPIN_LOCK, *PKSPIN_LOCK;
typedef ULONG_PTR KAFFINITY;

#define FALSE 0
#define TRUE 1

/* How types are aligned: one of them, and the strictest of the scalar ones. */
#ifdef _MSC_VER
#define TYPE_ALIGNMENT(Type) __alignof(Type)
#else
#define TYPE_ALIGNMENT(Type) __alignof__(Type)
#endif
#define MAX_NATURAL_ALIGNMENT sizeof(ULONGLONG)

typedef struct _GUID {
    ULONG Data1;
    USHORT Data2;
    USHORT Data3;
    UCHAR Data4[8];
} GUID, *LPGUID;

typedef union _LARGE_INTEGER {
    struct {
        ULONG LowPart;
        LONG HighPart;
    } u;
    LONGLONG QuadPart;
} LARGE_INTEGER, *PLARGE_INTEGER;

typedef union _ULARGE_INTEGER {
    struct {
        ULONG LowPart;
        ULONG HighPart;
    } u;
    ULONGLONG QuadPart;
} ULARGE_INTEGER, *PULARGE_INTEGER;

typedef struct _SINGLE_LIST_ENTRY {
    struct _SINGLE_LIST_ENTRY *Next;
} SINGLE_LIST_ENTRY, *PSINGLE_LIST_ENTRY;

typedef struct _LIST_ENTRY {
    struct _LIST_ENTRY *Flink;
    struct _LIST_ENTRY *Blink;
} LIST_ENTRY, *PLIST_ENTRY;

/* Lengths are in bytes, without and with a terminating NUL. */
typedef struct _UNICODE_STRING {
    USHORT Length;
    USHORT MaximumLength;
    PWCH Buffer;
} UNICODE_STRING, *PUNICODE_STRING;

typedef struct _OBJECT_ATTRIBUTES {
    ULONG Length;
    HANDLE RootDirectory;
    PUNICODE_STRING ObjectName;
    ULONG Attributes;
    PVOID SecurityDescriptor;
    PVOID SecurityQualityOfService;
} OBJECT_ATTRIBUTES, *POBJECT_ATTRIBUTES;

typedef struct _CLIENT_ID {
    HANDLE UniqueProcess;
    HANDLE UniqueThread;
} CLIENT_ID, *PCLIENT_ID;

typedef struct _OSVERSIONINFOW {
    ULONG dwOSVersionInfoSize;
    ULONG dwMajorVersion;
    ULONG dwMinorVersion;
    ULONG dwBuildNumber;
    ULONG dwPlatformId;
    WCHAR szCSDVersion[128];
} RTL_OSVERSIONINFOW, *PRTL_OSVERSIONINFOW;

typedef enum _EVENT_TYPE {
    NotificationEvent,
    SynchronizationEvent
} EVENT_TYPE;

typedef enum _TIMER_TYPE {
    NotificationTimer,
    SynchronizationTimer
} TIMER_TYPE;

typedef enum _WAIT_TYPE {
    WaitAll,
    WaitAny
} WAIT_TYPE;

EXTERN_C_END

#endif
