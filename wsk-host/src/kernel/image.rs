//! The client's image: whether it is loaded, which of its code is running, and its statics.
//!
//! Every call into the client's code goes through [`Kernel::run_client`]. So unloading finds code that has not
//! returned, and any later call is a violation ([INV-18](crate::rules#inv-18)).
//!
//! # Safety
//!
//! The memory of a static is never freed, and consists of atomic integers.

#![expect(unsafe_code, reason = "functions that clients call")]

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_void};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use super::Kernel;
use crate::verifier::{Origin, Rule, rule_violation};

/// The client's image, as far as a kernel knows it.
#[derive(Default)]
pub(crate) struct Image {
    is_unloaded: bool,
    /// The client's code that is running, in the order in which it was called.
    running: BTreeMap<u64, Running>,
    last: u64,
    /// By the address of each static in the process.
    statics: BTreeMap<usize, &'static [AtomicU64]>,
}

struct Running {
    what: &'static str,
    origin: Option<Arc<Origin>>,
}

/// Code of the client's that is running, or is about to.
#[derive(Clone, Copy)]
pub(crate) struct Call(u64);

/// All memory of statics, which is never freed.
static STATICS: Mutex<Vec<&'static [AtomicU64]>> = Mutex::new(Vec::new());

impl Kernel {
    /// Begins a call of the client's code. `what` names it, and `origin` is where it comes from, if that is known.
    pub(crate) fn begin_client(&self, what: &'static str, origin: Option<Arc<Origin>>) -> Call {
        let mut image = self.image();
        if image.is_unloaded {
            drop(image);
            let found = "it is called after the driver was unloaded";
            rule_violation(Rule::UNLOAD_AFTER_ROUTINES, what, found, origin.as_deref());
        }
        image.last += 1;
        let number = image.last;
        image.running.insert(number, Running { what, origin });
        Call(number)
    }

    /// The client's code has returned, or was not called after all.
    pub(crate) fn end_client(&self, Call(number): Call) {
        self.image().running.remove(&number);
    }

    /// Calls the client's code.
    pub(crate) fn run_client<T>(&self, what: &'static str, call: impl FnOnce() -> T) -> T {
        let number = self.begin_client(what, None);
        let result = call();
        self.end_client(number);
        result
    }

    /// Unloads the client's image, as the system does when `DriverUnload` has returned. From here on, any call of the
    /// client's code is a violation of [INV-18](crate::rules#inv-18), and ends the process; and so is code that is still running now, except
    /// for the caller's.
    ///
    /// A test of [`wsk_host::test`](crate::test) does this at its end.
    pub fn unload(&self) {
        let mut image = self.image();
        image.is_unloaded = true;
        let first = image.running.pop_first();
        drop(image);
        if let Some((_, Running { what, origin })) = first {
            let found = "it is still running when the driver is unloaded";
            rule_violation(Rule::UNLOAD_AFTER_ROUTINES, what, found, origin.as_deref());
        }
    }

    /// Loads the client's image again after it was unloaded, with its statics as they were at first. A new kernel has the
    /// image loaded.
    pub fn load(&self) {
        let mut image = self.image();
        if image.is_unloaded {
            image.is_unloaded = false;
            image.statics.clear();
        }
    }

    fn image_static(&self, key: usize, size: usize) -> &'static [AtomicU64] {
        let allocate = || {
            let words = (0..size.div_ceil(size_of::<u64>())).map(|_| AtomicU64::new(0));
            let memory: &'static [AtomicU64] = Box::leak(words.collect());
            STATICS.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
            memory
        };
        self.image().statics.entry(key).or_insert_with(allocate)
    }
}

/// The current kernel's copy of one of the client's statics, all zeroes at first. It is aligned to 8 bytes and never
/// freed.
#[unsafe(no_mangle)]
extern "C" fn wsk_host_image_static(key: *const c_void, size: usize) -> *const c_void {
    Kernel::current().image_static(key.addr(), size).as_ptr().cast()
}

/// The client's unload routine waits for something, and says for what.
///
/// # Safety
///
/// The message is a C string.
#[unsafe(no_mangle)]
unsafe extern "C" fn wsk_host_unload_waits(message: *const c_char) {
    // SAFETY: the message is a C string (this function's contract).
    let message = unsafe { CStr::from_ptr(message) }.to_string_lossy();
    rule_violation(Rule::UNLOAD_AFTER_ROUTINES, "the driver's unload routine", &message, None);
}
