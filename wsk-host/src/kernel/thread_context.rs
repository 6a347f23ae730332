//! The kernel of each thread.

use std::cell::RefCell;
use std::fmt;
use std::ops::Deref;
use std::rc::Rc;

use super::{DEFAULT, Kernel, default};
use crate::kernel::schedule::ThreadId;
use crate::verifier::kernel_violation;

thread_local! {
    pub(super) static CURRENT: RefCell<Option<Rc<ThreadContext>>> = const { RefCell::new(None) };
}

/// The kernel that a thread has entered, and the thread's number in it.
pub(crate) struct ThreadContext {
    pub(super) kernel: Kernel,
    pub(super) thread: ThreadId,
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
/// destructors in a thread without variables of its own.
fn thread_context() -> Option<Rc<ThreadContext>> {
    let current = CURRENT.try_with(|current| current.borrow().clone());
    current.unwrap_or_else(|_| {
        kernel_violation(
            "the kernel was called when the thread had ended, such as in an exit handler or a destructor: a client ends before its program does",
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

impl Kernel {
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

    /// Calls a function with the configuration of the run that the current thread is in, and the command that repeats it.
    /// Takes no lock, and allocates nothing.
    #[cfg(all(unix, not(miri)))]
    pub(crate) fn with_run(function: impl FnOnce(&str, &str)) {
        let _ = CURRENT.try_with(|current| {
            let Ok(current) = current.try_borrow() else { return };
            let Some(kernel) = current.as_ref().map(|current| &current.kernel.0) else { return };
            if let Some(again) = kernel.again.get() {
                function(&kernel.description, again);
            }
        });
    }

    /// The number of the current thread in its kernel; zero if it has entered none.
    pub(crate) fn current_thread() -> ThreadId {
        let thread = |current: &RefCell<Option<Rc<ThreadContext>>>| {
            current.borrow().as_ref().map_or(0, |current| current.thread)
        };
        CURRENT.try_with(thread).unwrap_or(0)
    }
}

/// The attachment of a thread to a kernel: see [`Kernel::enter`].
pub struct Entered {
    outer: Option<Rc<ThreadContext>>,
    /// False if the thread already belonged to the kernel.
    is_new: bool,
}

impl Entered {
    pub(super) fn new(kernel: Kernel, announce: impl FnOnce() -> ThreadId) -> Self {
        let outer = thread_context();
        let is_inside = outer.as_ref().is_some_and(|outer| outer.kernel.is_same(&kernel));
        if !is_inside {
            // A thread has a turn in one kernel at a time.
            if let Some(outer) = &outer {
                outer.kernel.0.scheduler.end(outer.thread);
            }
            let thread = announce();
            kernel.0.scheduler.begin(thread);
            CURRENT.set(Some(Rc::new(ThreadContext { kernel, thread })));
        }
        Self { outer, is_new: !is_inside }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        if !self.is_new {
            return;
        }
        let inner = CURRENT.replace(self.outer.take());
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
