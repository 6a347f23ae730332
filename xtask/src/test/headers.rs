//! That `headers/` is C and C++: with two compilers, and as every Windows release sees it.

use std::fs;

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use crate::project;

/// Windows Vista, 7, 8, 10, 10 version 1703 and 11 version 24H2: wherever the headers have a gate.
const RELEASES: [&str; 6] =
    ["0x06000000", "0x06010000", "0x06020000", "0x0A000000", "0x0A000003", "0x0A000010"];

/// Compilers, with what makes them compile C or C++.
const COMPILERS: [(&str, &[&str]); 6] = [
    ("gcc", &["-x", "c", "-std=c11"]),
    ("gcc", &["-x", "c++", "-std=c++17"]),
    ("clang", &["-x", "c", "-std=c11"]),
    ("clang", &["-x", "c++", "-std=c++17"]),
    ("clang", &["-x", "c", "-std=c11", "--target=x86_64-pc-windows-msvc", "-nostdinc"]),
    ("clang", &["-x", "c++", "-std=c++17", "--target=aarch64-pc-windows-msvc", "-nostdinc"]),
];

/// What a release has, as a C program that fails to compile if it does not.
const PROGRAM: &str = r#"
#include <ntddk.h>
#include <wsk.h>

#ifdef __cplusplus
#define STATIC_ASSERT static_assert
#else
#define STATIC_ASSERT _Static_assert
#endif
#define SLOTS(Bytes) ((Bytes) / sizeof(PVOID))

STATIC_ASSERT(SLOTS(sizeof(WSK_PROVIDER_BASIC_DISPATCH)) == 2, "basic");
STATIC_ASSERT(SLOTS(sizeof(WSK_PROVIDER_LISTEN_DISPATCH)) == 6, "listen");
STATIC_ASSERT(SLOTS(sizeof(WSK_PROVIDER_CONNECTION_DISPATCH)) == 13, "connection");
#if NTDDI_VERSION >= NTDDI_WIN7
STATIC_ASSERT(SLOTS(sizeof(WSK_PROVIDER_DISPATCH)) == 7, "provider");
#else
STATIC_ASSERT(SLOTS(sizeof(WSK_PROVIDER_DISPATCH)) == 4, "provider");
#endif
#if NTDDI_VERSION >= NTDDI_WIN8
STATIC_ASSERT(SLOTS(sizeof(WSK_PROVIDER_DATAGRAM_DISPATCH)) == 8, "datagram");
#else
STATIC_ASSERT(SLOTS(sizeof(WSK_PROVIDER_DATAGRAM_DISPATCH)) == 7, "datagram");
#endif
#if NTDDI_VERSION >= NTDDI_WIN10_RS2
STATIC_ASSERT(SLOTS(sizeof(WSK_PROVIDER_STREAM_DISPATCH)) == 15, "stream");
#endif

/* Control messages: of no data, of as much as a ULONG, and of more than a header. */
STATIC_ASSERT(WSA_CMSG_LEN(0) == 16 && WSA_CMSG_SPACE(0) == 16, "empty");
STATIC_ASSERT(WSA_CMSG_LEN(4) == 20 && WSA_CMSG_SPACE(4) == 24, "ULONG");
STATIC_ASSERT(WSA_CMSG_LEN(20) == 36 && WSA_CMSG_SPACE(20) == 40, "IN6_PKTINFO");

/* Options are passed as ULONGs. */
STATIC_ASSERT((ULONG)SO_EXCLUSIVEADDRUSE == 0xFFFFFFFB, "exclusive");

/* Calls are spelled as the documentation spells them, in C without `Basic`. */
NTSTATUS close_socket(PWSK_SOCKET Socket, PIRP Irp);
NTSTATUS close_socket(PWSK_SOCKET Socket, PIRP Irp)
{
    const WSK_PROVIDER_LISTEN_DISPATCH *Dispatch = (const WSK_PROVIDER_LISTEN_DISPATCH *)Socket->Dispatch;
#ifdef __cplusplus
    return Dispatch->Basic.WskCloseSocket(Socket, Irp);
#else
    return Dispatch->WskCloseSocket(Socket, Irp);
#endif
}
"#;

pub(super) fn compile() -> Result<()> {
    let shell = Shell::new()?;
    shell.change_dir(project::root().join("headers"));
    let program = project::scratch()?.join("headers.c");
    fs::create_dir_all(project::scratch()?)?;
    fs::write(&program, PROGRAM)?;
    let strict = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-Ikm", "-Ishared"];
    for (compiler, language) in COMPILERS {
        for release in RELEASES {
            cmd!(shell, "{compiler}")
                .args(language)
                .args(strict)
                .arg(format!("-DNTDDI_VERSION={release}"))
                .arg(&program)
                .quiet()
                .run()
                .with_context(|| format!("{compiler} {} as of {release}", language.join(" ")))?;
        }
    }
    println!("{} compilers, {} releases", COMPILERS.len(), RELEASES.len());
    Ok(())
}
