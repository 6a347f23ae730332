//! Backtraces that end where the unwinder faults (Linux on x64).
//!
//! A handler of signals calls [`end`] with the context of the thread that has faulted. If the thread is taking a backtrace,
//! it continues where the backtrace ends.
//!
//! # Safety
//!
//! The frames that a fault skips are the unwinder's and those of `backtrace::trace_unsynchronized`, which own nothing.

#![expect(unsafe_code, reason = "frames are left without being returned from")]

use std::arch::global_asm;
use std::cell::Cell;
use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};

use backtrace::Frame;
use libc::ucontext_t;

/// The threads that are taking backtraces. A signal handler reads [`STACK`] only if there are some: the first access of a
/// thread to it may allocate.
static ACTIVE: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// The stack pointer of [`call`], while this thread takes a backtrace. Otherwise zero.
    static STACK: Cell<usize> = const { Cell::new(0) };
}

type Visit<'a> = &'a mut dyn FnMut(&Frame) -> bool;

/// Visits the frames of the current thread, until `visit` returns false or the unwinder faults.
pub(super) fn trace(mut visit: Visit<'_>) {
    let former = STACK.get();
    ACTIVE.fetch_add(1, Ordering::SeqCst);
    // SAFETY: `walk` takes what is passed. If it faults, it is left as this file describes.
    unsafe { call(walk, (&raw mut visit).cast(), STACK.with(Cell::as_ptr)) };
    ACTIVE.fetch_sub(1, Ordering::SeqCst);
    STACK.set(former);
}

/// Walks the stack.
///
/// # Safety
///
/// The argument points to a [`Visit`].
unsafe extern "C" fn walk(visit: *mut c_void) {
    // SAFETY: the argument points to a `Visit` (this function's contract), which only this function uses.
    let visit = unsafe { &mut *visit.cast::<Visit<'_>>() };
    // SAFETY: functions of Linux's unwinder may be called by several threads at once.
    unsafe { backtrace::trace_unsynchronized(visit) };
}

/// Ends the backtrace of the thread that has faulted, if it is taking one: the thread continues there when the signal's
/// handler returns. False if it is taking none.
pub(crate) fn end(context: &mut ucontext_t) -> bool {
    const DIRECTION: i64 = 0x400;
    if ACTIVE.load(Ordering::SeqCst) == 0 {
        return false;
    }
    let stack = STACK.try_with(Cell::get).unwrap_or(0);
    if stack == 0 {
        return false;
    }
    // A fault behind this is another's.
    STACK.set(0);
    let registers = &mut context.uc_mcontext.gregs;
    let of = |number: libc::c_int| usize::try_from(number).unwrap_or(0);
    registers[of(libc::REG_RSP)] = i64::from_ne_bytes(stack.to_ne_bytes());
    registers[of(libc::REG_RIP)] =
        i64::from_ne_bytes((call_end as unsafe extern "C" fn() as usize).to_ne_bytes());
    registers[of(libc::REG_EFL)] &= !DIRECTION;
    true
}

unsafe extern "C" {
    /// Stores the stack pointer, calls a function with an argument, and returns, also from [`call_end`].
    #[link_name = "wsk_host_unwind_call"]
    fn call(function: unsafe extern "C" fn(*mut c_void), argument: *mut c_void, stack: *mut usize);

    /// The end of [`call`], which takes its registers from the stored stack pointer.
    #[link_name = "wsk_host_unwind_call_end"]
    fn call_end();
}

global_asm!(
    ".pushsection .text.wsk_host_unwind_call, \"ax\", @progbits",
    ".globl wsk_host_unwind_call",
    ".hidden wsk_host_unwind_call",
    ".type wsk_host_unwind_call, @function",
    ".globl wsk_host_unwind_call_end",
    ".hidden wsk_host_unwind_call_end",
    "wsk_host_unwind_call:",
    ".cfi_startproc",
    "push rbp",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset rbp, -16",
    "push rbx",
    ".cfi_def_cfa_offset 24",
    ".cfi_offset rbx, -24",
    "push r12",
    ".cfi_def_cfa_offset 32",
    ".cfi_offset r12, -32",
    "push r13",
    ".cfi_def_cfa_offset 40",
    ".cfi_offset r13, -40",
    "push r14",
    ".cfi_def_cfa_offset 48",
    ".cfi_offset r14, -48",
    "push r15",
    ".cfi_def_cfa_offset 56",
    ".cfi_offset r15, -56",
    "sub rsp, 8",
    ".cfi_def_cfa_offset 64",
    "mov [rdx], rsp",
    "mov rax, rdi",
    "mov rdi, rsi",
    "call rax",
    "wsk_host_unwind_call_end:",
    "add rsp, 8",
    ".cfi_def_cfa_offset 56",
    "pop r15",
    ".cfi_def_cfa_offset 48",
    "pop r14",
    ".cfi_def_cfa_offset 40",
    "pop r13",
    ".cfi_def_cfa_offset 32",
    "pop r12",
    ".cfi_def_cfa_offset 24",
    "pop rbx",
    ".cfi_def_cfa_offset 16",
    "pop rbp",
    ".cfi_def_cfa_offset 8",
    "ret",
    ".cfi_endproc",
    ".size wsk_host_unwind_call, . - wsk_host_unwind_call",
    ".popsection",
);
