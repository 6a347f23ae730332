//! Everything a maintainer of wsk runs. `cargo xtask help` lists it.
#![forbid(unsafe_code)]

mod audit;
mod bench;
mod bindgen;
mod c_driver;
mod driver;
mod library;
mod program;
mod project;
mod test;
mod tool;
mod toolchain;
mod wine;

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
    Regen(bindgen::Args),
    /// Record the API of a WDK's wsk.h
    Surface(bindgen::Args),
    /// Compare wsk.h of two releases, or the bindings with a WDK, and report what each change means
    Diff(bindgen::Args),
    /// Record the types and functions of wdk-sys, for the crate that replaces it in tests
    WdkSys(bindgen::Args),
    /// Build an example driver, for x64 or arm64, on any system
    Driver(driver::Args),
    /// Build the host as a library for clients in C, and print its path and the system's libraries that it needs
    Library(library::Args),
    /// Write wsk/STACK.md: the stack use of each function of wsk in a driver
    Stack(audit::Args),
    /// Count what wsk costs beside a client in C: instructions, allocations, and the size of a driver
    Bench(bench::Args),
    /// Run every check a change must pass (--all: a release)
    Test(test::Args),
    /// Run an example driver in Wine, until Ctrl-C, or test it there
    Wine(wine::Args),
}

fn main() -> std::process::ExitCode {
    let result = match Cli::parse().command {
        Command::Regen(args) => bindgen::run("regen", &args),
        Command::Surface(args) => bindgen::run("surface", &args),
        Command::Diff(args) => bindgen::run("diff", &args),
        Command::WdkSys(args) => bindgen::run("wdk-sys", &args),
        Command::Driver(args) => driver::run(&args),
        Command::Library(args) => library::run(&args),
        Command::Stack(args) => audit::write_stack(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Wine(args) => wine::run(&args),
    };
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_commands_have_consistent_options() {
        super::Cli::command().debug_assert();
    }
}
