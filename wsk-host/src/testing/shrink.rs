//! Shrinks a failing run to the choices that matter.
//!
//! Each candidate is the plainest run with some of the choices that differ, in a process of its own: most failures end
//! their process. Whole kinds of choices are left out first, then ever smaller parts (Zeller and Hildebrandt's delta
//! debugging), then values become smaller.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::command::{RECORD, REPLAY, SHRINK, command_of, this_test};
use crate::kernel::choices::{
    Choice, ChoiceKind, Differences, Replay, RunEnd, differences, read_record,
};

/// The longest time that a candidate may take.
const LONGEST: Duration = Duration::from_secs(60);
/// The most candidates.
const CANDIDATES: usize = 3000;

/// A failed run of a process.
struct Failure {
    /// The first line about the failure, without numbers.
    signature: String,
    record: Vec<Choice>,
    error: String,
}

struct Shrinker {
    folder: PathBuf,
    candidates: usize,
}

/// Shrinks the failing run of the current thread's test, and reports it.
pub(super) fn shrink() -> ! {
    let folder = std::env::temp_dir().join(format!("wsk-host-shrink-{}", std::process::id()));
    let result = fs::create_dir_all(&folder)
        .map_err(|error| format!("the folder {} cannot be created: {error}", folder.display()))
        .and_then(|()| Shrinker { folder: folder.clone(), candidates: 0 }.run());
    // Only what this process has written.
    let _ = fs::remove_dir_all(&folder);
    match result {
        Ok(report) => {
            eprintln!("{report}");
            panic!("the test fails; its shrunk run is above");
        }
        Err(error) => panic!("{SHRINK}: {error}"),
    }
}

impl Shrinker {
    fn run(mut self) -> Result<String, String> {
        let given = std::env::var_os(REPLAY);
        let first = self.process(given.as_deref().map(Path::new))?;
        let first = first.ok_or("the test passes, and there is nothing to shrink")?;
        let began = differences(&first.record);
        let mut best = self.candidate(&began)?.filter(|failure| failure.signature == first.signature).ok_or(
            "the failing run does not fail again with the same choices. A test on the simulated network whose code uses \
             nothing outside of the host (threads, clocks, random numbers) does",
        )?;
        let mut current = differences(&best.record);
        self.without_kinds(&mut current, &mut best)?;
        self.without_parts(&mut current, &mut best)?;
        self.smaller_values(&mut current, &mut best)?;
        let end = Some(RunEnd::of(&best.record));
        let replay = Replay { end, ..Replay::plain(current.clone()) };
        Ok(format!(
            "{}\nwsk-host: shrunk to {} of {} choices that differ from the plainest run, by {} runs\nwsk-host: to repeat it:\n{}",
            best.error.trim_end(),
            current.len(),
            began.len(),
            self.candidates,
            command_of(&replay),
        ))
    }

    /// Takes a candidate, if it fails in the same way and with fewer or smaller choices.
    fn take(
        &mut self,
        candidate: &Differences,
        current: &mut Differences,
        best: &mut Failure,
    ) -> Result<bool, String> {
        let Some(failure) = self.candidate(candidate)? else { return Ok(false) };
        let weight =
            |of: &Differences| (of.len(), of.values().copied().map(u128::from).sum::<u128>());
        let found = differences(&failure.record);
        let is_better = failure.signature == best.signature && weight(&found) < weight(current);
        if is_better {
            *current = found;
            *best = failure;
        }
        Ok(is_better)
    }

    fn without_kinds(
        &mut self,
        current: &mut Differences,
        best: &mut Failure,
    ) -> Result<(), String> {
        for kind in ChoiceKind::ALL {
            let rest: Differences =
                current.iter().filter(|((of, _), _)| of != kind).map(|(id, v)| (*id, *v)).collect();
            if rest.len() < current.len() {
                self.take(&rest, current, best)?;
            }
        }
        Ok(())
    }

    fn without_parts(
        &mut self,
        current: &mut Differences,
        best: &mut Failure,
    ) -> Result<(), String> {
        let mut parts = 2;
        while !current.is_empty() {
            let size = current.len().div_ceil(parts);
            let mut is_smaller = false;
            let mut start = 0;
            while start < current.len() {
                let place = start..start + size;
                let rest: Differences = current
                    .iter()
                    .enumerate()
                    .filter(|(index, _)| !place.contains(index))
                    .map(|(_, (id, value))| (*id, *value))
                    .collect();
                if self.take(&rest, current, best)? {
                    is_smaller = true;
                } else {
                    start += size;
                }
            }
            if size == 1 && !is_smaller {
                break;
            }
            parts = (parts * 2).min(current.len().max(1));
        }
        Ok(())
    }

    fn smaller_values(
        &mut self,
        current: &mut Differences,
        best: &mut Failure,
    ) -> Result<(), String> {
        let ids: BTreeSet<_> = current.keys().copied().collect();
        for id in ids {
            let Some(value) = current.get(&id).copied() else { continue };
            for smaller in [1, value / 2] {
                if smaller == 0 || smaller >= value {
                    continue;
                }
                let mut candidate = current.clone();
                candidate.insert(id, smaller);
                if self.take(&candidate, current, best)? {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The failure of the plainest run with these choices, if it fails.
    fn candidate(&mut self, given: &Differences) -> Result<Option<Failure>, String> {
        let path = self.folder.join("line");
        let line = Replay::plain(given.clone()).to_string();
        fs::write(&path, line).map_err(|error| format!("{}: {error}", path.display()))?;
        let value = PathBuf::from(format!("@{}", path.display()));
        self.process(Some(&value))
    }

    /// The failure of a process with a replay, if it fails.
    fn process(&mut self, replay: Option<&Path>) -> Result<Option<Failure>, String> {
        self.candidates += 1;
        if self.candidates > CANDIDATES {
            return Ok(None);
        }
        let (record, error) = (self.folder.join("record"), self.folder.join("error"));
        let failed = |what: &str, error: std::io::Error| format!("{what}: {error}");
        let output = fs::File::create(&error).map_err(|e| failed("the child's output", e))?;
        fs::write(&record, "").map_err(|e| failed("the child's record", e))?;
        let mut command = this_test().map_err(|e| failed("this program has no path", e))?;
        command.env_remove(SHRINK).env(RECORD, &record).env_remove("RUST_BACKTRACE");
        if let Some(replay) = replay {
            command.env(REPLAY, replay);
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(output).spawn();
        let has_failed = wait(child.map_err(|e| failed("this program does not start", e))?)?;
        if !has_failed {
            return Ok(None);
        }
        let mut text = Vec::new();
        let read = fs::File::open(&error).and_then(|mut file| file.read_to_end(&mut text));
        read.map_err(|e| failed("the child's output", e))?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let record = fs::read_to_string(&record).map_err(|e| failed("the child's record", e))?;
        Ok(Some(Failure { signature: signature(&text), record: read_record(&record), error: text }))
    }
}

/// Waits for a process, and returns whether it has failed. One that takes too long is ended, and has not.
fn wait(mut child: Child) -> Result<bool, String> {
    let start = Instant::now();
    let mut pause = Duration::from_micros(200);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(!status.success()),
            Ok(None) if start.elapsed() < LONGEST => {}
            Ok(None) => {
                let ended = child.kill().and_then(|()| child.wait());
                return ended.map(|_| false).map_err(|error| format!("a child: {error}"));
            }
            Err(error) => return Err(format!("a child: {error}")),
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(5));
    }
}

/// The first line about a failure, without its numbers: two failures with the same one are taken for the same.
fn signature(error: &str) -> String {
    let mut lines = error.lines();
    let mut found = String::new();
    while let Some(line) = lines.next() {
        let is_report = line.starts_with("wsk-host: ") && !line.starts_with("wsk-host: warning");
        if is_report || (line.starts_with("thread '") && line.contains("panicked at")) {
            let at = line.split_once("panicked at").map_or(line, |(_, place)| place);
            let message = if is_report { "" } else { lines.next().unwrap_or_default() };
            found = format!("{at}\n{message}");
            break;
        }
    }
    let mut text = String::new();
    for character in found.chars() {
        if !character.is_ascii_digit() {
            text.push(character);
        } else if !text.ends_with('#') {
            text.push('#');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::signature;

    #[test]
    fn failures_are_the_same_if_only_numbers_differ() {
        let panic = "x\nthread 'a' (12) panicked at src/a.rs:7:3:\nleft 10 bytes\nnote: y";
        assert_eq!(signature(panic), " src/a.rs:#:#:\nleft # bytes");
        let same = "thread '<unnamed>' (3) panicked at src/a.rs:7:3:\nleft 9 bytes";
        assert_eq!(signature(panic), signature(same));
        let report = "wsk-host: warning: x\nwsk-host: INV-7 violated: y\n  found: 3";
        assert_eq!(signature(report), "wsk-host: INV-# violated: y\n");
    }
}
