//! Everything a maintainer of wsk runs. `cargo xtask help` lists it.

mod project;
mod regen;

use clap::{Parser, Subcommand};

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
}

fn main() -> std::process::ExitCode {
    let result = match Cli::parse().command {
        Command::Regen(args) => regen::run(&args),
    };
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
