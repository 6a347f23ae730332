//! `cargo xtask surface`, as a maintainer runs it.

mod support;

use std::ffi::OsStr;
use std::fs;

use expect_test::{Expect, expect};
use tempfile::TempDir;

use support::{Headers, Run, xtask};

/// `surface --check` of changed headers.
fn check(headers: &Headers) -> Run {
    check_as(headers, &[])
}

fn check_as(headers: &Headers, more: &[&str]) -> Run {
    let arguments = ["surface", "--check", "--wdk"].map(OsStr::new).into_iter();
    xtask(arguments.chain([headers.path().as_os_str()]).chain(more.iter().map(OsStr::new)))
}

/// The lines that a check of headers would add to the record and remove from it.
#[track_caller]
fn differs(headers: &Headers, expected: &Expect) {
    let output = check(headers).output();
    let lines: Vec<&str> = output
        .lines()
        .filter(|line| {
            line.starts_with(['+', '-']) && !line.starts_with("+++") && !line.starts_with("---")
        })
        .collect();
    expected.assert_eq(&(lines.join("\n") + "\n"));
}

#[test]
fn this_projects_headers_are_what_is_recorded_of_their_release() {
    let output = xtask(["surface", "--check"]).passes();
    assert!(output.contains("10.0.26100 is recorded already"), "{output}");
    // As those of a WDK they are the same: what this project's own need is not recorded.
    check(&Headers::copy()).passes();
    check(&Headers::copy_to("Include/10.0.26100.0")).passes();
}

#[test]
fn the_records_are_listed_and_shown() {
    let list = xtask(["surface"]).passes();
    assert!(list.contains("Windows 10, version 1803   10.0.17134  39 constants"), "{list}");
    assert_eq!(list.lines().count(), 14, "{list}");
    let whole = xtask(["surface", "10.0.18362"]).passes();
    for line in [
        "release = \"10.0.18362\"",
        "WSK_FLAG_OOB = { value = 1 }",
        "[function_types.PFN_WSK_LISTEN]",
        "    { at = 96, name = \"WskReceiveEx\", type = \"PFN_WSK_RECEIVE_EX\" },",
    ] {
        assert!(whole.contains(line), "{whole}");
    }
    assert!(!whole.contains("after = "), "{whole}");
}

#[test]
fn a_release_that_is_not_recorded_is_answered_with_those_that_are() {
    xtask(["surface", "10.0.17135"]).fails_with(&[
        "no release `10.0.17135` is recorded",
        "The records are of 6001, 7600, 10.0.10240, 10.0.14393",
        "10.0.26100",
    ]);
}

#[test]
fn every_kind_of_c_item_is_read() {
    let headers = Headers::copy();
    let new = "
#if (NTDDI_VERSION >= NTDDI_WIN10_RS3) // a gate
#define WSK_TEST_NEGATIVE (-2) /* a number */
#define WSK_TEST_NAME \"a string\"
#define WSK_TEST_SUM(A, \\
                     B) ((A) + (B))
typedef enum _WSK_TEST_KIND { WskTestFirst = 5, WskTestNext } WSK_TEST_KIND;
typedef union _WSK_TEST_UNION { ULONG Number; PVOID Pointer; } WSK_TEST_UNION;
#endif
typedef struct _WSK_TEST {
    ULONG Low : 3, High : 5;
    CONST UCHAR Bytes[4];
    struct { USHORT First; USHORT Second; };
    struct { ULONG Inner; } Named;
    VOID (*Function)(const struct _WSK_TEST *, WSK_INSPECT_ACTION);
#ifdef WSK_TEST_NAME
    PVOID *volatile Pointer;
#endif
} WSK_TEST;
NTSTATUS WskTest(CONST WSK_TEST *CONST, WSK_TEST_KIND Kind);
/* Registration */";
    headers.replace("km/wsk.h", "/* Registration */", new);
    differs(
        &headers,
        &expect![[r#"
            -# The API of wsk.h in WDK 10.0.26100: identical to 10.0.22621.
            +# The API of wsk.h in WDK 10.0.26100: the changes since 10.0.22621.
            +
            +[constants]
            +WSK_TEST_NEGATIVE = { value = -2, gate = "NTDDI_VERSION >= NTDDI_WIN10_RS3" }
            +
            +[enumerations.WSK_TEST_KIND]
            +gate = "NTDDI_VERSION >= NTDDI_WIN10_RS3"
            +values = { WskTestFirst = 5, WskTestNext = 6 }
            +
            +[macros]
            +WSK_TEST_NAME = { text = '"a string"', gate = "NTDDI_VERSION >= NTDDI_WIN10_RS3" }
            +WSK_TEST_SUM = { parameters = 2, sample = 0x68AC, gate = "NTDDI_VERSION >= NTDDI_WIN10_RS3" }
            +
            +[structures.WSK_TEST]
            +size = 32
            +align = 8
            +fields = [
            +    { at = 0, name = "Low", type = "ULONG bits 0+3" },
            +    { at = 0, name = "High", type = "ULONG bits 3+5" },
            +    { at = 4, name = "Bytes", type = "const UCHAR[4]" },
            +    { at = 8, name = "First", type = "USHORT" },
            +    { at = 10, name = "Second", type = "USHORT" },
            +    { at = 12, name = "Named", type = "{ ULONG Inner; }" },
            +    { at = 16, name = "Function", type = "void (*)(const WSK_TEST*, WSK_INSPECT_ACTION)" },
            +    { at = 24, name = "Pointer", type = "PVOID*", gate = "defined(WSK_TEST_NAME)" },
            +]
            +
            +[structures.WSK_TEST_UNION]
            +gate = "NTDDI_VERSION >= NTDDI_WIN10_RS3"
            +size = 8
            +align = 8
            +fields = [
            +    { at = 0, name = "Number", type = "ULONG" },
            +    { at = 0, name = "Pointer", type = "PVOID" },
            +]
            +
            +[functions.WskTest]
            +returns = "NTSTATUS"
            +parameters = ["const WSK_TEST* const _", "WSK_TEST_KIND Kind"]
        "#]],
    );
}

#[test]
fn macros_that_are_no_integers_have_no_value() {
    let headers = Headers::copy();
    let new = r#"
#define WSK_T_FLOAT 1.5
#define WSK_T_INFINITE (1.0/0.0)
#define WSK_T_LARGE 18446744073709551616
#define WSK_T_SHIFT (1<<100)
#define WSK_T_OVERFLOW (2147483647 + 1)
#define WSK_T_DIVISION (1 / 0)
#define WSK_T_TWO 1, 2
#define WSK_T_STRING "four"
#define WSK_T_POINTER ((PVOID)1)
#define WSK_T_WIDE ((unsigned __int128)1 << 64)
#define WSK_T_TYPE ULONG
#define WSK_T_OPEN extern "C" {
#define WSK_T_GONE 1
#undef WSK_T_GONE
#define WSK_T_AGAIN(A) (A)
#undef WSK_T_AGAIN
#define WSK_T_AGAIN 2
#define WSK_T_CHARACTER 'a'
#define WSK_T_NEGATIVE (-1)
#define WSK_T_CAST ((LONG)0xC0000001L)
#define WSK_T_GREATEST 0xFFFFFFFFFFFFFFFF
#define WSK_T_SIZE sizeof(WSK_BUF)
#define WSK_T_ENUMERATOR WskInspectPend
#define WSK_T_HALF(A) ((A) / 2.0)
#define WSK_T_ANY(A, ...) (A)
#define WSK_T_NONE() 7
#define WSK_T_LINE __LINE__
#define WSK_T_NEXT (WSK_T_LINE + 1)
#define WSK_T_SEPARATED 1'000
%:define WSK_T_DIGRAPH 9
#define WSK_T_DOLLAR$ 10
/* Registration */"#;
    headers.replace("km/wsk.h", "/* Registration */", new);
    differs(
        &headers,
        &expect![[r#"
            -# The API of wsk.h in WDK 10.0.26100: identical to 10.0.22621.
            +# The API of wsk.h in WDK 10.0.26100: the changes since 10.0.22621.
            +
            +[constants]
            +WSK_T_AGAIN = { value = 2 }
            +WSK_T_CAST = { value = -1073741823 }
            +WSK_T_CHARACTER = { value = 0x61 }
            +WSK_T_DIGRAPH = { value = 9 }
            +WSK_T_ENUMERATOR = { value = 2 }
            +WSK_T_GREATEST = { value = -1 }
            +WSK_T_NEGATIVE = { value = -1 }
            +WSK_T_SEPARATED = { value = 0x3E8 }
            +WSK_T_SIZE = { value = 0x18 }
            +
            +[macros]
            +WSK_T_ANY = { parameters = 2, sample = 0x1234 }
            +WSK_T_DIVISION = {}
            +"WSK_T_DOLLAR$" = { text = "10" }
            +WSK_T_FLOAT = { text = "1.5" }
            +WSK_T_HALF = { parameters = 1 }
            +WSK_T_INFINITE = {}
            +WSK_T_LARGE = { text = "18446744073709551616" }
            +WSK_T_LINE = {}
            +WSK_T_NEXT = {}
            +WSK_T_NONE = { parameters = 0, sample = 7 }
            +WSK_T_OPEN = {}
            +WSK_T_OVERFLOW = {}
            +WSK_T_POINTER = {}
            +WSK_T_SHIFT = {}
            +WSK_T_STRING = { text = '"four"' }
            +WSK_T_TWO = {}
            +WSK_T_TYPE = {}
            +WSK_T_WIDE = {}
        "#]],
    );
}

#[test]
fn every_enumerator_and_nested_type_is_recorded() {
    let headers = Headers::copy();
    let new = r"
enum { WSK_T_FIRST = -1, WSK_T_SECOND };
#if (NTDDI_VERSION >= NTDDI_WIN8)
enum : USHORT { WSK_T_SHORT = 0xFFFF };
#endif
typedef enum { WskTOne = 1 } WSK_T_NAMED;
typedef struct _WSK_T {
    enum { WskTInner = 7 } Inner;
    enum _WSK_T_KIND { WskTKind = 8 } Kind;
    struct _WSK_T_PART { ULONG Part; } Part;
    UCHAR Data[];
} WSK_T;
typedef VOID *__ptr32 WSK_T_SHORT_POINTER;
typedef WSK_T *__ptr32 WSK_T_SHORT_T;
typedef __declspec(align(16)) ULONG WSK_T_ALIGNED;
typedef WSK_T *(*WSK_T_POINTERS)[4];
/* Registration */";
    headers.replace("km/wsk.h", "/* Registration */", new);
    differs(
        &headers,
        &expect![[r#"
            -# The API of wsk.h in WDK 10.0.26100: identical to 10.0.22621.
            +# The API of wsk.h in WDK 10.0.26100: the changes since 10.0.22621.
            +
            +[constants]
            +WSK_T_FIRST = { value = -1 }
            +WSK_T_SECOND = { value = 0 }
            +WSK_T_SHORT = { value = 0xFFFF, gate = "NTDDI_VERSION >= NTDDI_WIN8" }
            +WskTInner = { value = 7 }
            +
            +[enumerations.WSK_T_KIND]
            +values = { WskTKind = 8 }
            +
            +[enumerations.WSK_T_NAMED]
            +values = { WskTOne = 1 }
            +
            +[aliases]
            +WSK_T_ALIGNED = { type = "ULONG aligned to 16" }
            +WSK_T_POINTERS = { type = "WSK_T*[4]*" }
            +WSK_T_SHORT_POINTER = { type = "void* __ptr32" }
            +WSK_T_SHORT_T = { type = "WSK_T* __ptr32" }
            +
            +[structures.WSK_T]
            +size = 12
            +align = 4
            +fields = [
            +    { at = 0, name = "Inner", type = "enum { WskTInner }" },
            +    { at = 4, name = "Kind", type = "WSK_T_KIND" },
            +    { at = 8, name = "Part", type = "WSK_T_PART" },
            +    { at = 12, name = "Data", type = "UCHAR[]" },
            +]
            +
            +[structures.WSK_T_PART]
            +size = 4
            +align = 4
            +fields = [
            +    { at = 0, name = "Part", type = "ULONG" },
            +]
        "#]],
    );
}

#[test]
fn a_changed_gate_is_shown() {
    let headers = Headers::copy();
    let slot = "    PFN_WSK_SEND_MESSAGES WskSendMessages;\n";
    headers
        .replace("km/wsk.h", &format!("#if (NTDDI_VERSION >= NTDDI_WIN8)\n{slot}#endif\n"), slot)
        .replace(
            "km/wsk.h",
            "#if (NTDDI_VERSION >= NTDDI_WIN10_RS2)",
            "#if NTDDI_VERSION >= NTDDI_WINBLUE",
        );
    differs(
        &headers,
        &expect![[r#"
        -# The API of wsk.h in WDK 10.0.26100: identical to 10.0.22621.
        +# The API of wsk.h in WDK 10.0.26100: the changes since 10.0.22621.
        +
        +[aliases]
        +PWSK_CLIENT_STREAM_DISPATCH = { type = "WSK_CLIENT_STREAM_DISPATCH*", gate = "NTDDI_VERSION >= NTDDI_WINBLUE" }
        +PWSK_PROVIDER_STREAM_DISPATCH = { type = "WSK_PROVIDER_STREAM_DISPATCH*", gate = "NTDDI_VERSION >= NTDDI_WINBLUE" }
        +
        +[structures.WSK_CLIENT_STREAM_DISPATCH]
        +gate = "NTDDI_VERSION >= NTDDI_WINBLUE"
        +size = 16
        +align = 8
        +fields = [
        +    { at = 0, name = "Listen", type = "const WSK_CLIENT_LISTEN_DISPATCH*" },
        +    { at = 8, name = "Connect", type = "const WSK_CLIENT_CONNECTION_DISPATCH*" },
        +]
        +
        +[structures.WSK_PROVIDER_DATAGRAM_DISPATCH]
        +size = 64
        +align = 8
        +fields = [
        +    { at = 0, name = "Basic", type = "WSK_PROVIDER_BASIC_DISPATCH" },
        +    { at = 16, name = "WskBind", type = "PFN_WSK_BIND" },
        +    { at = 24, name = "WskSendTo", type = "PFN_WSK_SEND_TO" },
        +    { at = 32, name = "WskReceiveFrom", type = "PFN_WSK_RECEIVE_FROM" },
        +    { at = 40, name = "WskRelease", type = "PFN_WSK_RELEASE_DATAGRAM_INDICATION_LIST" },
        +    { at = 48, name = "WskGetLocalAddress", type = "PFN_WSK_GET_LOCAL_ADDRESS" },
        +    { at = 56, name = "WskSendMessages", type = "PFN_WSK_SEND_MESSAGES" },
        +]
        +
        +[structures.WSK_PROVIDER_STREAM_DISPATCH]
        +gate = "NTDDI_VERSION >= NTDDI_WINBLUE"
        +size = 120
        +align = 8
        +fields = [
        +    { at = 0, name = "Basic", type = "WSK_PROVIDER_BASIC_DISPATCH" },
        +    { at = 16, name = "WskBind", type = "PFN_WSK_BIND" },
        +    { at = 24, name = "WskAccept", type = "PFN_WSK_ACCEPT" },
        +    { at = 32, name = "WskConnect", type = "PFN_WSK_CONNECT" },
        +    { at = 40, name = "WskListen", type = "PFN_WSK_LISTEN" },
        +    { at = 48, name = "WskSend", type = "PFN_WSK_SEND" },
        +    { at = 56, name = "WskReceive", type = "PFN_WSK_RECEIVE" },
        +    { at = 64, name = "WskDisconnect", type = "PFN_WSK_DISCONNECT" },
        +    { at = 72, name = "WskRelease", type = "PFN_WSK_RELEASE_DATA_INDICATION_LIST" },
        +    { at = 80, name = "WskGetLocalAddress", type = "PFN_WSK_GET_LOCAL_ADDRESS" },
        +    { at = 88, name = "WskGetRemoteAddress", type = "PFN_WSK_GET_REMOTE_ADDRESS" },
        +    { at = 96, name = "WskConnectEx", type = "PFN_WSK_CONNECT_EX" },
        +    { at = 104, name = "WskSendEx", type = "PFN_WSK_SEND_EX" },
        +    { at = 112, name = "WskReceiveEx", type = "PFN_WSK_RECEIVE_EX" },
        +]
        +
        +[function_types.PFN_WSK_LISTEN]
        +gate = "NTDDI_VERSION >= NTDDI_WINBLUE"
        +returns = "NTSTATUS"
        +parameters = ["PWSK_SOCKET Socket", "PIRP Irp"]
    "#]],
    );
}

#[test]
fn headers_that_differ_by_processor_are_refused() {
    let headers = Headers::copy();
    headers.replace(
        "km/wsk.h",
        "    PMDL Mdl;\n",
        "    PMDL Mdl;\n#ifdef _ARM64_\n    ULONG More;\n#endif\n",
    );
    check(&headers).fails_with(&[
        "wsk.h differs between x64 and arm64: WSK_BUF",
        "+    { at = 8, name = \"More\", type = \"ULONG\", gate = \"defined(_ARM64_)\" },",
        "remove the condition",
    ]);
    // Arm64 has no such calling convention.
    let headers = Headers::copy();
    let new = "typedef struct _WSK_T { VOID (__vectorcall *One)(VOID); } WSK_T;\n\
               ULONG __vectorcall WskT(ULONG One);\n/* Registration */";
    headers.replace("km/wsk.h", "/* Registration */", new);
    check(&headers).fails_with(&[
        "wsk.h differs between x64 and arm64: WSK_T, WskT",
        "-    { at = 0, name = \"One\", type = \"void (__vectorcall *)()\" },",
        "-returns = \"ULONG __vectorcall\"",
    ]);
}

#[test]
fn headers_with_mistakes_are_refused_in_clangs_words() {
    let headers = Headers::copy();
    headers.replace("km/wsk.h", "typedef PVOID PWSK_CLIENT;", "typedef PVOIDS PWSK_CLIENT;");
    check(&headers).fails_with(&["cannot be read", "clang reported", "wsk.h:", "PVOIDS"]);
    fs::remove_file(headers.path().join("shared/netiodef.h")).unwrap();
    check(&headers).fails_with(&["clang reported", "'netiodef.h' file not found"]);
}

/// They would be missing in the record without a word.
#[test]
fn declarations_of_cpp_are_refused_with_their_line() {
    for (declaration, reason) in [
        ("namespace WskTSpace { typedef ULONG WSK_T; }", "WskTSpace: it is a Namespace of C++"),
        ("template <class T> struct WskT { T One; };", "WskT: it is a ClassTemplate of C++"),
        ("class WskT { ULONG One; };", "WskT: it is a ClassDecl of C++"),
        ("struct WSK_T : WSK_BUF { ULONG One; };", "WSK_T: it has a base class of C++"),
        ("struct WSK_T { VOID Method(); };", "WSK_T: it has a method of C++ (Method)"),
        ("enum class WSK_T { WskTOne };", "WSK_T: it is an `enum class` of C++"),
    ] {
        let headers = Headers::copy();
        let new = format!("EXTERN_C_END\n{declaration}\nEXTERN_C_BEGIN\n/* Registration */");
        headers.replace("km/wsk.h", "/* Registration */", &new);
        check(&headers).fails_with(&["wsk.h, line ", reason]);
    }
}

/// Changes of these would otherwise not be seen.
#[test]
fn every_part_of_a_declaration_is_recorded() {
    let headers = Headers::copy();
    let new = r#"
ULONG WskTAny(PCSTR Format, ...);
typedef ULONG (*PFN_WSK_T_ANY)(PCSTR Format, ...);
typedef VOID (__stdcall *PFN_WSK_T_C)(VOID);
typedef VOID WSK_T_FUNCTION(PCSTR Format, ...);
typedef struct _WSK_T { VOID (*Any)(ULONG, ...); VOID (*(*Inner)(ULONG))(PVOID); } WSK_T;
typedef struct _WSK_T_OPAQUE WSK_T_OPAQUE, *PWSK_T_OPAQUE;
typedef enum _WSK_T_FORWARD : int WSK_T_FORWARD;
typedef enum _WSK_T_BYTE : UCHAR { WskTByte = 255 } WSK_T_BYTE;
typedef enum _WSK_T_WIDE : ULONG64 { WskTWide = 0xFFFFFFFFFFFFFFFF } WSK_T_WIDE;
typedef enum _WSK_T_INT { WskTLeast = -1, WskTMost = 0x7FFFFFFF } WSK_T_INT;
static const ULONG WskTConstant = 7;
extern const ULONG WskTElsewhere;
DEFINE_GUID(GUID_WSK_T, 0x12345678, 0x1234, 0x5678, 1, 2, 3, 4, 5, 6, 7, 8);
#define WSK_T_STRING L"\\Device\\Wsk"
#define WSK_T_STRINGS "a" "b"
#define WSK_T_FLOAT (-1.5f)
#define WSK_T_CAST ((WSK_INSPECT_ACTION)7)
#define WSK_T_COMMA 5,
#define WSK_T_AGAIN 1
#define WSK_T_AGAIN 2
#define WSK_T_HIDDEN(x) 42
#define WSK_T_SELF WSK_T_SELF
typedef ULONG WSK_T_ARRAYS[2][3];
/* Registration */"#;
    headers.replace("km/wsk.h", "/* Registration */", new);
    differs(
        &headers,
        &expect![[r#"
        -# The API of wsk.h in WDK 10.0.26100: identical to 10.0.22621.
        +# The API of wsk.h in WDK 10.0.26100: the changes since 10.0.22621.
        +
        +[constants]
        +WSK_T_AGAIN = { value = 2 }
        +WSK_T_CAST = { value = 7 }
        +WskTConstant = { value = 7 }
        +
        +[enumerations.WSK_T_BYTE]
        +type = "UCHAR"
        +values = { WskTByte = 0xFF }
        +
        +[enumerations.WSK_T_INT]
        +values = { WskTLeast = -1, WskTMost = 0x7FFFFFFF }
        +
        +[enumerations.WSK_T_WIDE]
        +type = "ULONG64"
        +values = { WskTWide = -1 }
        +
        +[macros]
        +WSK_T_COMMA = {}
        +WSK_T_FLOAT = { text = "( - 1.5f )" }
        +WSK_T_HIDDEN = { parameters = 1, sample = 0x2A }
        +WSK_T_SELF = {}
        +WSK_T_STRING = { text = 'L"\\Device\\Wsk"' }
        +WSK_T_STRINGS = { text = '"a" "b"' }
        +
        +[aliases]
        +PWSK_T_OPAQUE = { type = "WSK_T_OPAQUE*" }
        +WSK_T_ARRAYS = { type = "ULONG[3][2]" }
        +WSK_T_FORWARD = { type = "incomplete enum" }
        +WSK_T_FUNCTION = { type = "void (PCSTR, ...)" }
        +WSK_T_OPAQUE = { type = "incomplete struct" }
        +
        +[structures.WSK_T]
        +size = 16
        +align = 8
        +fields = [
        +    { at = 0, name = "Any", type = "void (*)(ULONG, ...)" },
        +    { at = 8, name = "Inner", type = "void (*)(PVOID) (*)(ULONG)" },
        +]
        +
        +[function_types.PFN_WSK_T_ANY]
        +returns = "ULONG"
        +parameters = ["PCSTR Format", "..."]
        +
        +[function_types.PFN_WSK_T_C]
        +returns = "void"
        +parameters = []
        +
        +[functions.WskTAny]
        +returns = "ULONG"
        +parameters = ["PCSTR Format", "..."]
        +
        +[variables]
        +GUID_WSK_T = { type = "const GUID {0x12345678, 0x1234, 0x5678, 1, 2, 3, 4, 5, 6, 7, 8}" }
        +WskTElsewhere = { type = "const ULONG" }
    "#]],
    );
}

#[test]
fn an_item_below_many_conditions_is_refused() {
    let headers = Headers::copy();
    let (open, close) = ("#if 1\n".repeat(20_000), "#endif\n".repeat(20_000));
    let new = format!("{open}typedef ULONG WSK_T;\n{close}/* Registration */");
    headers.replace("km/wsk.h", "/* Registration */", &new);
    check(&headers).fails_with(&["WSK_T: it stands below 20000 conditions"]);
}

/// A header that includes itself gives each error hundreds of times.
#[test]
fn errors_that_repeat_are_shown_once() {
    let headers = Headers::copy();
    let text = fs::read_to_string(headers.path().join("km/wsk.h")).unwrap();
    let guarded = text.replace("#ifndef WSK_HEADERS_WSK_H", "#if 1");
    fs::write(headers.path().join("km/wsk.h"), format!("{guarded}\n#include \"wsk.h\"\n")).unwrap();
    let run = check(&headers);
    run.fails_with(&["#include nested too deeply"]);
    assert!(run.output().lines().count() < 40, "{}", run.output());
}

#[test]
fn headers_that_declare_nothing_are_refused() {
    let headers = Headers::copy();
    fs::write(headers.path().join("km/wsk.h"), "#pragma once\n").unwrap();
    check(&headers).fails_with(&["wsk.h declares nothing"]);
}

/// Kits before Windows 8 have other folders, and no arm64.
#[test]
fn an_old_kit_is_read_for_x64() {
    let headers = Headers::copy_to("inc");
    let inc = headers.path().join("inc");
    fs::rename(inc.join("km"), inc.join("ddk")).unwrap();
    fs::rename(inc.join("shared"), inc.join("api")).unwrap();
    differs(
        &headers,
        &expect![[r#"
        -processors = ["x64", "arm64"]
        +processors = ["x64"]
    "#]],
    );
}

#[test]
fn a_kit_under_another_name_is_refused() {
    let headers = Headers::copy_to("Include/10.0.17134.0");
    check(&headers).fails_with(&[
        "not of 10.0.17134, which is the kit of Windows 10, version 1803",
        "NTDDI_WIN11_GE, so they are of 10.0.26100",
    ]);
    check_as(&headers, &["--as", "10.0.26100"]).passes();
}

#[test]
fn a_kit_of_an_unknown_windows_is_refused() {
    let headers = Headers::copy();
    headers.replace(
        "shared/sdkddkver.h",
        "#define NTDDI_WIN11_GE      0x0A000010\n",
        "#define NTDDI_WIN11_GE      0x0A000010\n#define NTDDI_WIN11_BR 0x0A000012\n",
    );
    check(&headers).fails_with(&["headers/windows.toml", "NTDDI_WIN11_BR", "Add the release"]);
    check_as(&headers, &["--as", "10.0.28000"]).fails_with(&[
        "headers/windows.toml does not name the Windows of the kit 10.0.28000",
        "NTDDI_WIN11_BR",
    ]);
}

#[test]
fn a_folder_that_is_no_wdk_is_refused() {
    let empty = TempDir::new().unwrap();
    let arguments = ["surface", "--wdk"].map(OsStr::new).into_iter();
    xtask(arguments.chain([empty.path().as_os_str()]))
        .fails_with(&["no WDK here", "`km` with wsk.h"]);
    xtask(["surface", "10.0.17134", "--check"]).fails_with(&["cannot be used with"]);
}
