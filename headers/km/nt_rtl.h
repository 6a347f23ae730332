/*
 * The run-time library: memory, strings, numbers.
 *
 * Part of the wsk project's own headers: wdm.h includes it.
 */
#ifndef WSK_HEADERS_NT_RTL_H
#define WSK_HEADERS_NT_RTL_H

#include <nt_types.h>

EXTERN_C_BEGIN

/* Memory */

#define RtlZeroMemory(Destination, Length)         ((void)WSK_HEADERS_MEMORY(memset)((Destination), 0, (Length)))
#define RtlFillMemory(Destination, Length, Fill)   ((void)WSK_HEADERS_MEMORY(memset)((Destination), (Fill), (Length)))
#define RtlCopyMemory(Destination, Source, Length) ((void)WSK_HEADERS_MEMORY(memcpy)((Destination), (Source), (Length)))
#define RtlMoveMemory(Destination, Source, Length) ((void)WSK_HEADERS_MEMORY(memmove)((Destination), (Source), (Length)))
#define RtlEqualMemory(Left, Right, Length)        (!WSK_HEADERS_MEMORY(memcmp)((Left), (Right), (Length)))
#define RtlCopyBytes                               RtlCopyMemory
#define RtlZeroBytes                               RtlZeroMemory

/* As many bytes as are equal before the first that are not. */
SIZE_T RtlCompareMemory(CONST VOID *Source1, CONST VOID *Source2, SIZE_T Length);

/* Also where the memory is not read any more. */
FORCEINLINE PVOID RtlSecureZeroMemory(PVOID Memory, SIZE_T Length)
{
    volatile UCHAR *Byte = (volatile UCHAR *)Memory;

    while (Length-- != 0) {
        *Byte++ = 0;
    }
    return Memory;
}

/* The order of bytes */

#define RtlUshortByteSwap(Value)    ((USHORT)__builtin_bswap16((USHORT)(Value)))
#define RtlUlongByteSwap(Value)     ((ULONG)__builtin_bswap32((ULONG)(Value)))
#define RtlUlonglongByteSwap(Value) ((ULONGLONG)__builtin_bswap64((ULONGLONG)(Value)))

/* Strings. Those of bytes are in UTF-8 on the host, and in the system's code page in Windows. */

VOID RtlInitUnicodeString(PUNICODE_STRING DestinationString, PCWSTR SourceString);
NTSTATUS RtlInitUnicodeStringEx(PUNICODE_STRING DestinationString, PCWSTR SourceString);
VOID RtlInitAnsiString(PANSI_STRING DestinationString, PCSZ SourceString);
NTSTATUS RtlInitAnsiStringEx(PANSI_STRING DestinationString, PCSZ SourceString);
VOID RtlInitString(PSTRING DestinationString, PCSZ SourceString);
VOID RtlFreeUnicodeString(PUNICODE_STRING UnicodeString);
VOID RtlFreeAnsiString(PANSI_STRING AnsiString);
VOID RtlCopyUnicodeString(PUNICODE_STRING DestinationString, PCUNICODE_STRING SourceString);
VOID RtlCopyString(PSTRING DestinationString, CONST STRING *SourceString);
NTSTATUS RtlAppendUnicodeStringToString(PUNICODE_STRING Destination, PCUNICODE_STRING Source);
NTSTATUS RtlAppendUnicodeToString(PUNICODE_STRING Destination, PCWSTR Source);
LONG RtlCompareUnicodeString(PCUNICODE_STRING String1, PCUNICODE_STRING String2, BOOLEAN CaseInSensitive);
BOOLEAN RtlEqualUnicodeString(PCUNICODE_STRING String1, PCUNICODE_STRING String2, BOOLEAN CaseInSensitive);
BOOLEAN RtlPrefixUnicodeString(PCUNICODE_STRING String1, PCUNICODE_STRING String2, BOOLEAN CaseInSensitive);
LONG RtlCompareString(CONST STRING *String1, CONST STRING *String2, BOOLEAN CaseInSensitive);
BOOLEAN RtlEqualString(CONST STRING *String1, CONST STRING *String2, BOOLEAN CaseInSensitive);
WCHAR RtlUpcaseUnicodeChar(WCHAR SourceCharacter);
WCHAR RtlDowncaseUnicodeChar(WCHAR SourceCharacter);
NTSTATUS RtlUpcaseUnicodeString(PUNICODE_STRING DestinationString, PCUNICODE_STRING SourceString,
                                BOOLEAN AllocateDestinationString);
NTSTATUS RtlAnsiStringToUnicodeString(PUNICODE_STRING DestinationString, PCANSI_STRING SourceString,
                                      BOOLEAN AllocateDestinationString);
NTSTATUS RtlUnicodeStringToAnsiString(PANSI_STRING DestinationString, PCUNICODE_STRING SourceString,
                                      BOOLEAN AllocateDestinationString);
ULONG RtlxAnsiStringToUnicodeSize(PCANSI_STRING AnsiString);
ULONG RtlxUnicodeStringToAnsiSize(PCUNICODE_STRING UnicodeString);
NTSTATUS RtlIntegerToUnicodeString(ULONG Value, ULONG Base, PUNICODE_STRING String);
NTSTATUS RtlInt64ToUnicodeString(ULONGLONG Value, ULONG Base, PUNICODE_STRING String);
NTSTATUS RtlUnicodeStringToInteger(PCUNICODE_STRING String, ULONG Base, PULONG Value);
NTSTATUS RtlUnicodeToUTF8N(PCHAR UTF8StringDestination, ULONG UTF8StringMaxByteCount, PULONG UTF8StringActualByteCount,
                           PCWCH UnicodeStringSource, ULONG UnicodeStringByteCount);
NTSTATUS RtlUTF8ToUnicodeN(PWSTR UnicodeStringDestination, ULONG UnicodeStringMaxByteCount,
                           PULONG UnicodeStringActualByteCount, PCCH UTF8StringSource, ULONG UTF8StringByteCount);
#define RtlAnsiStringToUnicodeSize(String) RtlxAnsiStringToUnicodeSize(String)
#define RtlUnicodeStringToAnsiSize(String) RtlxUnicodeStringToAnsiSize(String)

FORCEINLINE VOID RtlInitEmptyUnicodeString(PUNICODE_STRING String, PWCHAR Buffer, USHORT Size)
{
    String->Length = 0;
    String->MaximumLength = Size;
    String->Buffer = Buffer;
}

FORCEINLINE VOID RtlInitEmptyAnsiString(PANSI_STRING String, PCHAR Buffer, USHORT Size)
{
    String->Length = 0;
    String->MaximumLength = Size;
    String->Buffer = Buffer;
}

/* Initialization that happens once. */

typedef union _RTL_RUN_ONCE {
    PVOID Ptr;
} RTL_RUN_ONCE, *PRTL_RUN_ONCE;

typedef ULONG RTL_RUN_ONCE_INIT_FN(PRTL_RUN_ONCE RunOnce, PVOID Parameter, PVOID *Context);
typedef RTL_RUN_ONCE_INIT_FN *PRTL_RUN_ONCE_INIT_FN;

#define RTL_RUN_ONCE_INIT         {0}
#define RTL_RUN_ONCE_CHECK_ONLY   0x00000001UL
#define RTL_RUN_ONCE_ASYNC        0x00000002UL
#define RTL_RUN_ONCE_INIT_FAILED  0x00000004UL
#define RTL_RUN_ONCE_CTX_RESERVED_BITS 2

VOID RtlRunOnceInitialize(PRTL_RUN_ONCE RunOnce);
NTSTATUS RtlRunOnceExecuteOnce(PRTL_RUN_ONCE RunOnce, PRTL_RUN_ONCE_INIT_FN InitFn, PVOID Parameter, PVOID *Context);
NTSTATUS RtlRunOnceBeginInitialize(PRTL_RUN_ONCE RunOnce, ULONG Flags, PVOID *Context);
NTSTATUS RtlRunOnceComplete(PRTL_RUN_ONCE RunOnce, ULONG Flags, PVOID Context);

/* Numbers up to MAXLONG - 1, each from the seed that the one before it has left. */

ULONG RtlRandom(PULONG Seed);
ULONG RtlRandomEx(PULONG Seed);

/* Times */

typedef struct _TIME_FIELDS {
    CSHORT Year;
    CSHORT Month;
    CSHORT Day;
    CSHORT Hour;
    CSHORT Minute;
    CSHORT Second;
    CSHORT Milliseconds;
    CSHORT Weekday;
} TIME_FIELDS, *PTIME_FIELDS;

VOID RtlTimeToTimeFields(PLARGE_INTEGER Time, PTIME_FIELDS TimeFields);
BOOLEAN RtlTimeFieldsToTime(PTIME_FIELDS TimeFields, PLARGE_INTEGER Time);
VOID ExSystemTimeToLocalTime(PLARGE_INTEGER SystemTime, PLARGE_INTEGER LocalTime);

/* Seconds since 1970, which end in 2106: a time outside has none. */

#define WSK_HEADERS_UNIX_EPOCH 116444736000000000LL

FORCEINLINE BOOLEAN RtlTimeToSecondsSince1970(PLARGE_INTEGER Time, PULONG ElapsedSeconds)
{
    LONGLONG Seconds = (Time->QuadPart - WSK_HEADERS_UNIX_EPOCH) / 10000000;

    if (Time->QuadPart < WSK_HEADERS_UNIX_EPOCH || Seconds > 0xffffffffLL) {
        return FALSE;
    }
    *ElapsedSeconds = (ULONG)Seconds;
    return TRUE;
}

FORCEINLINE VOID RtlSecondsSince1970ToTime(ULONG ElapsedSeconds, PLARGE_INTEGER Time)
{
    Time->QuadPart = WSK_HEADERS_UNIX_EPOCH + (LONGLONG)ElapsedSeconds * 10000000;
}

/* The version of Windows */

#define VER_EQUAL                       1
#define VER_GREATER                     2
#define VER_GREATER_EQUAL               3
#define VER_LESS                        4
#define VER_LESS_EQUAL                  5
#define VER_AND                         6
#define VER_OR                          7
#define VER_CONDITION_MASK              7
#define VER_NUM_BITS_PER_CONDITION_MASK 3

#define VER_MINORVERSION     0x0000001
#define VER_MAJORVERSION     0x0000002
#define VER_BUILDNUMBER      0x0000004
#define VER_PLATFORMID       0x0000008
#define VER_SERVICEPACKMINOR 0x0000010
#define VER_SERVICEPACKMAJOR 0x0000020
#define VER_SUITENAME        0x0000040
#define VER_PRODUCT_TYPE     0x0000080

#define VER_NT_WORKSTATION       0x0000001
#define VER_NT_DOMAIN_CONTROLLER 0x0000002
#define VER_NT_SERVER            0x0000003
#define VER_PLATFORM_WIN32_NT    2

NTSTATUS RtlGetVersion(PRTL_OSVERSIONINFOW lpVersionInformation);
NTSTATUS RtlVerifyVersionInfo(PRTL_OSVERSIONINFOEXW VersionInfo, ULONG TypeMask, ULONGLONG ConditionMask);
ULONGLONG VerSetConditionMask(ULONGLONG ConditionMask, ULONG TypeMask, UCHAR Condition);

#define VER_SET_CONDITION(Mask, Type, Condition) ((Mask) = VerSetConditionMask((Mask), (Type), (Condition)))

/* GUIDs as text, in braces. The string that RtlStringFromGUID allocates is freed with RtlFreeUnicodeString. */

NTSTATUS RtlStringFromGUID(REFGUID Guid, PUNICODE_STRING GuidString);
NTSTATUS RtlGUIDFromString(PCUNICODE_STRING GuidString, GUID *Guid);

EXTERN_C_END

#endif
