//! Functions with a variable number of arguments, and those that take a `va_list`, as images call them.
//!
//! In Microsoft's x64 convention the first four arguments have places on the caller's stack, below the others. A
//! variadic function stores them there, and has all of its arguments in one array. On arm64 it stores the eight registers
//! of arguments below those on the stack, with the same result. `efiapi` is Microsoft's convention on x64, and C's on arm64.
//!
//! # Safety
//!
//! The exported functions have the contracts that Microsoft documents. They use the client's pointers during
//! the call only.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use std::arch::global_asm;
use std::ffi::c_char;

use wsk_sys::{DISPATCH_LEVEL, NTSTATUS, SIZE_T, ULONG};

use crate::kernel::abi::{EXPORTS, Export, ExportTarget};
use crate::kernel::ke::irql::require_at_most;
use crate::kernel::rtl::debug::print;
use crate::kernel::rtl::format::{Narrow, Wide, format, write};
use crate::kernel::rtl::va_list::{RawList, VaList};

/// Exports a variadic function. `$function` receives the address of its arguments, of eight bytes each.
macro_rules! variadic {
    ($export:ident = $name:literal, $entry:ident, $function:path) => {
        unsafe extern "C" {
            fn $entry();
        }

        #[cfg(target_arch = "aarch64")]
        global_asm!(
            concat!(".pushsection .text.", stringify!($entry), ", \"ax\", @progbits"),
            concat!(".globl ", stringify!($entry)),
            concat!(".hidden ", stringify!($entry)),
            concat!(".type ", stringify!($entry), ", @function"),
            concat!(stringify!($entry), ":"),
            ".cfi_startproc",
            "stp x29, x30, [sp, #-80]!",
            ".cfi_def_cfa_offset 80",
            ".cfi_offset x29, -80",
            ".cfi_offset x30, -72",
            "mov x29, sp",
            "stp x0, x1, [sp, #16]",
            "stp x2, x3, [sp, #32]",
            "stp x4, x5, [sp, #48]",
            "stp x6, x7, [sp, #64]",
            "add x0, sp, #16",
            "bl {function}",
            "ldp x29, x30, [sp], #80",
            ".cfi_def_cfa_offset 0",
            "ret",
            ".cfi_endproc",
            concat!(".size ", stringify!($entry), ", . - ", stringify!($entry)),
            ".popsection",
            function = sym $function,
        );

        #[cfg(target_arch = "x86_64")]
        global_asm!(
            concat!(".pushsection .text.", stringify!($entry), ", \"ax\", @progbits"),
            concat!(".globl ", stringify!($entry)),
            concat!(".hidden ", stringify!($entry)),
            concat!(".type ", stringify!($entry), ", @function"),
            concat!(stringify!($entry), ":"),
            ".cfi_startproc",
            "mov [rsp + 8], rcx",
            "mov [rsp + 16], rdx",
            "mov [rsp + 24], r8",
            "mov [rsp + 32], r9",
            "lea rcx, [rsp + 8]",
            "sub rsp, 40",
            ".cfi_adjust_cfa_offset 40",
            "call {function}",
            "add rsp, 40",
            ".cfi_adjust_cfa_offset -40",
            "ret",
            ".cfi_endproc",
            concat!(".size ", stringify!($entry), ", . - ", stringify!($entry)),
            ".popsection",
            function = sym $function,
        );

        #[linkme::distributed_slice(EXPORTS)]
        static $export: Export = Export::new($name, ExportTarget::microsoft($entry as *const ()));
    };
}

variadic!(DBG_PRINT = "DbgPrint", wsk_host_dbg_print, dbg_print);
variadic!(DBG_PRINT_EX = "DbgPrintEx", wsk_host_dbg_print_ex, dbg_print_ex);
variadic!(SNPRINTF = "_snprintf", wsk_host_snprintf, snprintf);
variadic!(SNWPRINTF = "_snwprintf", wsk_host_snwprintf, snwprintf);

/// An argument of a variadic function.
///
/// # Safety
///
/// The function has this argument, of this type.
unsafe fn argument<T>(arguments: *mut u64, number: usize) -> T {
    // SAFETY: the argument exists (this function's contract), and each takes eight bytes.
    unsafe { arguments.add(number).cast::<T>().read() }
}

/// The arguments after the first ones.
///
/// # Safety
///
/// The function has further arguments, as its format specifies.
unsafe fn rest(arguments: *mut u64, fixed: usize) -> VaList {
    // SAFETY: the function has more arguments (this function's contract).
    unsafe { VaList::of_image(arguments.wrapping_add(fixed).cast()) }
}

unsafe extern "efiapi" fn dbg_print(arguments: *mut u64) -> NTSTATUS {
    require_at_most(DISPATCH_LEVEL, "DbgPrint");
    // SAFETY: the caller passes a format and its arguments.
    unsafe { print(c"".as_ptr(), argument(arguments, 0), &mut rest(arguments, 1)) }
}

unsafe extern "efiapi" fn dbg_print_ex(arguments: *mut u64) -> NTSTATUS {
    require_at_most(DISPATCH_LEVEL, "DbgPrintEx");
    // SAFETY: the caller passes a component, a level, a format and its arguments.
    unsafe { print(c"".as_ptr(), argument(arguments, 2), &mut rest(arguments, 3)) }
}

unsafe extern "efiapi" fn snprintf(arguments: *mut u64) -> i32 {
    // SAFETY: the caller passes a buffer, its size, a format and its arguments.
    unsafe {
        let text = format::<Narrow>(argument(arguments, 2), &mut rest(arguments, 3));
        write(argument(arguments, 0), argument(arguments, 1), &text)
    }
}

unsafe extern "efiapi" fn snwprintf(arguments: *mut u64) -> i32 {
    // SAFETY: the caller passes a buffer, its size, a format and its arguments.
    unsafe {
        let text = format::<Wide>(argument(arguments, 2), &mut rest(arguments, 3));
        write(argument(arguments, 0), argument(arguments, 1), &text)
    }
}

#[wsk_host_macros::export("vDbgPrintEx")]
unsafe extern "C" fn print_list(
    component: ULONG,
    level: ULONG,
    text: *const c_char,
    arguments: RawList,
) -> NTSTATUS {
    // SAFETY: the caller passes a format that ends with a NUL, and its arguments.
    unsafe { print_list_with_prefix(c"".as_ptr(), component, level, text, arguments) }
}

#[wsk_host_macros::export("vDbgPrintExWithPrefix")]
unsafe extern "C" fn print_list_with_prefix(
    prefix: *const c_char,
    _component: ULONG,
    _level: ULONG,
    text: *const c_char,
    arguments: RawList,
) -> NTSTATUS {
    // SAFETY: the caller passes a prefix and a format that end with a NUL, and the format's arguments.
    unsafe { print(prefix, text, &mut VaList::of_image(arguments)) }
}

#[wsk_host_macros::export("_vsnprintf")]
unsafe extern "C" fn list_to_text(
    buffer: *mut u8,
    count: SIZE_T,
    text: *const u8,
    arguments: RawList,
) -> i32 {
    // SAFETY: the caller passes a format and its arguments.
    let text = unsafe { format::<Narrow>(text, &mut VaList::of_image(arguments)) };
    // SAFETY: the caller passes a buffer of this size.
    unsafe { write(buffer, count, &text) }
}

#[wsk_host_macros::export("_vsnwprintf")]
unsafe extern "C" fn list_to_wide_text(
    buffer: *mut u16,
    count: SIZE_T,
    text: *const u16,
    arguments: RawList,
) -> i32 {
    // SAFETY: the caller passes a format and its arguments.
    let text = unsafe { format::<Wide>(text, &mut VaList::of_image(arguments)) };
    // SAFETY: the caller passes a buffer of this size.
    unsafe { write(buffer, count, &text) }
}
