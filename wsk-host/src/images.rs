//! The host's side of the loader of images, for `wsk-loader` alone.

use std::ops::Range;
use std::time::Duration;

#[cfg(target_arch = "x86_64")]
use libc::{c_int, c_void, sigaction, siginfo_t};

#[cfg(target_arch = "x86_64")]
use crate::call_stack::unwind;
use crate::kernel::abi;
#[cfg(target_arch = "x86_64")]
use crate::kernel::abi::entry_points;
use crate::kernel::abi::images::{GuardedPages, place, wait_for_calls as wait_for_calls_into};
use crate::kernel::config::Windows;
use crate::kernel::ke::irql;
#[cfg(target_arch = "x86_64")]
use crate::kernel::ke::shared_data;
#[cfg(target_arch = "x86_64")]
use crate::kernel::protection;
use crate::kernel::{Kernel, Threads, imports, ps};
use crate::verifier::{Rule, kernel_violation, rule_violation, set_image_description};

#[cfg(target_arch = "x86_64")]
/// The address of `KUSER_SHARED_DATA`.
pub const SHARED_DATA: usize = shared_data::ADDRESS;

/// Sets the function that names addresses in images, unless one is set.
pub fn set_description(describe: fn(usize) -> Option<String>) {
    set_image_description(describe);
}

/// Pages in the range of all images, which are freed when this is dropped. Their addresses stay reserved.
pub struct Pages(GuardedPages);

impl Pages {
    /// Reserves whole pages for an image. None if the system refuses, or the range is exhausted.
    #[must_use]
    pub fn reserve(size: usize) -> Option<Self> {
        place(size).map(Self)
    }

    /// Their addresses.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.0.range()
    }

    /// Copies bytes to an offset, and makes all of their pages writable.
    ///
    /// # Errors
    ///
    /// The system has no memory.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) -> std::io::Result<()> {
        self.0.write(offset, bytes)
    }

    /// Changes the access to the pages of a part: `PROT_…` of the C library.
    ///
    /// # Errors
    ///
    /// The system refuses the change.
    pub fn protect(&mut self, part: Range<usize>, access: i32) -> std::io::Result<()> {
        self.0.protect(part, access)
    }
}

/// Whether an address belongs to an image that is or was loaded. It may be called in a signal handler.
#[must_use]
pub fn contain(address: usize) -> bool {
    abi::images::contain(address)
}

/// Waits until all calls into an image have returned: for a second where the machine schedules threads, which may have
/// interrupted one in the last instructions of a routine. Returns the number of those that have not returned.
#[must_use]
pub fn wait_for_calls(image: &Range<usize>) -> u32 {
    let patience = match Kernel::current().config().threads {
        Threads::Native => Duration::from_secs(1),
        Threads::Deterministic => Duration::ZERO,
    };
    wait_for_calls_into(image, patience)
}

/// Stops a driver whose image is unloaded while the kernel uses objects in it: timers, DPCs, IRPs, and what requests refer to.
/// False if the levels of the rules let the driver continue: then the memory must stay.
#[must_use]
pub fn are_unused(image: &Range<usize>) -> bool {
    let kernel = Kernel::current();
    let timers = kernel.timers();
    if let Some((object, origin)) = timers.in_use(image) {
        let found = format!("{object} is in it when the driver is unloaded");
        let origin = origin.clone();
        drop(timers);
        rule_violation(Rule::UNLOAD_AFTER_ROUTINES, "the image", &found, Some(&origin));
        return false;
    }
    drop(timers);
    kernel.usage().require_unused(image, "unloading the image")
}

/// The address that an image imports under a name. None if the host, or this Windows, has no such export.
#[must_use]
pub fn import(name: &str, windows: Windows) -> Option<usize> {
    imports::address(name, windows)
}

#[cfg(target_arch = "x86_64")]
/// The beginnings of all entry points, in ascending order, and the end of the last. Each begins with `push rbp`,
/// `mov rbp, rsp`, `push rdi`, `push rsi`.
#[must_use]
pub fn entry_points() -> &'static [usize] {
    entry_points::starts()
}

/// The current thread's object.
#[must_use]
pub fn current_thread() -> usize {
    ps::KeGetCurrentThread().addr()
}

#[cfg(target_arch = "x86_64")]
/// Whether an address is in freed memory that the host protects, whose access it reports itself. It may be called in a
/// signal handler.
#[must_use]
pub fn is_protected(address: usize) -> bool {
    protection::contains(address)
}

#[cfg(target_arch = "x86_64")]
/// Passes a signal to the handler that was installed before the loader's: see the arguments' names in `sigaction(2)`. Without
/// one, restores the default action. It takes no lock, and allocates nothing.
///
/// # Safety
///
/// - `former` is an action that `sigaction` has returned for this signal.
/// - The other arguments are those that the system passed to a handler of this signal, which returns after this call.
#[expect(unsafe_code, reason = "the handler is called by its address")]
pub unsafe fn pass_on(
    former: Option<&sigaction>,
    signal: c_int,
    info: *mut siginfo_t,
    context: *mut c_void,
) {
    // SAFETY: the arguments are as `pass_on` requires (this function's contract).
    let _ = unsafe { protection::pass_on(former, signal, info, context) };
}

#[cfg(target_arch = "x86_64")]
/// Ends the backtrace that the thread with a context is taking, whose unwinder has faulted: the thread continues there when
/// the signal's handler returns. False if it is taking none. It may be called in a signal handler.
#[must_use]
pub fn end_backtrace(context: &mut libc::ucontext_t) -> bool {
    unwind::end(context)
}

/// Sets the IRQL of the current thread without a check.
pub fn set_irql(level: u8) {
    irql::set(level);
}

#[cfg(target_arch = "x86_64")]
/// The current contents of the emulated part of `KUSER_SHARED_DATA`.
#[must_use]
pub fn shared_data() -> [u8; shared_data::SIZE] {
    shared_data::contents()
}

/// Ends the process with a report.
pub fn stop(message: &str) -> ! {
    kernel_violation(message)
}

/// Ends the process with the report that code of an unloaded image was to run.
pub fn stop_after_unload(what: &str, found: &str) -> ! {
    rule_violation(Rule::UNLOAD_AFTER_ROUTINES, what, found, None);
    kernel_violation(&format!("{what}: {found}"))
}
