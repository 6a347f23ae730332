//! The options of `cargo wsk run`: a valid value of each, and an invalid one, which is refused by a sentence.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::process;
use crate::program::{ProgramOutput, execute};
use crate::project;

/// The maximum time of a run with few seeds.
const PATIENCE: Duration = Duration::from_mins(1);

/// Wrong arguments: with each, a part of the sentence that refuses it.
const WRONG: [(&[&str], &str); 10] = [
    (&["--seeds", "many"], "invalid value 'many' for '--seeds <N>'"),
    (&["--seeds", "0"], "invalid value '0' for '--seeds <N>'"),
    (&["--real", "--seeds", "1"], "cannot be used with '--seeds <N>'"),
    (&["--real=yes"], "unexpected value 'yes' for '--real'"),
    (&["--param", "Port"], "expected NAME=VALUE"),
    (&["--param", "=7"], "expected a name before `=`"),
    (&["--windows", "xp"], "expected a version with WSK such as 10.0.26100, or one of vista, 7"),
    (&["--faults", "delay=1"], "expected loss, duplication, reset, accept, forced-close or hold"),
    (&["--faults", "reset=1001"], "expected `reset=` and a number from 0 to 1000"),
    (&["--allow-missing=1"], "unexpected value '1' for '--allow-missing'"),
];

/// Runs the image of echo with every option.
pub(super) fn check(image: &Path) -> Result<()> {
    let image = image.to_string_lossy();
    succeeds(&[&image, "--seeds", "2"])?;
    succeeds(&[&image, "--seeds", "2", "--param", "Port=7007", "--param", "Host=127.0.0.1"])?;
    for windows in ["8", "10", "1803", "11", "10.0.26100"] {
        succeeds(&[&image, "--seeds", "2", "--windows", windows])?;
    }
    let faults = "loss=5,duplication=5,reset=5,forced-close=5,hold=5";
    succeeds(&[&image, "--seeds", "2", "--faults", faults, "--allow-missing"])?;

    for (wrong, sentence) in WRONG {
        is_refused(&[&[&*image], wrong].concat(), 2, sentence)?;
    }
    let text = project::scratch()?.join("text.sys");
    fs::write(&text, "not an image")?;
    let text = text.to_string_lossy();
    is_refused(&["missing.sys"], 1, "cannot read missing.sys: No such file or directory")?;
    is_refused(&[&text], 1, "text.sys")?;
    let port = "the parameter Port is 70000";
    is_refused(&[&image, "--seeds", "1", "--param", "Port=70000"], 1, port)?;
    println!("{} invalid options of `cargo wsk run` are refused by a sentence", WRONG.len() + 3);
    Ok(())
}

fn succeeds(arguments: &[&str]) -> Result<()> {
    let ProgramOutput { status, out, err } = run(arguments)?;
    ensure!(
        status.success() && out.ends_with("was loaded and unloaded with 2 seeds.\n"),
        "`cargo wsk run` with {arguments:?} has ended with {status}:\n{out}{err}"
    );
    Ok(())
}

/// The process must end with this code and this sentence, before a driver has served.
fn is_refused(arguments: &[&str], code: i32, sentence: &str) -> Result<()> {
    let ProgramOutput { status, out, err } = run(arguments)?;
    let is_sentence = err.contains("error: ")
        && err.contains(sentence)
        && !["panicked", "backtrace", "defect"].iter().any(|word| err.contains(word));
    ensure!(
        status.code() == Some(code) && out.is_empty() && is_sentence,
        "`cargo wsk run` with {arguments:?} should be refused by `{sentence}`, but has ended with {status}:\n{out}{err}"
    );
    Ok(())
}

fn run(arguments: &[&str]) -> Result<ProgramOutput> {
    let output = project::scratch()?.join("cargo-wsk-options");
    execute(process::command()?.args(arguments), &output, PATIENCE)
}
