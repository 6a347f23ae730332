//! How much of the stack everything takes: the kernel's stack has 24 KiB, and much of it is others'.

use std::collections::BTreeMap;

use cargo_wsk::audit::{circles, panics};
use cargo_wsk::build::Arch;
use cargo_wsk::image::{Depths, Image};

/// What a call may take at most, with what is called back on the same stack.
pub(super) const BOUND: u32 = 4096;

/// How deep formatters can be nested in what wsk formats: a value in a field of a field of a structure.
pub(super) const NESTING: u32 = 3;

/// Who calls what can be called through a pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Caller {
    /// The system, when a request completes or a timer expires: maybe within a call, on its stack.
    Completion,
    /// Whoever wakes a task: a completion, or another task.
    Waker,
    /// The threads of a runtime, each task by its functions, and whoever is the last to know of a task or of a socket,
    /// whose memory goes.
    End,
    /// The system, at the beginning of a thread.
    Thread,
    /// The thread of a registration, for what must not be done elsewhere.
    Reaper,
    /// The system, when something has happened to a socket.
    Event,
    /// What formats, for each level of nesting.
    Formatter,
}

/// The functions that can be called through pointers, by how their names begin or what is in them.
const CALLERS: [(&str, Caller); 20] = [
    ("wsk::operation::completed", Caller::Completion),
    ("wsk::socket::closing::closed", Caller::Completion),
    ("wsk::time::timer::expired", Caller::Completion),
    ("wsk::rt::block_on::", Caller::Waker),
    ("wsk::rt::task::clone", Caller::Waker),
    ("wsk::rt::task::wake", Caller::Waker),
    ("wsk::rt::task::drop_waker", Caller::Waker),
    ("<core::task::wake::RawWaker>::NOOP", Caller::Waker),
    ("wsk::rt::task::", Caller::End),
    ("wsk::socket::memory::free", Caller::End),
    ("wsk::socket::attached::free", Caller::End),
    ("wsk::socket::memory::drop_handler", Caller::Reaper),
    ("::reap", Caller::Reaper),
    ("wsk::rt::runtime::run", Caller::Thread),
    ("wsk::reaper::run", Caller::Thread),
    ("wsk::events::thunks::", Caller::Event),
    ("wsk::events::defaults::", Caller::Event),
    ("wsk::events::forwarding::", Caller::Event),
    (" as wsk::events::", Caller::Event),
    ("core::fmt::", Caller::Formatter),
];

impl Caller {
    /// The row of the table.
    pub(super) const fn describe(self) -> &'static str {
        match self {
            Self::Completion => "completion routines and expired timers",
            Self::Waker => "wakers",
            Self::End => "the end of a task or of a socket's memory",
            Self::Thread => "threads, without the tasks that they run",
            Self::Reaper => "what is done in the registration's thread",
            Self::Event => "callbacks, without the handler's methods",
            Self::Formatter => "one level of formatting",
        }
    }
}

fn caller(name: &str) -> Option<Caller> {
    CALLERS.iter().find(|(part, _)| name.contains(part)).map(|(_, caller)| *caller)
}

/// What was measured of an image.
pub(super) struct Measures {
    pub(super) arch: Arch,
    /// Bytes, by what is exported.
    pub(super) calls: BTreeMap<String, u32>,
    /// Bytes of the deepest, by who calls it.
    pub(super) callers: BTreeMap<Caller, u32>,
    pub(super) problems: Vec<String>,
}

impl Measures {
    pub(super) fn of(arch: Arch, image: &Image) -> Self {
        let depths = Depths::new(image, panics::is_panic);
        let mut problems = circles(&depths);
        let mut callers = BTreeMap::new();
        let pointed = image.functions.iter().enumerate().filter(|(_, one)| one.is_address_taken);
        for (place, function) in pointed {
            let Some(caller) = caller(&function.name) else {
                problems.push(format!(
                    "`{}` can be called through a pointer, and {} does not say by whom",
                    function.name,
                    file!()
                ));
                continue;
            };
            let deepest = callers.entry(caller).or_insert(0);
            *deepest = depths.bytes(place).max(*deepest);
        }
        // What belongs to no type and no module is no function of wsk.
        let exports = image.exports.iter().filter(|(name, _)| name.contains("::"));
        let calls =
            exports.clone().map(|(name, place)| (name.clone(), depths.bytes(*place))).collect();
        let mut this = Self { arch, calls, callers, problems };
        for (name, place) in exports {
            let total = this.total(name);
            if total > BOUND {
                this.problems.push(format!(
                    "`{name}` takes {total} bytes of the stack with what is called back, and may take {BOUND}: \
                     {}",
                    depths.path(*place)
                ));
            }
        }
        this
    }

    fn deepest(&self, caller: Caller) -> u32 {
        self.callers.get(&caller).copied().unwrap_or(0)
    }

    /// What a call takes with everything that may be called back on its stack.
    fn total(&self, name: &str) -> u32 {
        let called_back = if name.contains("::fmt<") {
            NESTING * self.deepest(Caller::Formatter)
        } else {
            // A request completes within the call. It wakes a task, which has gone but for this waker; or it is the
            // last of a listener, whose memory holds that of a socket that was never accepted, which holds no
            // other.
            let callers = [Caller::Completion, Caller::Waker, Caller::End, Caller::End];
            callers.into_iter().map(|caller| self.deepest(caller)).sum()
        };
        self.calls.get(name).copied().unwrap_or(0) + called_back
    }

    pub(super) fn summary(&self) -> String {
        let totals = self.calls.keys().map(|name| (self.total(name), name.as_str()));
        let (bytes, name) = totals.max().unwrap_or((0, "nothing"));
        format!(
            "{}: at most {bytes} bytes of the stack, of {BOUND}, with what is called back: {name}",
            self.arch.name()
        )
    }
}

/// Prints the deepest paths from what has this in its name.
pub(super) fn print_paths(arch: Arch, image: &Image, name: &str) {
    let depths = Depths::new(image, panics::is_panic);
    for (export, place) in image.exports.iter().filter(|(export, _)| export.contains(name)) {
        println!("{}: {export}: {} bytes", arch.name(), depths.bytes(*place));
        println!("  {}", depths.path(*place));
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn measures(
        arch: Arch,
        calls: &[(&str, u32)],
        callers: &[(Caller, u32)],
    ) -> Measures {
        Measures {
            arch,
            calls: calls.iter().map(|(name, bytes)| ((*name).to_owned(), *bytes)).collect(),
            callers: callers.iter().copied().collect(),
            problems: Vec::new(),
        }
    }

    #[test]
    fn what_is_called_back_comes_on_top() {
        let callers = [
            (Caller::Completion, 1000),
            (Caller::Waker, 100),
            (Caller::End, 10),
            (Caller::Formatter, 2),
        ];
        let measures = measures(Arch::X64, &[("A::new", 1), ("A::fmt<Debug>", 1)], &callers);
        assert_eq!(measures.total("A::new"), 1121);
        assert_eq!(measures.total("A::fmt<Debug>"), 7);
    }
}
