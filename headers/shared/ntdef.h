/*
 * The strings, lists and attributes that kernel interfaces are written in.
 *
 * Part of the wsk project's own headers. The scalar types are in basetsd.h.
 */
#ifndef WSK_HEADERS_NTDEF_H
#define WSK_HEADERS_NTDEF_H

#include <basetsd.h>
#include <guiddef.h>
#include <sdkddkver.h>

EXTERN_C_BEGIN

/* How types are aligned: one of them, the strictest of the scalar ones, and memory that is allocated. */
#ifdef _MSC_VER
#define TYPE_ALIGNMENT(Type) __alignof(Type)
#else
#define TYPE_ALIGNMENT(Type) __alignof__(Type)
#endif
#define MAX_NATURAL_ALIGNMENT       sizeof(ULONGLONG)
#define MEMORY_ALLOCATION_ALIGNMENT 16
#define SYSTEM_CACHE_ALIGNMENT_SIZE 64

/* A handle of its own type: a pointer to a structure that is never defined further. */
#define DECLARE_HANDLE(Name) \
    struct Name##__ {        \
        int unused;          \
    };                       \
    typedef struct Name##__ *Name

typedef LONG NTSTATUS, *PNTSTATUS;
typedef ULONG ACCESS_MASK, *PACCESS_MASK;
typedef LONG KPRIORITY;
typedef CCHAR KPROCESSOR_MODE;
typedef UCHAR KIRQL, *PKIRQL;
typedef ULONG_PTR KSPIN_LOCK, *PKSPIN_LOCK;
typedef ULONG_PTR KAFFINITY, *PKAFFINITY;
typedef ULONG LOGICAL, *PLOGICAL;
typedef PVOID PSECURITY_DESCRIPTOR;

typedef union _LARGE_INTEGER {
    WSK_HEADERS_UNNAMED struct {
        ULONG LowPart;
        LONG HighPart;
    };
    struct {
        ULONG LowPart;
        LONG HighPart;
    } u;
    LONGLONG QuadPart;
} LARGE_INTEGER, *PLARGE_INTEGER;

typedef union _ULARGE_INTEGER {
    WSK_HEADERS_UNNAMED struct {
        ULONG LowPart;
        ULONG HighPart;
    };
    struct {
        ULONG LowPart;
        ULONG HighPart;
    } u;
    ULONGLONG QuadPart;
} ULARGE_INTEGER, *PULARGE_INTEGER;

/* Products with all their 64 bits. */
#define Int32x32To64(Left, Right)  ((LONGLONG)(LONG)(Left) * (LONGLONG)(LONG)(Right))
#define UInt32x32To64(Left, Right) ((ULONGLONG)(ULONG)(Left) * (ULONGLONG)(ULONG)(Right))

typedef struct _SINGLE_LIST_ENTRY {
    struct _SINGLE_LIST_ENTRY *Next;
} SINGLE_LIST_ENTRY, *PSINGLE_LIST_ENTRY;

typedef struct _LIST_ENTRY {
    struct _LIST_ENTRY *Flink;
    struct _LIST_ENTRY *Blink;
} LIST_ENTRY, *PLIST_ENTRY;

/* Strings: lengths are in bytes, without and with a terminating NUL. */

typedef struct _UNICODE_STRING {
    USHORT Length;
    USHORT MaximumLength;
    PWCH Buffer;
} UNICODE_STRING, *PUNICODE_STRING;
typedef CONST UNICODE_STRING *PCUNICODE_STRING;

typedef struct _STRING {
    USHORT Length;
    USHORT MaximumLength;
    PCHAR Buffer;
} STRING, *PSTRING, ANSI_STRING, *PANSI_STRING, OEM_STRING, *POEM_STRING, UTF8_STRING, *PUTF8_STRING;
typedef CONST STRING *PCSTRING, *PCANSI_STRING, *PCOEM_STRING, *PCUTF8_STRING;

#define UNICODE_NULL        ((WCHAR)0)
#define ANSI_NULL           ((CHAR)0)
#define UNICODE_STRING_MAX_BYTES ((USHORT)65534)
#define UNICODE_STRING_MAX_CHARS (32767)

/*
 * A counted string of a literal. Wide literals have 16 bits a character only with -fshort-wchar on a system other than
 * Windows: without it this does not compile.
 */
#define WSK_HEADERS_LITERAL(Literal) \
    (0 * sizeof(char[sizeof((Literal)[0]) <= sizeof(WCHAR) ? 1 : -1]) + sizeof(Literal))
#ifdef __cplusplus
extern "C++" {
constexpr CHAR *WskHeadersMutable(PCSTR String) { return const_cast<CHAR *>(String); }
constexpr WCHAR *WskHeadersMutable(PCWSTR String) { return const_cast<WCHAR *>(String); }
}
#else
#define WskHeadersMutable(String) (String)
#endif
#define RTL_CONSTANT_STRING(Literal) \
    {WSK_HEADERS_LITERAL(Literal) - sizeof((Literal)[0]), WSK_HEADERS_LITERAL(Literal), WskHeadersMutable(Literal)}
#define DECLARE_CONST_UNICODE_STRING(Variable, Literal) \
    CONST WCHAR Variable##_buffer[] = Literal;          \
    CONST UNICODE_STRING Variable = {WSK_HEADERS_LITERAL(Literal) - sizeof(WCHAR), WSK_HEADERS_LITERAL(Literal), \
                                     (PWCH)Variable##_buffer}
#ifdef __cplusplus
#define DECLARE_GLOBAL_CONST_UNICODE_STRING(Variable, Literal) \
    static CONST UNICODE_STRING Variable = RTL_CONSTANT_STRING(Literal)
#else
#define DECLARE_GLOBAL_CONST_UNICODE_STRING(Variable, Literal) \
    extern CONST DECLSPEC_SELECTANY UNICODE_STRING Variable;   \
    CONST DECLSPEC_SELECTANY UNICODE_STRING Variable = RTL_CONSTANT_STRING(Literal)
#endif
/* An empty string with room for this many characters. */
#define DECLARE_UNICODE_STRING_SIZE(Variable, Characters) \
    WCHAR Variable##_buffer[Characters];                  \
    UNICODE_STRING Variable = {0, (Characters) * sizeof(WCHAR), Variable##_buffer}

typedef struct _OBJECT_ATTRIBUTES {
    ULONG Length;
    HANDLE RootDirectory;
    PUNICODE_STRING ObjectName;
    ULONG Attributes;
    PVOID SecurityDescriptor;
    PVOID SecurityQualityOfService;
} OBJECT_ATTRIBUTES, *POBJECT_ATTRIBUTES;
typedef CONST OBJECT_ATTRIBUTES *PCOBJECT_ATTRIBUTES;

#define OBJ_INHERIT          0x00000002L
#define OBJ_PERMANENT        0x00000010L
#define OBJ_EXCLUSIVE        0x00000020L
#define OBJ_CASE_INSENSITIVE 0x00000040L
#define OBJ_OPENIF           0x00000080L

#define InitializeObjectAttributes(Attributes_, Name, Flags, Root, Security) \
    ((Attributes_)->Length = sizeof(OBJECT_ATTRIBUTES),                      \
     (Attributes_)->RootDirectory = (Root), (Attributes_)->Attributes = (Flags), (Attributes_)->ObjectName = (Name), \
     (Attributes_)->SecurityDescriptor = (Security), (VOID)((Attributes_)->SecurityQualityOfService = NULL))

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
} OSVERSIONINFOW, RTL_OSVERSIONINFOW, *PRTL_OSVERSIONINFOW;

typedef struct _OSVERSIONINFOEXW {
    ULONG dwOSVersionInfoSize;
    ULONG dwMajorVersion;
    ULONG dwMinorVersion;
    ULONG dwBuildNumber;
    ULONG dwPlatformId;
    WCHAR szCSDVersion[128];
    USHORT wServicePackMajor;
    USHORT wServicePackMinor;
    USHORT wSuiteMask;
    UCHAR wProductType;
    UCHAR wReserved;
} OSVERSIONINFOEXW, RTL_OSVERSIONINFOEXW, *PRTL_OSVERSIONINFOEXW;

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

/* In C++, these are names of the standard library. */
#if !defined(NOMINMAX) && !defined(__cplusplus)
#ifndef min
#define min(Left, Right) (((Left) < (Right)) ? (Left) : (Right))
#endif
#ifndef max
#define max(Left, Right) (((Left) > (Right)) ? (Left) : (Right))
#endif
#endif

/* A position in a structure, the structure around a member, and how many elements an array has. */
#define FIELD_OFFSET(Type, Field)   ((LONG)__builtin_offsetof(Type, Field))
#define UFIELD_OFFSET(Type, Field)  ((ULONG)__builtin_offsetof(Type, Field))
#define RTL_FIELD_SIZE(Type, Field) (sizeof(((Type *)0)->Field))
#define RTL_SIZEOF_THROUGH_FIELD(Type, Field) (FIELD_OFFSET(Type, Field) + RTL_FIELD_SIZE(Type, Field))
#define CONTAINING_RECORD(Address, Type, Field) ((Type *)((CHAR *)(Address) - __builtin_offsetof(Type, Field)))
#define RTL_NUMBER_OF(Array) (sizeof(Array) / sizeof((Array)[0]))
#define ARRAYSIZE(Array)     RTL_NUMBER_OF(Array)
#ifndef _countof
#define _countof(Array)      RTL_NUMBER_OF(Array)
#endif
#define RTL_CONTAINS_FIELD(Structure, Size, Field) \
    ((((PCHAR)(&(Structure)->Field)) + sizeof((Structure)->Field)) <= (((PCHAR)(Structure)) + (Size)))

EXTERN_C_END

#endif
