//! `cargo xtask diff`, as a maintainer runs it: between recorded releases, and on headers that were changed.
//! The whole reports are in the folder `diff`; `UPDATE_EXPECT=1` writes them.

mod support;

use std::ffi::OsStr;

use expect_test::expect_file;
use tempfile::TempDir;

use support::{Headers, regen, xtask};

/// What is said of changed headers, compared with the bindings.
#[track_caller]
fn said(headers: &Headers, format: &str) -> String {
    let sides = [OsStr::new("diff"), OsStr::new("bindings"), headers.path().as_os_str()];
    let output = xtask(sides.into_iter().chain(["--format", format].map(OsStr::new))).passes();
    output.replace(headers.path().to_str().unwrap(), "DIR")
}

/// Compares what is said of changed headers with the files of a name: as a text, as Markdown and as JSON.
macro_rules! is_said {
    ($headers:expr, $name:literal) => {
        expect_file![concat!("diff/", $name, ".txt")].assert_eq(&said(&$headers, "text"));
        expect_file![concat!("diff/", $name, ".md")].assert_eq(&said(&$headers, "markdown"));
        expect_file![concat!("diff/", $name, ".json")].assert_eq(&said(&$headers, "json"));
    };
}

#[test]
fn two_recorded_releases_are_compared() {
    for (format, expected) in [
        ("text", expect_file!["diff/two_releases.txt"]),
        ("markdown", expect_file!["diff/two_releases.md"]),
        ("json", expect_file!["diff/two_releases.json"]),
    ] {
        let output = xtask(["diff", "10.0.16299", "10.0.17134", "--format", format]).passes();
        expected.assert_eq(&output);
    }
    let output = xtask(["diff", "10.0.17134", "10.0.26100"]).passes();
    assert_eq!(output, "wsk.h: from WDK 10.0.17134 to WDK 10.0.26100\n  no change\n");
}

/// What a release before the bindings' lacks is nothing that they should lose.
#[test]
fn an_older_release_leaves_nothing_to_do() {
    let output = xtask(["diff", "bindings", "10.0.15063"]).passes();
    assert!(output.contains("0 added, 5 removed, 2 changed; for wsk-sys: major"), "{output}");
    assert!(!output.contains("to do") && !output.contains("to be done"), "{output}");
}

#[test]
fn unchanged_headers_have_no_differences() {
    is_said!(Headers::copy(), "not_changed");
}

#[test]
fn a_slot_was_added_to_a_table() {
    let headers = Headers::copy();
    let last = "WskInspectComplete;\n    PFN_WSK_GET_LOCAL_ADDRESS WskGetLocalAddress;\n";
    let gate = "#if NTDDI_VERSION >= NTDDI_WIN11_GE\n";
    let ty = "typedef NTSTATUS(WSKAPI *PFN_WSK_PAUSE)(PWSK_SOCKET Socket, PIRP Irp);\n";
    headers
        .replace(
            "km/wsk.h",
            "typedef struct _WSK_PROVIDER_LISTEN_DISPATCH",
            &format!("{gate}{ty}#endif\ntypedef struct _WSK_PROVIDER_LISTEN_DISPATCH"),
        )
        .replace("km/wsk.h", last, &format!("{last}{gate}    PFN_WSK_PAUSE WskPause;\n#endif\n"));
    is_said!(headers, "slot_added");
}

#[test]
fn a_member_was_added_to_a_structure() {
    let headers = Headers::copy();
    let last = "    ULONG EventMask;\n";
    headers.replace("km/wsk.h", last, &format!("{last}    ULONG64 More;\n"));
    is_said!(headers, "member_added");
}

#[test]
fn a_member_was_renamed() {
    let headers = Headers::copy();
    headers.replace("km/wsk.h", "    ULONG Offset;\n", "    ULONG Start;\n");
    is_said!(headers, "member_renamed");
}

#[test]
fn a_function_was_added() {
    let headers = Headers::copy();
    let new = "NTSTATUS WskPause(PWSK_REGISTRATION WskRegistration, ULONG Milliseconds);\n";
    headers.replace("km/wsk.h", "VOID WskDeregister(", &format!("{new}VOID WskDeregister("));
    is_said!(headers, "function_added");
}

#[test]
fn a_value_has_changed() {
    let headers = Headers::copy();
    headers.replace("km/wsk.h", "WSK_FLAG_DRAIN   0x00000004", "WSK_FLAG_DRAIN   0x00000010");
    is_said!(headers, "value_changed");
}

#[test]
fn a_gate_has_changed() {
    let headers = Headers::copy();
    let listen = "typedef NTSTATUS(WSKAPI *PFN_WSK_LISTEN)";
    let slot = "    PFN_WSK_SEND_MESSAGES WskSendMessages;\n";
    let silence = "#define SIO_WSK_SET_TCP_SILENT_MODE      _WSAIO(IOC_WSK, 0x7)\n";
    headers
        // Earlier: it is there for more systems.
        .replace(
            "km/wsk.h",
            &format!("NTDDI_WIN10_RS2)\n{listen}"),
            &format!("NTDDI_WINBLUE)\n{listen}"),
        )
        // Later.
        .replace(
            "km/wsk.h",
            &format!("#if (NTDDI_VERSION >= NTDDI_WIN8)\n{slot}"),
            &format!("#if (NTDDI_VERSION >= NTDDI_WIN10)\n{slot}"),
        )
        // None before: the first kit that has it is that of Windows 10.
        .replace(
            "km/wsk.h",
            silence,
            &format!("#if NTDDI_VERSION >= NTDDI_WIN8\n{silence}#endif\n"),
        );
    is_said!(headers, "gate_changed");
}

/// However new a release is, what stands under its gate is seen.
#[test]
fn a_gate_of_an_undescribed_release_is_named() {
    let headers = Headers::copy();
    let newest = "#define NTDDI_WIN11_GE      0x0A000010\n";
    let new = "#if NTDDI_VERSION >= NTDDI_WIN12\n#define WSK_FLAG_NEW 0x20\n#endif\n\
               #if _WIN32_WINNT >= 0x0C00\n#define WSK_FLAG_NEWER 0x40\n#endif\n";
    headers
        .replace("shared/sdkddkver.h", newest, &format!("{newest}#define NTDDI_WIN12 0x0C000000\n"))
        .replace("km/wsk.h", "#define WSK_NO_WAIT ", &format!("{new}#define WSK_NO_WAIT "));
    expect_file!["diff/gate_unknown.txt"].assert_eq(&said(&headers, "text"));
}

#[test]
fn signatures_have_changed() {
    let headers = Headers::copy();
    headers
        // Other parameters, in a function that two typed tables have.
        .replace(
            "km/wsk.h",
            "*PFN_WSK_SEND)(PWSK_SOCKET Socket, PWSK_BUF Buffer, ULONG Flags,",
            "*PFN_WSK_SEND)(PWSK_SOCKET Socket, CONST WSK_BUF *Buffer, ULONG Flags,",
        )
        // Another name only.
        .replace(
            "km/wsk.h",
            "*PFN_WSK_LISTEN)(PWSK_SOCKET Socket,",
            "*PFN_WSK_LISTEN)(PWSK_SOCKET Listener,",
        )
        .replace("km/wsk.h", "typedef PVOID PWSK_CLIENT;", "typedef ULONG_PTR PWSK_CLIENT;")
        .replace("km/wsk.h", "((UCHAR)((Version) >> 8))", "((UCHAR)((Version) >> 4))");
    expect_file!["diff/signatures_changed.txt"].assert_eq(&said(&headers, "text"));
}

#[test]
fn members_and_enumerators_have_changed() {
    let headers = Headers::copy();
    headers
        .replace("km/wsk.h", "    WskInspectPend,\n", "    WskInspectPend,\n    WskInspectWait,\n")
        .replace("km/wsk.h", "    CONST ULONG ElementCount;", "    ULONG ElementCount;")
        .replace(
            "km/wsk.h",
            "    ULONG_PTR Key;\n    ULONG SerialNumber;\n",
            "    ULONG SerialNumber;\n    ULONG Key;\n",
        )
        .replace("km/wsk.h", "    WskGetOption,\n", "");
    expect_file!["diff/members_changed.txt"].assert_eq(&said(&headers, "text"));
}

#[test]
fn items_are_gone_or_of_another_kind() {
    let headers = Headers::copy();
    headers
        .replace("km/wsk.h", "#define WSK_FLAG_OOB     0x00000001\n", "")
        .replace("km/wsk.h", "#define WSK_NO_WAIT       0\n", "extern ULONG WSK_NO_WAIT;\n")
        .replace("km/wsk.h", "    PFN_WSK_DISCONNECT_EVENT WskDisconnectEvent;\n", "");
    expect_file!["diff/items_gone.txt"].assert_eq(&said(&headers, "text"));
}

#[test]
fn a_table_and_a_callback_are_new() {
    let headers = Headers::copy();
    let table = "typedef struct _WSK_PROVIDER_RING_DISPATCH {\n    WSK_HEADERS_BASIC_FUNCTIONS;\n    \
                 PFN_WSK_BIND WskBind;\n} WSK_PROVIDER_RING_DISPATCH, *PWSK_PROVIDER_RING_DISPATCH;\n";
    let last = "    PFN_WSK_SEND_BACKLOG_EVENT WskSendBacklogEvent;\n";
    headers
        .replace("km/wsk.h", "/* Registration */", &format!("{table}/* Registration */"))
        .replace(
            "km/wsk.h",
            last,
            &format!("{last}    PFN_WSK_RECEIVE_EX_EVENT WskReceiveExEvent;\n"),
        );
    expect_file!["diff/table_added.txt"].assert_eq(&said(&headers, "text"));
}

/// A regeneration that fails because of an undescribed item ends with the remaining steps.
#[test]
fn a_regeneration_ends_with_the_differences_and_the_remaining_steps() {
    let headers = Headers::copy();
    headers.replace(
        "km/wsk.h",
        "#define WSK_NO_WAIT ",
        "#define WSK_FLAG_NEW 0x20\n#define WSK_NO_WAIT ",
    );
    let run = regen(&[headers.path()]);
    run.fails_with(&["headers/bindings.toml does not describe WSK_FLAG_NEW"]);
    let output = run.output().replace(headers.path().to_str().unwrap(), "DIR");
    let report = said(&headers, "text");
    assert!(output.contains(&report), "{output}");
    assert!(report.contains("to do\n   1. record the release"), "{report}");

    let output = regen(&[Headers::copy().path()]).passes();
    assert!(output.ends_with("no change\n\nto do\n  nothing\n"), "{output}");
}

#[test]
fn an_unknown_side_is_refused_with_the_known_ones() {
    let known = ["are 6001, 7600, 10.0.10240", "10.0.26100", "`bindings` stands for", "a folder"];
    xtask(["diff", "10.0.17134", "17763"]).fails_with(
        &[&["`17763` is neither a recorded release nor a folder"], &known[..]].concat(),
    );
    xtask(["diff", "8", "bindings"]).fails_with(&known);
    let empty = TempDir::new().unwrap();
    let arguments = ["diff", "bindings"].map(OsStr::new).into_iter();
    xtask(arguments.chain([empty.path().as_os_str()])).fails_with(&["no WDK here"]);
    xtask(["diff", "6001", "7600", "--format", "html"]).fails_with(&["text, markdown, json"]);
}

/// A change of wsk.h: its texts before and after, and the lines that the report contains.
type Change<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);

#[track_caller]
fn reports(changes: &[Change<'_>]) {
    for (edits, lines) in changes {
        let headers = Headers::copy();
        for (from, to) in *edits {
            headers.replace("km/wsk.h", from, to);
        }
        let report = said(&headers, "text");
        for line in *lines {
            assert!(report.contains(line), "`{line}` is missing after {edits:?}:\n{report}");
        }
        if lines.iter().any(|line| line.contains("ABI break: ")) {
            let step = "ABI break in ";
            assert!(report.contains(step), "`{step}` is missing after {edits:?}:\n{report}");
        } else {
            assert!(!report.contains("ABI break"), "after {edits:?}:\n{report}");
        }
    }
}

const BREAK: &str = "ABI break: drivers that were compiled with the old header disagree";
const KEPT: &str = "ABI kept: drivers that were compiled with the old header work";

#[test]
fn every_change_of_a_function_has_its_effect() {
    let before = "VOID WskReleaseProviderNPI(PWSK_REGISTRATION WskRegistration);";
    let register =
        "NTSTATUS WskRegister(PWSK_CLIENT_NPI WskClientNpi, PWSK_REGISTRATION WskRegistration);";
    reports(&[
        (
            &[(before, "")],
            &[
                "WskReleaseProviderNPI: function void (PWSK_REGISTRATION WskRegistration)",
                "drivers that import it no longer load",
                "headers/km/wsk.h: remove WskReleaseProviderNPI",
                "[wsk.WskReleaseProviderNPI] removed",
                BREAK,
            ],
        ),
        (
            &[(before, "NTSTATUS WskReleaseProviderNPI(PWSK_REGISTRATION WskRegistration);")],
            &["→ NTSTATUS (PWSK_REGISTRATION WskRegistration) (major, ABI break", BREAK],
        ),
        (
            &[(
                before,
                "VOID WskReleaseProviderNPI(PWSK_REGISTRATION WskRegistration, ULONG Flags);",
            )],
            &["→ void (PWSK_REGISTRATION WskRegistration, ULONG Flags) (major, ABI break", BREAK],
        ),
        (
            &[(before, "VOID WskReleaseProviderNPI(PWSK_REGISTRATION Registration);")],
            &["→ void (PWSK_REGISTRATION Registration) (minor, ABI kept: only names", KEPT],
        ),
        (
            &[(
                register,
                "NTSTATUS WskRegister(CONST WSK_CLIENT_NPI *WskClientNpi, PWSK_REGISTRATION WskRegistration);",
            )],
            &[
                "(const WSK_CLIENT_NPI* WskClientNpi, PWSK_REGISTRATION WskRegistration) (major, ABI kept",
                KEPT,
            ],
        ),
        // All of C's conventions are one on 64-bit processors.
        (
            &[(before, "VOID NTAPI WskReleaseProviderNPI(PWSK_REGISTRATION WskRegistration);")],
            &["no change", "to do\n  nothing"],
        ),
        (
            &[(before, "VOID WskReleaseProviderNPI(PWSK_REGISTRATION WskRegistration, ...);")],
            &["→ void (PWSK_REGISTRATION WskRegistration, ...) (major, ABI break", BREAK],
        ),
        (
            &[(
                before,
                "#if NTDDI_VERSION >= NTDDI_WIN10\nVOID WskReleaseProviderNPI(PWSK_REGISTRATION WskRegistration);\n#endif",
            )],
            &[
                "no gate → NTDDI_VERSION >= NTDDI_WIN10 (major, ABI kept: a later Windows introduces it",
                KEPT,
            ],
        ),
    ]);
}

#[test]
fn every_change_of_a_layout_has_its_effect() {
    let buffer = "typedef struct _WSK_BUF {\n    PMDL Mdl;\n    ULONG Offset;\n    SIZE_T Length;\n} WSK_BUF,";
    let with = |members: &str| format!("typedef struct _WSK_BUF {{\n{members}\n}} WSK_BUF,");
    let packed = format!("#pragma pack(push, 1)\n{buffer}")
        .replace("} WSK_BUF,", "} WSK_BUF;\n#pragma pack(pop)\ntypedef WSK_BUF");
    reports(&[
        // In the middle, in what was padding: no offset changes, and older drivers leave it uninitialized.
        (
            &[(buffer, &with("PMDL Mdl; ULONG Offset; ULONG Flags; SIZE_T Length;"))],
            &[
                "+ Flags: ULONG at 12 (major, ABI break",
                "fields.Flags of [wsk.WSK_BUF] (not done)",
                BREAK,
            ],
        ),
        (
            &[(buffer, &with("PMDL Mdl; PVOID Owner; ULONG Offset; SIZE_T Length;"))],
            &[
                "24 → 32 bytes (major, ABI break: its size changes)",
                "Offset at 8 → 16",
                "Length at 16 → 24",
                "+ Owner: PVOID at 8",
                // Those that contain it change as well.
                "WSK_BUF_LIST: structure\n      32 → 40 bytes",
                "WSK_DATAGRAM_INDICATION: structure\n      56 → 64 bytes",
                BREAK,
            ],
        ),
        (
            &[(buffer, &with("PMDL Mdl; SIZE_T Length; ULONG Offset;"))],
            &["Offset at 8 → 16", "Length at 16 → 8", BREAK],
        ),
        (
            &[(buffer, &with("PMDL Mdl; LONG Offset; SIZE_T Length;"))],
            &["Offset: ULONG → LONG (major, ABI break: its type changes)", BREAK],
        ),
        (
            &[(buffer, &with("struct _MDL *Mdl; ULONG Offset; SIZE_T Length;"))],
            &[
                "Mdl: PMDL → MDL* (major, ABI kept: its type changes, and is represented as before)",
                KEPT,
            ],
        ),
        (
            &[(buffer, &with("PMDL Mdl; ULONG Offset : 24; ULONG Flags : 8; SIZE_T Length;"))],
            &["Offset: ULONG → ULONG bits 0+24", "+ Flags: ULONG bits 0+8 at 11", BREAK],
        ),
        (
            &[(buffer, &with("PMDL Mdl; ULONG Offset; SIZE_T Length; UCHAR More[];"))],
            &["+ More: UCHAR[] at 24 (major, ABI break", BREAK],
        ),
        (
            &[(buffer, &packed)],
            &["24 → 20 bytes", "aligned to 8 → 1 bytes", "Length at 16 → 12", BREAK],
        ),
        (
            &[(
                buffer,
                &buffer.replace("struct _WSK_BUF", "struct __declspec(align(16)) _WSK_BUF"),
            )],
            &["24 → 32 bytes", "aligned to 8 → 16 bytes", BREAK],
        ),
        (
            &[(buffer, &with("union { PMDL Mdl; PVOID Address; }; ULONG Offset; SIZE_T Length;"))],
            &["+ Address: PVOID at 0 (major, ABI break", BREAK],
        ),
        (
            &[("    GUID ProviderId;\n", "    GUID ProviderId[1];\n")],
            &["ProviderId: GUID → GUID[1] (major, ABI break", BREAK],
        ),
        // In the middle of a table, every later slot is another.
        (
            &[(
                "    PFN_WSK_BIND WskBind;\n    PFN_WSK_SEND_TO",
                "    PFN_WSK_CONNECT WskConnect;\n    PFN_WSK_BIND WskBind;\n    PFN_WSK_SEND_TO",
            )],
            &[
                "WskBind at 16 → 24",
                "+ WskConnect: PFN_WSK_CONNECT at 16 (major, ABI break",
                "the slot WskConnect of DatagramDispatch",
                BREAK,
            ],
        ),
        (
            &[(
                "    PFN_WSK_ABORT_EVENT WskAbortEvent;\n",
                "    PFN_WSK_ABORT_EVENT WskAbortEvent;\n    PFN_WSK_CLIENT_EVENT WskClientEvent;\n",
            )],
            &[
                "24 → 32 bytes (major, ABI break",
                "the callback WskClientEvent of WSK_CLIENT_LISTEN_DISPATCH",
                BREAK,
            ],
        ),
    ]);
}

#[test]
fn every_change_of_a_value_or_a_type_has_its_effect() {
    reports(&[
        (
            &[("    WskGetOption,\n", "    WskGetOption,\n    WskQueryOption,\n")],
            &[
                "+ WskQueryOption = 2 (minor, ABI kept: a new name)",
                "WskIoctl: 2 → 3 (major, ABI break: code compiled with the old value passes a wrong one)",
                "WskControlMax: 3 → 4 (major, ABI kept: it is the number of the values, which grows)",
                "[wsk.WskQueryOption] (not done)",
                BREAK,
            ],
        ),
        (
            &[("    WskIoctl,\n", "    WskIoctl,\n    WskQueryOption,\n")],
            &["+ WskQueryOption = 3", "WskControlMax: 3 → 4 (major, ABI kept", KEPT],
        ),
        (
            &[("    WskInspectReject,\n", "    WskInspectReject = 1,\n")],
            &["WskInspectReject: 0 → 1 (major, ABI break", "WskInspectAccept: 1 → 2", BREAK],
        ),
        (
            &[(
                "typedef enum {\n    WskSetOption",
                "typedef enum : unsigned char {\n    WskSetOption",
            )],
            &[
                "its values are int → unsigned char (major, ABI break: its size or its sign changes)",
                BREAK,
            ],
        ),
        // Another spelling of a value is the same.
        (&[("WSK_FLAG_DRAIN   0x00000004", "WSK_FLAG_DRAIN   (1ul << 2)")], &["no change"]),
        (
            &[("WSK_EVENT_DISABLE      0x80000000", "WSK_EVENT_DISABLE      ((LONG)0x80000000)")],
            &[
                "WSK_EVENT_DISABLE: constant\n      0x80000000 → -2147483648 (major, ABI break",
                BREAK,
            ],
        ),
        (
            &[("WSK_FLAG_DRAIN   0x00000004", "WSK_FLAG_DRAIN   4.0")],
            &["constant 4 → macro 4.0 (major, ABI break", BREAK],
        ),
        (
            &[("_WSAIO(IOC_WSK, 0x7)", "_WSAIOR(IOC_WSK, 0x7)")],
            &["0x2F000007 → 0x4F000007 (major, ABI break", BREAK],
        ),
        (
            &[("MAKE_WSK_VERSION(Major, Minor) ", "MAKE_WSK_VERSION(Major, Minor, Build) ")],
            &[
                "2 → 3 parameters (major, ABI kept: calls no longer compile)",
                "wsk-sys/src/wsk.rs: MAKE_WSK_VERSION, by hand",
                KEPT,
            ],
        ),
        (
            &[("typedef PVOID PWSK_CLIENT;", "typedef VOID *PWSK_CLIENT;")],
            &[
                "PVOID → void* (major, ABI kept: its type changes, and is represented as before)",
                KEPT,
            ],
        ),
        (
            &[("typedef PVOID PWSK_CLIENT;", "typedef ULONG PWSK_CLIENT;")],
            &["PVOID → ULONG (major, ABI break: its type changes)", BREAK],
        ),
        (
            &[("extern CONST NPIID NPI_WSK_INTERFACE_ID;", "")],
            &[
                "NPI_WSK_INTERFACE_ID: variable const NPIID",
                "drivers that import it no longer load",
                BREAK,
            ],
        ),
        (
            &[(
                "#if (NTDDI_VERSION >= NTDDI_WIN10_RS2)\ntypedef NTSTATUS(WSKAPI *PFN_WSK_LISTEN)(PWSK_SOCKET Socket, PIRP Irp);\n#endif",
                "typedef NTSTATUS(WSKAPI *PFN_WSK_LISTEN)(PWSK_SOCKET Socket, PIRP Irp);",
            )],
            &[
                "PFN_WSK_LISTEN: function type\n      NTDDI_VERSION >= NTDDI_WIN10_RS2 → no gate (minor, ABI kept",
                KEPT,
            ],
        ),
    ]);
}
