//! Everything a maintainer of wsk runs. `cargo xtask help` lists it.

mod bench;
mod diff;
mod driver;
mod headers;
mod image;
mod library;
mod manners;
mod output;
mod program;
mod project;
mod regen;
mod setup;
mod surfaces;
mod test;
mod tool;
mod wdk_sys;
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
    Regen(regen::Args),
    /// Record what a WDK's wsk.h has
    Surface(surfaces::Args),
    /// Compare two releases' wsk.h, or the bindings with a WDK's, and say what it means
    Diff(diff::Args),
    /// Build an example driver, for x64 or arm64, on any system
    Driver(driver::Args),
    /// Write wsk/STACK.md: how much of the stack each function of wsk takes in a driver
    Stack(manners::Args),
    /// Count what wsk costs beside a client in C: instructions, allocations, and the size of a driver
    Bench(bench::Args),
    /// Run everything that must hold
    Test(test::Args),
    /// Record what wdk-sys makes of a WDK, for the crate that stands in for it in tests
    WdkSys(wdk_sys::Args),
    /// Run an example driver in Wine, until Ctrl-C, or test it there
    Wine(wine::Args),
}

fn main() -> std::process::ExitCode {
    let result = match Cli::parse().command {
        Command::Regen(args) => regen::run(&args),
        Command::Surface(args) => surfaces::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Driver(args) => driver::run(&args),
        Command::Stack(args) => manners::write_stack(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Test(args) => test::run(&args),
        Command::WdkSys(args) => wdk_sys::run(&args),
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
    fn the_commands_have_options_that_go_together() {
        super::Cli::command().debug_assert();
    }
}
