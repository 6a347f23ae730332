/*
 * Safe integers: sums, differences, products and conversions that fail rather than wrap.
 *
 * Part of the wsk project's own headers. Each returns STATUS_INTEGER_OVERFLOW, with all bits of the result set, where
 * the result has no room.
 */
#ifndef WSK_HEADERS_NTINTSAFE_H
#define WSK_HEADERS_NTINTSAFE_H

#include <ntdef.h>
#include <ntstatus.h>

#define WSK_HEADERS_ARITHMETIC(Name, Type)                                                          \
    FORCEINLINE NTSTATUS Rtl##Name##Add(Type Left, Type Right, Type *Result)                        \
    {                                                                                               \
        if (__builtin_add_overflow(Left, Right, Result)) {                                          \
            *Result = (Type)~(Type)0;                                                               \
            return STATUS_INTEGER_OVERFLOW;                                                         \
        }                                                                                           \
        return STATUS_SUCCESS;                                                                      \
    }                                                                                               \
    FORCEINLINE NTSTATUS Rtl##Name##Sub(Type Left, Type Right, Type *Result)                        \
    {                                                                                               \
        if (__builtin_sub_overflow(Left, Right, Result)) {                                          \
            *Result = (Type)~(Type)0;                                                               \
            return STATUS_INTEGER_OVERFLOW;                                                         \
        }                                                                                           \
        return STATUS_SUCCESS;                                                                      \
    }                                                                                               \
    FORCEINLINE NTSTATUS Rtl##Name##Mult(Type Left, Type Right, Type *Result)                       \
    {                                                                                               \
        if (__builtin_mul_overflow(Left, Right, Result)) {                                          \
            *Result = (Type)~(Type)0;                                                               \
            return STATUS_INTEGER_OVERFLOW;                                                         \
        }                                                                                           \
        return STATUS_SUCCESS;                                                                      \
    }

WSK_HEADERS_ARITHMETIC(UShort, USHORT)
WSK_HEADERS_ARITHMETIC(UInt, UINT)
WSK_HEADERS_ARITHMETIC(ULong, ULONG)
WSK_HEADERS_ARITHMETIC(ULongLong, ULONGLONG)
WSK_HEADERS_ARITHMETIC(ULongPtr, ULONG_PTR)
WSK_HEADERS_ARITHMETIC(SizeT, SIZE_T)
WSK_HEADERS_ARITHMETIC(Long, LONG)
WSK_HEADERS_ARITHMETIC(LongLong, LONGLONG)

#define WSK_HEADERS_CONVERSION(Name, From, To)                   \
    FORCEINLINE NTSTATUS Rtl##Name(From Operand, To *Result)     \
    {                                                            \
        if (__builtin_add_overflow(Operand, (From)0, Result)) {  \
            *Result = (To)~(To)0;                                \
            return STATUS_INTEGER_OVERFLOW;                      \
        }                                                        \
        return STATUS_SUCCESS;                                   \
    }

WSK_HEADERS_CONVERSION(SizeTToULong, SIZE_T, ULONG)
WSK_HEADERS_CONVERSION(SizeTToUShort, SIZE_T, USHORT)
WSK_HEADERS_CONVERSION(SizeTToLong, SIZE_T, LONG)
WSK_HEADERS_CONVERSION(ULongPtrToULong, ULONG_PTR, ULONG)
WSK_HEADERS_CONVERSION(ULongLongToULong, ULONGLONG, ULONG)
WSK_HEADERS_CONVERSION(ULongLongToSizeT, ULONGLONG, SIZE_T)
WSK_HEADERS_CONVERSION(ULongToUShort, ULONG, USHORT)
WSK_HEADERS_CONVERSION(ULongToUChar, ULONG, UCHAR)
WSK_HEADERS_CONVERSION(ULongToLong, ULONG, LONG)
WSK_HEADERS_CONVERSION(UShortToUChar, USHORT, UCHAR)
WSK_HEADERS_CONVERSION(LongToULong, LONG, ULONG)
WSK_HEADERS_CONVERSION(LongLongToULong, LONGLONG, ULONG)
WSK_HEADERS_CONVERSION(LongLongToLong, LONGLONG, LONG)

#endif
