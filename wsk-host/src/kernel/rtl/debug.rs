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
    // SAFETY: the caller passes a string that ends with a NUL.
    let prefix = unsafe { CStr::from_ptr(prefix) };
    // SAFETY: the caller passes a format, and arguments for it.
    let text = unsafe { format::<Narrow>(text.cast(), &mut VaList::new(arguments)) };
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
#[unsafe(no_mangle)]
extern "C" fn RtlAssert(assertion: PVOID, file: PVOID, line: ULONG, message: *const c_char) {
    let message = match text(message) {
        message if message.is_empty() => message,
        message => format!(": {message}"),
    };
    let (assertion, file) = (text(assertion.cast()), text(file.cast()));
    kernel_violation(&format!("assertion failed: {assertion}{message}\n  at:      {file}:{line}"));
}

/// A host has no debugger.
#[unsafe(no_mangle)]
extern "C" fn DbgBreakPoint() {
    kernel_violation("DbgBreakPoint: no debugger is attached");
}
