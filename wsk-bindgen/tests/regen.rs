//! `cargo xtask regen`, as a maintainer runs it, on headers that have something wrong with them.

mod support;

use std::fs;

use tempfile::TempDir;

use support::{Headers, project, regen};

#[test]
fn the_committed_bindings_are_what_the_headers_give() {
    let output = regen(&[]).passes();
    assert!(output.contains("27 structs"), "{output}");
    assert!(output.contains("35 function types"), "{output}");
    assert!(output.contains("x64 and arm64 agree"), "{output}");
}

#[test]
fn a_lost_control_code_is_named() {
    let headers = Headers::copy();
    headers.replace("km/wsk.h", "SIO_WSK_QUERY_INSPECT_ID ", "SIO_WSK_RENAMED_INSPECT_ID ");
    regen(&[headers.path()]).fails_with(&["SIO_WSK_QUERY_INSPECT_ID"]);
}

#[test]
fn a_lost_structure_is_named() {
    let headers = Headers::copy();
    headers.replace("km/wsk.h", "_WSK_TDI_MAP_INFO {", "_WSK_TDI_MAP_DATA {").replace(
        "km/wsk.h",
        "} WSK_TDI_MAP_INFO, *PWSK_TDI_MAP_INFO",
        "} WSK_TDI_MAP_DATA",
    );
    regen(&[headers.path()]).fails_with(&["WSK_TDI_MAP_INFO"]);
}

#[test]
fn a_lost_function_is_named() {
    let headers = Headers::copy();
    headers.replace("km/wsk.h", "VOID WskDeregister(", "VOID WskUnregister(");
    regen(&[headers.path()]).fails_with(&["lack 1 of the", "WskDeregister"]);
}

#[test]
fn a_lost_enumerator_is_named() {
    let headers = Headers::copy();
    headers.replace("km/wsk.h", "    WskInspectPend,\n", "");
    regen(&[headers.path()]).fails_with(&["WskInspectPend"]);
}

#[test]
fn a_lost_macro_of_versions_is_named() {
    let headers = Headers::copy();
    headers.replace("km/wsk.h", "#define WSK_MINOR_VERSION(", "#define WSK_SMALL_VERSION(");
    regen(&[headers.path()]).fails_with(&["WSK_MINOR_VERSION"]);
}

#[test]
fn a_lost_kernel_function_is_named() {
    let headers = Headers::copy();
    headers.replace("km/nt_irp.h", "VOID IoReuseIrp(", "VOID IoUseIrpAgain(");
    regen(&[headers.path()]).fails_with(&["IoReuseIrp"]);
}

#[test]
fn a_lost_kernel_field_is_named() {
    let headers = Headers::copy();
    headers.replace("km/nt_mm.h", "PVOID MappedSystemVa;", "PVOID Mapped;");
    regen(&[headers.path()]).fails_with(&["MappedSystemVa"]);
}

/// In C, the basic functions are a member without a name, which bindgen makes padding.
#[test]
fn padding_in_a_table_is_named() {
    let headers = Headers::copy();
    headers.replace(
        "km/wsk.h",
        "WSK_PROVIDER_BASIC_DISPATCH Basic\n",
        "unsigned long long Basic[2]\n",
    );
    regen(&[headers.path()]).fails_with(&["padding where a function pointer belongs", "`Basic`"]);
}

#[test]
fn a_gap_in_a_table_is_named() {
    let headers = Headers::copy();
    headers.replace(
        "km/wsk.h",
        "    PFN_WSK_BIND WskBind;\n    PFN_WSK_SEND_TO WskSendTo;",
        "    PFN_WSK_BIND WskBind;\n    __declspec(align(32)) PFN_WSK_SEND_TO WskSendTo;",
    );
    regen(&[headers.path()]).fails_with(&[
        "WSK_PROVIDER_DATAGRAM_DISPATCH has padding where a function pointer belongs",
    ]);
}

#[test]
fn an_anonymous_member_in_a_table_is_named() {
    let headers = Headers::copy();
    headers.replace(
        "km/wsk.h",
        "#define WSK_HEADERS_BASIC_FUNCTIONS WSK_PROVIDER_BASIC_DISPATCH Basic\n",
        "#define WSK_HEADERS_BASIC_FUNCTIONS struct { PVOID One; PVOID Two; }\n",
    );
    regen(&[headers.path()]).fails_with(&["padding where a function pointer belongs"]);
}

#[test]
fn a_new_item_without_a_description_is_named() {
    let headers = Headers::copy();
    let new = "#define WSK_FLAG_QUICKLY 0x00000010\n\
               typedef NTSTATUS(WSKAPI *PFN_WSK_HURRY)(PWSK_SOCKET Socket, PIRP Irp);\n";
    headers.replace("km/wsk.h", "/* Registration */", &format!("{new}/* Registration */"));
    regen(&[headers.path()]).fails_with(&[
        "does not describe",
        "WSK_FLAG_QUICKLY",
        "PFN_WSK_HURRY",
        "Microsoft's page",
    ]);
}

/// Whatever they point to, and whatever their names.
#[test]
fn a_new_typedef_is_named() {
    let headers = Headers::copy();
    let new = "typedef int *WSK_PTR;\ntypedef PWSK_BUF *WSK_PTR_PTR;\ntypedef int (*WSK_PTR_ARRAY)[4];\n\
               typedef ULONG (*WSK_PTR_FN)(ULONG);\ntypedef PIRP NEW_IRP;\ntypedef ULONG NEW_NUMBER;\n";
    headers.replace("km/wsk.h", "/* Registration */", &format!("{new}/* Registration */"));
    regen(&[headers.path()]).fails_with(&[
        "does not describe NEW_IRP, NEW_NUMBER, WSK_PTR, WSK_PTR_ARRAY, WSK_PTR_FN, WSK_PTR_PTR",
        "needs headers/bindings.toml: [wsk.WSK_PTR] (not done)",
        "needs headers/bindings.toml: [wsk.WSK_PTR_ARRAY] (not done)",
        "needs headers/bindings.toml: [wsk.WSK_PTR_PTR] (not done)",
    ]);
    // Those that point to an item with an entry need none.
    let headers = Headers::copy();
    let new = "typedef CONST WSK_BUF *PCWSK_BUF;\n";
    headers.replace("km/wsk.h", "/* Registration */", &format!("{new}/* Registration */"));
    let run = regen(&[headers.path()]);
    run.fails_with(&["+pub type PCWSK_BUF = *const WSK_BUF;"]);
    assert!(!run.output().contains("needs"), "{}", run.output());
}

#[test]
fn a_structure_that_becomes_packed_is_shown() {
    let headers = Headers::copy();
    headers
        .replace(
            "km/wsk.h",
            "typedef struct _WSK_INSPECT_ID {",
            "#pragma pack(push, 4)\ntypedef struct _WSK_INSPECT_ID {",
        )
        .replace(
            "km/wsk.h",
            "} WSK_INSPECT_ID, *PWSK_INSPECT_ID;",
            "} WSK_INSPECT_ID, *PWSK_INSPECT_ID;\n#pragma pack(pop)",
        );
    regen(&[headers.path()]).fails_with(&[
        "+#[repr(C, packed(4))]",
        "size_of::<WSK_INSPECT_ID>() == 12",
        "aligned to 8 → 4 bytes",
    ]);
}

/// The advice for newer headers would remove what older ones lack.
#[test]
fn older_headers_leave_nothing_to_do() {
    // A kit that is not recorded, of Windows 8: its sdkddkver.h ends with that.
    let headers = Headers::copy();
    let path = headers.path().join("shared/sdkddkver.h");
    let text = fs::read_to_string(&path).unwrap();
    let old = text.lines().filter(|line| {
        let newer = ["NTDDI_WINBLUE", "NTDDI_WIN10", "NTDDI_WIN11", "NTDDI_WINTHRESHOLD"];
        !newer.iter().any(|name| line.contains(name))
    });
    fs::write(&path, old.collect::<Vec<_>>().join("\n")).unwrap();
    let flag = "#define WSK_FLAG_OOB     0x00000001\n";
    headers.replace("km/wsk.h", flag, "");
    let run = regen(&[headers.path()]);
    let advice =
        "These headers are older than the bindings, which are of WDK 10.0.26100. Change nothing";
    run.fails_with(&["WSK_FLAG_OOB", advice]);
    let wrong = ["to do", "Remove the", "remove their", "Add an entry", "Run `cargo xtask regen`"];
    for text in wrong {
        assert!(!run.output().contains(text), "`{text}` is said in:\n{}", run.output());
    }
    // An item that a later release dropped.
    headers.replace(
        "km/wsk.h",
        "/* Registration */",
        &format!("{flag}#define WSK_FLAG_PAST 8\n/* Registration */"),
    );
    let run = regen(&[headers.path()]);
    run.fails_with(&["does not describe WSK_FLAG_PAST", advice]);
    for text in wrong {
        assert!(!run.output().contains(text), "`{text}` is said in:\n{}", run.output());
    }
    // A newer release that has dropped one is another matter.
    let headers = Headers::copy();
    headers.replace("km/wsk.h", flag, "");
    regen(&[headers.path()]).fails_with(&["WSK_FLAG_OOB", "Remove the entries", "to do"]);
}

#[test]
fn a_structure_that_has_grown_is_shown() {
    let headers = Headers::copy();
    headers.replace(
        "km/wsk.h",
        "    ULONG EventMask;\n",
        "    ULONG EventMask;\n    ULONG More;\n",
    );
    regen(&[headers.path()])
        .fails_with(&["WSK_EVENT_CALLBACK_CONTROL", "does not describe its field More"]);
}

#[test]
fn a_changed_signature_is_shown_as_a_difference_and_nothing_is_written() {
    let generated = project().join("wsk-sys/src/generated/wsk.rs");
    let before = fs::read_to_string(&generated).unwrap();
    let headers = Headers::copy();
    headers.replace(
        "km/wsk.h",
        "PFN_WSK_CLOSE_SOCKET)(PWSK_SOCKET Socket, PIRP Irp)",
        "PFN_WSK_CLOSE_SOCKET)(PWSK_SOCKET Socket, ULONG Flags, PIRP Irp)",
    );
    regen(&[headers.path()]).fails_with(&[
        "--- committed/wsk.rs",
        "+++ generated/wsk.rs",
        "Flags: ULONG",
        "Run `cargo xtask regen`",
    ]);
    assert_eq!(fs::read_to_string(&generated).unwrap(), before);
}

#[test]
fn a_changed_value_is_shown() {
    let headers = Headers::copy();
    headers.replace("shared/ntstatus.h", "0xC0000236", "0xC0000237");
    regen(&[headers.path()]).fails_with(&["0xC000_0237_u32"]);
}

#[test]
fn a_changed_kernel_layout_is_shown() {
    let headers = Headers::copy();
    headers.replace("km/nt_mm.h", "    ULONG ByteCount;\n", "    ULONG64 ByteCount;\n");
    regen(&[headers.path()]).fails_with(&["layout.rs", "size_of::<MDL>() == 56"]);
}

#[test]
fn headers_that_are_not_c_are_refused_in_clangs_words() {
    let headers = Headers::copy();
    headers.replace("km/wsk.h", "typedef PVOID PWSK_CLIENT;", "typedef PVOID PWSK_CLIENT");
    regen(&[headers.path()]).fails_with(&["cannot be read", "clang reported", "wsk.h"]);
}

#[test]
fn a_folder_that_is_no_wdk_is_refused() {
    let empty = TempDir::new().unwrap();
    regen(&[empty.path()]).fails_with(&["no WDK here", "`km` with wsk.h", "NuGet"]);
    regen(&[&empty.path().join("missing")]).fails_with(&["is not a folder"]);

    let half = Headers::copy();
    fs::remove_dir_all(half.path().join("shared")).unwrap();
    regen(&[half.path()]).fails_with(&[
        "Found km",
        "No folder `shared` with ws2def.h",
        "--wdk twice",
    ]);
}

#[test]
fn a_wdk_is_found_in_every_layout() {
    for below in ["", "Include/10.0.26100.0", "c/Include/10.0.26100.0", "Include", "include"] {
        regen(&[Headers::copy_to(below).path()]).passes();
    }
    let output = regen(&[Headers::copy_to("Include/10.0.26100.0").path()]).passes();
    assert!(output.contains("WDK 10.0.26100.0"), "{output}");
}

#[test]
fn the_newest_of_several_releases_is_taken() {
    let headers = Headers::copy_to("Include/10.0.9999.0");
    headers.add("Include/10.0.26100.0");
    fs::write(headers.path().join("Include/10.0.9999.0/km/wsk.h"), "#error \"too old\"\n").unwrap();
    let output = regen(&[headers.path()]).passes();
    assert!(output.contains("WDK 10.0.26100.0"), "{output}");
}

#[test]
fn the_two_halves_may_be_in_two_packages() {
    let km = Headers::copy_to("c/Include/10.0.26100.0");
    fs::remove_dir_all(km.path().join("c/Include/10.0.26100.0/shared")).unwrap();
    let shared = Headers::copy_to("c/Include/10.0.26100.0");
    fs::remove_dir_all(shared.path().join("c/Include/10.0.26100.0/km")).unwrap();
    regen(&[km.path(), shared.path()]).passes();
    regen(&[shared.path(), km.path()]).passes();
}

#[test]
fn letter_case_does_not_matter() {
    let headers = Headers::copy();
    for (file, renamed) in [
        ("km/wsk.h", "km/WSK.H"),
        ("shared/ntdef.h", "shared/NtDef.h"),
        ("km/ntddk.h", "km/Ntddk.h"),
    ] {
        fs::rename(headers.path().join(file), headers.path().join(renamed)).unwrap();
    }
    fs::rename(headers.path().join("shared"), headers.path().join("Shared")).unwrap();
    regen(&[headers.path()]).passes();
}

#[test]
fn paths_with_spaces_and_line_ends_of_windows_do_not_matter() {
    let headers = Headers::copy_to("Windows Kits – Größe/10/Include/10.0.26100.0");
    let folder = headers.path().join("Windows Kits – Größe/10");
    let file = folder.join("Include/10.0.26100.0/km/wsk.h");
    let text = fs::read_to_string(&file).unwrap().replace('\n', "\r\n");
    fs::write(&file, format!("\u{feff}{text}")).unwrap();
    regen(&[&folder]).passes();
}
