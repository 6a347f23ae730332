//! Faults of images: instructions that need a kernel, and accesses to memory that does not exist.
//!
//! A signal handler recognizes a fault by its address, which is in the range of the images. It takes no lock and
//! allocates nothing: it makes the thread continue in [`enter`], with the fault's details on its stack. There, outside
//! of the handler, the instruction is [emulated](emulate), or the report about it is written. Every other signal is
//! passed to the handler that was installed before.
//!
//! # Safety
//!
//! This file calls only functions of the C library, with its own memory and the signal's context. Code of an image
//! keeps nothing below its stack pointer: Microsoft's convention has no red zone.

#![expect(unsafe_code, reason = "signal handlers are the C library's")]

mod emulate;
mod registers;

use std::arch::global_asm;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::OnceLock;

use libc::{c_int, c_void, sigaction, siginfo_t, ucontext_t};
use wsk_host::images;

pub(crate) use registers::Fault;

/// The signals of faults.
const SIGNALS: [c_int; 5] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGTRAP, libc::SIGFPE];

/// The previous actions, in the order of [`SIGNALS`].
static FORMER: OnceLock<[sigaction; 5]> = OnceLock::new();

/// Installs the handlers, once.
///
/// # Errors
///
/// The system refuses them.
pub(crate) fn install() -> std::io::Result<()> {
    static INSTALLED: OnceLock<Result<(), i32>> = OnceLock::new();
    INSTALLED
        .get_or_init(|| {
            // SAFETY: zeros are an action.
            let mut former: [sigaction; 5] = unsafe { MaybeUninit::zeroed().assume_init() };
            for (signal, former) in SIGNALS.into_iter().zip(&mut former) {
                // SAFETY: there is room for an action.
                if unsafe { libc::sigaction(signal, ptr::null(), former) } != 0 {
                    return Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(0));
                }
            }
            // Stored before the handlers are installed, because they read it.
            FORMER.get_or_init(|| former);
            let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = on_signal;
            // SAFETY: zeros are an action.
            let mut action: sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
            action.sa_sigaction = handler as usize;
            // Runs on the alternate stack, where the handler of `std` detects a stack overflow.
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            for signal in SIGNALS {
                // SAFETY: the action is initialized; its handler takes what `SA_SIGINFO` says.
                if unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) } != 0 {
                    return Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(0));
                }
            }
            Ok(())
        })
        .map_err(std::io::Error::from_raw_os_error)
}

/// Handles a signal. Takes no lock, and allocates nothing.
extern "C" fn on_signal(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes the signal's information.
    let info_of_fault = unsafe { &*info };
    // SAFETY: the signals of faults come with an address.
    let address = unsafe { info_of_fault.si_addr() }.addr();
    // SAFETY: the kernel passes the context of the interrupted thread, which nothing else uses.
    let context_of_thread = unsafe { &mut *context.cast::<ucontext_t>() };
    if images::end_backtrace(context_of_thread) {
        return;
    }
    let instruction = register(context_of_thread, libc::REG_RIP);
    // The address of a breakpoint fault is behind the instruction.
    let instruction =
        if signal == libc::SIGTRAP { instruction.wrapping_sub(1) } else { instruction };
    let has_address = matches!(signal, libc::SIGSEGV | libc::SIGBUS);
    let is_image = images::contain(instruction) || has_address && images::contain(address);
    if is_image && !(has_address && images::is_protected(address)) {
        // SAFETY: the fault has interrupted this thread, in an image, or at an access to one that is not there.
        unsafe { redirect(context_of_thread, signal, address) };
    } else {
        let index = SIGNALS.iter().position(|known| *known == signal).unwrap_or(0);
        let former = FORMER.get().map(|former| &former[index]);
        // SAFETY: `install` has stored the action of each signal; the other arguments are the system's.
        unsafe { images::pass_on(former, signal, info, context) };
    }
}

fn register(context: &ucontext_t, number: c_int) -> usize {
    let value = context.uc_mcontext.gregs[usize::try_from(number).unwrap_or(0)];
    usize::from_ne_bytes(value.to_ne_bytes())
}

fn set_register(context: &mut ucontext_t, number: c_int, value: usize) {
    let value = i64::from_ne_bytes(value.to_ne_bytes());
    context.uc_mcontext.gregs[usize::try_from(number).unwrap_or(0)] = value;
}

/// Makes the interrupted thread continue in [`enter`].
///
/// # Safety
///
/// The context is that of a thread that a fault has interrupted, in code of an image, or else in code to which the
/// thread does not return.
unsafe fn redirect(context: &mut ucontext_t, signal: c_int, address: usize) {
    const DIRECTION: usize = 0x400;
    const ERROR_OF_WRITE: usize = 2;
    let is_write = register(context, libc::REG_ERR) & ERROR_OF_WRITE;
    let stack = register(context, libc::REG_RSP) - 32;
    let place = ptr::with_exposed_provenance_mut::<[usize; 4]>(stack);
    let details =
        [usize::try_from(signal).unwrap_or(0), is_write, address, register(context, libc::REG_RIP)];
    // SAFETY: the thread's stack continues below its pointer, where an image's code keeps nothing.
    unsafe { place.write_unaligned(details) };
    set_register(context, libc::REG_RSP, stack);
    let flags = register(context, libc::REG_EFL) & !DIRECTION;
    set_register(context, libc::REG_EFL, flags);
    set_register(context, libc::REG_RIP, enter as *const () as usize);
}

unsafe extern "C" {
    /// Saves the registers behind the details of a fault, calls [`resolve`] with them, and continues with what it has
    /// left there. Its frame can be unwound.
    #[link_name = "wsk_loader_enter"]
    fn enter();
}

global_asm!(
    ".pushsection .text.wsk_loader_enter, \"ax\", @progbits",
    ".globl wsk_loader_enter",
    ".hidden wsk_loader_enter",
    ".type wsk_loader_enter, @function",
    "wsk_loader_enter:",
    ".cfi_startproc",
    ".cfi_signal_frame",
    ".cfi_def_cfa rsp, 32",
    "push r15",
    "push r14",
    "push r13",
    "push r12",
    "push r11",
    "push r10",
    "push r9",
    "push r8",
    "push rdi",
    "push rsi",
    "push rbp",
    "push rbx",
    "push rdx",
    "push rcx",
    "push rax",
    "pushfq",
    "mov rdi, rsp",
    "mov rbp, rsp",
    ".cfi_def_cfa rbp, 160",
    ".cfi_offset r15, -40",
    ".cfi_offset r14, -48",
    ".cfi_offset r13, -56",
    ".cfi_offset r12, -64",
    ".cfi_offset rdi, -104",
    ".cfi_offset rsi, -112",
    ".cfi_offset rbp, -120",
    ".cfi_offset rbx, -128",
    "sub rsp, 512",
    "and rsp, -16",
    "fxsave64 [rsp]",
    "call {resolve}",
    "fxrstor64 [rsp]",
    "mov rsp, rbp",
    ".cfi_def_cfa rsp, 160",
    "popfq",
    "pop rax",
    "pop rcx",
    "pop rdx",
    "pop rbx",
    "pop rbp",
    "pop rsi",
    "pop rdi",
    "pop r8",
    "pop r9",
    "pop r10",
    "pop r11",
    "pop r12",
    "pop r13",
    "pop r14",
    "pop r15",
    ".cfi_def_cfa rsp, 32",
    "lea rsp, [rsp + 24]",
    ".cfi_def_cfa rsp, 8",
    "ret",
    ".cfi_endproc",
    ".size wsk_loader_enter, . - wsk_loader_enter",
    ".popsection",
    resolve = sym resolve,
);

/// Emulates the instruction that has faulted, or ends the process with a report.
///
/// # Safety
///
/// `enter` has saved the registers there, and restores them afterwards.
unsafe extern "C" fn resolve(fault: *mut Fault) {
    // SAFETY: `enter` passes the registers that it has saved (this function's contract).
    emulate::resolve(unsafe { &mut *fault });
}
