//! The commands that read headers. `cargo xtask regen`, `surface`, `diff` and `wdk-sys` call this program, so that
//! no other command has to build bindgen.
#![forbid(unsafe_code)]

use clap::{Parser, Subcommand};
use wsk_bindgen::headers::libclang;
use wsk_bindgen::{api_record, diff, regen, wdk_sys};

#[derive(Parser)]
#[command(name = "cargo xtask", about, version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Generate the bindings of wsk-sys from the headers
    Regen(regen::Args),
    /// Record the API of a WDK's wsk.h
    Surface(api_record::Args),
    /// Compare wsk.h of two releases, or the bindings with a WDK, and report what each change means
    Diff(diff::Args),
    /// Record the types and functions of wdk-sys, for the crate that replaces it in tests
    WdkSys(wdk_sys::Args),
    /// Load libclang, and list the folders of every usable libclang that Debian's packages have installed
    Libclang,
}

fn main() -> std::process::ExitCode {
    let result = match Cli::parse().command {
        Command::Regen(args) => regen::run(&args),
        Command::Surface(args) => api_record::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::WdkSys(args) => wdk_sys::run(&args),
        Command::Libclang => list_libclang(),
    };
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn list_libclang() -> anyhow::Result<()> {
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
