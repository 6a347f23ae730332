/*
 * The Interlocked functions: full barriers, all of them, also where a weaker one is named.
 *
 * Part of the wsk project's own headers: wdm.h includes it. In the WDK they are intrinsics of Microsoft's compiler.
 * Where `long` has 64 bits they take it beside LONG, since clients declare counters as `long`, too.
 */
#ifndef WSK_HEADERS_NT_INTERLOCKED_H
#define WSK_HEADERS_NT_INTERLOCKED_H

#include <ntdef.h>

EXTERN_C_BEGIN

#define WSK_HEADERS_INTERLOCKED(Suffix, Type)                                                                   \
    FORCEINLINE Type InterlockedExchange##Suffix(Type volatile *Target, Type Value)                             \
    {                                                                                                           \
        return __atomic_exchange_n(Target, Value, __ATOMIC_SEQ_CST);                                            \
    }                                                                                                           \
    FORCEINLINE Type InterlockedCompareExchange##Suffix(Type volatile *Destination, Type Exchange, Type Comparand) \
    {                                                                                                           \
        __atomic_compare_exchange_n(Destination, &Comparand, Exchange, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);  \
        return Comparand;                                                                                       \
    }                                                                                                           \
    FORCEINLINE Type InterlockedIncrement##Suffix(Type volatile *Addend)                                        \
    {                                                                                                           \
        return __atomic_add_fetch(Addend, (Type)1, __ATOMIC_SEQ_CST);                                           \
    }                                                                                                           \
    FORCEINLINE Type InterlockedDecrement##Suffix(Type volatile *Addend)                                        \
    {                                                                                                           \
        return __atomic_sub_fetch(Addend, (Type)1, __ATOMIC_SEQ_CST);                                           \
    }                                                                                                           \
    FORCEINLINE Type InterlockedExchangeAdd##Suffix(Type volatile *Addend, Type Value)                          \
    {                                                                                                           \
        return __atomic_fetch_add(Addend, Value, __ATOMIC_SEQ_CST);                                             \
    }                                                                                                           \
    FORCEINLINE Type InterlockedAdd##Suffix(Type volatile *Addend, Type Value)                                  \
    {                                                                                                           \
        return __atomic_add_fetch(Addend, Value, __ATOMIC_SEQ_CST);                                             \
    }                                                                                                           \
    FORCEINLINE Type InterlockedAnd##Suffix(Type volatile *Destination, Type Value)                             \
    {                                                                                                           \
        return __atomic_fetch_and(Destination, Value, __ATOMIC_SEQ_CST);                                        \
    }                                                                                                           \
    FORCEINLINE Type InterlockedOr##Suffix(Type volatile *Destination, Type Value)                              \
    {                                                                                                           \
        return __atomic_fetch_or(Destination, Value, __ATOMIC_SEQ_CST);                                         \
    }                                                                                                           \
    FORCEINLINE Type InterlockedXor##Suffix(Type volatile *Destination, Type Value)                             \
    {                                                                                                           \
        return __atomic_fetch_xor(Destination, Value, __ATOMIC_SEQ_CST);                                        \
    }

WSK_HEADERS_INTERLOCKED(, LONG)
WSK_HEADERS_INTERLOCKED(64, LONG64)
WSK_HEADERS_INTERLOCKED(16, SHORT)
WSK_HEADERS_INTERLOCKED(8, CHAR)

/* As Microsoft's headers call some of those for 8 and 16 bits, and the exchange that adds 64. */
#define InterlockedExchangeAddSizeT(Addend, Value) \
    ((SIZE_T)InterlockedExchangeAdd64((LONG64 volatile *)(Addend), (LONG64)(Value)))
#define InterlockedIncrementSizeT(Addend) ((SIZE_T)InterlockedIncrement64((LONG64 volatile *)(Addend)))
#define InterlockedDecrementSizeT(Addend) ((SIZE_T)InterlockedDecrement64((LONG64 volatile *)(Addend)))

FORCEINLINE PVOID InterlockedExchangePointer(PVOID volatile *Target, PVOID Value)
{
    return __atomic_exchange_n(Target, Value, __ATOMIC_SEQ_CST);
}

FORCEINLINE PVOID InterlockedCompareExchangePointer(PVOID volatile *Destination, PVOID Exchange, PVOID Comparand)
{
    __atomic_compare_exchange_n(Destination, &Comparand, Exchange, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return Comparand;
}

/* They set, or clear, a bit, and return its former value. */
FORCEINLINE UCHAR InterlockedBitTestAndSet(LONG volatile *Base, LONG Bit)
{
    LONG Mask = (LONG)(1U << (Bit & 31));

    return (UCHAR)((InterlockedOr(Base + Bit / 32, Mask) & Mask) != 0);
}

FORCEINLINE UCHAR InterlockedBitTestAndReset(LONG volatile *Base, LONG Bit)
{
    LONG Mask = (LONG)(1U << (Bit & 31));

    return (UCHAR)((InterlockedAnd(Base + Bit / 32, ~Mask) & Mask) != 0);
}

FORCEINLINE UCHAR InterlockedBitTestAndSet64(LONG64 volatile *Base, LONG64 Bit)
{
    LONG64 Mask = (LONG64)(1ULL << (Bit & 63));

    return (UCHAR)((InterlockedOr64(Base + Bit / 64, Mask) & Mask) != 0);
}

FORCEINLINE UCHAR InterlockedBitTestAndReset64(LONG64 volatile *Base, LONG64 Bit)
{
    LONG64 Mask = (LONG64)(1ULL << (Bit & 63));

    return (UCHAR)((InterlockedAnd64(Base + Bit / 64, ~Mask) & Mask) != 0);
}

/* Of one thread. */
FORCEINLINE UCHAR BitTest(LONG const *Base, LONG Bit)
{
    return (UCHAR)(((ULONG)Base[Bit / 32] >> (Bit & 31)) & 1);
}

FORCEINLINE UCHAR BitTest64(LONG64 const *Base, LONG64 Bit)
{
    return (UCHAR)(((ULONG64)Base[Bit / 64] >> (Bit & 63)) & 1);
}

/* Loads and stores. */

#define WSK_HEADERS_LOADS(Name, Type)                                                                   \
    FORCEINLINE Type Read##Name##Acquire(Type const volatile *Source)                                   \
    {                                                                                                   \
        return __atomic_load_n(Source, __ATOMIC_ACQUIRE);                                               \
    }                                                                                                   \
    FORCEINLINE Type Read##Name##NoFence(Type const volatile *Source)                                   \
    {                                                                                                   \
        return __atomic_load_n(Source, __ATOMIC_RELAXED);                                               \
    }                                                                                                   \
    FORCEINLINE Type Read##Name##Raw(Type const volatile *Source)                                       \
    {                                                                                                   \
        return __atomic_load_n(Source, __ATOMIC_RELAXED);                                               \
    }                                                                                                   \
    FORCEINLINE VOID Write##Name##Release(Type volatile *Destination, Type Value)                       \
    {                                                                                                   \
        __atomic_store_n(Destination, Value, __ATOMIC_RELEASE);                                         \
    }                                                                                                   \
    FORCEINLINE VOID Write##Name##NoFence(Type volatile *Destination, Type Value)                       \
    {                                                                                                   \
        __atomic_store_n(Destination, Value, __ATOMIC_RELAXED);                                         \
    }                                                                                                   \
    FORCEINLINE VOID Write##Name##Raw(Type volatile *Destination, Type Value)                           \
    {                                                                                                   \
        __atomic_store_n(Destination, Value, __ATOMIC_RELAXED);                                         \
    }

WSK_HEADERS_LOADS(, LONG)
WSK_HEADERS_LOADS(64, LONG64)
WSK_HEADERS_LOADS(UChar, UCHAR)
WSK_HEADERS_LOADS(UShort, USHORT)
WSK_HEADERS_LOADS(ULong, ULONG)
WSK_HEADERS_LOADS(ULong64, ULONG64)
WSK_HEADERS_LOADS(Boolean, BOOLEAN)
WSK_HEADERS_LOADS(Pointer, PVOID)

FORCEINLINE VOID KeMemoryBarrier(VOID)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

#define KeMemoryBarrierWithoutFence() __atomic_signal_fence(__ATOMIC_SEQ_CST)
#define MemoryBarrier()               __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define YieldProcessor()              KeMemoryBarrierWithoutFence()
#if !defined(_MSC_VER)
#define _ReadWriteBarrier() __atomic_signal_fence(__ATOMIC_SEQ_CST)
#endif

/* Counters declared as `long`, where that is no LONG. */
#if !defined(_WIN32) && __SIZEOF_LONG__ == 8
#ifdef __cplusplus
extern "C++" {
#define WSK_HEADERS_OF_LONG(Type)                                                                              \
    static inline Type InterlockedExchange(Type volatile *Target, Type Value)                                  \
    {                                                                                                          \
        return __atomic_exchange_n(Target, Value, __ATOMIC_SEQ_CST);                                           \
    }                                                                                                          \
    static inline Type InterlockedCompareExchange(Type volatile *Destination, Type Exchange, Type Comparand)   \
    {                                                                                                          \
        __atomic_compare_exchange_n(Destination, &Comparand, Exchange, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
        return Comparand;                                                                                      \
    }                                                                                                          \
    static inline Type InterlockedIncrement(Type volatile *Addend)                                             \
    {                                                                                                          \
        return __atomic_add_fetch(Addend, (Type)1, __ATOMIC_SEQ_CST);                                          \
    }                                                                                                          \
    static inline Type InterlockedDecrement(Type volatile *Addend)                                             \
    {                                                                                                          \
        return __atomic_sub_fetch(Addend, (Type)1, __ATOMIC_SEQ_CST);                                          \
    }                                                                                                          \
    static inline Type InterlockedExchangeAdd(Type volatile *Addend, Type Value)                               \
    {                                                                                                          \
        return __atomic_fetch_add(Addend, Value, __ATOMIC_SEQ_CST);                                            \
    }                                                                                                          \
    static inline Type InterlockedAdd(Type volatile *Addend, Type Value)                                       \
    {                                                                                                          \
        return __atomic_add_fetch(Addend, Value, __ATOMIC_SEQ_CST);                                            \
    }                                                                                                          \
    static inline Type InterlockedAnd(Type volatile *Destination, Type Value)                                  \
    {                                                                                                          \
        return __atomic_fetch_and(Destination, Value, __ATOMIC_SEQ_CST);                                       \
    }                                                                                                          \
    static inline Type InterlockedOr(Type volatile *Destination, Type Value)                                   \
    {                                                                                                          \
        return __atomic_fetch_or(Destination, Value, __ATOMIC_SEQ_CST);                                        \
    }                                                                                                          \
    static inline Type InterlockedXor(Type volatile *Destination, Type Value)                                  \
    {                                                                                                          \
        return __atomic_fetch_xor(Destination, Value, __ATOMIC_SEQ_CST);                                       \
    }
WSK_HEADERS_OF_LONG(long)
WSK_HEADERS_OF_LONG(unsigned long)
/* Microsoft's headers also have these for unsigned 32-bit numbers. */
WSK_HEADERS_OF_LONG(unsigned int)
#undef WSK_HEADERS_OF_LONG
}
#else
/* A `long` is taken as a LONG64 is, whose functions are the same for both. */
#define WSK_HEADERS_BY_SIZE(Function, Target)                          \
    _Generic((Target), long *: Function##64, long volatile *: Function##64, \
             unsigned long *: Function##64, unsigned long volatile *: Function##64, default: Function)
#define WSK_HEADERS_ADDRESS(Target)                                                                            \
    _Generic((Target), long *: (LONG64 volatile *)(PVOID)(Target), long volatile *: (LONG64 volatile *)(PVOID)(Target), \
             unsigned long *: (LONG64 volatile *)(PVOID)(Target),                                              \
             unsigned long volatile *: (LONG64 volatile *)(PVOID)(Target), default: (Target))
#define InterlockedIncrement(Addend) WSK_HEADERS_BY_SIZE(InterlockedIncrement, Addend)(WSK_HEADERS_ADDRESS(Addend))
#define InterlockedDecrement(Addend) WSK_HEADERS_BY_SIZE(InterlockedDecrement, Addend)(WSK_HEADERS_ADDRESS(Addend))
#define InterlockedExchange(Target, Value) \
    WSK_HEADERS_BY_SIZE(InterlockedExchange, Target)(WSK_HEADERS_ADDRESS(Target), (Value))
#define InterlockedCompareExchange(Destination, Exchange, Comparand) \
    WSK_HEADERS_BY_SIZE(InterlockedCompareExchange, Destination)     \
    (WSK_HEADERS_ADDRESS(Destination), (Exchange), (Comparand))
#define InterlockedExchangeAdd(Addend, Value) \
    WSK_HEADERS_BY_SIZE(InterlockedExchangeAdd, Addend)(WSK_HEADERS_ADDRESS(Addend), (Value))
#define InterlockedAdd(Addend, Value) WSK_HEADERS_BY_SIZE(InterlockedAdd, Addend)(WSK_HEADERS_ADDRESS(Addend), (Value))
#define InterlockedAnd(Destination, Value) \
    WSK_HEADERS_BY_SIZE(InterlockedAnd, Destination)(WSK_HEADERS_ADDRESS(Destination), (Value))
#define InterlockedOr(Destination, Value) \
    WSK_HEADERS_BY_SIZE(InterlockedOr, Destination)(WSK_HEADERS_ADDRESS(Destination), (Value))
#define InterlockedXor(Destination, Value) \
    WSK_HEADERS_BY_SIZE(InterlockedXor, Destination)(WSK_HEADERS_ADDRESS(Destination), (Value))
#endif
#endif

/* The variants that name a barrier. */
#define InterlockedIncrementAcquire InterlockedIncrement
#define InterlockedIncrementRelease InterlockedIncrement
#define InterlockedIncrementNoFence InterlockedIncrement
#define InterlockedDecrementAcquire InterlockedDecrement
#define InterlockedDecrementRelease InterlockedDecrement
#define InterlockedDecrementNoFence InterlockedDecrement
#define InterlockedExchangeAcquire  InterlockedExchange
#define InterlockedExchangeNoFence  InterlockedExchange
#define InterlockedExchangeAddAcquire InterlockedExchangeAdd
#define InterlockedExchangeAddRelease InterlockedExchangeAdd
#define InterlockedExchangeAddNoFence InterlockedExchangeAdd
#define InterlockedCompareExchangeAcquire InterlockedCompareExchange
#define InterlockedCompareExchangeRelease InterlockedCompareExchange
#define InterlockedCompareExchangeNoFence InterlockedCompareExchange
#define InterlockedCompareExchangePointerAcquire InterlockedCompareExchangePointer
#define InterlockedCompareExchangePointerRelease InterlockedCompareExchangePointer
#define InterlockedCompareExchangePointerNoFence InterlockedCompareExchangePointer
#define InterlockedExchangePointerNoFence InterlockedExchangePointer
#define InterlockedExchangePointerRelease InterlockedExchangePointer
#define InterlockedExchangePointerAcquire InterlockedExchangePointer
#define InterlockedIncrement64Acquire InterlockedIncrement64
#define InterlockedIncrement64Release InterlockedIncrement64
#define InterlockedIncrement64NoFence InterlockedIncrement64
#define InterlockedIncrementNoFence64 InterlockedIncrement64
#define InterlockedIncrementAcquire64 InterlockedIncrement64
#define InterlockedIncrementRelease64 InterlockedIncrement64
#define InterlockedDecrementNoFence64 InterlockedDecrement64
#define InterlockedDecrementAcquire64 InterlockedDecrement64
#define InterlockedDecrementRelease64 InterlockedDecrement64
#define InterlockedExchangeNoFence64 InterlockedExchange64
#define InterlockedExchangeAddNoFence64 InterlockedExchangeAdd64
#define InterlockedCompareExchangeNoFence64 InterlockedCompareExchange64
#define InterlockedCompareExchangeAcquire64 InterlockedCompareExchange64
#define InterlockedCompareExchangeRelease64 InterlockedCompareExchange64
#define InterlockedOrNoFence  InterlockedOr
#define InterlockedOrAcquire  InterlockedOr
#define InterlockedOrRelease  InterlockedOr
#define InterlockedAndNoFence InterlockedAnd
#define InterlockedAndAcquire InterlockedAnd
#define InterlockedAndRelease InterlockedAnd

EXTERN_C_END

#endif
