/*
 * Safe strings: copies and formatted text that end within their buffer, with a NUL.
 *
 * Part of the wsk project's own headers. `Cb` functions count bytes, `Cch` functions characters; both count the NUL.
 */
#ifndef WSK_HEADERS_NTSTRSAFE_H
#define WSK_HEADERS_NTSTRSAFE_H

#include <wdm.h>

EXTERN_C_BEGIN

#define NTSTRSAFE_MAX_CCH 2147483647
#define NTSTRSAFE_UNICODE_STRING_MAX_CCH (0xffff / sizeof(WCHAR))

typedef CHAR *NTSTRSAFE_PSTR;
typedef CONST CHAR *NTSTRSAFE_PCSTR;
typedef WCHAR *NTSTRSAFE_PWSTR;
typedef CONST WCHAR *NTSTRSAFE_PCWSTR;

/* The kernel's formatter: returns the characters, or -1 if not all of them and a NUL have room. */
int _vsnprintf(CHAR *Buffer, size_t Count, CONST CHAR *Format, __builtin_va_list Arguments);
int _vsnwprintf(WCHAR *Buffer, size_t Count, CONST WCHAR *Format, __builtin_va_list Arguments);

/* The functions of both kinds of characters: A, and W. */
#define WSK_HEADERS_STRSAFE(Kind, Char, Format_)                                                                       \
    FORCEINLINE NTSTATUS RtlStringCchLength##Kind(CONST Char *String, size_t Maximum, size_t *Length)                  \
    {                                                                                                                  \
        size_t Characters = 0;                                                                                         \
                                                                                                                       \
        if (Length != NULL) {                                                                                          \
            *Length = 0;                                                                                               \
        }                                                                                                              \
        if (String == NULL || Maximum > NTSTRSAFE_MAX_CCH) {                                                           \
            return STATUS_INVALID_PARAMETER;                                                                           \
        }                                                                                                              \
        while (Characters < Maximum && String[Characters] != 0) {                                                      \
            Characters++;                                                                                              \
        }                                                                                                              \
        if (Characters == Maximum) {                                                                                   \
            return STATUS_INVALID_PARAMETER;                                                                           \
        }                                                                                                              \
        if (Length != NULL) {                                                                                          \
            *Length = Characters;                                                                                      \
        }                                                                                                              \
        return STATUS_SUCCESS;                                                                                         \
    }                                                                                                                  \
    FORCEINLINE NTSTATUS RtlStringCbLength##Kind(CONST Char *String, size_t Maximum, size_t *Length)                   \
    {                                                                                                                  \
        NTSTATUS Status = RtlStringCchLength##Kind(String, Maximum / sizeof(Char), Length);                            \
                                                                                                                       \
        if (Length != NULL) {                                                                                          \
            *Length *= sizeof(Char);                                                                                   \
        }                                                                                                              \
        return Status;                                                                                                 \
    }                                                                                                                  \
    FORCEINLINE NTSTATUS RtlStringCchCopyN##Kind(Char *Destination, size_t Size, CONST Char *Source, size_t Count)     \
    {                                                                                                                  \
        size_t Characters;                                                                                             \
                                                                                                                       \
        if (Size == 0 || Size > NTSTRSAFE_MAX_CCH) {                                                                   \
            return STATUS_INVALID_PARAMETER;                                                                           \
        }                                                                                                              \
        for (Characters = 0; Characters < Count && Source[Characters] != 0; Characters++) {                            \
            if (Characters == Size - 1) {                                                                              \
                Destination[Characters] = 0;                                                                           \
                return STATUS_BUFFER_OVERFLOW;                                                                         \
            }                                                                                                          \
            Destination[Characters] = Source[Characters];                                                              \
        }                                                                                                              \
        Destination[Characters] = 0;                                                                                   \
        return STATUS_SUCCESS;                                                                                         \
    }                                                                                                                  \
    FORCEINLINE NTSTATUS RtlStringCchCopy##Kind(Char *Destination, size_t Size, CONST Char *Source)                    \
    {                                                                                                                  \
        return RtlStringCchCopyN##Kind(Destination, Size, Source, NTSTRSAFE_MAX_CCH);                                  \
    }                                                                                                                  \
    FORCEINLINE NTSTATUS RtlStringCbCopy##Kind(Char *Destination, size_t Size, CONST Char *Source)                     \
    {                                                                                                                  \
        return RtlStringCchCopyN##Kind(Destination, Size / sizeof(Char), Source, NTSTRSAFE_MAX_CCH);                   \
    }                                                                                                                  \
    FORCEINLINE NTSTATUS RtlStringCbCopyN##Kind(Char *Destination, size_t Size, CONST Char *Source, size_t Count)      \
    {                                                                                                                  \
        return RtlStringCchCopyN##Kind(Destination, Size / sizeof(Char), Source, Count / sizeof(Char));                \
    }                                                                                                                  \
    FORCEINLINE NTSTATUS RtlStringCchCatN##Kind(Char *Destination, size_t Size, CONST Char *Source, size_t Count)      \
    {                                                                                                                  \
        size_t Length;                                                                                                 \
        NTSTATUS Status = RtlStringCchLength##Kind(Destination, Size, &Length);                                        \
                                                                                                                       \
        if (!NT_SUCCESS(Status)) {                                                                                     \
            return Status;                                                                                             \
        }                                                                                                              \
        return RtlStringCchCopyN##Kind(Destination + Length, Size - Length, Source, Count);                            \
    }                                                                                                                  \
    FORCEINLINE NTSTATUS RtlStringCchCat##Kind(Char *Destination, size_t Size, CONST Char *Source)                     \
    {                                                                                                                  \
        return RtlStringCchCatN##Kind(Destination, Size, Source, NTSTRSAFE_MAX_CCH);                                   \
    }                                                                                                                  \
    FORCEINLINE NTSTATUS RtlStringCbCat##Kind(Char *Destination, size_t Size, CONST Char *Source)                      \
    {                                                                                                                  \
        return RtlStringCchCatN##Kind(Destination, Size / sizeof(Char), Source, NTSTRSAFE_MAX_CCH);                    \
    }                                                                                                                  \
    FORCEINLINE NTSTATUS RtlStringCbCatN##Kind(Char *Destination, size_t Size, CONST Char *Source, size_t Count)       \
    {                                                                                                                  \
        return RtlStringCchCatN##Kind(Destination, Size / sizeof(Char), Source, Count / sizeof(Char));                 \
    }                                                                                                                  \
    FORCEINLINE NTSTATUS RtlStringCchVPrintf##Kind(Char *Destination, size_t Size, CONST Char *Format,                 \
                                                   __builtin_va_list Arguments)                                        \
    {                                                                                                                  \
        int Written;                                                                                                   \
                                                                                                                       \
        if (Size == 0 || Size > NTSTRSAFE_MAX_CCH) {                                                                   \
            return STATUS_INVALID_PARAMETER;                                                                           \
        }                                                                                                              \
        Written = Format_(Destination, Size - 1, Format, Arguments);                                                   \
        if (Written < 0 || (size_t)Written >= Size) {                                                                  \
            Destination[Size - 1] = 0;                                                                                 \
            return STATUS_BUFFER_OVERFLOW;                                                                             \
        }                                                                                                              \
        Destination[Written] = 0;                                                                                      \
        return STATUS_SUCCESS;                                                                                         \
    }                                                                                                                  \
    FORCEINLINE NTSTATUS RtlStringCbVPrintf##Kind(Char *Destination, size_t Size, CONST Char *Format,                  \
                                                  __builtin_va_list Arguments)                                         \
    {                                                                                                                  \
        return RtlStringCchVPrintf##Kind(Destination, Size / sizeof(Char), Format, Arguments);                         \
    }                                                                                                                  \
    FORCEINLINE NTSTATUS RtlStringCchPrintf##Kind(Char *Destination, size_t Size, CONST Char *Format, ...)             \
    {                                                                                                                  \
        __builtin_va_list Arguments;                                                                                   \
        NTSTATUS Status;                                                                                               \
                                                                                                                       \
        __builtin_va_start(Arguments, Format);                                                                         \
        Status = RtlStringCchVPrintf##Kind(Destination, Size, Format, Arguments);                                      \
        __builtin_va_end(Arguments);                                                                                   \
        return Status;                                                                                                 \
    }                                                                                                                  \
    FORCEINLINE NTSTATUS RtlStringCbPrintf##Kind(Char *Destination, size_t Size, CONST Char *Format, ...)              \
    {                                                                                                                  \
        __builtin_va_list Arguments;                                                                                   \
        NTSTATUS Status;                                                                                               \
                                                                                                                       \
        __builtin_va_start(Arguments, Format);                                                                         \
        Status = RtlStringCchVPrintf##Kind(Destination, Size / sizeof(Char), Format, Arguments);                       \
        __builtin_va_end(Arguments);                                                                                   \
        return Status;                                                                                                 \
    }

WSK_HEADERS_STRSAFE(A, CHAR, _vsnprintf)
WSK_HEADERS_STRSAFE(W, WCHAR, _vsnwprintf)

/* The functions that also return the end of the text, and treat the rest of the buffer as flags say. */

#define STRSAFE_IGNORE_NULLS     0x00000100
#define STRSAFE_FILL_BEHIND_NULL 0x00000200
#define STRSAFE_FILL_ON_FAILURE  0x00000400
#define STRSAFE_NULL_ON_FAILURE  0x00000800
#define STRSAFE_NO_TRUNCATION    0x00001000
#define STRSAFE_FILL_BYTE(Byte)    ((ULONG)(((Byte) & 0xff) | STRSAFE_FILL_BEHIND_NULL))
#define STRSAFE_FAILURE_BYTE(Byte) ((ULONG)(((Byte) & 0xff) | STRSAFE_FILL_ON_FAILURE))

#define WSK_HEADERS_STRSAFE_FLAGS 0x00001fff

#define WSK_HEADERS_STRSAFE_FINISH(Kind, Char)                                                                         \
    FORCEINLINE NTSTATUS WskHeadersFinish##Kind(Char *Destination, size_t Size, Char **End, size_t *Remaining,         \
                                                ULONG Flags, NTSTATUS Status)                                          \
    {                                                                                                                  \
        size_t Length = 0;                                                                                             \
                                                                                                                       \
        if (Size == 0 || Destination == NULL || (Flags & ~(ULONG)WSK_HEADERS_STRSAFE_FLAGS) != 0) {                    \
            return STATUS_INVALID_PARAMETER;                                                                           \
        }                                                                                                              \
        if (!NT_SUCCESS(Status) && (Flags & STRSAFE_FILL_ON_FAILURE) != 0) {                                           \
            WSK_HEADERS_MEMORY(memset)(Destination, (int)(Flags & 0xff), Size * sizeof(Char));                         \
            Destination[(Flags & 0xff) == 0 ? 0 : Size - 1] = 0;                                                       \
        }                                                                                                              \
        if (!NT_SUCCESS(Status) && (Flags & (STRSAFE_NULL_ON_FAILURE | STRSAFE_NO_TRUNCATION)) != 0) {                 \
            Destination[0] = 0;                                                                                        \
        }                                                                                                              \
        while (Length < Size - 1 && Destination[Length] != 0) {                                                        \
            Length++;                                                                                                  \
        }                                                                                                              \
        if (NT_SUCCESS(Status) && (Flags & STRSAFE_FILL_BEHIND_NULL) != 0) {                                           \
            WSK_HEADERS_MEMORY(memset)(Destination + Length + 1, (int)(Flags & 0xff),                                  \
                                       (Size - Length - 1) * sizeof(Char));                                            \
        }                                                                                                              \
        if (End != NULL) {                                                                                             \
            *End = Destination + Length;                                                                               \
        }                                                                                                              \
        if (Remaining != NULL) {                                                                                       \
            *Remaining = Size - Length;                                                                                \
        }                                                                                                              \
        return Status;                                                                                                 \
    }

#define WSK_HEADERS_STRSAFE_EX(Unit, Name, Kind, Char, UnitSize, Parameters, Arguments)                                \
    FORCEINLINE NTSTATUS RtlString##Unit##Name##Ex##Kind Parameters                                                    \
    {                                                                                                                  \
        NTSTATUS Status = RtlStringCch##Name##Kind Arguments;                                                          \
                                                                                                                       \
        Status = WskHeadersFinish##Kind(Destination, Size / UnitSize, End, Remaining, Flags, Status);                  \
        if (Remaining != NULL && Status != STATUS_INVALID_PARAMETER) {                                                 \
            *Remaining = *Remaining * UnitSize + Size % UnitSize;                                                      \
        }                                                                                                              \
        return Status;                                                                                                 \
    }

#define WSK_HEADERS_STRSAFE_EXS(Unit, Kind, Char, UnitSize, Empty)                                                     \
    WSK_HEADERS_STRSAFE_EX(Unit, Copy, Kind, Char, UnitSize,                                                           \
                           (Char *Destination, size_t Size, CONST Char *Source, Char **End, size_t *Remaining,         \
                            ULONG Flags),                                                                              \
                           (Destination, Size / UnitSize, WSK_HEADERS_TEXT(Source, Empty)))                            \
    WSK_HEADERS_STRSAFE_EX(Unit, Cat, Kind, Char, UnitSize,                                                            \
                           (Char *Destination, size_t Size, CONST Char *Source, Char **End, size_t *Remaining,         \
                            ULONG Flags),                                                                              \
                           (Destination, Size / UnitSize, WSK_HEADERS_TEXT(Source, Empty)))                            \
    WSK_HEADERS_STRSAFE_EX(Unit, CopyN, Kind, Char, UnitSize,                                                          \
                           (Char *Destination, size_t Size, CONST Char *Source, size_t Count, Char **End,              \
                            size_t *Remaining, ULONG Flags),                                                           \
                           (Destination, Size / UnitSize, WSK_HEADERS_TEXT(Source, Empty), Count / UnitSize))          \
    WSK_HEADERS_STRSAFE_EX(Unit, CatN, Kind, Char, UnitSize,                                                           \
                           (Char *Destination, size_t Size, CONST Char *Source, size_t Count, Char **End,              \
                            size_t *Remaining, ULONG Flags),                                                           \
                           (Destination, Size / UnitSize, WSK_HEADERS_TEXT(Source, Empty), Count / UnitSize))          \
    WSK_HEADERS_STRSAFE_EX(Unit, VPrintf, Kind, Char, UnitSize,                                                        \
                           (Char *Destination, size_t Size, Char **End, size_t *Remaining, ULONG Flags,                \
                            CONST Char *Format, __builtin_va_list List),                                               \
                           (Destination, Size / UnitSize, WSK_HEADERS_TEXT(Format, Empty), List))                      \
    FORCEINLINE NTSTATUS RtlString##Unit##PrintfEx##Kind(Char *Destination, size_t Size, Char **End,                   \
                                                         size_t *Remaining, ULONG Flags, CONST Char *Format, ...)      \
    {                                                                                                                  \
        __builtin_va_list List;                                                                                        \
        NTSTATUS Status;                                                                                               \
                                                                                                                       \
        __builtin_va_start(List, Format);                                                                              \
        Status = RtlString##Unit##VPrintfEx##Kind(Destination, Size, End, Remaining, Flags, Format, List);             \
        __builtin_va_end(List);                                                                                        \
        return Status;                                                                                                 \
    }

/* With STRSAFE_IGNORE_NULLS, a null text is an empty one. */
static CONST CHAR WskHeadersEmptyA[] = {0};
static CONST WCHAR WskHeadersEmptyW[] = {0};
#define WSK_HEADERS_TEXT(Text, Empty) ((Text) == NULL && (Flags & STRSAFE_IGNORE_NULLS) != 0 ? (Empty) : (Text))

WSK_HEADERS_STRSAFE_FINISH(A, CHAR)
WSK_HEADERS_STRSAFE_FINISH(W, WCHAR)
WSK_HEADERS_STRSAFE_EXS(Cch, A, CHAR, 1, WskHeadersEmptyA)
WSK_HEADERS_STRSAFE_EXS(Cch, W, WCHAR, 1, WskHeadersEmptyW)
WSK_HEADERS_STRSAFE_EXS(Cb, A, CHAR, 1, WskHeadersEmptyA)
WSK_HEADERS_STRSAFE_EXS(Cb, W, WCHAR, sizeof(WCHAR), WskHeadersEmptyW)

/* Of counted strings, which end without a NUL. */

FORCEINLINE NTSTATUS RtlUnicodeStringVPrintf(PUNICODE_STRING Destination, NTSTRSAFE_PCWSTR Format,
                                             __builtin_va_list Arguments)
{
    size_t Size = Destination->MaximumLength / sizeof(WCHAR);
    int Written = _vsnwprintf(Destination->Buffer, Size, Format, Arguments);
    NTSTATUS Status = Written < 0 ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;

    Destination->Length = (USHORT)((Written < 0 ? Size : (size_t)Written) * sizeof(WCHAR));
    return Status;
}

FORCEINLINE NTSTATUS RtlUnicodeStringPrintf(PUNICODE_STRING Destination, NTSTRSAFE_PCWSTR Format, ...)
{
    __builtin_va_list Arguments;
    NTSTATUS Status;

    __builtin_va_start(Arguments, Format);
    Status = RtlUnicodeStringVPrintf(Destination, Format, Arguments);
    __builtin_va_end(Arguments);
    return Status;
}

FORCEINLINE NTSTATUS RtlUnicodeStringInit(PUNICODE_STRING Destination, NTSTRSAFE_PCWSTR Source)
{
    return RtlInitUnicodeStringEx(Destination, Source);
}

FORCEINLINE NTSTATUS RtlUnicodeStringCopy(PUNICODE_STRING Destination, PCUNICODE_STRING Source)
{
    RtlCopyUnicodeString(Destination, Source);
    return Destination->Length == Source->Length ? STATUS_SUCCESS : STATUS_BUFFER_OVERFLOW;
}

FORCEINLINE NTSTATUS RtlUnicodeStringCopyString(PUNICODE_STRING Destination, NTSTRSAFE_PCWSTR Source)
{
    UNICODE_STRING Counted;
    NTSTATUS Status = RtlInitUnicodeStringEx(&Counted, Source);

    return NT_SUCCESS(Status) ? RtlUnicodeStringCopy(Destination, &Counted) : Status;
}

FORCEINLINE NTSTATUS RtlUnicodeStringCat(PUNICODE_STRING Destination, PCUNICODE_STRING Source)
{
    UNICODE_STRING Rest;
    NTSTATUS Status;

    RtlInitEmptyUnicodeString(&Rest, Destination->Buffer + Destination->Length / sizeof(WCHAR),
                              (USHORT)(Destination->MaximumLength - Destination->Length));
    Status = RtlUnicodeStringCopy(&Rest, Source);
    Destination->Length = (USHORT)(Destination->Length + Rest.Length);
    return Status;
}

EXTERN_C_END

#endif
