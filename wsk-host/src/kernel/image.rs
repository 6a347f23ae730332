//! Calls of the client's code, and the end of its image.
//!
//! Every call of the client's code, except those of work items, goes through [`Kernel::run_client`], or between
//! [`Kernel::begin_client`] and [`Kernel::end_client`]. So unloading finds code that has not returned, and any later
//! call is a violation ([INV-18](crate::rules#inv-18)). A work item keeps the driver loaded itself, by a reference to
//! its device; so does a completion routine of `IoSetCompletionRoutineEx`.
//!
//! # Safety
//!
//! The memory of a static is never freed, and consists of atomic integers.

#![expect(unsafe_code, reason = "functions that clients call")]

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_void};
use std::sync::PoisonError;
use std::time::Duration;

use super::loaded_image::{COMPLETION_ROUTINE, ClientCall, RunningCode};
use super::{Kernel, Threads, current};
use crate::verifier::{Origin, Rule, kernel_violation, place_of_client, rule_violation, waits};

/// The time that native threads have to return from the client's code when it is unloaded.
const GRACE: Duration = Duration::from_secs(1);

/// Stops a client whose code is called after its image was unloaded.
fn require_loaded(begun: ClientCall, running: &RunningCode) {
    if begun.is_after_unload {
        let found = "it is called after the driver was unloaded";
        let RunningCode { what, origin, .. } = running;
        rule_violation(Rule::UNLOAD_AFTER_ROUTINES, what, found, origin.as_ref());
    }
}

impl Kernel {
    /// Begins a call of the client's code. `what` names the code, and `origin` is its origin, if known.
    pub(crate) fn begin_client(&self, what: &'static str, origin: Option<Origin>) -> ClientCall {
        self.begin(&RunningCode { what, origin, keeps_loaded: false })
    }

    fn begin(&self, running: &RunningCode) -> ClientCall {
        let begun = self.image().begin(running.clone());
        require_loaded(begun, running);
        begun
    }

    /// Begins a call of the completion routine with a context. None if the routine keeps the client's image loaded, or is the
    /// host's own.
    pub(crate) fn begin_routine(&self, context: usize) -> Option<ClientCall> {
        let begun = self.image().begin_routine(context)?;
        require_loaded(begun, &COMPLETION_ROUTINE);
        Some(begun)
    }

    /// Ends a call of the client's code, which has returned or was not made.
    pub(crate) fn end_client(&self, call: ClientCall) {
        let is_awaited = self.image().end(call);
        // Notifying is a call of the system, even if no thread waits.
        if is_awaited {
            self.0.call_ended.notify_all();
        }
    }

    /// Calls the client's code.
    pub(crate) fn run_client<T>(&self, what: &'static str, call: impl FnOnce() -> T) -> T {
        let begun = self.begin_client(what, None);
        let result = call();
        self.end_client(begun);
        result
    }

    /// As [`run_client`](Self::run_client), for code that the kernel keeps the client's image loaded for.
    pub(crate) fn run_guarded_client<T>(&self, what: &'static str, call: impl FnOnce() -> T) -> T {
        let begun = self.begin(&RunningCode { what, origin: None, keeps_loaded: true });
        let result = call();
        self.end_client(begun);
        result
    }

    /// Unloads the client's image, as the system does when `DriverUnload` has returned.
    ///
    /// From here on, a call of the client's code is a violation of [INV-18](crate::rules#inv-18), and ends the process.
    /// So does code of the client that is still running, except the caller, and what keeps the driver loaded: work
    /// items, and completion routines that `IoSetCompletionRoutineEx` has set.
    ///
    /// [`wsk_host::test`](crate::test) calls this at the end of each test.
    ///
    /// The machine may interrupt a native thread in the last instructions of a routine whose result the client has
    /// already seen. Such a thread has one second to return; the seeds of deterministic threads find clients that do
    /// not wait.
    pub fn unload(&self) {
        let mut image = self.image();
        if self.config().threads == Threads::Native {
            image.is_awaited = true;
            let wait = self
                .0
                .call_ended
                .wait_timeout_while(image, GRACE, |image| image.running().is_some());
            image = wait.unwrap_or_else(PoisonError::into_inner).0;
            image.is_awaited = false;
        }
        let running = image.unload();
        drop(image);
        if let Some(RunningCode { what, origin, .. }) = running {
            let found = "it is still running when the driver is unloaded";
            rule_violation(Rule::UNLOAD_AFTER_ROUTINES, what, found, origin.as_ref());
        }
    }

    /// Loads the client's image again after an unload, with its statics in their initial state. A new kernel starts
    /// with the image loaded.
    pub fn load(&self) {
        self.image().load();
    }
}

/// The current kernel's copy of one of the client's statics, all zeroes at first. It is aligned to 8 bytes and never
/// freed.
#[unsafe(no_mangle)]
extern "C" fn wsk_host_image_static(key: *const c_void, size: usize) -> *const c_void {
    let memory = current().image().static_memory(key.addr(), size);
    let Some(memory) = memory else {
        kernel_violation(&format!(
            "wsk_host_image_static: the static at {key:p} has another size than {size} bytes"
        ));
    };
    memory.as_ptr().cast()
}

/// Reports the unload routine of a client that waits for too long. `message` names the objects that it waits for.
///
/// # Safety
///
/// The message is a C string.
#[unsafe(no_mangle)]
unsafe extern "C" fn wsk_host_unload_waits(message: *const c_char) {
    // SAFETY: the message is a C string (this function's contract).
    let message = unsafe { CStr::from_ptr(message) }.to_string_lossy();
    let place = BTreeMap::from([(Kernel::current_thread(), place_of_client())]);
    let found = format!("{message}{}", waits(&place));
    rule_violation(Rule::UNLOAD_AFTER_ROUTINES, "the driver's unload routine", &found, None);
}
