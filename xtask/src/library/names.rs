//! Prevents a library's own calls from reaching functions of the program that it is linked with.
//!
//! A static library calls `connect` by name, and the linker prefers the program's `connect` to the C library's. WSK
//! clients that are ports of a socket library define exactly these names. The copy made here therefore renames each
//! undefined name. It defines the new name as a jump to the C library's function with the old name.
//!
//! The kernel's own names are weak in the copy. As with the import library of a kernel, a client's definition of one of
//! them takes precedence over the host's.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use object::read::archive::ArchiveFile;
use object::{Object as _, ObjectSymbol as _};
use xshell::{Shell, cmd};

/// The prefix of the new names.
const PREFIX: &str = "wsk_host_libc_";

/// Undefined names that are kept: data, and the function that looks up the others. Names that begin with an underscore
/// are also kept, because a program may not define them.
const KEPT: [&str; 2] = ["dlsym", "environ"];

/// Copies a library. The copy depends on no name that a program may define.
pub(super) fn isolate(shell: &Shell, library: &Path, copy: &Path) -> Result<()> {
    let names = undefined(library)?;
    ensure!(names.contains("connect"), "{} does not call `connect`", library.display());
    let map: Vec<String> = names.iter().map(|name| format!("{name} {PREFIX}{name}\n")).collect();
    let [map_file, weak_file, source, object] =
        ["names", "weak", "c", "o"].map(|end| copy.with_extension(end));
    fs::write(&map_file, map.concat())?;
    let exported = exported(library)?;
    ensure!(exported.contains("IoAllocateIrp"), "{} has no kernel", library.display());
    fs::write(&weak_file, Vec::from_iter(exported).join("\n") + "\n")?;
    fs::write(&source, jumps(&names))?;
    cmd!(shell, "cc -O2 -fPIC -c {source} -o {object}").quiet().run()?;
    // The intermediate code in std's objects is not needed here, and older plugins of binutils print errors about it.
    let unused = ["--remove-section=.llvmbc", "--remove-section=.llvmcmd"];
    let renamed = cmd!(shell, "objcopy --redefine-syms={map_file} --weaken-symbols={weak_file}")
        .args(unused)
        .args([library, copy])
        .quiet()
        .ignore_status()
        .output()
        .context("objcopy, of binutils, renames the symbols of the library")?;
    let said = String::from_utf8_lossy(&renamed.stderr);
    let said: Vec<&str> = said.lines().filter(|line| !line.starts_with("bfd plugin")).collect();
    ensure!(renamed.status.success(), "objcopy cannot rename the symbols:\n{}", said.join("\n"));
    cmd!(shell, "ar r {copy} {object}").quiet().ignore_stderr().run()?;
    let left: BTreeSet<String> = undefined(copy)?;
    ensure!(left.is_empty(), "{} still depends on {left:?}", copy.display());
    Ok(())
}

/// The names of the C library's functions that a library calls by jumps.
pub(super) fn redirected(copy: &Path) -> Result<Vec<String>> {
    let map = copy.with_extension("names");
    let text = fs::read_to_string(&map).with_context(|| map.display().to_string())?;
    Ok(text.lines().filter_map(|line| Some(line.split_once(' ')?.0.to_owned())).collect())
}

/// The undefined names of a library that a program may define.
fn undefined(library: &Path) -> Result<BTreeSet<String>> {
    let (mut undefined, defined) = symbols(library)?;
    undefined.retain(|name| {
        !name.is_empty()
            && !name.starts_with('_')
            && !KEPT.contains(&name.as_str())
            && !defined.contains(name)
    });
    Ok(undefined)
}

/// The names of the kernel and of WSK that a library defines. The names of `wsk_host.h` belong to the library alone.
fn exported(library: &Path) -> Result<BTreeSet<String>> {
    let (_, mut defined) = symbols(library)?;
    // C++, Rust and the compiler have names that begin with an underscore or a lower-case letter.
    defined.retain(|name| name.starts_with(|first: char| first.is_ascii_uppercase()));
    Ok(defined)
}

/// The names that a library leaves undefined, and those that it defines.
fn symbols(library: &Path) -> Result<(BTreeSet<String>, BTreeSet<String>)> {
    let data = fs::read(library).with_context(|| library.display().to_string())?;
    let archive = ArchiveFile::parse(&*data).context("the file is not an archive")?;
    let (mut undefined, mut defined) = (BTreeSet::new(), BTreeSet::new());
    for member in archive.members() {
        let member = member?;
        let Ok(object) = object::File::parse(member.data(&*data)?) else {
            // The metadata of a crate.
            continue;
        };
        for symbol in object.symbols() {
            let (Ok(name), true) = (symbol.name(), symbol.is_global()) else { continue };
            if !symbol.is_undefined() {
                defined.insert(name.to_owned());
            } else if !symbol.is_weak() {
                // A weak name that is not defined anywhere is null; std tests for that.
                undefined.insert(name.to_owned());
            }
        }
    }
    Ok((undefined, defined))
}

/// C code with a jump for each name. A lookup would search the program first; `RTLD_NEXT` starts after it.
fn jumps(names: &BTreeSet<String>) -> String {
    let mut text = String::from(JUMPS);
    for name in names {
        let _ = writeln!(text, "JUMP({name})");
    }
    text.push_str("static struct { void **slot; const char *name; } all[] = {\n");
    for name in names {
        let _ = writeln!(text, "    {{&{PREFIX}slot_{name}, \"{name}\"}},");
    }
    text.push_str(FIND);
    text
}

const JUMPS: &str = r#"#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <sys/types.h>

#if defined(__x86_64__)
#define CODE(slot) "jmp *" slot "(%rip)\n"
#elif defined(__aarch64__)
#define CODE(slot) "adrp x16, " slot "\n ldr x16, [x16, :lo12:" slot "]\n br x16\n"
#else
#error "this processor needs a jump through a variable"
#endif

#define JUMP(name) \
    __attribute__((visibility("hidden"))) void *wsk_host_libc_slot_##name; \
    __asm__(".text\n.globl wsk_host_libc_" #name "\n.hidden wsk_host_libc_" #name \
            "\n.type wsk_host_libc_" #name ",%function\n" \
            "wsk_host_libc_" #name ":\n" CODE("wsk_host_libc_slot_" #name));

"#;

const FIND: &str = r#"};

ssize_t wsk_host_libc_write(int file, const void *text, size_t length);

static void missing(void)
{
    static const char text[] = "wsk-host: the C library lacks a function that the host calls\n";
    ssize_t written = wsk_host_libc_write(2, text, sizeof text - 1);
    (void)written;
    __builtin_trap();
}

__attribute__((constructor(101))) static void find(void)
{
    for (size_t index = 0; index < sizeof all / sizeof *all; index++) {
        void *function = dlsym(RTLD_NEXT, all[index].name);
        *all[index].slot = function ? function : (void *)missing;
    }
}
"#;
