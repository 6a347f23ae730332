/*
 * Globally unique identifiers.
 *
 * Part of the wsk project's own headers. DEFINE_GUID declares a GUID, and defines it after <initguid.h> or with
 * INITGUID.
 */
#ifndef WSK_HEADERS_GUIDDEF_H
#define WSK_HEADERS_GUIDDEF_H

#include <basetsd.h>

typedef struct _GUID {
    ULONG Data1;
    USHORT Data2;
    USHORT Data3;
    UCHAR Data4[8];
} GUID, *LPGUID;
typedef CONST GUID *LPCGUID;

#ifdef __cplusplus
#define REFGUID CONST GUID &
#define WSK_HEADERS_GUID(Guid) (&(Guid))
#else
#define REFGUID CONST GUID *
#define WSK_HEADERS_GUID(Guid) (Guid)
#endif
#define IsEqualGUID(Left, Right) (!__builtin_memcmp(WSK_HEADERS_GUID(Left), WSK_HEADERS_GUID(Right), sizeof(GUID)))
#define InlineIsEqualGUID(Left, Right) IsEqualGUID(Left, Right)

#endif

/* Outside of the guard: <initguid.h> may come later. */
#undef DEFINE_GUID
#ifdef INITGUID
#define DEFINE_GUID(Name, L, W1, W2, B1, B2, B3, B4, B5, B6, B7, B8)               \
    EXTERN_C CONST GUID DECLSPEC_SELECTANY Name;                                   \
    CONST GUID Name = {L, W1, W2, {B1, B2, B3, B4, B5, B6, B7, B8}}
#else
#define DEFINE_GUID(Name, L, W1, W2, B1, B2, B3, B4, B5, B6, B7, B8) EXTERN_C CONST GUID Name
#endif
