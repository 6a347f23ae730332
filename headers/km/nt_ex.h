/*
 * Pool, look-aside lists, rundown protection and the executive's locks.
 *
 * Part of the wsk project's own headers: wdm.h includes it.
 */
#ifndef WSK_HEADERS_NT_EX_H
#define WSK_HEADERS_NT_EX_H

#include <nt_ke.h>
#include <nt_lists.h>
#include <nt_types.h>

EXTERN_C_BEGIN

/* Pool */

typedef enum _POOL_TYPE {
    NonPagedPool = 0,
    NonPagedPoolExecute = 0,
    PagedPool = 1,
    NonPagedPoolCacheAligned = 4,
    NonPagedPoolNx = 512,
    NonPagedPoolNxCacheAligned = 516
} POOL_TYPE;

typedef ULONG64 POOL_FLAGS;

#ifdef _MSC_VER
#define WSK_HEADERS_UI64(Value) Value##UI64
#else
#define WSK_HEADERS_UI64(Value) Value##ULL
#endif
#define POOL_FLAG_USE_QUOTA         WSK_HEADERS_UI64(0x0000000000000001)
#define POOL_FLAG_UNINITIALIZED     WSK_HEADERS_UI64(0x0000000000000002)
#define POOL_FLAG_CACHE_ALIGNED     WSK_HEADERS_UI64(0x0000000000000008)
#define POOL_FLAG_RAISE_ON_FAILURE  WSK_HEADERS_UI64(0x0000000000000020)
#define POOL_FLAG_NON_PAGED         WSK_HEADERS_UI64(0x0000000000000040)
#define POOL_FLAG_NON_PAGED_EXECUTE WSK_HEADERS_UI64(0x0000000000000080)
#define POOL_FLAG_PAGED             WSK_HEADERS_UI64(0x0000000000000100)

#define POOL_NX_ALLOCATION   512
#define POOL_ZERO_ALLOCATION 1024

typedef enum _EX_POOL_PRIORITY {
    LowPoolPriority = 0,
    LowPoolPrioritySpecialPoolOverrun = 8,
    LowPoolPrioritySpecialPoolUnderrun = 9,
    NormalPoolPriority = 16,
    NormalPoolPrioritySpecialPoolOverrun = 24,
    NormalPoolPrioritySpecialPoolUnderrun = 25,
    HighPoolPriority = 32,
    HighPoolPrioritySpecialPoolOverrun = 40,
    HighPoolPrioritySpecialPoolUnderrun = 41
} EX_POOL_PRIORITY;

/* More about an allocation. The host has one memory node, and no secure pools. */

typedef enum POOL_EXTENDED_PARAMETER_TYPE {
    PoolExtendedParameterInvalidType = 0,
    PoolExtendedParameterPriority,
    PoolExtendedParameterSecurePool,
    PoolExtendedParameterNumaNode,
    PoolExtendedParameterMax
} POOL_EXTENDED_PARAMETER_TYPE, *PPOOL_EXTENDED_PARAMETER_TYPE;

#define POOL_EXTENDED_PARAMETER_TYPE_BITS           8
#define POOL_EXTENDED_PARAMETER_REQUIRED_FIELD_BITS 1
#define POOL_EXTENDED_PARAMETER_RESERVED_BITS       55

#define MM_ANY_NODE_OK 0x80000000
typedef ULONG POOL_NODE_REQUIREMENT;

typedef struct _POOL_EXTENDED_PARAMETER {
    WSK_HEADERS_UNNAMED struct {
        ULONG64 Type : POOL_EXTENDED_PARAMETER_TYPE_BITS;
        ULONG64 Optional : POOL_EXTENDED_PARAMETER_REQUIRED_FIELD_BITS;
        ULONG64 Reserved : POOL_EXTENDED_PARAMETER_RESERVED_BITS;
    };
    union {
        ULONG64 Reserved2;
        PVOID Reserved3;
        EX_POOL_PRIORITY Priority;
        struct _POOL_EXTENDED_PARAMS_SECURE_POOL *SecurePoolParams;
        POOL_NODE_REQUIREMENT PreferredNode;
    };
} POOL_EXTENDED_PARAMETER, *PPOOL_EXTENDED_PARAMETER;
typedef CONST POOL_EXTENDED_PARAMETER *PCPOOL_EXTENDED_PARAMETER;

PVOID ExAllocatePool2(POOL_FLAGS Flags, SIZE_T NumberOfBytes, ULONG Tag);
PVOID ExAllocatePool3(POOL_FLAGS Flags, SIZE_T NumberOfBytes, ULONG Tag, PCPOOL_EXTENDED_PARAMETER ExtendedParameters,
                      ULONG ExtendedParametersCount);
PVOID ExAllocatePoolWithTag(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag);
PVOID ExAllocatePoolWithTagPriority(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag, EX_POOL_PRIORITY Priority);
VOID ExFreePoolWithTag(PVOID P, ULONG Tag);
VOID ExFreePool2(PVOID P, ULONG Tag, PCPOOL_EXTENDED_PARAMETER ExtendedParameters, ULONG ExtendedParametersCount);

#define ExFreePool(P) ExFreePoolWithTag((P), 0)

/* Which all drivers opt in for here. */
#define DrvRtPoolNxOptIn 0x00000001
#define ExInitializeDriverRuntime(RuntimeFlags) ((VOID)(RuntimeFlags))

/* Zeroed or not: they call ExAllocatePool2 where that exists, and ExAllocatePoolWithTag elsewhere. */

FORCEINLINE PVOID ExAllocatePoolZero(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag)
{
    PVOID Allocation = ExAllocatePoolWithTag(PoolType, NumberOfBytes, Tag);

    if (Allocation != NULL) {
        WSK_HEADERS_MEMORY(memset)(Allocation, 0, NumberOfBytes);
    }
    return Allocation;
}

FORCEINLINE PVOID ExAllocatePoolUninitialized(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag)
{
    return ExAllocatePoolWithTag(PoolType, NumberOfBytes, Tag);
}

/* Look-aside lists: blocks of one size, of which some are kept for the next allocation. */

typedef PVOID ALLOCATE_FUNCTION(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag);
typedef ALLOCATE_FUNCTION *PALLOCATE_FUNCTION;
typedef VOID FREE_FUNCTION(PVOID Buffer);
typedef FREE_FUNCTION *PFREE_FUNCTION;

struct _LOOKASIDE_LIST_EX;
typedef PVOID ALLOCATE_FUNCTION_EX(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag,
                                   struct _LOOKASIDE_LIST_EX *Lookaside);
typedef ALLOCATE_FUNCTION_EX *PALLOCATE_FUNCTION_EX;
typedef VOID FREE_FUNCTION_EX(PVOID Buffer, struct _LOOKASIDE_LIST_EX *Lookaside);
typedef FREE_FUNCTION_EX *PFREE_FUNCTION_EX;

#define WSK_HEADERS_LOOKASIDE                \
    union {                                  \
        SLIST_HEADER ListHead;               \
        SINGLE_LIST_ENTRY SingleListHead;    \
    };                                       \
    USHORT Depth;                            \
    USHORT MaximumDepth;                     \
    ULONG TotalAllocates;                    \
    union {                                  \
        ULONG AllocateMisses;                \
        ULONG AllocateHits;                  \
    };                                       \
    ULONG TotalFrees;                        \
    union {                                  \
        ULONG FreeMisses;                    \
        ULONG FreeHits;                      \
    };                                       \
    POOL_TYPE Type;                          \
    ULONG Tag;                               \
    ULONG Size;                              \
    union {                                  \
        PALLOCATE_FUNCTION_EX AllocateEx;    \
        PALLOCATE_FUNCTION Allocate;         \
    };                                       \
    union {                                  \
        PFREE_FUNCTION_EX FreeEx;            \
        PFREE_FUNCTION Free;                 \
    };                                       \
    LIST_ENTRY ListEntry;                    \
    ULONG LastTotalAllocates;                \
    union {                                  \
        ULONG LastAllocateMisses;            \
        ULONG LastAllocateHits;              \
    };                                       \
    ULONG Future[2];

typedef struct DECLSPEC_ALIGN(SYSTEM_CACHE_ALIGNMENT_SIZE) _GENERAL_LOOKASIDE {
    WSK_HEADERS_LOOKASIDE
} GENERAL_LOOKASIDE, *PGENERAL_LOOKASIDE;

typedef struct _GENERAL_LOOKASIDE_POOL {
    WSK_HEADERS_LOOKASIDE
} GENERAL_LOOKASIDE_POOL, *PGENERAL_LOOKASIDE_POOL;

typedef struct _LOOKASIDE_LIST_EX {
    GENERAL_LOOKASIDE_POOL L;
} LOOKASIDE_LIST_EX, *PLOOKASIDE_LIST_EX;

typedef struct _NPAGED_LOOKASIDE_LIST {
    GENERAL_LOOKASIDE L;
} NPAGED_LOOKASIDE_LIST, *PNPAGED_LOOKASIDE_LIST;

typedef struct _PAGED_LOOKASIDE_LIST {
    GENERAL_LOOKASIDE L;
} PAGED_LOOKASIDE_LIST, *PPAGED_LOOKASIDE_LIST;

#define EX_LOOKASIDE_LIST_EX_FLAGS_RAISE_ON_FAIL 0x00000001
#define EX_LOOKASIDE_LIST_EX_FLAGS_FAIL_NO_RAISE 0x00000002

NTSTATUS ExInitializeLookasideListEx(PLOOKASIDE_LIST_EX Lookaside, PALLOCATE_FUNCTION_EX Allocate,
                                     PFREE_FUNCTION_EX Free, POOL_TYPE PoolType, ULONG Flags, SIZE_T Size, ULONG Tag,
                                     USHORT Depth);
VOID ExDeleteLookasideListEx(PLOOKASIDE_LIST_EX Lookaside);
VOID ExFlushLookasideListEx(PLOOKASIDE_LIST_EX Lookaside);
PVOID ExAllocateFromLookasideListEx(PLOOKASIDE_LIST_EX Lookaside);
VOID ExFreeToLookasideListEx(PLOOKASIDE_LIST_EX Lookaside, PVOID Entry);
VOID ExInitializeNPagedLookasideList(PNPAGED_LOOKASIDE_LIST Lookaside, PALLOCATE_FUNCTION Allocate, PFREE_FUNCTION Free,
                                     ULONG Flags, SIZE_T Size, ULONG Tag, USHORT Depth);
VOID ExDeleteNPagedLookasideList(PNPAGED_LOOKASIDE_LIST Lookaside);
PVOID ExAllocateFromNPagedLookasideList(PNPAGED_LOOKASIDE_LIST Lookaside);
VOID ExFreeToNPagedLookasideList(PNPAGED_LOOKASIDE_LIST Lookaside, PVOID Entry);

/* Lists in paged pool, for code at APC_LEVEL and below: PagedPool blocks of a list of the other kind. */

FORCEINLINE VOID ExInitializePagedLookasideList(PPAGED_LOOKASIDE_LIST Lookaside, PALLOCATE_FUNCTION Allocate,
                                                PFREE_FUNCTION Free, ULONG Flags, SIZE_T Size, ULONG Tag, USHORT Depth)
{
    ExInitializeNPagedLookasideList((PNPAGED_LOOKASIDE_LIST)(PVOID)Lookaside, Allocate, Free, Flags, Size, Tag, Depth);
    Lookaside->L.Type = PagedPool;
}

#define WSK_HEADERS_PAGED_LOOKASIDE(Lookaside) ((PNPAGED_LOOKASIDE_LIST)(PVOID)(PPAGED_LOOKASIDE_LIST)(Lookaside))
#define ExDeletePagedLookasideList(Lookaside)  ExDeleteNPagedLookasideList(WSK_HEADERS_PAGED_LOOKASIDE(Lookaside))
#define ExAllocateFromPagedLookasideList(Lookaside) \
    ExAllocateFromNPagedLookasideList(WSK_HEADERS_PAGED_LOOKASIDE(Lookaside))
#define ExFreeToPagedLookasideList(Lookaside, Entry) \
    ExFreeToNPagedLookasideList(WSK_HEADERS_PAGED_LOOKASIDE(Lookaside), (Entry))

/* Rundown protection: users come and go until the owner waits for the last of them. */

typedef struct _EX_RUNDOWN_REF {
    union {
        ULONG_PTR Count;
        PVOID Ptr;
    };
} EX_RUNDOWN_REF, *PEX_RUNDOWN_REF;

VOID FASTCALL ExInitializeRundownProtection(PEX_RUNDOWN_REF RunRef);
BOOLEAN FASTCALL ExAcquireRundownProtection(PEX_RUNDOWN_REF RunRef);
VOID FASTCALL ExReleaseRundownProtection(PEX_RUNDOWN_REF RunRef);
VOID FASTCALL ExWaitForRundownProtectionRelease(PEX_RUNDOWN_REF RunRef);
BOOLEAN FASTCALL ExAcquireRundownProtectionEx(PEX_RUNDOWN_REF RunRef, ULONG Count);
VOID FASTCALL ExReleaseRundownProtectionEx(PEX_RUNDOWN_REF RunRef, ULONG Count);
VOID FASTCALL ExReInitializeRundownProtection(PEX_RUNDOWN_REF RunRef);
VOID FASTCALL ExRundownCompleted(PEX_RUNDOWN_REF RunRef);

/* Fast mutexes: the owner runs at APC_LEVEL. */

typedef struct _FAST_MUTEX {
    LONG Count;
    PVOID Owner;
    ULONG Contention;
    KEVENT Event;
    ULONG OldIrql;
} FAST_MUTEX, *PFAST_MUTEX;

#define FM_LOCK_BIT 0x1

FORCEINLINE VOID ExInitializeFastMutex(PFAST_MUTEX FastMutex)
{
    FastMutex->Count = FM_LOCK_BIT;
    FastMutex->Owner = NULL;
    FastMutex->Contention = 0;
    FastMutex->OldIrql = 0;
    KeInitializeEvent(&FastMutex->Event, SynchronizationEvent, FALSE);
}

VOID FASTCALL ExAcquireFastMutex(PFAST_MUTEX FastMutex);
VOID FASTCALL ExReleaseFastMutex(PFAST_MUTEX FastMutex);
BOOLEAN FASTCALL ExTryToAcquireFastMutex(PFAST_MUTEX FastMutex);
VOID FASTCALL ExAcquireFastMutexUnsafe(PFAST_MUTEX FastMutex);
VOID FASTCALL ExReleaseFastMutexUnsafe(PFAST_MUTEX FastMutex);

/* Guarded mutexes: the owner is in a guarded region, at its level from before. */

typedef FAST_MUTEX KGUARDED_MUTEX, *PKGUARDED_MUTEX;

#define KeInitializeGuardedMutex(Mutex)    ExInitializeFastMutex(Mutex)
#define KeAcquireGuardedMutexUnsafe(Mutex) ExAcquireFastMutexUnsafe(Mutex)
#define KeReleaseGuardedMutexUnsafe(Mutex) ExReleaseFastMutexUnsafe(Mutex)

FORCEINLINE VOID KeAcquireGuardedMutex(PKGUARDED_MUTEX Mutex)
{
    KeEnterGuardedRegion();
    ExAcquireFastMutexUnsafe(Mutex);
}

FORCEINLINE VOID KeReleaseGuardedMutex(PKGUARDED_MUTEX Mutex)
{
    ExReleaseFastMutexUnsafe(Mutex);
    KeLeaveGuardedRegion();
}

/* Push locks: of one writer or of many readers, which are in a critical region. */

typedef ULONG_PTR EX_PUSH_LOCK, *PEX_PUSH_LOCK;

#define EX_DEFAULT_PUSH_LOCK_FLAGS 0

VOID ExInitializePushLock(PEX_PUSH_LOCK PushLock);
VOID ExAcquirePushLockExclusiveEx(PEX_PUSH_LOCK PushLock, ULONG Flags);
VOID ExAcquirePushLockSharedEx(PEX_PUSH_LOCK PushLock, ULONG Flags);
VOID ExReleasePushLockExclusiveEx(PEX_PUSH_LOCK PushLock, ULONG Flags);
VOID ExReleasePushLockSharedEx(PEX_PUSH_LOCK PushLock, ULONG Flags);

#define ExAcquirePushLockExclusive(Lock) ExAcquirePushLockExclusiveEx((Lock), EX_DEFAULT_PUSH_LOCK_FLAGS)
#define ExAcquirePushLockShared(Lock)    ExAcquirePushLockSharedEx((Lock), EX_DEFAULT_PUSH_LOCK_FLAGS)
#define ExReleasePushLockExclusive(Lock) ExReleasePushLockExclusiveEx((Lock), EX_DEFAULT_PUSH_LOCK_FLAGS)
#define ExReleasePushLockShared(Lock)    ExReleasePushLockSharedEx((Lock), EX_DEFAULT_PUSH_LOCK_FLAGS)

/* Timers that the kernel allocates. Threads wait for them, or the kernel calls their callbacks at DISPATCH_LEVEL. */

typedef struct _EX_TIMER *PEX_TIMER;
typedef VOID EXT_CALLBACK(PEX_TIMER Timer, PVOID Context);
typedef EXT_CALLBACK *PEXT_CALLBACK;
typedef VOID EXT_DELETE_CALLBACK(PVOID Context);
typedef EXT_DELETE_CALLBACK *PEXT_DELETE_CALLBACK;
typedef PVOID PEXT_CANCEL_PARAMETERS;

typedef struct _EXT_SET_PARAMETERS_V0 {
    ULONG Version;
    ULONG Reserved;
    LONGLONG NoWakeTolerance;
} EXT_SET_PARAMETERS, *PEXT_SET_PARAMETERS;

typedef struct _EXT_DELETE_PARAMETERS {
    ULONG Version;
    ULONG Reserved;
    PEXT_DELETE_CALLBACK DeleteCallback;
    PVOID DeleteContext;
} EXT_DELETE_PARAMETERS, *PEXT_DELETE_PARAMETERS;

#define EX_TIMER_HIGH_RESOLUTION     0x4
#define EX_TIMER_NO_WAKE             0x8
#define EX_TIMER_NOTIFICATION        0x80000000U
#define EX_TIMER_UNLIMITED_TOLERANCE ((LONGLONG)-1)

PEX_TIMER ExAllocateTimer(PEXT_CALLBACK Callback, PVOID CallbackContext, ULONG Attributes);
BOOLEAN ExSetTimer(PEX_TIMER Timer, LONGLONG DueTime, LONGLONG Period, PEXT_SET_PARAMETERS Parameters);
BOOLEAN ExCancelTimer(PEX_TIMER Timer, PEXT_CANCEL_PARAMETERS Parameters);
BOOLEAN ExDeleteTimer(PEX_TIMER Timer, BOOLEAN Cancel, BOOLEAN Wait, PEXT_DELETE_PARAMETERS Parameters);

#define ExInitializeSetTimerParameters(Parameters)    RtlZeroMemory((Parameters), sizeof(EXT_SET_PARAMETERS))
#define ExInitializeDeleteTimerParameters(Parameters) RtlZeroMemory((Parameters), sizeof(EXT_DELETE_PARAMETERS))

/* Spin locks of one writer or of many readers. */

typedef LONG EX_SPIN_LOCK, *PEX_SPIN_LOCK;

#define ExInitializeSpinLock(SpinLock) ((VOID)(*(SpinLock) = 0))

KIRQL ExAcquireSpinLockExclusive(PEX_SPIN_LOCK SpinLock);
KIRQL ExAcquireSpinLockShared(PEX_SPIN_LOCK SpinLock);
VOID ExReleaseSpinLockExclusive(PEX_SPIN_LOCK SpinLock, KIRQL OldIrql);
VOID ExReleaseSpinLockShared(PEX_SPIN_LOCK SpinLock, KIRQL OldIrql);
VOID ExAcquireSpinLockExclusiveAtDpcLevel(PEX_SPIN_LOCK SpinLock);
VOID ExAcquireSpinLockSharedAtDpcLevel(PEX_SPIN_LOCK SpinLock);
VOID ExReleaseSpinLockExclusiveFromDpcLevel(PEX_SPIN_LOCK SpinLock);
VOID ExReleaseSpinLockSharedFromDpcLevel(PEX_SPIN_LOCK SpinLock);
LONG ExTryConvertSharedSpinLockExclusive(PEX_SPIN_LOCK SpinLock);

EXTERN_C_END

#endif
