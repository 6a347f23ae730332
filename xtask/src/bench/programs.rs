//! The programs that are measured: a client in C and one in Rust, with the same kernel and provider.
//!
//! The kernel and the clients are separate images, like a real kernel and its drivers. Callgrind can therefore
//! attribute each instruction, and the compiler cannot inline across the boundary.

use std::fs;
use std::path::{Path, PathBuf};
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

/// When requests complete, and what waits for them; passed to the programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CompletionTiming {
    /// Before the call returns.
    Inline,
    /// Later, while a thread waits.
    Later,
    /// Later, and a DPC goes on: of the Rust client only.
    Dpc,
}

impl CompletionTiming {
    pub(crate) const ALL: [Self; 3] = [Self::Inline, Self::Later, Self::Dpc];

    /// Those of both clients.
    pub(crate) const BOTH: [Self; 2] = [Self::Inline, Self::Later];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Inline => "inline",
            Self::Later => "later",
            Self::Dpc => "dpc",
        }
    }
}

/// What completes the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestProvider {
    /// The provider of `wsk-host`, with the verifier.
    Host,
    /// `null.c`, which does nothing.
    Null,
}

impl RequestProvider {
    const ALL: [Self; 2] = [Self::Host, Self::Null];
}

/// What a program prints of its counted rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RoundCosts {
    /// The number of requested allocations.
    pub(crate) allocations: u64,
    /// The processor time in nanoseconds.
    pub(crate) nanoseconds: u64,
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

        cmd!(shell, "clang -shared -fPIC -fno-plt {FOLDER}/null.c")
            .args(STRICT)
            .args(HEADERS)
            .arg("-o")
            .arg(programs.null_provider())
            .quiet()
            .run()
            .context("the provider in C cannot be built")?;

        for (client, provider) in ClientLanguage::ALL
            .into_iter()
            .flat_map(|client| RequestProvider::ALL.map(|provider| (client, provider)))
        {
            // In front of the kernel: its functions are found first.
            let null = (provider == RequestProvider::Null).then(|| programs.null_provider());
            let path = format!("-Wl,-rpath,{}", programs.folder.display());
            cmd!(shell, "clang {FOLDER}/main.c")
                .args(STRICT)
                .args(HEADERS)
                // A client takes DbgPrint from the program, and everything else from the libraries.
                .args(["-rdynamic", "-Wl,--allow-shlib-undefined", "-Wl,--no-as-needed"])
                .args(null)
                .args([programs.kernel(), programs.image(client)])
                .arg(path)
                .arg("-o")
                .arg(programs.program(client, provider))
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

    /// The library with the provider that does nothing.
    fn null_provider(&self) -> PathBuf {
        self.folder.join("libnull.so")
    }

    fn program(&self, client: ClientLanguage, provider: RequestProvider) -> PathBuf {
        let prefix = match provider {
            RequestProvider::Host => "cost",
            RequestProvider::Null => "null",
        };
        self.folder.join(format!("{prefix}-{}", client.name()))
    }

    /// Runs a program, and returns what it prints.
    pub(crate) fn run(
        &self,
        client: ClientLanguage,
        provider: RequestProvider,
        timing: CompletionTiming,
        rounds: Rounds,
    ) -> Result<RoundCosts> {
        let program = self.program(client, provider);
        run(Command::new(&program), &program, timing, rounds)
    }

    /// Runs a program on the host, under valgrind. Returns what it prints, and the file with callgrind's counts.
    pub(crate) fn count(
        &self,
        client: ClientLanguage,
        timing: CompletionTiming,
        rounds: Rounds,
    ) -> Result<(RoundCosts, PathBuf)> {
        let name = format!("{}-{}-{}", client.name(), timing.name(), rounds.counted);
        let counts = self.folder.join(name).with_extension("callgrind");
        let program = self.program(client, RequestProvider::Host);
        let mut valgrind = Command::new("valgrind");
        valgrind
            .arg("--tool=callgrind")
            .arg(format!("--callgrind-out-file={}", counts.display()))
            .arg(&program);
        Ok((run(valgrind, &program, timing, rounds)?, counts))
    }
}

fn run(
    mut command: Command,
    program: &Path,
    timing: CompletionTiming,
    rounds: Rounds,
) -> Result<RoundCosts> {
    let numbers = [rounds.warm_up, rounds.counted].map(|number| number.to_string());
    command.arg(timing.name()).args(numbers);
    let ProgramOutput { status, out, err } = execute(&mut command, program, PATIENCE)?;
    let name = program.file_name().unwrap_or_default().display();
    ensure!(status.success(), "{name} ended with {status}:\n{out}{err}");
    let costs = out
        .strip_suffix(&format!(" ns in {} rounds\n", rounds.counted))
        .and_then(|printed| printed.split_once(" allocations and "))
        .and_then(|(allocations, nanoseconds)| {
            let [allocations, nanoseconds] = [allocations, nanoseconds].map(str::parse);
            Some(RoundCosts { allocations: allocations.ok()?, nanoseconds: nanoseconds.ok()? })
        });
    costs.with_context(|| format!("{name} should print its costs, but: {out}"))
}

/// The number of sends and receives before counting starts, and while it runs.
#[derive(Clone, Copy)]
pub(crate) struct Rounds {
    pub(crate) warm_up: u32,
    pub(crate) counted: u32,
}
