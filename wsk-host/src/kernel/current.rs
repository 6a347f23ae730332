//! The kernel of the current thread: entering one, leaving it, and finding it.

use std::cell::RefCell;
use std::fmt;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::OnceLock;

use crate::kernel::config::{Config, Threads};
use crate::kernel::schedule::ThreadId;
use crate::kernel::{Kernel, current_irql};
use crate::verifier::kernel_violation;

thread_local! {
    static CURRENT: RefCell<Option<Rc<ThreadContext>>> = const { RefCell::new(None) };
}

/// The kernel that a thread has entered, and the thread's number in it.
pub(crate) struct ThreadContext {
    kernel: Kernel,
    thread: ThreadId,
}

/// The current thread's kernel. Unlike a [`Kernel`], it costs no atomic operation.
pub(crate) enum CurrentKernel {
    Entered(Rc<ThreadContext>),
    Default(Kernel),
}

impl Deref for CurrentKernel {
    type Target = Kernel;

    fn deref(&self) -> &Kernel {
        match self {
            Self::Entered(attachment) => &attachment.kernel,
            Self::Default(kernel) => kernel,
        }
    }
}

/// The context of the current thread. Stops a client whose thread has ended: a process that ends runs its exit handlers and
/// destructors in a thread without its own variables.
fn thread_context() -> Option<Rc<ThreadContext>> {
    let current = CURRENT.try_with(|current| current.borrow().clone());
    current.unwrap_or_else(|_| {
        kernel_violation(
            "the kernel was called after the thread had ended, such as in an exit handler or a destructor: a client ends before its program does",
        )
    })
}

/// The kernel of the current thread: see [`Kernel::current`].
pub(crate) fn current() -> CurrentKernel {
    thread_context().map_or_else(
        || CurrentKernel::Default(DEFAULT.get_or_init(default).clone()),
        CurrentKernel::Entered,
    )
}

/// The default kernel, of threads that have entered no other. It cannot observe their start and end, so they are native
/// threads. Under Miri they are deterministic, so that its runs are reproducible.
static DEFAULT: OnceLock<Kernel> = OnceLock::new();

fn default() -> Kernel {
    let threads = if cfg!(miri) { Threads::Deterministic } else { Threads::Native };
    Kernel::new(Config { threads, ..Config::default() })
}

impl Kernel {
    /// Attaches the current thread to this kernel until the result is dropped.
    ///
    /// With [`Threads::Deterministic`], one thread of a kernel runs at a time. This function waits for the thread's
    /// turn. The thread keeps its turn until it waits in the kernel or leaves; see [`blocking`](Self::blocking).
    #[must_use = "the thread leaves the kernel when this is dropped"]
    pub fn enter(&self) -> Entered {
        Entered::new(self.clone(), || self.announce())
    }

    /// Attaches the current thread, which [`announce`](Self::announce) has announced: see [`enter`](Self::enter).
    pub(crate) fn enter_announced(&self, thread: ThreadId) -> Entered {
        Entered::new(self.clone(), || thread)
    }

    /// Runs a closure that blocks outside of this kernel, for instance until another thread of the process has ended.
    ///
    /// Meanwhile the thread does not belong to the kernel, the kernel's other threads continue to run, and its clock is
    /// the machine's.
    pub fn blocking<T>(&self, blocks: impl FnOnce() -> T) -> T {
        let inside = CURRENT.with(|current| match &*current.borrow() {
            Some(attachment) if attachment.kernel.is_same(self) => Some(attachment.thread),
            _ => None,
        });
        let Some(thread) = inside else {
            return blocks();
        };
        self.0.scheduler.set_blocking(thread, true);
        let inside = CURRENT.take();
        let result = blocks();
        CURRENT.set(inside);
        self.0.scheduler.set_blocking(thread, false);
        result
    }

    /// The kernel of the current thread: the kernel that the thread has [entered](Self::enter), or else the process's
    /// default kernel.
    #[must_use]
    pub fn current() -> Self {
        current().clone()
    }

    pub(super) fn entered() -> Option<Self> {
        let kernel = |current: &RefCell<Option<Rc<ThreadContext>>>| {
            current.borrow().as_ref().map(|current| current.kernel.clone())
        };
        CURRENT.try_with(kernel).ok().flatten()
    }

    /// Calls a function with the configuration of the kernel that the current thread is in, and the command that repeats
    /// the run, if a seed decides it. Takes no lock, and allocates nothing.
    #[cfg(all(unix, not(miri)))]
    pub(crate) fn with_run(function: impl FnOnce(&str, Option<&str>)) {
        let _ = CURRENT.try_with(|current| {
            let Ok(current) = current.try_borrow() else { return };
            let Some(kernel) = current.as_ref().map(|current| &current.kernel.0) else { return };
            function(&kernel.description, kernel.again.get().map(String::as_str));
        });
    }

    /// The number of the current thread in its kernel; zero if it has entered none.
    pub(crate) fn current_thread() -> ThreadId {
        let thread = |current: &RefCell<Option<Rc<ThreadContext>>>| {
            current.borrow().as_ref().map_or(0, |current| current.thread)
        };
        CURRENT.try_with(thread).unwrap_or(0)
    }

    /// The kernel that a report of the current thread is about: the one it has entered, or else the default one if it is in use.
    pub(super) fn reported() -> Option<Self> {
        Self::entered().or_else(|| DEFAULT.get().cloned())
    }
}

/// A preemption point: a deterministic kernel sometimes runs another thread first. The caller holds no lock that a
/// completion routine or a callback takes.
pub(crate) fn interrupt() {
    if current_irql() < wsk_sys::DISPATCH_LEVEL {
        let kernel = current();
        kernel.0.scheduler.interrupt(Kernel::current_thread());
    }
}

/// The attachment of a thread to a kernel: see [`Kernel::enter`].
pub struct Entered {
    outer: Option<Rc<ThreadContext>>,
    /// False if the thread already belonged to the kernel.
    is_new: bool,
    /// The outer kernel is of the same world: the thread has kept its turn.
    has_kept_turn: bool,
}

impl Entered {
    fn new(kernel: Kernel, announce: impl FnOnce() -> ThreadId) -> Self {
        let outer = thread_context();
        let is_inside = outer.as_ref().is_some_and(|outer| outer.kernel.is_same(&kernel));
        let shares = |outer: &&Rc<ThreadContext>| {
            outer.kernel.0.scheduler.is_shared_with(&kernel.0.scheduler)
        };
        // In a world, the thread keeps its number and its turn.
        let kept = outer.as_ref().filter(shares).map(|outer| outer.thread);
        if !is_inside {
            let thread = kept.unwrap_or_else(|| {
                // A thread has a turn in one kernel at a time.
                if let Some(outer) = &outer {
                    outer.kernel.0.scheduler.end(outer.thread);
                }
                let thread = announce();
                kernel.0.scheduler.begin(thread);
                thread
            });
            CURRENT.set(Some(Rc::new(ThreadContext { kernel, thread })));
        }
        Self { outer, is_new: !is_inside, has_kept_turn: kept.is_some() }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        if !self.is_new {
            return;
        }
        let inner = CURRENT.replace(self.outer.take());
        if self.has_kept_turn {
            return;
        }
        if let Some(inner) = inner {
            inner.kernel.0.scheduler.end(inner.thread);
        }
        let outer = thread_context();
        if let Some(outer) = outer {
            outer.kernel.0.scheduler.begin(outer.thread);
        }
    }
}

impl fmt::Debug for Entered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entered").field("is_new", &self.is_new).finish_non_exhaustive()
    }
}
