//! Bindings of headers with items that this project's own lack: they compile with the layout of C, or are refused.

use std::fmt::Write as _;
use std::fs;
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

use super::*;

/// This project's headers, with these declarations at the end of wsk.h and these items in `bindings.toml`.
fn headers(declarations: &str, items: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    copy(&project::root().join("headers"), folder.path());
    let path = folder.path().join("km/wsk.h");
    let text = fs::read_to_string(&path).unwrap();
    let at = text.rfind("EXTERN_C_END").unwrap();
    fs::write(&path, format!("{}{declarations}\n{}", &text[..at], &text[at..])).unwrap();
    let path = folder.path().join("bindings.toml");
    let mut text = fs::read_to_string(&path).unwrap();
    for (name, lines) in items {
        let _ = writeln!(
            text,
            "\n[wsk.{name}]\ndoc = \"It.\"\npage = \"network/it\"\nsince = \"11\"\n\
             since_reason = \"a test\"\n{lines}"
        );
    }
    fs::write(&path, text).unwrap();
    folder
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Only one `Clang` may exist at a time.
static CLANG: Mutex<()> = Mutex::new(());

/// The new wsk.rs, with which wsk-sys compiles.
fn generated(declarations: &str, items: &[(&str, &str)]) -> Result<String> {
    let folder = headers(declarations, items);
    let config = BindingsConfig::load(folder.path())?;
    let guard = CLANG.lock().unwrap_or_else(PoisonError::into_inner);
    libclang::load()?;
    let files = generate(&IncludeTree::own(folder.path())?, &config, Age::Current)?;
    drop(guard);
    compile::check(&files)?;
    Ok(files.into_iter().find(|file| file.name == "wsk.rs").unwrap().text)
}

#[track_caller]
fn is_refused(declarations: &str, items: &[(&str, &str)], texts: &[&str]) {
    let error = match generated(declarations, items) {
        Ok(text) => panic!("{declarations} became\n{text}"),
        Err(error) => format!("{error:#}"),
    };
    for text in texts {
        assert!(error.contains(text), "`{text}` is missing in:\n{error}");
    }
}

const FIELDS: &str = "fields.One = \"One.\"\nfields.Two = \"Two.\"";

#[test]
fn packed_and_aligned_structures_keep_their_layout() {
    let declarations = r"
#pragma pack(push, 1)
typedef struct _WSK_T_PACKED { UCHAR One; ULONG64 Two; } WSK_T_PACKED;
typedef union _WSK_T_UNION { UCHAR One; ULONG64 Two; } WSK_T_UNION;
#pragma pack(pop)
#pragma pack(push, 2)
typedef struct _WSK_T_TWO { UCHAR One; ULONG64 Two; } WSK_T_TWO;
#pragma pack(pop)
typedef struct __attribute__((packed)) _WSK_T_GNU { UCHAR One; PVOID Two; } WSK_T_GNU;
typedef struct __declspec(align(16)) _WSK_T_ALIGNED { UCHAR One; ULONG64 Two; } WSK_T_ALIGNED;
typedef struct alignas(32) _WSK_T_ALIGNAS { ULONG64 One; ULONG Two[2]; } WSK_T_ALIGNAS;
typedef union __declspec(align(32)) _WSK_T_ALIGNED_UNION { UCHAR One; ULONG64 Two; } WSK_T_ALIGNED_UNION;
typedef struct _WSK_T_OUTER { WSK_T_PACKED One; WSK_T_ALIGNED Two; } WSK_T_OUTER;
typedef struct _WSK_T_ARRAYS { WSK_T_UNION One[2]; WSK_T_TWO Two[3]; } WSK_T_ARRAYS;
";
    let names = [
        "WSK_T_PACKED",
        "WSK_T_UNION",
        "WSK_T_TWO",
        "WSK_T_GNU",
        "WSK_T_ALIGNED",
        "WSK_T_ALIGNAS",
        "WSK_T_ALIGNED_UNION",
        "WSK_T_OUTER",
        "WSK_T_ARRAYS",
    ];
    let text = generated(declarations, &names.map(|name| (name, FIELDS))).unwrap();
    for (name, representation, size, align) in [
        ("WSK_T_PACKED", "C, packed", 9, 1),
        ("WSK_T_UNION", "C, packed", 8, 1),
        ("WSK_T_TWO", "C, packed(2)", 10, 2),
        ("WSK_T_GNU", "C, packed", 9, 1),
        ("WSK_T_ALIGNED", "C, align(16)", 16, 16),
        ("WSK_T_ALIGNAS", "C, align(32)", 32, 32),
        ("WSK_T_ALIGNED_UNION", "C, align(32)", 32, 32),
        ("WSK_T_OUTER", "C, align(16)", 32, 16),
        ("WSK_T_ARRAYS", "C", 46, 2),
    ] {
        let kind = if name.ends_with("UNION") { "union" } else { "struct" };
        let before = text.split_once(&format!("pub {kind} {name} ")).expect(name).0;
        let attributes = &before[before.rfind("[Microsoft's page]").unwrap()..];
        assert!(attributes.contains(&format!("#[repr({representation})]")), "{name}: {attributes}");
        for assertion in
            [format!("size_of::<{name}>() == {size})"), format!("align_of::<{name}>() == {align})")]
        {
            assert!(text.contains(&assertion), "{assertion}");
        }
    }
}

#[test]
fn layouts_that_rust_cannot_have_are_refused() {
    // Both attributes, in one structure and in one within another.
    is_refused(
        "#pragma pack(push, 1)\ntypedef struct __declspec(align(16)) _WSK_T { UCHAR One; ULONG Two; } WSK_T;\n\
         #pragma pack(pop)",
        &[("WSK_T", FIELDS)],
        &["WSK_T"],
    );
    is_refused(
        "typedef struct __attribute__((aligned(16))) _WSK_T_IN { ULONG One; ULONG Two; } WSK_T_IN;\n\
         typedef struct __attribute__((packed)) _WSK_T { UCHAR One; WSK_T_IN Two; } WSK_T;",
        &[("WSK_T_IN", FIELDS), ("WSK_T", FIELDS)],
        &["WSK_T"],
    );
    is_refused(
        "typedef struct _WSK_T { UCHAR One; __declspec(align(16)) ULONG Two; } WSK_T;",
        &[("WSK_T", FIELDS)],
        &["WSK_T", "padding, of a member with an alignment of its own"],
    );
}

#[test]
fn what_the_bindings_cannot_express_is_named_as_what_it_is() {
    is_refused(
        "typedef struct _WSK_T_BITS { ULONG One : 3; ULONG Two : 5; union { ULONG Whole; struct { ULONG Low : 1; }; }; } WSK_T_BITS;\n\
         typedef struct _WSK_T_ARRAY { ULONG One; UCHAR Two[]; } WSK_T_ARRAY;\n\
         typedef struct _WSK_T_ZERO { ULONG One; UCHAR Two[0]; } WSK_T_ZERO;\n\
         typedef struct _WSK_T_SHORT { VOID *__ptr32 One; VOID *__ptr32 *Two; VOID *__ptr32 Three[2]; } WSK_T_SHORT;\n\
         typedef VOID *__ptr32 WSK_T_POINTER;\n\
         typedef __declspec(align(16)) ULONG WSK_T_WIDE;\n\
         VOID WskT(VOID *__ptr32 One);",
        &[],
        &[
            "contain declarations that the bindings cannot express",
            "_WSK_T_BITS.One is a bit-field of 3 bits",
            "_WSK_T_BITS.Two is a bit-field of 5 bits",
            "_WSK_T_BITS.Low is a bit-field of 1 bits",
            "_WSK_T_ARRAY.Two is a flexible array\n",
            "_WSK_T_ZERO.Two is a flexible array, of 0 elements",
            "_WSK_T_SHORT.One is a `__ptr32` pointer",
            "_WSK_T_SHORT.Two is a `__ptr32` pointer",
            "_WSK_T_SHORT.Three is a `__ptr32` pointer",
            "WSK_T_POINTER has a `__ptr32` pointer",
            "WSK_T_WIDE has an alignment of its own, of 16 bytes",
            "WskT has a `__ptr32` pointer",
            "set `by_hand`",
        ],
    );
}

#[test]
fn new_typedefs_and_constants_are_carried_or_named() {
    let declarations = r"
typedef int *WSK_PTR;
typedef PWSK_BUF *WSK_PTR_PTR;
typedef int (*WSK_PTR_ARRAY)[4];
typedef ULONG (*WSK_PTR_FN)(ULONG);
typedef VOID WSK_FN(PVOID Context);
typedef PIRP WSK_IRP_PTR;
typedef CONST VOID *NEW_PTR;
typedef ULONG NEW_NUMBER;
enum { WSK_T_FIRST = -1, WSK_T_SECOND };
enum : USHORT { WSK_T_SHORT = 0xFFFF };
typedef enum _WSK_T_KIND : UCHAR { WskTFirst, WskTLast = 255 } WSK_T_KIND;
";
    let names = [
        "WSK_PTR",
        "WSK_PTR_PTR",
        "WSK_PTR_ARRAY",
        "WSK_PTR_FN",
        "WSK_FN",
        "WSK_IRP_PTR",
        "NEW_PTR",
        "NEW_NUMBER",
        "WSK_T_FIRST",
        "WSK_T_SECOND",
        "WSK_T_SHORT",
        "WSK_T_KIND",
        "WskTFirst",
        "WskTLast",
    ];
    is_refused(declarations, &[], &names);
    let text = generated(declarations, &names.map(|name| (name, ""))).unwrap();
    for line in [
        "pub type WSK_PTR = *mut crate::ctypes::c_int;",
        "pub type WSK_PTR_PTR = *mut PWSK_BUF;",
        "pub type WSK_PTR_ARRAY = *mut [crate::ctypes::c_int; 4];",
        "pub type NEW_NUMBER = ULONG;",
        "pub const WSK_T_FIRST: crate::ctypes::c_int = -1;",
    ] {
        assert!(text.contains(line), "`{line}` is not in\n{text}");
    }
}

#[test]
fn a_constant_that_is_no_integer_is_refused() {
    let declarations = "#define WSK_T_FLOAT 1.5\n#define WSK_T_SHIFT (1 << 100)\n#define WSK_T_POINTER ((PVOID)1)\n\
                        #define WSK_T_LARGE 18446744073709551616\n#define WSK_T_FINE ((USHORT)0xFF)";
    let names = ["WSK_T_FLOAT", "WSK_T_SHIFT", "WSK_T_POINTER", "WSK_T_LARGE", "WSK_T_FINE"];
    let items = names.map(|name| (name, "type = \"ULONG\""));
    let error = format!("{:#}", generated(declarations, &items).unwrap_err());
    for name in &names[..4] {
        assert!(error.contains(&format!("  {name}: ")), "{error}");
    }
    assert!(!error.contains("WSK_T_FINE"), "{error}");
}
