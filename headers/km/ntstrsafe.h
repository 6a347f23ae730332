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
