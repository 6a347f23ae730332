//! The report about a process that a signal ends in a run: `abort` or an assertion of the client, or a fault in its code.
//! Such an end has no other report, and without one the seed would be lost.
//!
//! # Safety
//!
//! Functions of the C library are called with values of this file's own. The handler takes no lock and allocates nothing,
//! since the thread may be inside of any function.

#![expect(unsafe_code, reason = "signals are handled by functions of the C library")]

use std::mem::MaybeUninit;
use std::ptr;
use std::sync::{Once, OnceLock};

use libc::{c_int, c_void, sigaction, siginfo_t};

use crate::kernel::Kernel;
use crate::kernel::protection::pass_on;
use crate::verifier::is_reported;

/// The signals, their names, and the actions of before.
static SIGNALS: [(c_int, &str, OnceLock<sigaction>); 5] = [
    (libc::SIGABRT, "SIGABRT", OnceLock::new()),
    (libc::SIGBUS, "SIGBUS", OnceLock::new()),
    (libc::SIGFPE, "SIGFPE", OnceLock::new()),
    (libc::SIGILL, "SIGILL", OnceLock::new()),
    (libc::SIGSEGV, "SIGSEGV", OnceLock::new()),
];

/// Installs the handler of each signal once.
pub(crate) fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        for (signal, _, former) in &SIGNALS {
            let mut action = MaybeUninit::<sigaction>::zeroed();
            // SAFETY: there is room for an action.
            if unsafe { libc::sigaction(*signal, ptr::null(), action.as_mut_ptr()) } != 0 {
                continue;
            }
            // SAFETY: the function has written the action.
            let action = unsafe { action.assume_init() };
            // Before the handler is installed, which reads it.
            former.get_or_init(|| action);
            let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = on_signal;
            // SAFETY: an action of zeros is valid.
            let mut action: sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
            action.sa_sigaction = handler as usize;
            // On the alternate stack, where the handler of `std` finds that a stack has overflowed.
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            // SAFETY: the action is initialized; its handler takes what `SA_SIGINFO` says. A system that refuses it has no
            // such report.
            let _ = unsafe { libc::sigaction(*signal, &raw const action, ptr::null_mut()) };
        }
    });
}

/// Writes a text to standard error. What the system does not take is lost.
fn write(text: &str) {
    // SAFETY: the text has this length.
    let _ = unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
}

/// Reports the signal, unless another report explains why the process ends, and calls the previous handler.
extern "C" fn on_signal(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let Some((_, name, former)) = SIGNALS.iter().find(|(known, ..)| *known == signal) else {
        return;
    };
    if !is_reported() {
        Kernel::with_run(|config, again| {
            for part in ["wsk-host: ", name, " ends the process\n  with:    ", config] {
                write(part);
            }
            for part in again.map_or(["\n", "", ""], |again| ["\n  again:\n", again, "\n"]) {
                write(part);
            }
        });
    }
    // SAFETY: the action is the former one of this signal, and the other arguments are the system's.
    let is_handled = unsafe { pass_on(former.get(), signal, info, context) };
    if !is_handled {
        // SAFETY: the signal is blocked until this handler returns, and then ends the process.
        unsafe { libc::raise(signal) };
    }
}
