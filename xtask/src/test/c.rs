//! Checks that clients in C run on hosts, linked with the library for C, in one language or in all.

mod mistakes;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use xshell::{Cmd, Shell, cmd};

use super::linted;
use crate::library::Library;
use crate::program::{ProgramOutput, execute};
use crate::project;

const COMPILERS: [&str; 2] = ["gcc", "clang"];

/// The example is compiled with the same warnings as the headers.
const STRICT: [&str; 6] =
    ["-std=c11", "-fshort-wchar", "-Wall", "-Wextra", "-Wpedantic", "-Werror"];

/// The folders of the kernel's headers and the library's.
const HEADERS: [&str; 2] = ["-Iheaders/km", "-Iheaders/shared"];
const LIBRARY_HEADER: &str = "-Iwsk-host/c/include";

const CLIENT: &str = "wsk-host/c/examples/echo.c";
const PROGRAM: &str = "wsk-host/c/examples/main.c";

/// The maximum run time of a program. It usually takes a fraction of a second.
const PATIENCE: Duration = Duration::from_secs(100);

/// In the language that most drivers are written in.
pub(super) fn run() -> Result<()> {
    run_in(&[("gcc", "c", "c17")], &COMPILERS[..1], &[(PROXY, &[("gcc", "c", "c17")])])
}

/// In all languages.
pub(super) fn run_all() -> Result<()> {
    run_in(&LANGUAGES, &COMPILERS, &[(PROXY, &NEWEST), (UDP_ECHO, &NEWEST)])
}

fn run_in(
    languages: &[Language],
    compilers: &[&str],
    clients: &[(WholeClient, &[Language])],
) -> Result<()> {
    let shell = Shell::new()?;
    shell.change_dir(project::root());
    fs::create_dir_all(project::scratch()?)?;
    for (name, value) in linted::variables()? {
        shell.set_var(name, value);
    }
    let library = Library::build(&shell, "dev")?;
    println!("{}, {}", library.path.display(), library.needs.join(" "));
    compile_alone(&shell)?;
    kernel(&shell, &library, languages)?;
    practices(&shell, &library)?;
    locks(&shell, &library, languages)?;
    device(&shell, &library, languages)?;
    utilities(&shell, &library, languages)?;
    executive(&shell, &library, languages)?;
    report(&shell, &library)?;
    process_ends(&shell, &library)?;
    public(&shell, &library, languages)?;
    reset(&shell, &library)?;
    if cfg!(target_os = "linux") {
        names_of_the_c_library(&shell, &library)?;
        libc_names(&shell, &library, languages)?;
    }
    requests(&shell, &library)?;
    mistakes::unusual(&shell, &library, languages)?;
    // One C and one C++ standard, because reports take time.
    let (first, last) = (&languages[..1], &languages[languages.len() - 1..]);
    mistakes::mistakes(&shell, &library, first)?;
    if first != last {
        mistakes::mistakes(&shell, &library, last)?;
    }
    for (client, languages) in clients {
        whole_client(&shell, &library, *client, languages)?;
    }
    for compiler in compilers {
        let command = cmd!(shell, "{compiler}").args(STRICT).args(HEADERS);
        let command = command.args([LIBRARY_HEADER, CLIENT, PROGRAM]);
        let program = link(command, &library, &format!("echo-{compiler}"))?;
        check(&program).with_context(|| program.display().to_string())?;
        println!("{compiler}: runs on both networks, and is stopped where it breaks a rule");
    }
    Ok(())
}

/// A program in C, compiled and linked with the library.
fn build(shell: &Shell, library: &Library, name: &str, sources: &[&Path]) -> Result<PathBuf> {
    let compiler = cmd!(shell, "gcc").args(STRICT).arg("-Wno-multichar");
    link(compiler.args(HEADERS).arg(LIBRARY_HEADER).args(sources), library, name)
}

/// Compiles and links a program with the library.
fn link(compiler: Cmd<'_>, library: &Library, name: &str) -> Result<PathBuf> {
    link_with(compiler, &library.path, library, name)
}

/// Compiles and links a program with an archive of the library.
fn link_with(compiler: Cmd<'_>, archive: &Path, library: &Library, name: &str) -> Result<PathBuf> {
    let program = project::scratch()?.join(name);
    compiler
        .arg(archive)
        .args(&library.needs)
        .arg("-o")
        .arg(&program)
        .quiet()
        .run()
        .with_context(|| format!("{name} does not build"))?;
    Ok(program)
}

/// A client that sends after a reset gets a status, not `SIGPIPE`.
fn reset(shell: &Shell, library: &Library) -> Result<()> {
    let program = build(shell, library, "reset", &[Path::new("wsk-host/c/tests/reset.c")])?;
    let ProgramOutput { status, err, .. } =
        execute(&mut Command::new(&program), &program, PATIENCE)?;
    ensure!(
        status.success(),
        "sending after a reset should fail, but it ended with {status}:\n{err}"
    );
    println!("a peer's reset is a status, and no signal");
    Ok(())
}

/// Functions that the C library itself calls under names that programs may take from it, or that compilers call.
const TAKEN: [&str; 9] =
    ["calloc", "free", "malloc", "memcmp", "memcpy", "memmove", "memset", "realloc", "strlen"];

/// A client that defines every C library name that the library uses, each as a trap, still runs. This holds for the
/// archive whose names `cargo xtask library` has changed. It also holds for cargo's own archive if the functions are
/// compiled with the kernel's headers.
fn names_of_the_c_library(shell: &Shell, library: &Library) -> Result<()> {
    let names: Vec<String> =
        library.c_functions()?.into_iter().filter(|name| !TAKEN.contains(&name.as_str())).collect();
    ensure!(names.iter().any(|name| name == "connect"), "`connect` is not among {names:?}");
    let header = fs::read_to_string("headers/shared/libc_names.h")?;
    let line = |name: &String| format!("#pragma redefine_extname {name} wsk_client_{name}\n");
    let missing: Vec<&String> = names.iter().filter(|name| !header.contains(&line(name))).collect();
    ensure!(
        missing.is_empty(),
        "the library calls functions that headers/shared/libc_names.h and wsk-host/c/src/names.rs lack: {missing:?}"
    );
    let trap =
        |name: &String| format!("int {name}(void);\nint {name}(void) {{ __builtin_trap(); }}\n");
    let text: String = names.iter().map(trap).collect();
    let ways =
        [("own-names", "", &library.path), ("own-names-cargo", KERNEL_HEADER, &library.built)];
    for (name, include, archive) in ways {
        let traps = project::scratch()?.join(format!("{name}.c"));
        fs::write(
            &traps,
            format!(
                "{include}#pragma GCC diagnostic ignored \"-Wbuiltin-declaration-mismatch\"\n{text}"
            ),
        )?;
        let compiler = cmd!(shell, "gcc").args(STRICT).args(HEADERS).arg(LIBRARY_HEADER);
        let compiler = compiler.args([CLIENT, PROGRAM]).arg(&traps);
        let program = link_with(compiler, archive, library, name)?;
        check(&program).with_context(|| program.display().to_string())?;
    }
    println!("{} client functions with names of the C library: none is called", names.len());
    Ok(())
}

/// The header that renames a client's functions.
const KERNEL_HEADER: &str = "#include <basetsd.h>\n";

/// A program that calls the C library's functions beside the kernel's headers.
const C_FUNCTIONS: &str = "wsk-host/c/tests/libc_names.c";

/// With the kernel's headers, a program has its own functions, and those of the C library that it does not define.
fn libc_names(shell: &Shell, library: &Library, languages: &[Language]) -> Result<()> {
    for language in languages {
        for archive in [&library.path, &library.built] {
            let program = in_language_with(shell, archive, library, C_FUNCTIONS, *language)?;
            let ProgramOutput { status, out, err } =
                execute(&mut Command::new(&program), &program, PATIENCE)?;
            ensure!(
                status.success() && out == "libc names\n" && err.is_empty(),
                "{} should end with 0, but it ended with {status}:\n{out}{err}",
                program.display()
            );
        }
    }
    println!(
        "{} languages: the C library's functions beside the kernel's headers",
        languages.len()
    );
    Ok(())
}

/// The statuses of calls and completions, and the shapes of indications.
const REQUESTS: &str = "wsk-host/c/tests/requests.c";

/// The report about a read of an IRP that its completion routine has freed, where pages can be protected.
const READ: &str = "a read of freed memory, at the offset 48 of it\n  found:   the completion routine has freed the IRP";

fn requests(shell: &Shell, library: &Library) -> Result<()> {
    let program = build(shell, library, "requests", &[Path::new(REQUESTS)])?;
    let ProgramOutput { status, out, err } =
        execute(&mut Command::new(&program), &program, PATIENCE)?;
    ensure!(
        status.success() && out == "requests\n" && err.is_empty(),
        "{} should end with 0, but it ended with {status}:\n{out}{err}",
        program.display()
    );
    let ProgramOutput { status, err, .. } = run_with(&program, "frees-twice")?;
    let report =
        "the completion routine has freed the IRP: WskSocket returns STATUS_PROTOCOL_UNREACHABLE";
    ensure!(
        status.code().is_none() && err.contains("INV-12 violated") && err.contains(report),
        "`frees-twice` should be aborted with `{report}`, but it ended with {status}:\n{err}"
    );
    if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        stopped(&program, &[("reads-freed", "INV-12 violated"), ("reads-freed", READ)])?;
    }
    // On both networks.
    for network in ["0", "1"] {
        let mut command = Command::new(&program);
        command.args(["waits-if-pending", network]);
        let ProgramOutput { status, err, .. } = execute(&mut command, &program, PATIENCE)?;
        let advice = "A routine that sets its event only if that is TRUE never sets it";
        ensure!(
            status.code().is_none() && err.contains(advice),
            "`waits-if-pending {network}` should be aborted with `{advice}`, but it ended with {status}:\n{err}"
        );
    }
    println!("what calls return, what they complete with, and the shapes of indications");
    Ok(())
}

/// A compiler, its name for the language, and the standard.
type Language = (&'static str, &'static str, &'static str);

/// The kernel API that drivers use around their sockets, and the languages in which it is compiled and run.
const KERNEL: &str = "wsk-host/c/tests/kernel.c";
const LOCKS: &str = "wsk-host/c/tests/locks.c";
const DEVICE: &str = "wsk-host/c/tests/device.c";
const LANGUAGES: [Language; 6] = [
    ("gcc", "c", "c11"),
    ("gcc", "c", "c17"),
    ("g++", "c++", "c++14"),
    ("clang", "c", "c17"),
    ("clang++", "c++", "c++14"),
    ("clang++", "c++", "c++20"),
];

/// The host's reports about the scenarios that break a rule.
const STOPPED: [(&str, &str); 6] = [
    ("asserts", "assertion failed: Context != "),
    ("paged-code-at-dispatch-level", "PAGED_CODE: the IRQL is at most APC_LEVEL"),
    ("push-lock-outside-of-a-region", "call KeEnterCriticalRegion first"),
    ("mutex-twice", "the current thread already holds the lock"),
    ("spin-lock-at-passive-level", "called at IRQL 0, the minimum is 2"),
    ("prints-a-float", "the kernel does not format floating-point numbers"),
];

/// The host's report about the device that breaks a rule.
const DEVICE_STOPPED: [(&str, &str); 1] =
    [("leaves-a-link", r"the symbolic link \DosDevices\WskTest was not deleted")];

/// The host's reports about the lock scenarios that break a rule.
const LOCKS_STOPPED: [(&str, &str); 3] = [
    ("releases-anothers-mutex", "KeReleaseMutex: the current thread does not own the mutex"),
    ("ends-with-a-mutex", "the thread has not released 1 mutex"),
    ("waits-for-itself", "the current thread holds the resource as a reader"),
];

/// Mutexes, semaphores, resources, remove locks, and the safe strings that return their end.
fn locks(shell: &Shell, library: &Library, languages: &[Language]) -> Result<()> {
    for language in languages {
        let program = in_language(shell, library, LOCKS, *language)?;
        let ProgramOutput { status, out, err } =
            execute(&mut Command::new(&program), &program, PATIENCE)?;
        ensure!(
            status.success()
                && out == "excludes\nowns\ncounts\nremoves\nstrings\n"
                && err.is_empty(),
            "{} should end with 0, but it ended with {status}:\n{out}{err}",
            program.display()
        );
        stopped(&program, &LOCKS_STOPPED)?;
    }
    println!("{} languages: locks and safe strings", languages.len());
    Ok(())
}

/// A control device.
fn device(shell: &Shell, library: &Library, languages: &[Language]) -> Result<()> {
    for language in languages {
        let program = in_language(shell, library, DEVICE, *language)?;
        let ProgramOutput { status, out, err } =
            execute(&mut Command::new(&program), &program, PATIENCE)?;
        ensure!(
            status.success() && out == "device\n" && err.is_empty(),
            "{} should end with 0, but it ended with {status}:\n{out}{err}",
            program.display()
        );
        stopped(&program, &DEVICE_STOPPED)?;
    }
    println!("{} languages: a control device", languages.len());
    Ok(())
}

/// More of what drivers use around their sockets.
const AROUND: &str = "wsk-host/c/tests/around.c";

/// Periodic timers, processors, priorities, random numbers, cancel-safe queues, and more.
fn utilities(shell: &Shell, library: &Library, languages: &[Language]) -> Result<()> {
    for language in languages {
        let program = in_language(shell, library, AROUND, *language)?;
        let ProgramOutput { status, out, err } =
            execute(&mut Command::new(&program), &program, PATIENCE)?;
        ensure!(
            status.success()
                && out == "timers\nprocessors\nrandom\nqueues\nsmall\nregistry\n"
                && err.is_empty(),
            "{} should end with 0, but it ended with {status}:\n{out}{err}",
            program.display()
        );
    }
    println!("{} languages: timers, queues and other parts of drivers", languages.len());
    Ok(())
}

/// More of what drivers use around their sockets: names of the executive.
const EXECUTIVE: &str = "wsk-host/c/tests/executive.c";

/// The host's reports about the scenarios that break a rule.
const EXECUTIVE_STOPPED: [(&str, &str); 12] = [
    ("stack-at-dispatch-level", "IoGetStackLimits: called at IRQL 2, the maximum is 1"),
    ("guid-at-dispatch-level", "RtlGUIDFromString: called at IRQL 2, the maximum is 0"),
    ("version-at-dispatch-level", "PsGetVersion: called at IRQL 2, the maximum is 0"),
    ("key-at-dispatch-level", "ZwDeleteKey: called at IRQL 2, the maximum is 0"),
    ("timer-at-dispatch-level", "ExDeleteTimer: called at IRQL 2, the maximum is 1"),
    ("queue-at-dispatch-level", "KeRemoveQueue: called at IRQL 2, the maximum is 1"),
    ("queue-as-an-object", "the object is a queue, whose entries threads wait for"),
    ("frees-a-queued-item", "the memory is a queued work item"),
    (
        "unloads-before-the-routine",
        "a work item of ExQueueWorkItem, which unlike IoQueueWorkItem does not keep the driver loaded",
    ),
    ("deletes-a-timer-twice", "ExDeleteTimer: the timer was deleted"),
    ("unlocks-allocated-pages", "MmProbeAndLockPages has not locked the pages of this MDL"),
    (
        "opens-a-file",
        r#"ZwCreateFile: the host has no files, and cannot open "\\SystemRoot\\wsk.log""#,
    ),
];

/// The host's reports about the scenarios that leave memory, by its tag.
const EXECUTIVE_LEAKS: [(&str, &str); 2] =
    [("leaves-a-timer", "ExTm: 1 of "), ("leaves-pages", "MmPg: 1 of 4096 bytes")];

/// Pool with parameters, work items, allocated timers, queues, pages, the registry, versions, GUIDs and the stack.
fn executive(shell: &Shell, library: &Library, languages: &[Language]) -> Result<()> {
    for language in languages {
        let program = in_language(shell, library, EXECUTIVE, *language)?;
        let ProgramOutput { status, out, err } =
            execute(&mut Command::new(&program), &program, PATIENCE)?;
        ensure!(
            status.success()
                && out
                    == "pool\nwork-items\ntimers\nqueues\npages\nregistry\nversions\nguids\nstack\n"
                && err.is_empty(),
            "{} should end with 0, but it ended with {status}:\n{out}{err}",
            program.display()
        );
        stopped(&program, &EXECUTIVE_STOPPED)?;
        for (scenario, report) in EXECUTIVE_LEAKS {
            let ProgramOutput { status, err, .. } = run_with(&program, scenario)?;
            ensure!(
                !status.success() && err.contains(report),
                "`{scenario}` should fail with `{report}`, but it ended with {status}:\n{err}"
            );
        }
    }
    println!("{} languages: more of what drivers use around their sockets", languages.len());
    Ok(())
}

/// A client in C++ that leaves an allocation, and a part of the report: the function's name in the source, and its
/// line.
const REPORT: (&str, &str) =
    ("wsk-host/c/tests/report.cpp", "client::Sender::leave(unsigned int) at ");
const REPORT_LINE: &str = "wsk-host/c/tests/report.cpp:21:";

/// A report names functions of C++ as their source does.
fn report(shell: &Shell, library: &Library) -> Result<()> {
    let (source, name) = REPORT;
    let command = cmd!(shell, "g++ -std=c++14 -g -fshort-wchar -Wall -Wextra -Wpedantic -Werror")
        .args(HEADERS)
        .args([LIBRARY_HEADER, source]);
    let program = link(command, library, "report")?;
    let ProgramOutput { status, err, .. } =
        execute(&mut Command::new(&program), &program, PATIENCE)?;
    let line = err.lines().find(|line| line.contains(name));
    ensure!(
        !status.success() && line.is_some_and(|line| line.contains(REPORT_LINE)),
        "the report should name `{name}` and {REPORT_LINE}, but it ended with {status}:\n{err}"
    );
    println!("a report names functions of C++ and their lines");
    Ok(())
}

/// Ends of a process at unusual places, and the expected standard error; empty if the process ends with the status 0.
const ENDS: &str = "wsk-host/c/tests/dies.c";
const PLACES: [(&str, &[&str]); 11] = [
    ("aborts", &["wsk-host: SIGABRT ends the process", "WSK_HOST_REPLAY=1:uniform-7 "]),
    ("traps", &["wsk-host: SIGILL ends the process", "WSK_HOST_REPLAY=1:uniform-7 "]),
    ("faults", &["wsk-host: SIGSEGV ends the process", "WSK_HOST_REPLAY=1:uniform-7 "]),
    ("thread-aborts", &["wsk-host: SIGABRT ends the process", "WSK_HOST_REPLAY=1:uniform-7 "]),
    ("constructor-runs", &[]),
    ("constructor-lowers", &["KeLowerIrql: the new IRQL is above the current one"]),
    ("destructor-allocates", &[AFTER_THE_END]),
    ("destructor-runs", &[AFTER_THE_END]),
    ("destructor-waits", &[AFTER_THE_END]),
    ("exit-handler", &[AFTER_THE_END]),
    ("forks", &[]),
];
const AFTER_THE_END: &str = "wsk-host: the kernel was called after the thread had ended";

/// A client that ends its process during a run, before main or after it, is reported and does not hang.
fn process_ends(shell: &Shell, library: &Library) -> Result<()> {
    let program = build(shell, library, "dies", &[Path::new(ENDS)])?;
    for (place, said) in PLACES {
        let mut command = Command::new(&program);
        command.env("WSK_TEST_PLACE", place);
        let ProgramOutput { status, err, .. } = execute(&mut command, &program, PATIENCE)?;
        let is_silent = said.is_empty() && err.is_empty();
        ensure!(
            status.success() == is_silent && said.iter().all(|part| err.contains(part)),
            "`{place}` should say {said:?}, but it ended with {status}:\n{err}"
        );
    }
    println!("{} ends of a process at unusual places are reported", PLACES.len());
    Ok(())
}

/// A whole client, and its output.
type WholeClient = (&'static str, &'static str);

/// A driver that relays connections, with a control device.
const PROXY: WholeClient = ("wsk-host/c/tests/clients/tcp_proxy.c", "tcp proxy\n");
/// A driver that answers datagrams, including those of a multicast group.
const UDP_ECHO: WholeClient = ("wsk-host/c/tests/clients/udp_echo.c", "udp echo\n");

/// The newest languages that whole clients are written in.
const NEWEST: [Language; 4] = [
    ("gcc", "c", "c17"),
    ("g++", "c++", "c++20"),
    ("clang", "c", "c17"),
    ("clang++", "c++", "c++20"),
];

/// A client that was written from Microsoft's documentation runs on both networks, with 32 seeds.
fn whole_client(
    shell: &Shell,
    library: &Library,
    (source, expected): WholeClient,
    languages: &[Language],
) -> Result<()> {
    for language in languages {
        let program = in_language(shell, library, source, *language)?;
        let ProgramOutput { status, out, err } =
            execute(&mut Command::new(&program), &program, PATIENCE)?;
        ensure!(
            status.success() && out == expected && err.is_empty(),
            "{} should end with 0, but it ended with {status}:\n{out}{err}",
            program.display()
        );
    }
    println!("{} languages: {}", languages.len(), expected.trim_end());
    Ok(())
}

/// Definitions that public clients rely on besides WSK's functions.
const PUBLIC: &str = "wsk-host/c/tests/public.c";

/// Types, limits and definitions of public clients.
fn public(shell: &Shell, library: &Library, languages: &[Language]) -> Result<()> {
    for language in languages {
        let program = in_language(shell, library, PUBLIC, *language)?;
        let ProgramOutput { status, out, err } =
            execute(&mut Command::new(&program), &program, PATIENCE)?;
        ensure!(
            status.success() && out == "definitions\ntypes\ndevice\n" && err.is_empty(),
            "{} should end with 0, but it ended with {status}:\n{out}{err}",
            program.display()
        );
    }
    println!("{} languages: types and definitions of public clients", languages.len());
    Ok(())
}

/// Scenarios that the host stops, each with its report.
fn stopped(program: &Path, scenarios: &[(&str, &str)]) -> Result<()> {
    for (scenario, report) in scenarios {
        let ProgramOutput { status, err, .. } = run_with(program, scenario)?;
        ensure!(
            status.code().is_none() && err.contains(report),
            "`{scenario}` should be aborted with `{report}`, but it ended with {status}:\n{err}"
        );
    }
    Ok(())
}

/// A program in C or C++, compiled and linked with the library.
fn in_language(
    shell: &Shell,
    library: &Library,
    source: &str,
    language: Language,
) -> Result<PathBuf> {
    in_language_with(shell, &library.path, library, source, language)
}

/// A program in C or C++, compiled and linked with an archive of the library.
fn in_language_with(
    shell: &Shell,
    archive: &Path,
    library: &Library,
    source: &str,
    (compiler, language, standard): Language,
) -> Result<PathBuf> {
    let stem = Path::new(source).file_stem().unwrap_or_default().display();
    let options = ["-fshort-wchar", "-Wall", "-Wextra", "-Wpedantic", "-Werror"];
    let command = cmd!(shell, "{compiler} -std={standard}")
        .args(options)
        // The pool tags.
        .arg("-Wno-multichar")
        .args(HEADERS)
        .args([LIBRARY_HEADER, "-x", language, source, "-x", "none"]);
    link_with(command, archive, library, &format!("{stem}-{compiler}-{standard}"))
}

fn kernel(shell: &Shell, library: &Library, languages: &[Language]) -> Result<()> {
    for language in languages {
        let program = in_language(shell, library, KERNEL, *language)?;
        let ProgramOutput { status, out, err } =
            execute(&mut Command::new(&program), &program, PATIENCE)?;
        ensure!(
            status.success() && out.ends_with("memory\n") && err.is_empty(),
            "{} should end with 0, but it ended with {status}:\n{out}{err}",
            program.display()
        );
        let ProgramOutput { status, err, .. } = run_with(&program, "prints")?;
        let printed = "plain 1\nwith a level\nin a debug build\n";
        ensure!(status.success() && err.starts_with(printed), "it printed:\n{err}");
        stopped(&program, &STOPPED)?;
    }
    println!("{} languages: what drivers use around their sockets", languages.len());
    Ok(())
}

/// Practices of shipped drivers, each with the rule that warns of it, or none if WSK permits it.
const PRACTICES: &str = "wsk-host/c/tests/practices.c";
const TOLERATED: [(&str, Option<&str>); 7] = [
    ("local-buffer", None),
    ("registration-on-the-stack", Some("INV-2")),
    ("context-on-the-stack", Some("INV-17")),
    ("address-on-the-stack", Some("INV-25")),
    ("empty-control-data", Some("INV-26")),
    ("irp-and-size", Some("INV-27")),
    ("events-with-an-irp", Some("INV-51")),
];

/// A client in C is warned of each practice once, and continues; with `WSK_HOST_RULES` the environment stops it, or
/// silences the host.
fn practices(shell: &Shell, library: &Library) -> Result<()> {
    let program = build(shell, library, "practices", &[Path::new(PRACTICES)])?;
    let run_at = |practice: &str, levels: Option<&str>| {
        let mut command = Command::new(&program);
        command.arg(practice).env_remove("WSK_HOST_RULES");
        if let Some(levels) = levels {
            command.env("WSK_HOST_RULES", levels);
        }
        execute(&mut command, &program, PATIENCE)
    };
    for (practice, rule) in TOLERATED {
        let ProgramOutput { status, err, .. } = run_at(practice, None)?;
        let warning =
            rule.map_or_else(String::new, |rule| format!("wsk-host: warning: {rule} violated: "));
        ensure!(
            status.success()
                && err.starts_with(&warning)
                && err.matches("violated").count() == usize::from(rule.is_some()),
            "`{practice}` should end with 0 and one warning `{warning}`, but it ended with {status}:\n{err}"
        );
        let Some(rule) = rule else { continue };
        let ProgramOutput { status, err, .. } = run_at(practice, Some("strict"))?;
        ensure!(
            status.code().is_none() && err.starts_with(&format!("wsk-host: {rule} violated: ")),
            "`{practice}` should be aborted at the level `strict`, but it ended with {status}:\n{err}"
        );
        let ProgramOutput { status, err, .. } = run_at(practice, Some(&format!("{rule}=off")))?;
        ensure!(
            status.success() && err.is_empty(),
            "`{practice}` should print nothing while {rule} is off, but it ended with {status}:\n{err}"
        );
    }
    println!("{} practices of shipped drivers: tolerated by default", TOLERATED.len());
    Ok(())
}

/// The client also compiles for Windows, with the kernel's headers alone. The library's header compiles by itself, as C
/// and as C++.
fn compile_alone(shell: &Shell) -> Result<()> {
    for target in cargo_wsk::setup::TARGETS {
        cmd!(shell, "clang --target={target} -nostdinc -fsyntax-only")
            .args(STRICT)
            .args(HEADERS)
            .arg(CLIENT)
            .quiet()
            .run()
            .with_context(|| format!("{CLIENT} for {target}"))?;
    }
    let header = "wsk-host/c/include/wsk_host.h";
    for (compiler, language) in [("gcc", "c"), ("g++", "c++"), ("clang", "c"), ("clang", "c++")] {
        cmd!(shell, "{compiler} -x {language} -fsyntax-only -Wall -Wextra -Wpedantic -Werror")
            .arg(header)
            .quiet()
            .run()
            .with_context(|| format!("{compiler} -x {language} {header}"))?;
    }
    Ok(())
}

/// The program runs on both networks, and is stopped where it breaks a rule.
fn check(program: &Path) -> Result<()> {
    for network in ["--simulated", "--real"] {
        let ProgramOutput { status, out, err } = run_with(program, network)?;
        let expected = "the message has come back in 32 runs\n";
        ensure!(
            status.success() && out == expected && err.is_empty(),
            "`{network}` should end with 0 and print only `{}`, but it ended with {status}:\n{out}{err}",
            expected.trim_end()
        );
    }
    let ProgramOutput { status, err, .. } = run_with(program, "--close-twice")?;
    let report = "wsk-host: INV-44 violated: ";
    // An aborted program has no exit code.
    ensure!(
        status.code().is_none() && err.starts_with(report),
        "`--close-twice` should be aborted with `{report}…`, but it ended with {status}:\n{err}"
    );
    Ok(())
}

fn run_with(program: &Path, argument: &str) -> Result<ProgramOutput> {
    execute(Command::new(program).arg(argument), program, PATIENCE)
}
