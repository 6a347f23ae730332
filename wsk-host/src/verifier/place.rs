//! The client's place in the code: the part of a backtrace outside the host.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::env;
use std::fmt::Write as _;
use std::path::Path;
use std::ptr;
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};

use crate::call_stack::unwind;

/// The most frames that a report shows of a thread.
const FRAMES: usize = 12;

/// The maximum number of recorded frames: the host's, and those of the client that a report shows.
const RECORDED: usize = 40;

/// Source files that are not the client's, as backtraces show them.
const OTHERS: [&str; 11] = [
    "/rustc/",
    "/library/std/",
    "/library/core/",
    "wsk-host/src/",
    concat!(env!("CARGO_MANIFEST_DIR"), "/src/"),
    "wsk-host/c/src/",
    "wsk-loader/src/",
    "/backtrace-0.3",
    // Of the C library.
    "/nptl/",
    "/sysdeps/",
    "/csu/",
];

/// Part of the name of an address in an image: the image's name, and the offset in hexadecimal digits.
const IN_IMAGE: &str = ".sys+0x";

/// Names an address in an image, with a function's name if it is known. None if the address is in no image.
type DescribeImage = fn(usize) -> Option<String>;

static DESCRIBE_IMAGE: OnceLock<DescribeImage> = OnceLock::new();

#[cfg(images)]
/// Sets the function that names addresses in images, unless one is set.
pub(crate) fn set_image_description(describe: DescribeImage) {
    DESCRIBE_IMAGE.get_or_init(|| describe);
}

fn describe_image(address: usize) -> Option<String> {
    DESCRIBE_IMAGE.get().and_then(|describe| describe(address))
}

/// The client's functions that the current thread is in, the innermost first, each on its own line.
/// Empty if the machine does not support backtraces.
pub(crate) fn place_of_client() -> String {
    Frames::here().shown()
}

/// The addresses that the functions of a thread return to, the innermost first. Recording them takes microseconds, and
/// much less where the thread has taken the same call path before; their names and lines are looked up when they are
/// shown. Under Miri, where recording is slow, there are none.
#[derive(Clone)]
pub(super) struct Frames(Arc<RecordedStack>);

/// A recorded thread, and the addresses.
pub(super) struct RecordedStack {
    thread: Thread,
    addresses: Box<[usize]>,
}

impl RecordedStack {
    fn new(addresses: &[usize]) -> Arc<Self> {
        Arc::new(Self { thread: thread::current(), addresses: addresses.into() })
    }
}

impl PartialEq for Frames {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Frames {}

impl PartialOrd for Frames {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By the addresses alone: threads that have taken the same call path have the same frames.
impl Ord for Frames {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.addresses.cmp(&other.0.addresses)
    }
}

impl Frames {
    /// Those of the current thread.
    #[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
    #[inline(never)]
    pub(super) fn here() -> Self {
        use super::trace_cache::{find, keep, slot_of, stack_pointer};
        use crate::call_stack;

        let stack = stack_pointer();
        if let Some(frames) = find(stack) {
            return Self(frames);
        }
        let (mut found, mut slots) = ([0; RECORDED], [0; RECORDED]);
        let mut count = 0;
        let whole = call_stack::of_current_thread();
        unwind::trace(|frame| {
            let slot = slot_of(frame.sp().addr());
            // Wrong unwind data of an image lead out of the stack, whose memory `keep` reads again.
            if !whole.is_empty() && !whole.contains(&slot) {
                return false;
            }
            // The unwinder's own functions are not recorded.
            if slot >= stack {
                (found[count], slots[count]) = (frame.ip().addr(), slot);
                count += 1;
            }
            count < RECORDED
        });
        let frames = Self(RecordedStack::new(&found[..count]));
        keep(stack, &slots[..count], &found[..count], &frames.0);
        frames
    }

    /// Those of the current thread.
    #[cfg(not(all(target_os = "linux", target_arch = "x86_64", not(miri))))]
    pub(super) fn here() -> Self {
        let mut found = [0; RECORDED];
        let mut count = 0;
        if !cfg!(miri) {
            unwind::trace(|frame| {
                found[count] = frame.ip().addr();
                count += 1;
                count < RECORDED
            });
        }
        Self(RecordedStack::new(&found[..count]))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.addresses.is_empty()
    }

    /// The name of the thread.
    pub(super) fn thread(&self) -> Option<&str> {
        self.0.thread.name()
    }

    /// The frames that a report shows: the client's; with `RUST_BACKTRACE=full` all, and with `RUST_BACKTRACE=0` none.
    pub(super) fn shown(&self) -> String {
        let wanted = env::var_os("RUST_BACKTRACE");
        if self.is_empty() || wanted.as_ref().is_some_and(|value| value == "0") {
            return String::new();
        }
        if wanted.is_some_and(|value| value == "full") {
            return format!("\n{}", self.listed(Path::new("")));
        }
        self.of_client()
    }

    fn of_client(&self) -> String {
        let folder = env::current_dir().unwrap_or_default();
        frames(&self.listed(&folder), &folder)
    }

    /// The client's innermost frame.
    pub(super) fn innermost(&self) -> Option<String> {
        self.of_client().lines().find(|line| !line.trim().is_empty()).map(str::to_owned)
    }

    /// All functions, inlined ones too, with the lines that are known, relative to a folder, in the format of
    /// `std::backtrace`.
    fn listed(&self, folder: &Path) -> String {
        let mut list = String::new();
        for (number, address) in self.0.addresses.iter().enumerate() {
            // The address is the one that the frame returns to, after its call.
            if let Some(place) = describe_image(address.wrapping_sub(1)) {
                let _ = writeln!(list, "{number:4}: {place}");
                continue;
            }
            backtrace::resolve(ptr::without_provenance_mut(*address), |symbol| {
                let Some(name) = symbol.name() else { return };
                let _ = writeln!(list, "{number:4}: {name:#}");
                if let (Some(file), Some(line)) = (symbol.filename(), symbol.lineno()) {
                    let file = file.strip_prefix(folder).map_or_else(
                        |_| file.display().to_string(),
                        |file| format!("./{}", file.display()),
                    );
                    let _ =
                        writeln!(list, "      at {file}:{line}:{}", symbol.colno().unwrap_or(0));
                }
            });
        }
        list
    }
}

/// Whether a function without a known place can belong to the client: a C function compiled without debug information.
fn is_of_c(function: &str) -> bool {
    const OTHERS: [&str; 5] = ["_start", "start_thread", "clone", "clone3", "rust_"];
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    function.bytes().all(is_name)
        && !function.starts_with("__")
        && !OTHERS.iter().any(|other| function.starts_with(other))
}

/// The name of a C or C++ function as in its source. Names of Rust functions already have that form.
fn in_source(function: &str) -> Cow<'_, str> {
    // The kernel's headers rename functions with names of the C library (headers/shared/libc_names.h).
    if let Some(name) = function.strip_prefix("wsk_client_") {
        return name.into();
    }
    if !function.starts_with("_Z") {
        return function.into();
    }
    let name = cpp_demangle::Symbol::new(function).ok().and_then(|symbol| symbol.demangle().ok());
    name.map_or(function.into(), Cow::from)
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
        let Some(place) = lines.next_if(|next| next.starts_with("at ")) else {
            if is_of_c(function) || function.contains(IN_IMAGE) {
                count += 1;
                if count <= FRAMES {
                    found.push_str("\n      ");
                    found.push_str(&in_source(function));
                }
            }
            continue;
        };
        let path = folder.join(place.trim_start_matches("at ").trim_start_matches("./"));
        if OTHERS.iter().any(|other| path.to_string_lossy().contains(other)) {
            continue;
        }
        count += 1;
        if count <= FRAMES {
            found.push_str("\n      ");
            found.push_str(&in_source(function));
            found.push(' ');
            found.push_str(place);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[inline(never)]
    fn first() -> Frames {
        Frames::here()
    }

    #[inline(never)]
    fn second() -> Frames {
        Frames::here()
    }

    #[test]
    #[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
    fn each_call_path_has_its_own_frames() {
        let ways: [fn() -> Frames; 2] = [first, second];
        let recorded: Vec<Frames> = (0..100).map(|round| ways[round % 2]()).collect();
        for (round, frames) in recorded.iter().enumerate() {
            assert!(frames.0.addresses.len() > 3);
            // Found again, from the second time on.
            assert!(Arc::ptr_eq(&frames.0, &recorded[round % 2].0), "round {round}");
        }
        assert!(recorded[0] != recorded[1]);
        let other = std::thread::spawn(first).join().unwrap();
        assert!(other != recorded[0]);
        assert!(first() != recorded[0], "another line has called it");
        // Unwinding anew finds the same.
        let names = |frames: &Frames| frames.listed(Path::new(""));
        assert!(names(&recorded[1]).contains("second"), "{}", names(&recorded[1]));
    }

    #[test]
    fn only_the_frames_of_the_client_are_shown() {
        let backtrace = "   0: std::backtrace::Backtrace::create
             at /rustc/0123/library/std/src/backtrace.rs:331:13
   1: KeWaitForSingleObject
             at /home/me/wsk-host/src/kernel/ke/wait.rs:45:14
   2: wsk::kernel::event::Event::wait
             at ./wsk/src/kernel/event.rs:69:13
   3: __libc_start_main
   4: tests::hangs
             at ./tests/hangs.rs:7:5
   5: idle
             at ./wsk-host/src/kernel/schedule/deterministic.rs:7:5";
        assert_eq!(
            frames(backtrace, Path::new("/home/me")),
            "\n      wsk::kernel::event::Event::wait at ./wsk/src/kernel/event.rs:69:13\
             \n      tests::hangs at ./tests/hangs.rs:7:5"
        );
    }

    /// With and without debug information.
    #[test]
    fn functions_of_c_and_cpp_have_the_names_of_their_source() {
        let backtrace = "   0: _ZN6Client4sendEPvm
             at /client/client.cpp:7:5
   1: _ZN12_GLOBAL__N_13runEv
   2: _Zno
   3: wsk_client_send
   4: main";
        assert_eq!(
            frames(backtrace, Path::new("/client")),
            "\n      Client::send(void*, unsigned long) at /client/client.cpp:7:5\
             \n      (anonymous namespace)::run()\n      _Zno\n      send\n      main"
        );
    }

    #[test]
    fn no_more_frames_are_shown_than_are_of_use() {
        let backtrace = "7: f\n at ./f.rs:3:1\n".repeat(100);
        assert_eq!(frames(&backtrace, Path::new("/")).matches(" at ./f.rs").count(), FRAMES);
    }
}
