//! Where the client is: the part of a backtrace that is not the host's.

use std::backtrace::Backtrace;
use std::env;
use std::path::Path;

/// The most frames that a report shows of a thread.
const FRAMES: usize = 12;

/// Sources that are not the client's, as they are shown in backtraces.
const OTHERS: [&str; 7] = [
    "/rustc/",
    "/library/std/",
    "/library/core/",
    "wsk-host/src/",
    concat!(env!("CARGO_MANIFEST_DIR"), "/src/"),
    // The C library's.
    "/nptl/",
    "/sysdeps/",
];

/// The functions of the client's that the current thread is in, the innermost first, each in a line of its own.
/// Empty if the machine cannot say.
pub(crate) fn place_of_client() -> String {
    let folder = env::current_dir().unwrap_or_default();
    frames(&Backtrace::force_capture().to_string(), &folder)
}

/// A backtrace as a report shows it: the client's frames, or with `RUST_BACKTRACE=full` all of them.
pub(super) fn shown(backtrace: &Backtrace) -> String {
    if env::var_os("RUST_BACKTRACE").is_some_and(|value| value == "full") {
        return format!("\n{backtrace}");
    }
    frames(&backtrace.to_string(), &env::current_dir().unwrap_or_default())
}

/// The client's frames of a backtrace, whose paths may be relative to a folder.
fn frames(backtrace: &str, folder: &Path) -> String {
    let mut found = String::new();
    let mut lines = backtrace.lines().map(str::trim).peekable();
    let mut count = 0;
    while let Some(line) = lines.next() {
        let Some((number, function)) = line.split_once(": ") else { continue };
        if number.parse::<usize>().is_err() {
            continue;
        }
        let Some(place) = lines.next_if(|next| next.starts_with("at ")) else { continue };
        let path = folder.join(place.trim_start_matches("at ").trim_start_matches("./"));
        if OTHERS.iter().any(|other| path.to_string_lossy().contains(other)) {
            continue;
        }
        count += 1;
        if count <= FRAMES {
            found.push_str("\n      ");
            found.push_str(function);
            found.push(' ');
            found.push_str(place);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_frames_of_the_client_are_shown() {
        let backtrace = "   0: std::backtrace::Backtrace::create
             at /rustc/0123/library/std/src/backtrace.rs:331:13
   1: KeWaitForSingleObject
             at /home/me/wsk-host/src/kernel/ke/wait.rs:45:14
   2: wsk::sync::event::Event::wait
             at ./wsk/src/sync/event.rs:69:13
   3: __libc_start_main
   4: tests::hangs
             at ./tests/hangs.rs:7:5
   5: idle
             at ./wsk-host/src/kernel/schedule/deterministic.rs:7:5";
        assert_eq!(
            frames(backtrace, Path::new("/home/me")),
            "\n      wsk::sync::event::Event::wait at ./wsk/src/sync/event.rs:69:13\
             \n      tests::hangs at ./tests/hangs.rs:7:5"
        );
    }

    #[test]
    fn no_more_frames_are_shown_than_are_of_use() {
        let backtrace = "7: f\n at ./f.rs:3:1\n".repeat(100);
        assert_eq!(frames(&backtrace, Path::new("/")).matches(" at ./f.rs").count(), FRAMES);
    }
}
