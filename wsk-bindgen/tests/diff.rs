//! `cargo xtask diff`, as a maintainer runs it: between recorded releases, and on headers that were changed.
//! What is said in whole is in `diff`; `UPDATE_EXPECT=1` writes it anew.

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
