//! Wine's output: the driver's messages, and signs of a crash.

use std::fs::File;
use std::io::{BufRead, BufReader, PipeReader};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// The lines that Wine has written so far. Clones share them.
#[derive(Clone)]
pub struct WineLog {
    shared: Arc<(Mutex<Vec<String>>, Condvar)>,
    streaming: bool,
}

/// Wine's output after a crash of the driver or of Wine itself.
const CRASHES: [&str; 3] = ["wine: Unhandled", "unimplemented function", "wine: Call from"];

impl WineLog {
    /// A log that is only collected.
    #[must_use]
    pub fn kept() -> Self {
        Self { shared: Arc::default(), streaming: false }
    }

    /// A log that is also printed line by line.
    #[must_use]
    pub fn streaming() -> Self {
        Self { shared: Arc::default(), streaming: true }
    }

    /// Collects lines in the background, until every process that holds the other end has ended.
    pub fn collect(&self, reader: PipeReader) {
        let log = self.clone();
        thread::spawn(move || {
            for line in BufReader::new(reader).split(b'\n').map_while(std::result::Result::ok) {
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                if log.streaming
                    && let Some(message) = message(&line)
                {
                    println!("{message}");
                } else if log.streaming && is_crash(&line) {
                    eprintln!("{line}");
                }
                log.lines().push(line);
                log.shared.1.notify_all();
            }
        });
    }

    /// The lines so far. No line is added while the result exists.
    pub fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The whole log.
    #[must_use]
    pub fn text(&self) -> String {
        let lines = self.lines();
        let shown = lines.iter().map(|line| message(line).unwrap_or(line)).collect::<Vec<_>>();
        format!("Wine's log:\n{}", shown.join("\n"))
    }

    /// The number of lines so far, as a position to wait from.
    #[must_use]
    pub fn end(&self) -> usize {
        self.lines().len()
    }

    /// Waits for a driver's message that contains a text, starting at a position, and returns it.
    ///
    /// # Errors
    ///
    /// If the driver does not write it in time.
    pub fn wait_for(&self, from: usize, text: &str, patience: Duration) -> Result<String> {
        let deadline = Instant::now() + patience;
        let mut lines = self.lines();
        loop {
            let found = lines.iter().skip(from).filter_map(|line| message(line));
            if let Some(message) = found.into_iter().find(|message| message.contains(text)) {
                return Ok(message.to_owned());
            }
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                bail!("the driver did not say `{text}` within {} s", patience.as_secs());
            };
            lines = self
                .shared
                .1
                .wait_timeout(lines, left)
                .map_or_else(|poisoned| poisoned.into_inner().0, |(lines, _)| lines);
        }
    }

    /// Fails if anything has crashed.
    ///
    /// # Errors
    ///
    /// If Wine or the driver has crashed: the error has the line.
    pub fn check_for_crashes(&self) -> Result<()> {
        match self.lines().iter().find(|line| is_crash(line)) {
            Some(line) => bail!("a crash: {line}"),
            None => Ok(()),
        }
    }

    /// Saves the log to a file for inspection.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn save(&self, mut file: File) -> std::io::Result<()> {
        std::io::Write::write_all(&mut file, self.lines().join("\n").as_bytes())
    }
}

/// The message in a line of Wine's channel for the driver's debug output.
fn message(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once(":debugstr:")?;
    // The function and the two numbers before the text are Wine's.
    let (_, text) = rest.split_once(": ").or_else(|| rest.split_once(' '))?;
    Some(text)
}

fn is_crash(line: &str) -> bool {
    CRASHES.iter().any(|sign| line.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drivers_message_is_found_in_wines_line() {
        let line =
            "0128:warn:debugstr:vDbgPrintExWithPrefix 00000000:00000001: echo: serving on port 7";
        assert_eq!(message(line), Some("echo: serving on port 7"));
        assert_eq!(message("0024:fixme:ntoskrnl:something"), None);
    }

    #[test]
    fn a_missing_message_is_an_error() {
        let log = WineLog::kept();
        let error = log.wait_for(0, "unloaded", Duration::from_millis(1)).unwrap_err();
        assert!(error.to_string().contains("did not say `unloaded`"));
    }

    #[test]
    fn crashes_are_detected() {
        let log = WineLog::kept();
        log.check_for_crashes().unwrap();
        log.lines().push("wine: Unhandled page fault on execute access".to_owned());
        assert!(log.check_for_crashes().is_err());
    }
}
