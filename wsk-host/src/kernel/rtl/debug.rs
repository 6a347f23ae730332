//! `DbgPrint…`, and assertions.
//!
//! # Safety
//!
//! The exported functions have the contracts that Microsoft documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use std::ffi::{CStr, c_char};

use wsk_sys::{DISPATCH_LEVEL, NTSTATUS, PVOID, STATUS_SUCCESS, ULONG};

use crate::kernel::ke::irql::require_at_most;
use crate::kernel::rtl::format::{Narrow, format};
use crate::kernel::rtl::va_list::{RawList, VaList};
use crate::verifier::kernel_violation;

/// Prints a driver's message to standard error, for every component and level.
#[unsafe(no_mangle)]
unsafe extern "C" fn vDbgPrintEx(
    component: ULONG,
    level: ULONG,
    text: *const c_char,
    arguments: RawList,
) -> NTSTATUS {
    // SAFETY: the caller passes a format that ends with a NUL, and the arguments that it names.
    unsafe { vDbgPrintExWithPrefix(c"".as_ptr(), component, level, text, arguments) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vDbgPrintExWithPrefix(
    prefix: *const c_char,
    _component: ULONG,
    _level: ULONG,
    text: *const c_char,
    arguments: RawList,
) -> NTSTATUS {
    // SAFETY: the caller passes the format's arguments.
    let mut arguments = unsafe { VaList::new(arguments) };
    // SAFETY: the caller passes a string that ends with a NUL, and a format for the arguments.
    unsafe { print(prefix, text, &mut arguments) }
}

/// Prints a message after a prefix.
///
/// # Safety
///
/// Both strings end with a NUL, and the second is a format for the arguments.
pub(super) unsafe fn print(
    prefix: *const c_char,
    text: *const c_char,
    arguments: &mut VaList,
) -> NTSTATUS {
    // SAFETY: the string ends with a NUL (this function's contract).
    let prefix = unsafe { CStr::from_ptr(prefix) };
    // SAFETY: the format is one for the arguments (this function's contract).
    let text = unsafe { format::<Narrow>(text.cast(), arguments) };
    eprint!("{}{}", prefix.to_string_lossy(), String::from_utf8_lossy(&text));
    STATUS_SUCCESS
}

/// Prints a text: `DbgPrintEx`, whose number of arguments varies, for clients in Rust.
#[unsafe(no_mangle)]
extern "C" fn wsk_host_debug_print(_component: ULONG, _level: ULONG, message: *const c_char) {
    require_at_most(DISPATCH_LEVEL, "DbgPrintEx");
    eprint!("{}", text(message));
}

fn text(string: *const c_char) -> String {
    if string.is_null() {
        return String::new();
    }
    // SAFETY: the callers pass strings that end with a NUL.
    unsafe { CStr::from_ptr(string) }.to_string_lossy().into_owned()
}

/// Stops a client whose assertion does not hold.
#[wsk_host_macros::export]
extern "C" fn RtlAssert(assertion: PVOID, file: PVOID, line: ULONG, message: *const c_char) {
    let message = match text(message) {
        message if message.is_empty() => message,
        message => format!(": {message}"),
    };
    let (assertion, file) = (text(assertion.cast()), text(file.cast()));
    kernel_violation(&format!("assertion failed: {assertion}{message}\n  at:      {file}:{line}"));
}

/// A host has no debugger.
#[wsk_host_macros::export]
extern "C" fn DbgBreakPoint() {
    kernel_violation("DbgBreakPoint: no debugger is attached");
}
