//! Protected pages on Linux, by `mprotect` and a handler of `SIGSEGV`.
//!
//! The handler compares the address of a fault with a table of protected ranges, which it reads without a lock. For an
//! address in one of them, it makes the thread continue in [`enter_report`], as if the access had been a call: the
//! report is written on the thread's own stack, after the handler has returned, and may allocate and take locks. Every
//! other fault is passed to the handler that was installed before.
//!
//! # Safety
//!
//! Only functions of the C library are called, with memory of this file's own, the signal's context, and pages that
//! their owner has given.

#![expect(unsafe_code, reason = "signal handlers and page protection are the C library's")]

use std::arch::global_asm;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use libc::{c_int, c_void, sigaction, siginfo_t, ucontext_t};

use super::access::{self, Access};
use super::former_handler::pass_on;
use crate::call_stack::unwind;

/// The most ranges that are protected at a time in the process. Linux allows about 65,000 mappings, and each range adds
/// up to two.
const RANGES: usize = 4096;

/// A protected range: its start and its end, which are both zero if there is none.
struct ProtectedRange {
    start: AtomicUsize,
    end: AtomicUsize,
}

static TABLE: [ProtectedRange; RANGES] =
    [const { ProtectedRange { start: AtomicUsize::new(0), end: AtomicUsize::new(0) } }; RANGES];

/// The number of entries that were ever used: the handler looks at no others.
static USED: AtomicUsize = AtomicUsize::new(0);

/// The entries below [`USED`] that are free.
static FREE: Mutex<Vec<usize>> = Mutex::new(Vec::new());

/// The previous action of `SIGSEGV`.
static FORMER: OnceLock<sigaction> = OnceLock::new();

/// An entry of the table.
pub(super) struct ProtectionSlot(usize);

pub(super) fn page_size() -> Option<usize> {
    static SIZE: OnceLock<Option<usize>> = OnceLock::new();
    *SIZE.get_or_init(|| {
        // SAFETY: the function only returns a number.
        let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        usize::try_from(size).ok().filter(|size| size.is_power_of_two())
    })
}

fn free_entries() -> std::sync::MutexGuard<'static, Vec<usize>> {
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Protects pages, unless the system refuses, or the table is full.
///
/// # Safety
///
/// The pages are whole, and belong to an allocation that no one uses while they are protected.
pub(super) unsafe fn protect(pages: &Range<usize>) -> Option<ProtectionSlot> {
    if !is_installed() {
        return None;
    }
    let mut free = free_entries();
    let slot = if let Some(slot) = free.pop() {
        slot
    } else {
        let new = USED.load(Ordering::Relaxed);
        if new == RANGES {
            return None;
        }
        USED.store(new + 1, Ordering::SeqCst);
        new
    };
    drop(free);
    let entry = &TABLE[slot];
    entry.end.store(pages.end, Ordering::SeqCst);
    entry.start.store(pages.start, Ordering::SeqCst);
    // SAFETY: the pages are the caller's, which uses none of them (this function's contract).
    if unsafe { set_protection(pages, libc::PROT_NONE) } {
        return Some(ProtectionSlot(slot));
    }
    release(slot);
    None
}

/// Makes pages accessible again.
pub(super) fn unprotect(pages: &Range<usize>, slot: &ProtectionSlot) {
    // SAFETY: a slot is made by `protect` only, for pages that were accessible before.
    let is_accessible = unsafe { set_protection(pages, libc::PROT_READ | libc::PROT_WRITE) };
    // Their owner is about to read and free them, and would be reported itself.
    assert!(is_accessible, "the system does not make protected pages accessible again");
    release(slot.0);
}

fn release(slot: usize) {
    let entry = &TABLE[slot];
    entry.start.store(0, Ordering::SeqCst);
    entry.end.store(0, Ordering::SeqCst);
    free_entries().push(slot);
}

/// Changes the protection of pages. False if the system refuses.
///
/// # Safety
///
/// The pages are whole, and their owner expects the change.
unsafe fn set_protection(pages: &Range<usize>, protection: c_int) -> bool {
    let start = ptr::with_exposed_provenance_mut::<c_void>(pages.start);
    // SAFETY: the pages' owner expects the change (this function's contract).
    unsafe { libc::mprotect(start, pages.len(), protection) == 0 }
}

pub(super) fn contains(address: usize) -> bool {
    let used = USED.load(Ordering::SeqCst).min(RANGES);
    TABLE[..used].iter().any(|entry| {
        let (start, end) = (entry.start.load(Ordering::SeqCst), entry.end.load(Ordering::SeqCst));
        start != 0 && (start..end).contains(&address)
    })
}

/// Installs the handler once. False if the system refuses.
fn is_installed() -> bool {
    static INSTALLED: OnceLock<bool> = OnceLock::new();
    *INSTALLED.get_or_init(|| {
        let mut former = MaybeUninit::<sigaction>::zeroed();
        // SAFETY: there is room for an action.
        if unsafe { libc::sigaction(libc::SIGSEGV, ptr::null(), former.as_mut_ptr()) } != 0 {
            return false;
        }
        // SAFETY: the function has written the action.
        let former = unsafe { former.assume_init() };
        // Before the handler is installed, which reads it.
        FORMER.get_or_init(|| former);
        let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = on_signal;
        // SAFETY: an action of zeros is valid.
        let mut action: sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
        action.sa_sigaction = handler as usize;
        // On the alternate stack, where the handler of `std` finds that a stack has overflowed.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: the action is initialized; its handler takes what `SA_SIGINFO` says.
        unsafe { libc::sigaction(libc::SIGSEGV, &raw const action, ptr::null_mut()) == 0 }
    })
}

/// Handles `SIGSEGV`. Takes no lock, and allocates nothing.
extern "C" fn on_signal(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes the signal's information.
    let address = unsafe { (*info).si_addr() }.addr();
    // SAFETY: the kernel passes the signal's information.
    let is_fault = unsafe { (*info).si_code } == SEGV_ACCERR;
    // SAFETY: the kernel passes the context of the interrupted thread, which nothing else uses.
    let context_of_thread = unsafe { &mut *context.cast::<ucontext_t>() };
    if unwind::end(context_of_thread) {
        return;
    }
    if is_fault && contains(address) {
        // SAFETY: the context is that of the interrupted thread.
        unsafe { redirect(context_of_thread, address) };
    } else {
        // SAFETY: the arguments are the kernel's.
        let _ = unsafe { pass_on(FORMER.get(), signal, info, context) };
    }
}

/// The `si_code` of a fault in a page that is mapped, but protected.
const SEGV_ACCERR: c_int = 2;

/// Makes the interrupted thread continue in [`enter_report`].
///
/// # Safety
///
/// The context is that of a thread that was interrupted by a fault at the address.
unsafe fn redirect(context: &mut ucontext_t, address: usize) {
    const WRITE: i64 = 2;
    const DIRECTION: i64 = 0x400;
    let registers = &mut context.uc_mcontext.gregs;
    let of = |number: c_int| usize::try_from(number).unwrap_or(0);
    let stack = registers[of(libc::REG_RSP)] - 8;
    // An unwinder looks for the instruction before the one that a call returns to.
    let returns_to = registers[of(libc::REG_RIP)] + 1;
    let top = usize::try_from(stack).unwrap_or(0);
    // SAFETY: the thread's stack has room for one more call. What its function has there is not used again, since the
    // process ends with the report.
    unsafe { ptr::with_exposed_provenance_mut::<i64>(top).write(returns_to) };
    let entry = enter_report as unsafe extern "C" fn() as usize;
    registers[of(libc::REG_RSP)] = stack;
    registers[of(libc::REG_RDI)] = i64::from_ne_bytes(address.to_ne_bytes());
    registers[of(libc::REG_RSI)] = registers[of(libc::REG_ERR)] & WRITE;
    registers[of(libc::REG_EFL)] &= !DIRECTION;
    registers[of(libc::REG_RIP)] = i64::from_ne_bytes(entry.to_ne_bytes());
}

unsafe extern "C" {
    /// Aligns the stack and calls [`report`]. Its frame can be unwound from any instruction that has faulted.
    #[link_name = "wsk_host_enter_report"]
    fn enter_report();
}

global_asm!(
    ".pushsection .text.wsk_host_enter_report, \"ax\", @progbits",
    ".globl wsk_host_enter_report",
    ".hidden wsk_host_enter_report",
    ".type wsk_host_enter_report, @function",
    "wsk_host_enter_report:",
    ".cfi_startproc",
    "push rbp",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset rbp, -16",
    "mov rbp, rsp",
    ".cfi_def_cfa_register rbp",
    "and rsp, -16",
    "call {report}",
    "ud2",
    ".cfi_endproc",
    ".size wsk_host_enter_report, . - wsk_host_enter_report",
    ".popsection",
    report = sym report,
);

extern "C" fn report(address: usize, is_write: usize) -> ! {
    access::report(Access { address, is_write: is_write != 0 })
}
