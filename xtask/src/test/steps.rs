//! The steps, in the order in which they fail fastest.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use xshell::{Cmd, Shell, cmd};

use cargo_wsk::audit::Report;
use cargo_wsk::build::{self, Arch, Build};
use cargo_wsk::{Workspace, setup};

use super::{
    Step, arm64, c, callback_cost, compilers, fuzz, headers, image_needs, libclang, linted, miri,
    nbd_servers, nothing, openssl, prometheus, release, servers, template, tshark, units,
    web_needs, wine as wine_needs, wine_web,
};
use crate::{audit, bench, bindgen, driver, project, wine};

/// The step that needs an older toolchain.
pub(super) const MINIMUM: &str = "minimum";

/// The step that needs cargo-fuzz.
pub(super) const FUZZ: &str = "fuzz";

/// The step that needs Miri.
pub(super) const MIRI: &str = "miri";

/// The step that compiles the host for other systems, and the one target that no other step needs.
pub(super) const SYSTEMS: &str = "systems";
pub(super) const MACOS: &str = "x86_64-apple-darwin";

/// The step that compiles the host for Linux on arm64.
pub(super) const RUN_ARM64: &str = "run-arm64";

/// The steps that need an external program.
pub(super) const LICENSES: &str = "licenses";
pub(super) const SEMVER: &str = "semver";

pub(super) static STEPS: [Step; 44] = [
    Step {
        name: "format",
        is_for_releases: false,
        about: "the sources are formatted",
        needs: nothing,
        run: || cargo(&["fmt", "--all", "--check"]),
    },
    Step {
        name: "headers",
        is_for_releases: false,
        about: "headers/ compiles as C and as C++, without warnings",
        needs: compilers,
        run: headers::compile,
    },
    Step {
        name: "generated",
        is_for_releases: false,
        about: "the bindings were generated from headers/ as they are",
        needs: nothing,
        run: bindgen::digests::compare,
    },
    Step {
        // The generator takes a minute to compile; `generated` finds a change of its input or its output.
        name: "bindings",
        is_for_releases: true,
        about: "the bindings are those of headers/, and headers/ is as recorded",
        needs: libclang,
        run: bindings,
    },
    Step {
        // This project's changes do not affect its code.
        name: "libclangs",
        is_for_releases: true,
        about: "every installed libclang gives the same bindings and the same record",
        needs: libclang,
        run: libclangs,
    },
    Step {
        name: "lint",
        is_for_releases: false,
        about: "no lint of rustc or clippy, here and for Windows, in what `units` runs",
        needs: nothing,
        run: lint,
    },
    Step {
        name: "units",
        is_for_releases: false,
        about: "unit tests, tests on the host, and the examples in the documentation",
        needs: nothing,
        run: units::run,
    },
    Step {
        // It generates bindings a hundred times, and only changes to it can break it: `bindings` uses it once.
        name: "bindgen",
        is_for_releases: true,
        about: "tests of the generator of the bindings, and their lints",
        needs: libclang,
        run: units::bindgen,
    },
    Step {
        // Its dependencies, an HTTP client and a server, take a minute to build. Only changes to the example or to the
        // embedded traits, can break it, and `wsk` tests these itself.
        name: "web",
        is_for_releases: true,
        about: "tests of the web example on the host, and its lints",
        needs: web_needs,
        run: units::web,
    },
    Step {
        // A separate workspace; most of its code is third-party cryptography.
        name: "https",
        is_for_releases: true,
        about: "the https example against openssl, its lints, and its driver's link for both processors",
        needs: openssl,
        run: || own_workspace("https", &[]),
    },
    Step {
        // Also a separate workspace, with crates for embedded Rust.
        name: "crates",
        is_for_releases: true,
        about: "the crates example against others' servers, its lints, and its driver's link for both processors",
        needs: servers,
        run: || own_workspace("crates", &["all", "reqwless"]),
    },
    Step {
        // The example's other tests are steps of `units`.
        name: "metrics",
        is_for_releases: true,
        about: "Prometheus scrapes the metrics example on the host, and its linter finds no fault",
        needs: prometheus,
        run: units::metrics,
    },
    Step {
        // Its tests with a server of their own are steps of `units`.
        name: "nbd",
        is_for_releases: true,
        about: "the network disk of the nbd example, on nbd-server and qemu-nbd",
        needs: nbd_servers,
        run: units::nbd,
    },
    Step {
        // What needs no program is a test of `units`.
        name: "packets",
        is_for_releases: true,
        about: "tshark finds no fault in captures of packets, and reads the streams that were sent",
        needs: tshark,
        run: units::packets,
    },
    Step {
        // Lints that depend on a feature, or that tests hide, such as the lint about unused code.
        name: "lint-features",
        is_for_releases: true,
        about: "no lint of rustc or clippy in wsk without features, and with one of them; and in programs",
        needs: nothing,
        run: lint_features,
    },
    Step {
        // Finds defects that occur with few seeds.
        name: "seeds",
        is_for_releases: true,
        about: "the tests on the simulated network, each with all of its seeds",
        needs: nothing,
        run: units::seeds,
    },
    Step {
        // Only new names for the kernel's types can break it.
        name: "wdk-sys",
        is_for_releases: true,
        about: "wsk-sys and wsk compile with the types of wdk-sys, recorded from the real one",
        needs: nothing,
        run: wdk_sys,
    },
    Step {
        name: "wdk-sys-tests",
        is_for_releases: true,
        about: "the same for arm64, new projects for KMDF, and tests of wsk with these types",
        needs: nothing,
        run: wdk_sys_tests,
    },
    Step {
        name: "c",
        is_for_releases: false,
        about: "a client in C runs on hosts, linked with the static library",
        needs: compilers,
        run: c::run,
    },
    Step {
        // The host is the same for all of them. `headers` compiles the declarations in all languages.
        name: "c-all",
        is_for_releases: true,
        about: "the same in C11, C17, C++14 and C++20, with gcc and clang",
        needs: compilers,
        run: c::run_all,
    },
    Step {
        name: "loom",
        is_for_releases: false,
        about: "all interleavings of requests, counts, executors and their tasks, and the primitives of `wsk::sync`",
        needs: nothing,
        run: loom,
    },
    Step {
        name: "docs",
        is_for_releases: false,
        about: "the documentation builds for Windows on x64, without warnings",
        needs: nothing,
        run: || docs_for(setup::TARGETS[0]),
    },
    Step {
        // It checks all dependencies, which no other step does.
        name: "docs-private",
        is_for_releases: true,
        about: "the documentation of all crates builds, with private items, without warnings",
        needs: nothing,
        run: docs_private,
    },
    Step {
        // The sources hardly differ between the processors, and the linking not at all.
        name: "docs-arm64",
        is_for_releases: true,
        about: "the documentation builds for Windows on arm64, without warnings",
        needs: nothing,
        run: || docs_for(setup::TARGETS[1]),
    },
    Step {
        // Little of the host depends on the system.
        name: SYSTEMS,
        is_for_releases: true,
        about: "the host, the loader and cargo-wsk compile for Windows and macOS, without warnings",
        needs: nothing,
        run: systems,
    },
    Step {
        // The usual reason is a newer function of `std`, which clippy reports in `lint`: it knows the minimum version.
        name: MINIMUM,
        is_for_releases: true,
        about: "the libraries build with the minimum Rust version",
        needs: nothing,
        run: minimum,
    },
    Step {
        name: "drivers",
        is_for_releases: false,
        about: "the echo driver builds for x64, optimized as a whole",
        needs: nothing,
        run: drivers,
    },
    Step {
        // The web example is mostly third-party code, which takes a minute to build; its own code is tested on the
        // host. `audit-all` covers the differences of arm64. Without optimization, compiled code calls more functions
        // of a C library.
        name: "drivers-all",
        is_for_releases: true,
        about: "every example driver builds for x64 and arm64, and passes its audit; none builds for a host",
        needs: nothing,
        run: drivers_all,
    },
    Step {
        // Each of these builds all libraries again.
        name: "template",
        is_for_releases: true,
        about: "new projects of `cargo wsk new` pass their tests; the driver builds, passes its audit, and runs in Wine",
        needs: wine_needs,
        run: template::run,
    },
    Step {
        name: "audit",
        is_for_releases: false,
        about: "in a driver for x64 with all of wsk: no panic, nothing pageable, little of the stack",
        needs: nothing,
        run: audit::test,
    },
    Step {
        // The sources are the same for both processors, and the audit's own code has unit tests.
        name: "audit-all",
        is_for_releases: true,
        about: "the same for arm64, and for both processors the audit finds deliberate faults",
        needs: nothing,
        run: audit::test_all,
    },
    Step {
        name: "callback-cost",
        is_for_releases: true,
        about: "callbacks that do nothing have hardly more instructions than in C",
        needs: compilers,
        run: callback_cost::compare,
    },
    Step {
        name: MIRI,
        is_for_releases: true,
        about: "the tests of wsk do nothing undefined, as far as Miri sees",
        needs: nothing,
        run: miri::run,
    },
    Step {
        name: FUZZ,
        is_for_releases: true,
        about: "the fuzz targets find nothing in a bounded number of runs",
        needs: nothing,
        run: fuzz::run,
    },
    Step {
        name: "cost",
        is_for_releases: true,
        about: "what `cargo xtask bench` measures builds, runs, and allocates nothing",
        needs: compilers,
        run: bench::check,
    },
    Step {
        name: LICENSES,
        is_for_releases: true,
        about: "the dependencies come from where they may, with licenses that they may have",
        needs: nothing,
        run: release::licenses,
    },
    Step {
        name: "packages",
        is_for_releases: true,
        about: "each crate builds from its package, which is complete",
        needs: nothing,
        run: release::packages,
    },
    Step {
        name: SEMVER,
        is_for_releases: false,
        about: "the version matches the changes since the last release",
        needs: nothing,
        run: release::semver,
    },
    Step {
        name: "run",
        is_for_releases: true,
        about: "images in a process: cargo wsk run with its options, the echo and web drivers, a driver that uses all of wsk, and mistakes",
        needs: image_needs,
        run: super::run::run,
    },
    Step {
        name: RUN_ARM64,
        is_for_releases: true,
        about: "images for arm64 in a process that qemu emulates: the echo driver, and the driver that uses all of wsk",
        needs: arm64,
        run: super::run::run_arm64,
    },
    Step {
        name: "wine",
        is_for_releases: false,
        about: "the echo driver in Wine",
        needs: wine_needs,
        run: || wine::test("echo"),
    },
    Step {
        // Most of it is third-party code, which takes a minute to build. Its own code is tested on the host.
        name: "wine-web",
        is_for_releases: true,
        about: "the web driver in Wine, optimized",
        needs: wine_web,
        run: || wine::test("web"),
    },
    Step {
        name: "wine-metrics",
        is_for_releases: true,
        about: "the metrics driver in Wine",
        needs: wine_needs,
        run: || wine::test("metrics"),
    },
    Step {
        // Wine has no UDP. The rest is tested on the host, by `units`.
        name: "wine-syslog",
        is_for_releases: true,
        about: "the control port of the syslog driver in Wine",
        needs: wine_needs,
        run: || wine::test("syslog"),
    },
];

/// The crates whose code for Windows `lint` checks.
const LINTED_FOR_WINDOWS: [&str; 12] = [
    "wsk",
    "wsk-sys",
    "wsk-driver",
    "echo",
    "echo-driver",
    "metrics",
    "metrics-driver",
    "syslog",
    "syslog-driver",
    "alloc-check",
    "audit-driver",
    "scenarios-driver",
];

/// The examples that are drivers.
const EXAMPLES: [&str; 4] = ["echo", "metrics", "syslog", "web"];

/// The drivers without third-party code, which may panic.
const AUDITED: [&str; 3] = ["echo", "metrics", "syslog"];

/// The profile of unoptimized drivers. It shares macros, and other code that runs on the host, with all other builds.
const DEV: &str = "dev";

/// A driver that uses `alloc`.
const ALLOC_CHECK: &str = "alloc-check";

/// The crates that drivers depend on.
const LIBRARIES: [&str; 4] = ["wsk", "wsk-driver", "wsk-macros", "wsk-sys"];

fn cargo(arguments: &[&str]) -> Result<()> {
    run(&cargo_command(&Shell::new()?, arguments))
}

fn cargo_command<'a>(shell: &'a Shell, arguments: &[&str]) -> Cmd<'a> {
    shell.change_dir(project::root());
    cmd!(shell, "cargo {arguments...}")
}

fn run(command: &Cmd<'_>) -> Result<()> {
    let text = command.to_string();
    command.run().with_context(|| format!("`{text}` failed"))
}

/// Runs the commands as a maintainer does. Calling functions instead would let an outdated build pass.
const GENERATED: [[&str; 3]; 2] = [["xtask", "regen", "--check"], ["xtask", "surface", "--check"]];

fn bindings() -> Result<()> {
    let shell = Shell::new()?;
    let variables = linted::variables()?;
    GENERATED.iter().try_for_each(|command| run(&cargo_command(&shell, command).envs(variables)))
}

fn libclangs() -> Result<()> {
    let folders = bindgen::libclangs()?;
    let shell = Shell::new()?;
    for folder in &folders {
        for command in &GENERATED {
            run(&cargo_command(&shell, command).env("LIBCLANG_PATH", folder))?;
        }
    }
    ensure!(!folders.is_empty(), "no libclang is installed where Debian's packages have it");
    println!("{} libclangs give the same", folders.len());
    Ok(())
}

fn lint() -> Result<()> {
    // Programs are compiled as tests; `lint-features` compiles them as such.
    let targets = ["build", "--lib", "--tests", "--examples", "--benches"];
    linted(&[&targets[..], &units::DEFAULT[..], &linted::WITHOUT_LINES[..]].concat())?;
    // Other steps compile the code that differs for arm64.
    lint_for_windows(&LINTED_FOR_WINDOWS.map(|name| ["--package", name]).concat())
}

/// `lint` has all features of wsk on, and compiles programs as tests only.
fn lint_features() -> Result<()> {
    linted(&[&["build", "--bins"][..], &units::DEFAULT[..], &linted::WITHOUT_LINES[..]].concat())?;
    for feature in ["", "embedded-io-async"] {
        lint_for_windows(&["--package", "wsk", "--lib", "--features", feature])?;
    }
    Ok(())
}

fn lint_for_windows(arguments: &[&str]) -> Result<()> {
    let abort = build::panic_aborts(DEV);
    let command = ["check", "--config", &abort, "--target", setup::TARGETS[0]];
    linted(&[&command[..], arguments].concat())
}

/// Runs cargo with clippy as the compiler of this workspace's crates.
fn linted(arguments: &[&str]) -> Result<()> {
    let shell = Shell::new()?;
    run(&cargo_command(&shell, arguments).arg("--quiet").envs(linted::variables()?))
}

/// Runs in the workspace whose wdk-sys builds without a WDK. The driver is compiled for Windows, because its panic
/// handler cannot be used on a host.
fn wdk_sys() -> Result<()> {
    in_place_of_wdk_sys(&check_for(setup::TARGETS[0]))
}

fn wdk_sys_tests() -> Result<()> {
    in_place_of_wdk_sys(&check_for(setup::TARGETS[1]))?;
    template::check_kmdf()?;
    in_place_of_wdk_sys(&["test", "--package", "wdk-sys-check"])
}

/// Checks an example that is a separate workspace, like the repository of a driver's author. Its driver has these
/// features.
fn own_workspace(example: &str, features: &[&str]) -> Result<()> {
    let folder = project::root().join("examples").join(example);
    let shell = Shell::new()?;
    shell.change_dir(&folder);
    run(&cmd!(shell, "cargo fmt --all --check"))?;
    // This includes the driver, which is built for the host as a library without an entry point.
    run(&cmd!(shell, "cargo clippy --quiet --locked --workspace --all-targets --all-features")
        .args(["--", "--deny", "warnings"]))?;
    run(&cmd!(shell, "cargo test --quiet --locked"))?;
    let workspace = Workspace::find(Some(&folder.join("Cargo.toml")))?;
    let package = format!("{example}-driver");
    for arch in Arch::ALL {
        let image = Build { features, ..Build::release(&package, arch) }.run(&workspace)?;
        print!("{}", driver::describe(&image)?);
    }
    Ok(())
}

fn check_for(target: &str) -> [&str; 7] {
    let [check, driver] = ["wdk-sys-check", "wdk-driver-check"];
    ["check", "--target", target, "--package", check, "--package", driver]
}

/// Runs cargo in the workspace where another crate stands in for wdk-sys.
fn in_place_of_wdk_sys(arguments: &[&str]) -> Result<()> {
    let shell = Shell::new()?;
    shell.change_dir(project::root().join("wsk-sys").join("tests").join("wdk-sys"));
    // Third-party code is built once for both workspaces.
    let folder = project::target()?;
    let command = cmd!(shell, "cargo {arguments...} --quiet --locked --target-dir {folder}");
    run(&command)
}

fn loom() -> Result<()> {
    let shell = Shell::new()?;
    let arguments = ["test", "--quiet", "--package", "wsk", "--lib", "loom_tests"];
    // This configuration must not apply to macros and build scripts; cargo separates them if the target is named.
    let target = ["--target", "host-tuple"];
    // Not optimized: the models take twenty seconds of processor time, and optimizing costs more than thirty.
    run(&cargo_command(&shell, &[&arguments[..], &target].concat())
        .envs([linted::WHOLE, ("RUSTFLAGS", "--cfg loom")]))
}

fn docs_private() -> Result<()> {
    let shell = Shell::new()?;
    let private = ["doc", "--quiet", "--no-deps", "--workspace", "--document-private-items"];
    run(&cargo_command(&shell, &private).env("RUSTDOCFLAGS", "--deny warnings"))
}

/// With all features, as docs.rs builds them; wsk-sys's is not for drivers.
fn docs_for(target: &str) -> Result<()> {
    let shell = Shell::new()?;
    let packages = LIBRARIES.map(|name| ["--package", name]).concat();
    // What they depend on, and wsk itself, is checked in the same way as by `lint`: with the features of audit-driver.
    let features = ["--features", "wsk/embassy-sync,wsk/embedded-nal-async"];
    let abort = build::panic_aborts(DEV);
    let command = ["doc", "--quiet", "--no-deps", "--config", &abort, "--target", target];
    let command = [&command[..], &features, &packages].concat();
    let command = cargo_command(&shell, &command).envs(linted::variables()?);
    run(&command.env("RUSTDOCFLAGS", "--deny warnings"))
}

/// Neither links nor runs the code. Does not use clippy, which reports functions for one system on the others.
fn systems() -> Result<()> {
    let shell = Shell::new()?;
    // The flags are not those of other builds for the same targets.
    let folder = project::target()?.join("systems");
    let packages = ["wsk-host", "wsk-host-c", "wsk-loader", "cargo-wsk"];
    let packages = packages.map(|name| ["--package", name]).concat();
    for target in [setup::TARGETS[0], MACOS] {
        let command = cargo_command(&shell, &["check", "--quiet", "--target", target]);
        let command = command.args(&packages).arg("--target-dir").arg(&folder);
        run(&command.envs([linted::WHOLE, ("RUSTFLAGS", "--deny warnings")]))?;
    }
    Ok(())
}

fn minimum() -> Result<()> {
    let shell = Shell::new()?;
    shell.change_dir(project::root());
    let version = project::minimum_rust()?;
    println!("Rust {version}");
    let packages = LIBRARIES.map(|name| ["--package", name]).concat();
    let packages = [&packages[..], &["--features", "wsk/embedded-nal-async"]].concat();
    let host = ["--package", "wsk-host", "--package", "wsk-host-c"];
    let windows = ["--target", setup::TARGETS[0]];
    let folder = project::target()?.join("minimum");
    for more in [&host[..], &windows] {
        let command = cmd!(shell, "rustup run {version} cargo check --quiet --locked");
        run(&command.args(&packages).args(more).arg("--target-dir").arg(&folder))?;
    }
    Ok(())
}

/// The image that runs in Wine.
fn drivers() -> Result<()> {
    print!("{}", driver::describe(&driver::build("echo", Arch::X64)?)?);
    Ok(())
}

fn unoptimized(arch: Arch) -> Build<'static> {
    Build { profile: DEV, ..Build::release(ALLOC_CHECK, arch) }
}

/// For drivers that use `alloc`, the linker must find everything that the precompiled `core` and `alloc` refer to, and
/// most without optimization.
fn drivers_all() -> Result<()> {
    for arch in Arch::ALL {
        for name in EXAMPLES {
            let image = driver::build(name, arch)?;
            print!("{}", driver::describe(&image)?);
            if AUDITED.contains(&name) {
                let findings = Report::of(&image, Some(template::BUDGET))?.findings;
                ensure!(
                    findings.is_empty(),
                    "the audit of {} finds {findings:#?}",
                    image.display()
                );
            }
        }
        driver::describe(&Build::release(ALLOC_CHECK, arch).compile(project::workspace()?)?)?;
        driver::describe(&unoptimized(arch).compile(project::workspace()?)?)?;
        // Each crate by itself, and little.
        let config = &["profile.dev.opt-level=1"];
        let little = Build { config, ..unoptimized(arch) };
        driver::describe(&little.compile(project::workspace()?)?)?;
        println!("{}: a driver with `alloc` links, however it is optimized", arch.name());
    }
    template::build()?;
    damaged_images(&driver::build("echo", Arch::X64)?)?;
    no_driver_for_a_host()
}

/// The audit of an image that is truncated, or in which a byte differs, ends with an error or with a report.
fn damaged_images(image: &Path) -> Result<()> {
    const CUTS: usize = 16;
    const CHANGES: usize = 48;
    let data = fs::read(image)?;
    let file = project::scratch()?.join("damaged.sys");
    fs::copy(image.with_extension("map"), file.with_extension("map"))?;
    for cut in 0..CUTS {
        fs::write(&file, &data[..data.len() * cut / CUTS])?;
        // The truncated part may be data that no check reads.
        let Err(error) = Report::of(&file, Some(template::BUDGET)) else {
            ensure!(cut > CUTS / 2, "the audit accepts {cut} of {CUTS} parts of an image");
            continue;
        };
        let error = format!("{error:#}");
        ensure!(error.contains("damaged.sys"), "an error without its file: {error}");
    }
    for change in 0..CHANGES {
        let mut data = data.clone();
        // Most bytes are in the headers and in the tables of the last sections, which the audit reads.
        let place = if change % 2 == 0 { change * 16 } else { data.len() - 1 - change * 64 };
        data[place] ^= 0xFF;
        fs::write(&file, &data)?;
        // The byte determines which of the two happens.
        drop(Report::of(&file, None));
    }
    println!("{} damaged images are no problem for the audit", CUTS + CHANGES);
    Ok(())
}

/// A driver that enables the feature of wsk-sys for hosts does not link, so such a driver cannot be built by accident.
fn no_driver_for_a_host() -> Result<()> {
    let shell = Shell::new()?;
    let target = setup::TARGETS[0];
    let abort = build::panic_aborts(DEV);
    let arguments = ["build", "--quiet", "--config", &abort, "--package", "audit-driver"];
    let features = ["--target", target, "--package", "wsk-sys", "--features", "wsk-sys/host"];
    let output = cargo_command(&shell, &[&arguments[..], &features].concat())
        .env(build::linker_variable(target), build::LINKER)
        .ignore_status()
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        !output.status.success() && said.contains("undefined symbol: KeBugCheckEx"),
        "a driver with the feature `host` should lack the kernel's functions, but cargo said:\n{said}"
    );
    println!("a driver with wsk-sys's feature `host` does not link, as intended");
    Ok(())
}
