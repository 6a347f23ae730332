//! The programs that are measured: a client in C and one in Rust, with the same kernel and provider.
//!
//! The kernel and the clients are separate images, like a real kernel and its drivers. Callgrind can therefore
//! attribute each instruction, and the compiler cannot inline across the boundary.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use xshell::{Shell, cmd};

use crate::library::{self, Library};
use crate::program::{ProgramOutput, execute};
use crate::project;

/// The folder of the C sources.
const FOLDER: &str = "wsk/cost/c";

const STRICT: [&str; 6] = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror"];
const HEADERS: [&str; 3] = ["-Iheaders/km", "-Iheaders/shared", "-Iwsk-host/c/include"];

/// The maximum run time of a program. Under valgrind, it runs for a few seconds.
const PATIENCE: Duration = Duration::from_mins(10);

/// A client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientLanguage {
    C,
    Rust,
}

impl ClientLanguage {
    pub(crate) const ALL: [Self; 2] = [Self::C, Self::Rust];

    fn name(self) -> &'static str {
        match self {
            Self::C => "c",
            Self::Rust => "rust",
        }
    }
}

/// When requests complete, passed to the programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CompletionTiming {
    Inline,
    Later,
}

impl CompletionTiming {
    pub(crate) const ALL: [Self; 2] = [Self::Inline, Self::Later];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Inline => "inline",
            Self::Later => "later",
        }
    }
}

/// The built programs.
pub(crate) struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Builds the programs: the host in one cargo profile, and the Rust client in another.
    pub(crate) fn build(shell: &Shell, profile: &str, client_profile: &str) -> Result<Self> {
        let folder = project::scratch()?.join("cost").join(profile);
        fs::create_dir_all(&folder)?;
        let programs = Self { folder };
        let library = Library::build(shell, profile)?;
        cmd!(shell, "clang -shared -Wl,--whole-archive")
            .arg(library.path)
            .arg("-Wl,--no-whole-archive")
            .args(library.needs)
            .arg("-o")
            .arg(programs.kernel())
            .quiet()
            .run()
            .context("the host cannot be linked as an image")?;

        // Calls of the kernel go through a table, as in Rust and in every driver.
        cmd!(shell, "clang -shared -fPIC -fno-plt {FOLDER}/client.c")
            .args(STRICT)
            .args(HEADERS)
            .arg("-o")
            .arg(programs.image(ClientLanguage::C))
            .quiet()
            .run()
            .context("the client in C cannot be built")?;
        let (built, _) = library::rustc(shell, "wsk-cost", client_profile, &[])?;
        let image = programs.image(ClientLanguage::Rust);
        fs::copy(&built, &image).with_context(|| format!("cannot copy {}", built.display()))?;

        for client in ClientLanguage::ALL {
            let path = format!("-Wl,-rpath,{}", programs.folder.display());
            cmd!(shell, "clang {FOLDER}/main.c")
                .args(STRICT)
                .args(HEADERS)
                // A client takes DbgPrint from the program, and everything else from the kernel.
                .args(["-rdynamic", "-Wl,--allow-shlib-undefined"])
                .args([programs.kernel(), programs.image(client)])
                .arg(path)
                .arg("-o")
                .arg(programs.program(client))
                .quiet()
                .run()
                .with_context(|| format!("the program for {client:?} cannot be linked"))?;
        }
        Ok(programs)
    }

    /// The image with the kernel and the provider.
    pub(crate) fn kernel(&self) -> PathBuf {
        self.folder.join("libkernel.so")
    }

    /// The image with a client.
    pub(crate) fn image(&self, client: ClientLanguage) -> PathBuf {
        self.folder.join(format!("libclient-{}.so", client.name()))
    }

    fn program(&self, client: ClientLanguage) -> PathBuf {
        self.folder.join(format!("cost-{}", client.name()))
    }

    /// Runs a program, and returns the number of requested allocations in the counted rounds.
    pub(crate) fn run(
        &self,
        client: ClientLanguage,
        timing: CompletionTiming,
        rounds: Rounds,
    ) -> Result<u64> {
        self.run_under(&[], client, timing, rounds)
    }

    /// Runs a program like [`run`](Self::run), under valgrind. Also returns the file with callgrind's counts.
    pub(crate) fn count(
        &self,
        client: ClientLanguage,
        timing: CompletionTiming,
        rounds: Rounds,
    ) -> Result<(u64, PathBuf)> {
        let name = format!("{}-{}-{}", client.name(), timing.name(), rounds.counted);
        let counts = self.folder.join(name).with_extension("callgrind");
        let to = format!("--callgrind-out-file={}", counts.display());
        let runner = ["valgrind", "--tool=callgrind", &to];
        Ok((self.run_under(&runner, client, timing, rounds)?, counts))
    }

    fn run_under(
        &self,
        runner: &[&str],
        client: ClientLanguage,
        timing: CompletionTiming,
        rounds: Rounds,
    ) -> Result<u64> {
        let program = self.program(client);
        let mut command = match runner {
            [] => Command::new(&program),
            [runner, arguments @ ..] => {
                let mut command = Command::new(runner);
                command.args(arguments).arg(&program);
                command
            }
        };
        let numbers = [rounds.warm_up, rounds.counted].map(|number| number.to_string());
        command.arg(timing.name()).args(numbers);
        let ProgramOutput { status, out, err } = execute(&mut command, &program, PATIENCE)?;
        let name = program.file_name().unwrap_or_default().display();
        ensure!(status.success(), "{name} ended with {status}:\n{out}{err}");
        let printed = out.strip_suffix(&format!(" allocations in {} rounds\n", rounds.counted));
        let allocations = printed.and_then(|number| number.parse().ok());
        allocations.with_context(|| format!("{name} should print its allocations, but: {out}"))
    }
}

/// The number of sends and receives before counting starts, and while it runs.
#[derive(Clone, Copy)]
pub(crate) struct Rounds {
    pub(crate) warm_up: u32,
    pub(crate) counted: u32,
}
