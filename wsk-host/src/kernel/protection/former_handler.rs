//! The handler of a signal that was installed before this project's handler.
//!
//! # Safety
//!
//! The C library describes a handler by an address and by flags that determine how it is called.

#![expect(unsafe_code, reason = "signal handlers are the C library's")]

use std::mem::MaybeUninit;
use std::ptr;

use libc::{c_int, c_void, sigaction, siginfo_t};

/// Passes a signal to the handler of `former`, and returns true. Without one, restores the default action and returns false: a
/// fault's instruction is repeated, and ends the process. Takes no lock, and allocates nothing.
///
/// # Safety
///
/// - `former` is an action that `sigaction` has returned for this signal.
/// - The other arguments are those that the system passed to a handler of this signal, which returns after this call.
pub(crate) unsafe fn pass_on(
    former: Option<&sigaction>,
    signal: c_int,
    info: *mut siginfo_t,
    context: *mut c_void,
) -> bool {
    let former = former.filter(|it| !matches!(it.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN));
    let Some(former) = former else {
        // SAFETY: an action of zeros is the default one.
        let action: sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
        // SAFETY: the action is initialized.
        unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
        return false;
    };
    if former.sa_flags & libc::SA_SIGINFO == 0 {
        // SAFETY: without this flag, the address is that of a handler of one argument.
        let handler =
            unsafe { std::mem::transmute::<usize, extern "C" fn(c_int)>(former.sa_sigaction) };
        handler(signal);
    } else {
        // SAFETY: with this flag, the address is that of a handler of three arguments.
        let handler = unsafe {
            std::mem::transmute::<usize, extern "C" fn(c_int, *mut siginfo_t, *mut c_void)>(
                former.sa_sigaction,
            )
        };
        handler(signal, info, context);
    }
    true
}
