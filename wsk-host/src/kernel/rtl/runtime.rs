//! Functions of the C library that `ntoskrnl.exe` exports. Linked clients use those of this process.
//!
//! # Safety
//!
//! The exported functions have the contracts that C and Microsoft document. They use the client's pointers during
//! the call only.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use std::arch::global_asm;
use std::cmp::Ordering;
use std::ptr;

use wsk_sys::{NTSTATUS, PVOID, ULONG};

use crate::kernel::abi::{EXPORTS, Export, ExportTarget};
use crate::kernel::rtl::strings::zero_terminated;
use crate::verifier::kernel_violation;

#[wsk_host_macros::export("memcpy")]
unsafe extern "C" fn copy(target: *mut u8, source: *const u8, length: usize) -> *mut u8 {
    // SAFETY: the caller passes two blocks of this length. C leaves an overlap undefined; here it is a move.
    unsafe { ptr::copy(source, target, length) };
    target
}

#[wsk_host_macros::export("memmove")]
unsafe extern "C" fn move_bytes(target: *mut u8, source: *const u8, length: usize) -> *mut u8 {
    // SAFETY: the caller passes two blocks of this length.
    unsafe { copy(target, source, length) }
}

#[wsk_host_macros::export("RtlCopyMemory")]
unsafe extern "C" fn copy_memory(target: *mut u8, source: *const u8, length: usize) {
    // SAFETY: the caller passes two blocks of this length.
    unsafe { copy(target, source, length) };
}

#[wsk_host_macros::export("RtlMoveMemory")]
unsafe extern "C" fn move_memory(target: *mut u8, source: *const u8, length: usize) {
    // SAFETY: the caller passes two blocks of this length.
    unsafe { copy(target, source, length) };
}

#[wsk_host_macros::export("memset")]
unsafe extern "C" fn fill(target: *mut u8, value: i32, length: usize) -> *mut u8 {
    // SAFETY: the caller passes a block of this length. C uses the lowest byte of the value.
    unsafe { ptr::write_bytes(target, value.to_le_bytes()[0], length) };
    target
}

#[wsk_host_macros::export("RtlFillMemory")]
unsafe extern "C" fn fill_memory(target: *mut u8, length: usize, value: i32) {
    // SAFETY: the caller passes a block of this length.
    unsafe { fill(target, value, length) };
}

#[wsk_host_macros::export("RtlZeroMemory")]
unsafe extern "C" fn zero_memory(target: *mut u8, length: usize) {
    // SAFETY: the caller passes a block of this length.
    unsafe { fill(target, 0, length) };
}

#[wsk_host_macros::export("memcmp")]
unsafe extern "C" fn compare(left: *const u8, right: *const u8, length: usize) -> i32 {
    for offset in 0..length {
        // SAFETY: the caller passes two blocks of this length.
        let (left, right) = unsafe { (left.add(offset).read(), right.add(offset).read()) };
        if left != right {
            return order(left.cmp(&right));
        }
    }
    0
}

fn order(order: Ordering) -> i32 {
    match order {
        Ordering::Less => -1,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    }
}

/// Defines the functions for strings of one kind of units.
macro_rules! strings {
    ($unit:ty: $length:ident = $length_name:literal, $bounded:ident = $bounded_name:literal,
     $compare:ident = $compare_name:literal, $first:ident = $first_name:literal) => {
        #[wsk_host_macros::export($length_name)]
        unsafe extern "C" fn $length(string: *const $unit) -> usize {
            // SAFETY: the caller passes a string that ends with a NUL.
            unsafe { zero_terminated(string, usize::MAX) }.len()
        }

        #[wsk_host_macros::export($bounded_name)]
        unsafe extern "C" fn $bounded(string: *const $unit, longest: usize) -> usize {
            // SAFETY: the caller passes a string that ends with a NUL or has this length.
            unsafe { zero_terminated(string, longest) }.len()
        }

        #[wsk_host_macros::export($compare_name)]
        unsafe extern "C" fn $compare(left: *const $unit, right: *const $unit) -> i32 {
            // SAFETY: the caller passes two strings that end with a NUL.
            unsafe { $first(left, right, usize::MAX) }
        }

        #[wsk_host_macros::export($first_name)]
        unsafe extern "C" fn $first(
            left: *const $unit,
            right: *const $unit,
            longest: usize,
        ) -> i32 {
            // SAFETY: the caller passes a string that ends with a NUL or has this length.
            let left = unsafe { zero_terminated(left, longest) };
            // SAFETY: the caller passes a string that ends with a NUL or has this length.
            let right = unsafe { zero_terminated(right, longest) };
            order(left.cmp(right))
        }
    };
}

strings!(u8: string_length = "strlen", bounded_length = "strnlen",
    compare_strings = "strcmp", compare_first = "strncmp");
strings!(u16: wide_length = "wcslen", bounded_wide_length = "wcsnlen",
    compare_wide = "wcscmp", compare_first_wide = "wcsncmp");

/// Windows calls it during the search for a handler of an exception. A host raises none.
#[wsk_host_macros::export("__C_specific_handler")]
extern "C" fn handler(_record: PVOID, _frame: PVOID, _context: PVOID, _dispatcher: PVOID) -> i32 {
    kernel_violation("__C_specific_handler: an image calls it, but a host raises no exceptions")
}

#[wsk_host_macros::export("ExRaiseStatus")]
extern "C" fn raise_status(status: NTSTATUS) {
    let status = u32::from_ne_bytes(status.to_ne_bytes());
    kernel_violation(&format!(
        "ExRaiseStatus: the driver raises the exception 0x{status:08X}; a host runs no exception handlers"
    ));
}

#[wsk_host_macros::export("ExRaiseAccessViolation")]
extern "C" fn raise_access_violation() {
    kernel_violation("ExRaiseAccessViolation: a host runs no exception handlers");
}

#[wsk_host_macros::export("ExRaiseDatatypeMisalignment")]
extern "C" fn raise_misalignment() {
    kernel_violation("ExRaiseDatatypeMisalignment: a host runs no exception handlers");
}

#[wsk_host_macros::export("KeBugCheck")]
extern "C" fn bug_check(code: ULONG) {
    kernel_violation(&format!("bug check 0x{code:08X}"));
}

#[linkme::distributed_slice(EXPORTS)]
static CHECK_STACK: Export =
    Export::new("__chkstk", ExportTarget::microsoft(wsk_host_check_stack as *const ()));

unsafe extern "C" {
    /// `__chkstk`: touches each page of the `rax` bytes below the caller's stack pointer. It changes no register.
    fn wsk_host_check_stack();
}

// The size is in `x15`, in units of 16 bytes. Nothing has to be done: a thread of Linux may touch its stack in any order.
#[cfg(target_arch = "aarch64")]
global_asm!(
    ".pushsection .text.wsk_host_check_stack, \"ax\", @progbits",
    ".globl wsk_host_check_stack",
    ".hidden wsk_host_check_stack",
    ".type wsk_host_check_stack, @function",
    "wsk_host_check_stack:",
    "ret",
    ".size wsk_host_check_stack, . - wsk_host_check_stack",
    ".popsection",
);

#[cfg(target_arch = "x86_64")]
global_asm!(
    ".pushsection .text.wsk_host_check_stack, \"ax\", @progbits",
    ".globl wsk_host_check_stack",
    ".hidden wsk_host_check_stack",
    ".type wsk_host_check_stack, @function",
    "wsk_host_check_stack:",
    ".cfi_startproc",
    "push rax",
    ".cfi_adjust_cfa_offset 8",
    "push rcx",
    ".cfi_adjust_cfa_offset 8",
    "lea rcx, [rsp + 24]",
    "2:",
    "cmp rax, 4096",
    "jb 3f",
    "sub rcx, 4096",
    "test byte ptr [rcx], 0",
    "sub rax, 4096",
    "jmp 2b",
    "3:",
    "sub rcx, rax",
    "test byte ptr [rcx], 0",
    "pop rcx",
    ".cfi_adjust_cfa_offset -8",
    "pop rax",
    ".cfi_adjust_cfa_offset -8",
    "ret",
    ".cfi_endproc",
    ".size wsk_host_check_stack, . - wsk_host_check_stack",
    ".popsection",
);
