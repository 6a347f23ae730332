//! The stack use of wsk's functions. A kernel stack has 24 KiB, which all drivers of a call share.

use std::collections::{BTreeMap, BTreeSet};

use cargo_wsk::audit::{circles, panics};
use cargo_wsk::build::Arch;
use cargo_wsk::image::{Depths, Image};

/// The maximum stack use of a call in bytes, without callbacks on the same stack.
pub(super) const OWN_BOUND: u32 = 2048;

/// The maximum stack use of a call in bytes, including callbacks on the same stack.
pub(super) const BOUND: u32 = 4096;

/// The maximum nesting of formatters in wsk: a value in a field of a field of a structure.
pub(super) const NESTING: u32 = 3;

/// The callers of the functions that are called through pointers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Caller {
    /// The system, when a request completes or a timer expires. This can happen during a call, on the caller's stack.
    Completion,
    /// The end of a request, which drops the values that the request owns or could not return.
    Attachment,
    /// The end of a request, or of a buffer, whose memory was lent: its own MDLs are freed, and its owner is dropped.
    Lent,
    /// A completion, which calls the waker of a request that several tasks wait for.
    SharedWaker,
    /// That waker, which wakes the tasks in its queue.
    SharedQueue,
    /// The wake-up of a task: by a completion, or by another task.
    Waker,
    /// The threads of a runtime, each task by its functions; and the release of the last reference to a task, a socket
    /// or a handler, which frees its memory.
    End,
    /// The system, at the beginning of a thread.
    Thread,
    /// The thread of a registration, for deferred work.
    Deferred,
    /// The system, for an event of a socket.
    Event,
    /// The formatting machinery, once for each level of nesting.
    Formatter,
}

/// The functions that are called through pointers, by a part of their names; the first match counts.
///
/// A part names a whole module where all pointers to its functions have one caller. A part that matches no function is
/// an error, so that a renamed function is reported under both of its names.
const CALLERS: [(&str, Caller); 28] = [
    ("core::fmt::", Caller::Formatter),
    ("wsk::operation::completion::", Caller::Completion),
    ("wsk::socket::close::", Caller::Completion),
    ("wsk::time::timer::", Caller::Completion),
    ("wsk::operation::", Caller::Attachment),
    // The type of an attachment is compared before the value is taken.
    ("<core::any::TypeId>::of", Caller::Attachment),
    ("wsk::buffer::lent_memory::", Caller::Lent),
    ("wsk::executor::shared_waker::clone", Caller::SharedWaker),
    ("wsk::executor::shared_waker::wake_", Caller::SharedWaker),
    ("wsk::executor::shared_waker::drop_waker", Caller::SharedWaker),
    ("wsk::executor::shared_waker::", Caller::SharedQueue),
    ("wsk::executor::block_on::", Caller::Waker),
    ("wsk::executor::task::waker::clone", Caller::Waker),
    ("wsk::executor::task::waker::wake", Caller::Waker),
    ("wsk::executor::task::waker::drop_waker", Caller::Waker),
    ("<core::task::wake::RawWaker>::NOOP", Caller::Waker),
    ("wsk::executor::task::", Caller::End),
    ("wsk::executor::worker::", Caller::Thread),
    ("wsk::executor::dpc::queue::run", Caller::Thread),
    ("wsk::deferred::", Caller::Thread),
    ("wsk::client::run", Caller::Thread),
    ("wsk::client::outside_routines::", Caller::Deferred),
    ("::run_deferred", Caller::Deferred),
    ("::free_deferred", Caller::Deferred),
    ("wsk::socket::", Caller::End),
    ("wsk::events::attached::", Caller::End),
    ("wsk::events::", Caller::Event),
    // These are attachments, since wsk has no trait objects. Exported functions have the names of their exports.
    ("::drop", Caller::Attachment),
];

impl Caller {
    /// The row of the table.
    pub(super) const fn describe(self) -> &'static str {
        match self {
            Self::Completion => "completion routines and expired timers",
            Self::Attachment => "the clean-up of a request's attachments",
            Self::Lent => "the end of lent memory, without its owner",
            Self::SharedWaker => "the waker of a request that several tasks wait for",
            Self::SharedQueue => "the queue of these tasks, for that waker",
            Self::Waker => "wakers",
            Self::End => "the end of a task or of a socket's memory",
            Self::Thread => "threads and the DPCs of executors, without the tasks that they run",
            Self::Deferred => "jobs of the registration's thread",
            Self::Event => "callbacks, without the handler's methods",
            Self::Formatter => "one level of formatting",
        }
    }
}

/// Sorts functions by their callers, and reports those without a caller and the parts of [`CALLERS`] without a
/// function.
fn callers<'a>(
    functions: impl Iterator<Item = (&'a str, u32)>,
) -> (BTreeMap<Caller, u32>, Vec<String>) {
    let mut deepest = BTreeMap::new();
    let (mut unused, mut unknown) =
        (BTreeSet::from(CALLERS.map(|(part, _)| part)), BTreeSet::new());
    for (name, bytes) in functions {
        // The types may be anything, such as the futures of other modules.
        let name = without_types(name);
        let Some((part, caller)) = CALLERS.iter().find(|(part, _)| name.contains(part)) else {
            unknown.insert(name);
            continue;
        };
        unused.remove(part);
        let most = deepest.entry(*caller).or_insert(0);
        *most = bytes.max(*most);
    }
    let unknown = unknown.into_iter().map(|name| {
        format!(
            "`{name}` can be called through a pointer. Add `(\"{name}\", Caller::…)` to CALLERS in {}, with the caller, so \
             that its stack is counted",
            file!()
        )
    });
    let unused = unused.into_iter().map(|part| {
        format!(
            "CALLERS in {} lists `{part}`, and no function that can be called through a pointer has this in its name. \
             Remove it, or write its new name",
            file!()
        )
    });
    (deepest, unknown.chain(unused).collect())
}

/// A function's name without its generic arguments.
fn without_types(name: &str) -> &str {
    match name.find("::<") {
        Some(end) if !name.starts_with('<') => &name[..end],
        _ => name,
    }
}

/// The measurements of an image.
pub(super) struct Measures {
    pub(super) arch: Arch,
    /// The bytes of each export.
    pub(super) calls: BTreeMap<String, u32>,
    /// The bytes of the deepest function of each caller.
    pub(super) callers: BTreeMap<Caller, u32>,
    pub(super) problems: Vec<String>,
}

impl Measures {
    pub(super) fn of(arch: Arch, image: &Image) -> Self {
        let depths = Depths::new(image, panics::is_panic);
        let pointed = image.functions.iter().enumerate().filter(|(_, one)| one.is_address_taken);
        let (callers, mut problems) =
            callers(pointed.map(|(place, one)| (one.name.as_str(), depths.bytes(place))));
        problems.extend(circles(&depths).iter().map(ToString::to_string));
        // An export outside of types and modules is no function of wsk.
        let exports = image.exports.iter().filter(|(name, _)| name.contains("::"));
        let calls =
            exports.clone().map(|(name, place)| (name.clone(), depths.bytes(*place))).collect();
        let mut this = Self { arch, calls, callers, problems };
        for (name, place) in exports {
            let (own, total) = (depths.bytes(*place), this.total(name));
            if own > OWN_BOUND {
                this.problems.push(format!(
                    "`{name}` uses {own} bytes of stack, more than {OWN_BOUND}: {}",
                    depths.path(*place)
                ));
            }
            if total > BOUND {
                this.problems.push(format!(
                    "`{name}` uses {total} bytes of stack including callbacks, more than {BOUND}: \
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

    /// The bytes of a call, including all callbacks on its stack.
    fn total(&self, name: &str) -> u32 {
        let called_back = if name.contains("::fmt<") {
            NESTING * self.deepest(Caller::Formatter)
        } else {
            // A request completes within the call, and cleans up its attachments and its memory.
            let completion = [Caller::Completion, Caller::Attachment, Caller::Lent];
            // It wakes a task whose last reference is this waker, possibly through the queue of several tasks.
            let wake = [Caller::SharedWaker, Caller::SharedQueue, Caller::Waker, Caller::End];
            // It may then be the last request of a listener, whose memory contains that of a socket that was never
            // accepted.
            let end = [Caller::End, Caller::End];
            let sum = |callers: &[Caller]| -> u32 {
                callers.iter().map(|caller| self.deepest(*caller)).sum()
            };
            sum(&completion) + sum(&wake).max(sum(&end))
        };
        self.calls.get(name).copied().unwrap_or(0) + called_back
    }

    pub(super) fn summary(&self) -> String {
        let totals = self.calls.keys().map(|name| (self.total(name), name.as_str()));
        let (bytes, name) = totals.max().unwrap_or((0, "nothing"));
        let own = self.calls.values().max().unwrap_or(&0);
        format!(
            "{}: at most {own} of {OWN_BOUND} bytes of stack, and {bytes} of {BOUND} including callbacks: {name}",
            self.arch.name()
        )
    }
}

/// Prints the deepest paths from functions with this text in their names.
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
    fn the_stack_of_a_callback_is_added() {
        let callers = [
            (Caller::Completion, 1000),
            (Caller::Attachment, 10_000),
            (Caller::Lent, 1_000_000),
            (Caller::SharedWaker, 100_000),
            (Caller::SharedQueue, 200_000),
            (Caller::Waker, 100),
            (Caller::End, 10),
            (Caller::Formatter, 2),
        ];
        let measures = measures(Arch::X64, &[("A::new", 1), ("A::fmt<Debug>", 1)], &callers);
        assert_eq!(measures.total("A::new"), 1_311_111);
        assert_eq!(measures.total("A::fmt<Debug>"), 7);

        // Freeing a listener together with its socket uses more stack than any waker.
        let callers = [(Caller::Completion, 1000), (Caller::Waker, 100), (Caller::End, 10_000)];
        let measures = self::measures(Arch::X64, &[("A::new", 1)], &callers);
        assert_eq!(measures.total("A::new"), 21_001);
    }

    #[test]
    fn renamed_functions_are_reported_by_both_names() {
        // One function for each part.
        let known = CALLERS.map(|(part, _)| format!("a{part}b"));
        let (deepest, problems) = callers(known.iter().map(|name| (name.as_str(), 8)));
        assert_eq!(problems, [""; 0]);
        assert_eq!(deepest.len(), 11);

        let renamed = known.iter().map(|name| match name.as_str() {
            "awsk::deferred::b" => "wsk::later::run::<u32>",
            name => name,
        });
        let (_, problems) = callers(renamed.map(|name| (name, 8)));
        let [unknown, unused] = &problems[..] else { panic!("{problems:?}") };
        assert!(unknown.starts_with("`wsk::later::run` can be called through a pointer. Add"));
        assert!(unused.contains("lists `wsk::deferred::`"), "{unused}");
    }
}
