//! Bindings of headers with items that this project's own headers lack. They compile with the layout of C, or are
//! rejected.

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
    // Both attributes, on one structure and on nested structures.
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
        &["cannot write WSK_T: it is both packed and aligned", "by hand"],
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

/// Declarations that bindgen silently omits or renames, or gives another signature or layout.
#[test]
fn what_bindgen_would_change_in_silence_is_refused_with_its_place() {
    let declarations = r#"
VOID __vectorcall WskTVector(ULONG One);
typedef VOID (__vectorcall *WSK_T_CALL)(ULONG One);
typedef struct _WSK_T_CALLS { VOID (__vectorcall *One)(VOID); } WSK_T_CALLS;
VOID WskTLinked(VOID) __asm__("other");
typedef struct { ULONG One; } *PWSK_T_UNNAMED;
typedef union { ULONG One; } WSK_T_UNNAMED_ARRAY[2];
extern struct { ULONG One; } WskTVariable;
typedef VOID (*(*WSK_T_RETURNS)(ULONG One))(PVOID Two);
typedef VOID (*(WSK_T_RETURNS_TOO)(ULONG One))(PVOID Two);
VOID (*WskTReturns(ULONG One))(PVOID Two);
typedef struct _WSK_T_FIELD { VOID (*(*One)(ULONG))(PVOID); VOID (*(*Two[2])(ULONG))(PVOID); } WSK_T_FIELD;
typedef ULONG WSK_T_VECTOR __attribute__((vector_size(16)));
typedef _Complex float WSK_T_COMPLEX;
typedef int (WSK_BUF::*WSK_T_MEMBER)();
typedef UCHAR WSK_T_OPEN[];
typedef UCHAR WSK_T_NONE[0];
typedef ULONG u32;
typedef struct _WSK_T$ { ULONG One; } WSK_T$;
struct WSK_T_BASE { ULONG One; };
struct WSK_T_DERIVED : WSK_T_BASE { ULONG Two; };
struct WSK_T_METHOD { ULONG One; VOID Method(); };
struct WSK_T_STATIC { ULONG One; static ULONG Two; };
typedef struct _WSK_T_GAP { ULONG One; ULONG : 4; } WSK_T_GAP;
typedef struct __attribute__((packed, aligned(4))) _WSK_T_BOTH { UCHAR One; ULONG64 Two; } WSK_T_BOTH;
}
VOID WskTOutside(ULONG One);
template <class T> struct WskTTemplate { T One; };
namespace WskTSpace { typedef ULONG WSK_T_INNER; }
extern "C" {
"#;
    is_refused(
        declarations,
        &[],
        &[
            "  wsk.h:",
            ": WskTVector has a function with another calling convention than that of C\n",
            ": WSK_T_CALL has a function with another calling convention",
            ": _WSK_T_CALLS.One is a function with another calling convention",
            ": WskTLinked is called `other` by the linker",
            ": PWSK_T_UNNAMED is made of a structure without a name",
            ": WSK_T_UNNAMED_ARRAY is made of a structure without a name",
            ": WskTVariable has a structure without a name",
            ": WSK_T_RETURNS has a function that returns a pointer to a function without a typedef",
            ": WSK_T_RETURNS_TOO has a function that returns",
            ": WskTReturns has a function that returns",
            ": _WSK_T_FIELD.One is a function that returns",
            ": _WSK_T_FIELD.Two is a function that returns",
            ": WSK_T_VECTOR has a vector",
            ": WSK_T_COMPLEX has a complex number",
            ": WSK_T_MEMBER has a pointer to a member",
            ": WSK_T_OPEN is a flexible array\n",
            ": WSK_T_NONE is a flexible array, of 0 elements",
            ": u32 has the name of a type of Rust",
            ": _WSK_T$ has a name that Rust does not allow",
            ": WSK_T_DERIVED has a base class of C++",
            ": WSK_T_METHOD has a method of C++ (Method)",
            ": WSK_T_STATIC has a static member of C++ (Two)",
            ": _WSK_T_GAP has a bit-field of 4 bits, without a name",
            ": _WSK_T_BOTH is both packed and aligned to 4 bytes",
            ": WskTOutside is called `?WskTOutside@@YAXK@Z` by the linker",
            ": WskTTemplate is a ClassTemplate of C++",
            ": WskTSpace is a Namespace of C++",
            "set `by_hand`",
        ],
    );
}

/// The advice works: a hand-written item need not occur in bindgen's output.
#[test]
fn items_that_are_refused_can_be_written_by_hand() {
    let declarations = r#"
VOID __vectorcall WskTVector(ULONG One);
VOID WskTLinked(VOID) __asm__("other");
typedef VOID (*(*WSK_T_RETURNS)(ULONG One))(PVOID Two);
typedef ULONG u32;
static ULONG WskTStatic(VOID) { return 1; }
typedef struct _WSK_T_BITS { ULONG One : 3; } WSK_T_BITS;
typedef struct _WSK_T_ONLY_DECLARED WSK_T_ONLY_DECLARED;
"#;
    let names = [
        "WskTVector",
        "WskTLinked",
        "WSK_T_RETURNS",
        "u32",
        "WskTStatic",
        "WSK_T_BITS",
        "WSK_T_ONLY_DECLARED",
    ];
    let entry = "by_hand = true\nirql = \"PASSIVE_LEVEL\"";
    generated(declarations, &names.map(|name| (name, entry))).unwrap();
    is_refused(
        "typedef struct _WSK_T WSK_T;",
        &[("WSK_T", "")],
        &["cannot write WSK_T: it has no members in the headers, which only declare it"],
    );
}

#[test]
fn items_that_bindgen_omits_are_named_with_their_lines() {
    let declarations = "static ULONG WskTStatic(VOID) { return 1; }\nusing WSK_T_USING = ULONG;\n\
                        typedef struct _WSK_T_FIRST { ULONG One; } WSK_T_FIRST, *PWSK_T_FIRST, **PPWSK_T_FIRST;";
    is_refused(
        declarations,
        &[],
        &[
            "does not describe PPWSK_T_FIRST, PWSK_T_FIRST, WSK_T_FIRST, WSK_T_USING, WskTStatic.",
            "\nwsk.h:",
            ": WskTStatic\n",
        ],
    );
}
