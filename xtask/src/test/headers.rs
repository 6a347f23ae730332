//! Checks that `headers/` compiles as C and as C++, with two compilers and for every Windows release.

use std::fs;

use anyhow::{Context, Result, ensure};
use xshell::{Shell, cmd};

use crate::project;

/// The releases at which the headers have a gate: Windows Vista, 7, 8, 10, 10 version 1703 and 11 version 24H2.
const RELEASES: [&str; 6] =
    ["0x06000000", "0x06010000", "0x06020000", "0x0A000000", "0x0A000003", "0x0A000010"];

/// The compilers, each with the arguments that select C or C++.
const COMPILERS: [(&str, &[&str]); 12] = [
    ("gcc", &["-x", "c", "-std=c11"]),
    ("gcc", &["-x", "c", "-std=c17", "-fshort-wchar"]),
    ("gcc", &["-x", "c++", "-std=c++14", "-fshort-wchar"]),
    ("gcc", &["-x", "c++", "-std=c++17"]),
    ("gcc", &["-x", "c++", "-std=c++20", "-fshort-wchar"]),
    ("clang", &["-x", "c", "-std=c11"]),
    ("clang", &["-x", "c", "-std=c17", "-fshort-wchar"]),
    ("clang", &["-x", "c++", "-std=c++14", "-fshort-wchar"]),
    ("clang", &["-x", "c++", "-std=c++17"]),
    ("clang", &["-x", "c++", "-std=c++20", "-fshort-wchar"]),
    ("clang", &["-x", "c", "-std=c11", "--target=x86_64-pc-windows-msvc", "-nostdinc"]),
    ("clang", &["-x", "c++", "-std=c++17", "--target=aarch64-pc-windows-msvc", "-nostdinc"]),
];

/// A C program that compiles only if a release has its items.
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

/// The layouts and values of Microsoft's headers.
const LAYOUT: &str = "../wsk-host/c/tests/layout.c";

/// Programs that must not compile, with the compiler's messages.
const REFUSED: [(&str, &str); 7] = [
    ("#include <wdf.h>\n", "KMDF (wdf.h) is not among wsk's headers"),
    ("#include <fltKernel.h>\n", "the filter manager (fltKernel.h) is not among wsk's headers"),
    ("#include <fltkernel.h>\n", "the filter manager (fltKernel.h) is not among wsk's headers"),
    ("#include <Veil.h>\n", "compile the part of the driver that uses WSK with <ntifs.h>"),
    ("#include <netioapi.h>\n", "IP Helper (netioapi.h) is not among wsk's headers"),
    (
        "#include <wdm.h>\nvoid f(void);\nvoid f(void) { __try { } __except (1) { } }\n",
        "define WSK_HEADERS_NO_EXCEPTIONS",
    ),
    (
        "#include <wdm.h>\nvoid f(void);\nvoid f(void) { UNICODE_STRING s = RTL_CONSTANT_STRING(L\"x\"); (void)s; }\n",
        "WSK_HEADERS_LITERAL",
    ),
];

/// Code with structured exceptions. It compiles where the client declares that none is ever raised.
const EXCEPTIONS: &str = r"
#include <wdm.h>
int guarded(void);
int guarded(void)
{
    int Result;

    __try {
        Result = 0;
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        Result = GetExceptionCode();
    }
    return Result;
}
";

/// Unsupported features fail to compile with an explanation.
fn refuses(shell: &Shell) -> Result<()> {
    let program = project::scratch()?.join("refused.c");
    for (text, sentence) in REFUSED {
        fs::write(&program, text)?;
        for compiler in ["gcc", "clang"] {
            let output = cmd!(shell, "{compiler} -std=c11 -fsyntax-only -Ikm -Ishared {program}")
                .quiet()
                .ignore_status()
                .output()?;
            let said = String::from_utf8_lossy(&output.stderr);
            ensure!(
                !output.status.success() && said.contains(sentence),
                "{compiler} should refuse this, and say `{sentence}`:\n{text}\nIt said:\n{said}"
            );
        }
    }
    fs::write(&program, EXCEPTIONS)?;
    for compiler in ["gcc", "clang"] {
        cmd!(shell, "{compiler} -std=c11 -Wall -Wextra -Werror -fsyntax-only -Ikm -Ishared")
            .arg("-DWSK_HEADERS_NO_EXCEPTIONS")
            .arg(&program)
            .quiet()
            .run()
            .with_context(|| format!("{compiler} with WSK_HEADERS_NO_EXCEPTIONS"))?;
    }
    Ok(())
}

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
    for (compiler, language) in COMPILERS {
        cmd!(shell, "{compiler}")
            .args(language)
            .args(strict)
            .arg(LAYOUT)
            .quiet()
            .run()
            .with_context(|| format!("{compiler} {} of {LAYOUT}", language.join(" ")))?;
    }
    refuses(&shell)?;
    println!("{} compilers, {} releases", COMPILERS.len(), RELEASES.len());
    Ok(())
}
