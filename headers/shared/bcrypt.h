/*
 * Random numbers of the kernel's cryptography driver, cng.sys.
 *
 * Part of the wsk project's own headers. On the host the numbers come from the seed, so they are no secret.
 */
#ifndef WSK_HEADERS_BCRYPT_H
#define WSK_HEADERS_BCRYPT_H

#include <ntdef.h>

EXTERN_C_BEGIN

typedef PVOID BCRYPT_HANDLE;
typedef PVOID BCRYPT_ALG_HANDLE;

#define BCRYPT_SUCCESS(Status) ((NTSTATUS)(Status) >= 0)

#define BCRYPT_RNG_ALGORITHM          L"RNG"
#define BCRYPT_RNG_FIPS186_DSA_ALGORITHM L"FIPS186DSARNG"
#define BCRYPT_RNG_DUAL_EC_ALGORITHM  L"DUALECRNG"
#define MS_PRIMITIVE_PROVIDER         L"Microsoft Primitive Provider"

#define BCRYPT_PROV_DISPATCH              0x00000001
#define BCRYPT_RNG_USE_ENTROPY_IN_BUFFER  0x00000001
#define BCRYPT_USE_SYSTEM_PREFERRED_RNG   0x00000002

/* The host has the algorithms above. At DISPATCH_LEVEL, numbers come from a generator opened with BCRYPT_PROV_DISPATCH. */
NTSTATUS BCryptOpenAlgorithmProvider(BCRYPT_ALG_HANDLE *Algorithm, PCWSTR AlgId, PCWSTR Implementation, ULONG Flags);
NTSTATUS BCryptCloseAlgorithmProvider(BCRYPT_ALG_HANDLE Algorithm, ULONG Flags);
NTSTATUS BCryptGenRandom(BCRYPT_ALG_HANDLE Algorithm, PUCHAR Buffer, ULONG Size, ULONG Flags);

EXTERN_C_END

#endif
