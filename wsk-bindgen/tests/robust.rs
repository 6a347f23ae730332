//! Unusual headers and kits: each gives the right result, or one message that names the cause. Made from this project's
//! own headers.

mod support;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use support::{Headers, Run, regen, xtask};

/// A command on headers.
fn on(command: &[&str], folder: &Path, more: &[&str]) -> Run {
    let arguments = command.iter().map(OsStr::new).chain([OsStr::new("--wdk"), folder.as_os_str()]);
    xtask(arguments.chain(more.iter().map(OsStr::new)))
}

/// Both commands that read headers, on headers that are as good as those of this project.
#[track_caller]
fn are_read(folder: &Path) -> String {
    on(&["surface", "--check"], folder, &[]).passes();
    regen(&[folder]).passes()
}

/// Changes every file of these headers.
fn rewrite(headers: &Headers, change: impl Fn(&str) -> Vec<u8>) {
    for part in ["km", "shared"] {
        for file in fs::read_dir(headers.path().join(part)).unwrap() {
            let path = file.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            fs::write(path, change(&text)).unwrap();
        }
    }
}

/// Without a variable or a folder of packages that this machine may have.
fn on_a_machine(arguments: &[&str], variables: &[(&str, &Path)]) -> Run {
    let home = TempDir::new().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_wsk-bindgen"));
    for name in ["WDKContentRoot", "WindowsSdkDir", "Version_Number", "NUGET_PACKAGES"] {
        command.env_remove(name);
    }
    command.env("HOME", home.path()).env("USERPROFILE", home.path());
    Run::of(command.args(arguments).envs(variables.iter().copied()))
}

#[test]
fn line_ends_and_byte_order_marks_do_not_matter() {
    let headers = Headers::copy();
    rewrite(&headers, |text| format!("\u{feff}{}", text.replace('\n', "\r\n")).into_bytes());
    are_read(headers.path());
}

/// Bytes as in a comment that was written in a legacy code page.
#[test]
fn comments_may_contain_bytes_that_are_not_unicode() {
    let headers = Headers::copy();
    rewrite(&headers, |text| [text.as_bytes(), b"/* caf\xe9 \x92 */\n"].concat());
    are_read(headers.path());
}

#[test]
fn utf_16_is_refused() {
    let headers = Headers::copy();
    let text = fs::read_to_string(headers.path().join("km/wsk.h")).unwrap();
    let text: Vec<u8> =
        "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    fs::write(headers.path().join("km/wsk.h"), text).unwrap();
    for command in ["surface", "regen"] {
        let run = on(&[command, "--check"], headers.path(), &[]);
        run.fails_with(&["km/wsk.h:1: error: ", "is UTF-16, save it as UTF-8"]);
        assert_eq!(run.output().matches("UTF-16").count(), 1, "{}", run.output());
    }
}

#[test]
fn names_of_files_and_folders_may_be_in_another_case() {
    let headers = Headers::copy_to("INCLUDE/10.0.26100.0");
    let root = headers.path().join("INCLUDE/10.0.26100.0");
    for part in ["km", "shared"] {
        for file in fs::read_dir(root.join(part)).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_uppercase();
            fs::rename(&path, path.with_file_name(name)).unwrap();
        }
        fs::rename(root.join(part), root.join(part.to_uppercase())).unwrap();
    }
    are_read(headers.path());
}

#[test]
fn paths_may_have_spaces_and_any_letters() {
    let headers = Headers::copy_to("Windows Kits – Größe & 'Co' 日本/10/Include/10.0.26100.0");
    let folder = headers.path().join("Windows Kits – Größe & 'Co' 日本/10");
    are_read(&folder);
    // What is to be typed is quoted.
    let file = folder.join("Include/10.0.26100.0/km/wsk.h");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("WSK_FLAG_DRAIN   0x00000004", "WSK_FLAG_DRAIN   8")).unwrap();
    let said = xtask([OsStr::new("diff"), OsStr::new("bindings"), folder.as_os_str()]).passes();
    assert!(said.contains("`cargo xtask surface --wdk \""), "{said}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_path_that_is_not_unicode_is_refused() {
    use std::os::unix::ffi::OsStrExt as _;
    let headers = Headers::copy_to("kit");
    let odd = headers.path().join(OsStr::from_bytes(b"kit\xff"));
    fs::rename(headers.path().join("kit"), &odd).unwrap();
    for command in ["surface", "regen"] {
        let arguments = [command, "--check", "--wdk"].map(OsString::from).into_iter();
        xtask(arguments.chain([odd.clone().into()]))
            .fails_with(&["is not Unicode", "another path"]);
    }
}

/// The macro exists, but the names in its body do not.
#[test]
fn a_macro_that_no_longer_evaluates_is_named_with_its_reason() {
    let drain = "#define WSK_FLAG_DRAIN   0x00000004";
    for (value, reason) in [
        ("WSK_FLAG_OF(4)", "WSK_FLAG_DRAIN: use of undeclared identifier 'WSK_FLAG_OF'"),
        ("\"four\"", "WSK_FLAG_DRAIN: it is no integer"),
        ("", "WSK_FLAG_DRAIN: expected expression"),
    ] {
        let headers = Headers::copy();
        headers.replace("km/wsk.h", drain, &format!("#define WSK_FLAG_DRAIN   {value}"));
        let run = regen(&[headers.path()]);
        run.fails_with(&["have no value for items of headers/bindings.toml", reason, "by_hand"]);
        assert_eq!(run.output().matches(reason).count(), 1, "{}", run.output());
        // The record has it as what it is, and the comparison says what that means.
        let run = on(&["surface", "--check"], headers.path(), &[]);
        let gone = match value {
            "" => "+removed",
            "\"four\"" => "+WSK_FLAG_DRAIN = { text = '\"four\"' }",
            _ => "+WSK_FLAG_DRAIN = {}",
        };
        run.fails_with(&[gone]);
    }
}

/// bindgen passes over what C has a body for.
#[test]
fn an_inline_function_without_a_description_is_named() {
    let headers = Headers::copy();
    let new = "static __inline ULONG WskTwice(ULONG Number) { return Number * 2; }\n";
    headers.replace("km/wsk.h", "VOID WskDeregister(", &format!("{new}VOID WskDeregister("));
    regen(&[headers.path()]).fails_with(&["headers/bindings.toml does not describe WskTwice"]);
}

#[test]
fn a_kernel_member_that_is_gone_is_named_with_its_structure() {
    let headers = Headers::copy();
    headers.replace("km/nt_mm.h", "    PVOID StartVa;\n", "    PVOID Start;\n");
    regen(&[headers.path()]).fails_with(&["MDL.StartVa: no member named 'StartVa' in '_MDL'"]);
}

#[test]
fn a_renamed_member_is_named_in_both_ways() {
    let headers = Headers::copy();
    headers.replace("km/wsk.h", "    ULONG Offset;\n", "    ULONG Start;\n");
    regen(&[headers.path()]).fails_with(&[
        "Offset → Start (major",
        "fields.Start of [wsk.WSK_BUF]",
        "describes WSK_BUF.Offset, which the headers lack",
    ]);
}

#[test]
fn a_missing_header_is_named_once() {
    let headers = Headers::copy();
    headers.replace("km/wsk.h", "/* Registration */", "#include <wsknew.h>\n/* Registration */");
    let run = regen(&[headers.path()]);
    run.fails_with(&["'wsknew.h' file not found"]);
    assert_eq!(run.output().matches("wsknew.h").count(), 1, "{}", run.output());
}

#[test]
fn of_two_versions_the_newest_is_taken_unless_another_is_asked_for() {
    let headers = Headers::copy_to("Include/10.0.22621.0");
    headers.add("Include/10.0.26100.0");
    headers.replace(
        "Include/10.0.22621.0/km/wsk.h",
        "WSK_FLAG_DRAIN   0x00000004",
        "WSK_FLAG_DRAIN   8",
    );
    let output = are_read(headers.path());
    assert!(
        output.contains("WDK 10.0.26100.0 of") && output.contains("is taken, the newest there"),
        "{output}"
    );
    assert!(output.contains("--release chooses another: 10.0.22621.0"), "{output}");
    for release in ["10.0.22621", "22621", "10.0.22621.0"] {
        let run = on(&["regen", "--check"], headers.path(), &["--release", release]);
        run.fails_with(&[
            "WDK 10.0.22621.0 of",
            "as --release says",
            "differ from the output for WDK 10.0.22621.0",
        ]);
    }
    on(&["regen", "--check"], headers.path(), &["--release", "10.0.19041"]).fails_with(&[
        "no WDK 10.0.19041 is found",
        "10.0.26100.0",
        "10.0.22621.0",
    ]);
    // A comparison takes it as well, as long as it is clear of which side.
    let folder = headers.path().to_str().unwrap();
    let said = xtask(["diff", "bindings", folder, "--release", "26100"]).passes();
    assert!(said.contains("\n  no change\n"), "{said}");
    let said = xtask(["diff", "bindings", "wdk", "--wdk", folder]).passes();
    assert!(said.contains("\n  no change\n"), "{said}");
    xtask(["diff", folder, folder, "--release", "26100"]).fails_with(&["cannot be about both"]);
    xtask(["diff", "6001", "7600", "--release", "26100"]).fails_with(&["neither side is headers"]);
}

#[test]
fn parts_of_different_versions_are_no_kit() {
    let headers = Headers::copy_to("Include/10.0.22621.0");
    headers.add("Include/10.0.26100.0");
    fs::remove_dir_all(headers.path().join("Include/10.0.22621.0/shared")).unwrap();
    fs::remove_dir_all(headers.path().join("Include/10.0.26100.0/km")).unwrap();
    on(&["surface"], headers.path(), &[]).fails_with(&[
        "no WDK here",
        "Found km of 10.0.22621.0 at",
        "Found shared of 10.0.26100.0 at",
        "of the same version",
    ]);
}

/// Folders that are given together must belong to one release.
#[test]
fn folders_of_different_releases_are_refused() {
    // Each is whole: the second would be ignored.
    let one = Headers::copy_to("Include/10.0.22621.0");
    let other = Headers::copy_to("Include/10.0.26100.0");
    let folders = [one.path(), other.path()];
    let both = |more: &[&str]| {
        let arguments = ["surface", "--check", "--wdk"].map(OsStr::new).into_iter();
        let arguments =
            arguments.chain([folders[0].as_os_str(), OsStr::new("--wdk"), folders[1].as_os_str()]);
        xtask(arguments.chain(more.iter().map(OsStr::new)))
    };
    both(&[]).fails_with(&[
        "are of different releases",
        "has no part of WDK 10.0.26100.0",
        "Found: 10.0.26100.0, 10.0.22621.0",
    ]);
    both(&["--release", "26100"]).passes();
    regen(&folders).fails_with(&["are of different releases"]);
    // The same folder twice is one.
    regen(&[folders[1], folders[1]]).passes();

    // wsk.h of one and sdkddkver.h of the other: the record would have the facts of the wrong release.
    for below in ["", "Include"] {
        let km = Headers::copy_to(below);
        fs::remove_dir_all(km.path().join(below).join("shared")).unwrap();
        for other in ["", "Include/10.0.26100.0"] {
            let shared = Headers::copy_to(other);
            fs::remove_dir_all(shared.path().join(other).join("km")).unwrap();
            for folders in [[km.path(), shared.path()], [shared.path(), km.path()]] {
                regen(&folders)
                    .fails_with(&["may be of different releases", "does not name its version"]);
            }
        }
    }
    // Two whole ones without a version.
    let (one, other) = (Headers::copy(), Headers::copy());
    regen(&[one.path(), other.path()]).fails_with(&["may be of different releases"]);
}

/// In one folder, the parts of different releases cannot be told by its name. The wsk.h of 10.0.16299 lacks these items.
#[test]
fn a_folder_with_wsk_h_of_another_release_is_refused() {
    let headers = Headers::copy();
    headers
        .replace(
            "km/wsk.h",
            "    PFN_WSK_SEND_EX WskSendEx;\n    PFN_WSK_RECEIVE_EX WskReceiveEx;\n",
            "",
        )
        .replace(
            "km/wsk.h",
            "#define SIO_WSK_SET_RECEIVE_EX_CALLBACK  _WSAIOW(IOC_WSK, 0x8)\n",
            "",
        );
    let file = headers.path().join("km/wsk.h");
    let mut text = fs::read_to_string(&file).unwrap();
    for name in ["PFN_WSK_RECEIVE_EX_EVENT", "PFN_WSK_SEND_EX", "PFN_WSK_RECEIVE_EX"] {
        let start = text.find(&format!("typedef NTSTATUS(WSKAPI *{name})")).unwrap();
        let end = start + text[start..].find(';').unwrap();
        text.replace_range(start..=end, "");
    }
    fs::write(&file, text).unwrap();
    let folder = headers.path().to_str().unwrap();
    for command in [
        &["surface", "--check", "--wdk", folder][..],
        &["surface", "--wdk", folder],
        &["regen", "--wdk", folder],
        &["diff", "bindings", folder],
    ] {
        xtask(command).fails_with(&[
            "the headers are of different releases",
            "says WDK 10.0.26100, and wsk.h is that of WDK 10.0.16299",
        ]);
    }
}

/// The stack holds them, or the message says that it does not.
#[test]
fn deep_nesting_is_read_or_refused_with_a_message() {
    let shallow = format!("{}1{}", "(".repeat(200), ")".repeat(200));
    let structures =
        |depth: usize| format!("{}ULONG Deep;{}", "struct { ".repeat(depth), " };".repeat(depth));
    let new = format!(
        "typedef int {}WSK_T_STARS;\ntypedef struct _WSK_T_DEEP {{ {} }} WSK_T_DEEP;\n\
         #if {}1{}\n#define WSK_T_PARENTHESES {shallow}\n#endif\n",
        "*".repeat(500),
        structures(200),
        "(".repeat(1140),
        ")".repeat(1140),
    );
    let headers = Headers::copy();
    headers.replace("km/wsk.h", "/* Registration */", &format!("{new}/* Registration */"));
    let run = on(&["surface", "--check"], headers.path(), &[]);
    run.fails_with(&[
        "+WSK_T_STARS = { type = \"int****",
        "name = \"Deep\"",
        "+WSK_T_PARENTHESES = { value = 1,",
    ]);
    regen(&[headers.path()]).fails_with(&["does not describe WSK_T_DEEP, "]);

    for new in [
        format!("typedef int {}WSK_T_STARS;\n", "*".repeat(1_000_000)),
        format!("typedef struct _WSK_T_DEEP {{ {} }} WSK_T_DEEP;\n", structures(20_000)),
        format!("#if {}1{}\n#endif\n", "(".repeat(1_000_000), ")".repeat(1_000_000)),
        format!("#define WSK_T_SUM ({}1)\n", "1+".repeat(100_000)),
        format!("static const int WskT = {}1{};\n", "{".repeat(100_000), "}".repeat(100_000)),
    ] {
        let headers = Headers::copy();
        headers.replace("km/wsk.h", "/* Registration */", &format!("{new}/* Registration */"));
        for command in ["surface", "regen"] {
            let file = headers.path().join("km/wsk.h");
            let error = format!("{}:433: error: this declaration or directive", file.display());
            on(&[command, "--check"], headers.path(), &[]).fails_with(&[&error]);
        }
    }
}

/// Few tokens, of which the preprocessor makes 200,000.
#[test]
fn a_crash_of_libclang_is_reported_with_the_header() {
    let headers = Headers::copy();
    let sum = |number| format!("#define WSK_T_{number} WSK_T_{0}+WSK_T_{0}\n", number - 1);
    let new = format!("#define WSK_T_0 1\n{}", (1..18).map(sum).collect::<String>());
    headers.replace("km/wsk.h", "/* Registration */", &format!("{new}/* Registration */"));
    let file = headers.path().join("km/wsk.h");
    on(&["surface", "--check"], headers.path(), &[]).fails_with(&[
        "crashed while it read",
        file.to_str().unwrap(),
        "long expressions",
    ]);
}

/// The error of a wsk.h that is not the text of a header.
#[track_caller]
fn is_refused(change: impl FnOnce(&Path), error: &str) {
    let headers = Headers::copy();
    let file = headers.path().join("km/wsk.h");
    change(&file);
    for command in ["surface", "regen"] {
        let run = on(&[command, "--check"], headers.path(), &[]);
        run.fails_with(&[file.to_str().unwrap(), error]);
        assert!(!run.output().contains("may be the reason"), "{}", run.output());
    }
}

#[test]
fn a_file_that_is_no_header_is_refused_with_its_path() {
    let bytes = |change: fn(Vec<u8>) -> Vec<u8>| {
        move |file: &Path| fs::write(file, change(fs::read(file).unwrap())).unwrap()
    };
    is_refused(bytes(|text| [&text[..], b"\0\n"].concat()), "a byte of value 0");
    is_refused(bytes(|text| [&text[..], &b" ".repeat(5_000_000)].concat()), "at most 4194304");
    is_refused(bytes(|text| [b"#include <wsknew.h>\n", &text[..]].concat()), "wsknew.h");
    let folder = |file: &Path| {
        fs::remove_file(file).unwrap();
        fs::create_dir(file).unwrap();
    };
    is_refused(folder, "it is not a file");
}

#[cfg(unix)]
#[test]
fn a_link_to_no_file_is_refused_with_its_path() {
    use std::os::unix::fs::symlink;
    let link = |target: &'static str| {
        move |file: &Path| {
            fs::remove_file(file).unwrap();
            symlink(target, file).unwrap();
        }
    };
    is_refused(link("wsk.h"), "symbolic links");
    is_refused(link("missing.h"), "No such file");
    is_refused(link("/dev/zero"), "it is not a file");
    // A folder that contains itself is not searched.
    let headers = Headers::copy();
    symlink("..", headers.path().join("km/loop")).unwrap();
    on(&["surface", "--check"], headers.path(), &[]).passes();
}

/// It has no guard: clang names it, and not the errors that follow.
#[test]
fn a_header_that_includes_itself_is_named() {
    let headers = Headers::copy();
    fs::write(headers.path().join("km/ntcircle.h"), "#include <ntcircle.h>\n").unwrap();
    headers.replace("km/wsk.h", "/* Registration */", "#include <ntcircle.h>\n/* Registration */");
    for command in ["surface", "regen"] {
        let run = on(&[command, "--check"], headers.path(), &[]);
        run.fails_with(&["km/ntcircle.h:1:10: error: #include nested too deeply"]);
        assert!(!run.output().contains("may be the reason"), "{}", run.output());
    }
}

/// The end of the last line may be missing, and lines may end with a carriage return alone.
#[test]
fn ends_of_lines_do_not_matter() {
    for change in
        [|text: &str| text.trim_end().into(), |text: &str| text.replace('\n', "\r").into()]
    {
        let headers = Headers::copy();
        rewrite(&headers, change);
        on(&["surface", "--check"], headers.path(), &[]).passes();
    }
}

/// C has a member here, and the structures of C++ lack it: their layouts differ.
#[test]
fn members_without_a_name_that_only_c_has_are_refused() {
    for (members, texts) in [
        (
            "struct _WSK_T_IN { ULONG Inner; }; ULONG One;",
            ["line ", "member of type _WSK_T_IN without a name"],
        ),
        (
            "union _WSK_T_IN { ULONG Inner; }; union _WSK_T_IN One;",
            ["line ", "of type _WSK_T_IN without"],
        ),
        ("struct _WSK_BUF; ULONG One;", ["line ", "member of type _WSK_BUF without a name"]),
        ("WSK_BUF; ULONG One;", ["km/wsk.h:", "a member without a name, which C has"]),
    ] {
        let headers = Headers::copy();
        let new = format!("typedef struct _WSK_T {{ {members} }} WSK_T;\n/* Registration */");
        headers.replace("km/wsk.h", "/* Registration */", &new);
        on(&["surface", "--check"], headers.path(), &[]).fails_with(&texts);
        regen(&[headers.path()]).fails_with(&["wsk.h:", texts[1]]);
    }
}

/// libclang would take minutes for the offsets.
#[test]
fn a_structure_of_too_many_members_is_refused() {
    let members: Vec<String> = (0..5000).map(|number| format!("ULONG M{number};")).collect();
    let headers = Headers::copy();
    let members = members.concat();
    let new = format!("typedef struct _WSK_T {{ {members} }} WSK_T;\n/* Registration */");
    headers.replace("km/wsk.h", "/* Registration */", &new);
    on(&["surface", "--check"], headers.path(), &[])
        .fails_with(&["WSK_T: it has 5000 members, of which at most 4096 can be read"]);
    regen(&[headers.path()]).fails_with(&["wsk.h:", "_WSK_T has 5000 members"]);
}

#[test]
fn a_partial_folder_of_packages_is_answered_with_the_package_that_is_missing() {
    let package = "microsoft.windows.wdk.x64/10.0.26100.2454/c/Include/10.0.26100.0";
    let headers = Headers::copy_to(package);
    fs::remove_dir_all(headers.path().join(package).join("shared")).unwrap();
    on(&["surface"], headers.path(), &[]).fails_with(&[
        "Found km of 10.0.26100.0",
        "No folder `shared` with ws2def.h",
        "Microsoft.Windows.SDK.CPP has it",
    ]);
    headers.add("Microsoft.Windows.SDK.CPP.10.0.26100.1742/c/Include/10.0.26100.0");
    let sdk = headers.path().join("Microsoft.Windows.SDK.CPP.10.0.26100.1742/c/Include");
    fs::remove_dir_all(sdk.join("10.0.26100.0/km")).unwrap();
    are_read(headers.path());
    // Its headers may also be incomplete.
    fs::remove_file(sdk.join("10.0.26100.0/shared/netiodef.h")).unwrap();
    let run = on(&["regen", "--check"], headers.path(), &[]);
    run.fails_with(&["cannot be read", "'netiodef.h' file not found"]);
    assert_eq!(run.output().matches("netiodef.h").count(), 1, "{}", run.output());
}

#[test]
fn the_wdk_of_the_machine_is_found_by_the_variable() {
    let headers = Headers::copy_to("Include/10.0.26100.0");
    let variable = [("WDKContentRoot", headers.path())];
    let output = on_a_machine(&["surface", "--check", "--wdk"], &variable).passes();
    assert!(output.contains("WDK 10.0.26100.0 of the variable WDKContentRoot"), "{output}");
    on_a_machine(&["regen", "--wdk", "--check"], &variable).passes();
    on_a_machine(&["surface", "--check", "--release", "26100"], &variable).passes();
    let said = on_a_machine(&["diff", "bindings", "wdk", "--format", "json"], &variable);
    let json: serde_json::Value = serde_json::from_str(&said.standard_output()).unwrap();
    assert!(json.is_object());

    let list = on_a_machine(&["regen", "--list"], &variable).passes();
    assert!(list.contains("the variable WDKContentRoot: "), "{list}");
    assert!(list.contains("  * 10.0.26100.0 "), "{list}");
    assert!(list.contains("NuGet's packages: "), "{list}");

    on_a_machine(&["surface", "--wdk"], &[]).fails_with(&[
        "no WDK is found. Looked in",
        "WDKContentRoot: not set",
        "give --wdk DIR",
    ]);
    on_a_machine(&["regen", "--wdk"], &[("WDKContentRoot", Path::new("/no/such/kit"))])
        .fails_with(&["the variable WDKContentRoot: /no/such/kit is not a folder"]);
}

#[test]
fn without_a_libclang_the_message_lists_the_searched_places() {
    let folder = TempDir::new().unwrap();
    let name = format!("{}clang{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    fs::write(folder.path().join(name), "no library").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_wsk-bindgen"));
    let run = Run::of(command.args(["regen", "--check"]).env("LIBCLANG_PATH", folder.path()));
    run.fails_with(&[
        "libclang",
        "`libclang1-19`",
        "It is set to",
        folder.path().to_str().unwrap(),
    ]);
}

/// wdk-sys asks its users to set it, and the bindings would be others.
#[test]
fn arguments_of_others_for_clang_are_refused() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wsk-bindgen"));
    command.args(["regen", "--check"]).env("BINDGEN_EXTRA_CLANG_ARGS", "-DWSKAPI=__stdcall");
    Run::of(&mut command).fails_with(&["BINDGEN_EXTRA_CLANG_ARGS is set", "Unset it"]);
}
