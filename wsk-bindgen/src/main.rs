//! The commands that read headers. `cargo xtask regen`, `surface`, `diff` and `wdk-sys` call this program, so that
//! no other command has to build bindgen.
#![forbid(unsafe_code)]

use std::env;
use std::process::{Command as Process, ExitCode};
use std::thread::Builder;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use wsk_bindgen::headers::{self, libclang};
use wsk_bindgen::{api_record, deep_stack, diff, regen, wdk_sys};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about, version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Generate the bindings of wsk-sys from the headers
    #[command(after_long_help = regen::HELP)]
    Regen(regen::Args),
    /// Record the API of a WDK's wsk.h
    #[command(after_long_help = api_record::HELP)]
    Surface(api_record::Args),
    /// Compare wsk.h of two releases, or the bindings with a WDK, and report what each change means
    #[command(after_long_help = diff::HELP)]
    Diff(diff::Args),
    /// Record the types and functions of wdk-sys, for the crate that replaces it in tests
    WdkSys(wdk_sys::Args),
    /// Load libclang, and list the folders of every usable libclang that Debian's packages have installed
    Libclang,
}

/// Set for the process that does the work.
const WORKER: &str = "WSK_BINDGEN_WORKER";

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = if env::var_os(WORKER).is_some() {
        work(cli).map(|()| ExitCode::SUCCESS)
    } else {
        supervise()
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

/// Runs this program again, and reports a crash: libclang crashes on some headers without a message.
fn supervise() -> Result<ExitCode> {
    let program = env::current_exe().context("cannot find this program's file")?;
    let mut worker = Process::new(program);
    let worker = worker.args(env::args_os().skip(1)).env(WORKER, "1").spawn();
    let mut worker = worker.context("cannot start this program again")?;
    let status = worker.wait().context("cannot wait for the process that reads the headers")?;
    if let Some(Ok(code)) = status.code().map(u8::try_from) {
        return Ok(ExitCode::from(code));
    }
    // A signal; on Windows, an NTSTATUS.
    let headers: Vec<String> =
        headers::take_overlays_of(worker.id(), "wsk.h")?.into_iter().collect();
    let headers = if headers.is_empty() {
        "the headers".to_owned()
    } else {
        format!("{} and the headers that it includes", headers.join(", "))
    };
    bail!(
        "libclang or bindgen crashed while it read {headers} ({status}).\nThe usual reason is nesting that exceeds its \
         stack: pointers to pointers, structures without a name, parentheses, long expressions. Find it in the \
         header, and write it with less nesting."
    )
}

fn work(cli: Cli) -> Result<()> {
    let run = move || match cli.command {
        Command::Regen(args) => regen::run(&args),
        Command::Surface(args) => api_record::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::WdkSys(args) => wdk_sys::run(&args),
        Command::Libclang => list_libclang(),
    };
    let thread = Builder::new().stack_size(deep_stack::SIZE).spawn(run);
    let thread = thread.context("cannot start a thread")?;
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn list_libclang() -> Result<()> {
    libclang::load()?;
    for folder in libclang::installed()? {
        println!("{}", folder.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_commands_have_consistent_options() {
        super::Cli::command().debug_assert();
    }
}
