//! Backtraces that were recorded before, found again without unwinding.
//!
//! Unwinding takes microseconds, and a client's requests and allocations are made by few paths. A backtrace is kept
//! with the stack addresses of its return addresses. If the stack pointer is the same, and each of them is still at its
//! address, the thread has taken the same call path again. A report about another path through functions of the same
//! frames would show the former one; it is about the place only.
//!
//! # Safety
//!
//! The return addresses of functions that have not returned are on the current thread's stack, above its stack pointer.
//! They do not belong to any Rust object.

#![expect(unsafe_code, reason = "return addresses are read on the thread's stack")]

use std::arch::asm;
use std::cell::RefCell;
use std::ptr;
use std::sync::Arc;

use super::place::RecordedStack;

/// The number of sets, and of backtraces in each. Backtraces with the same stack pointer share a set.
const SETS: usize = 64;
const WAYS: usize = 8;

/// The outermost frames that need no return address on the stack: a thread begins with them.
const OUTERMOST: usize = 2;

/// A backtrace of the current thread.
///
/// # Invariants
///
/// The return addresses were on this thread's stack, above `stack`, when its stack pointer was that.
struct CachedTrace {
    stack: usize,
    /// The addresses of the return addresses, and these.
    slots: Box<[(usize, usize)]>,
    frames: Arc<RecordedStack>,
}

impl CachedTrace {
    /// The number of frames, from the innermost one on, whose return address is on the stack.
    ///
    /// # Safety
    ///
    /// The current thread's stack pointer is not above `stack`.
    unsafe fn matching(&self) -> usize {
        let is_there = |(slot, frame): &&(usize, usize)| {
            let slot = ptr::with_exposed_provenance::<usize>(*slot);
            // SAFETY: the address was on the stack of this thread, above the same stack pointer (Invariants), so it is
            // now. Return addresses are not Rust objects; a volatile read of such memory is defined.
            let found = unsafe { slot.read_volatile() };
            found == *frame
        };
        self.slots.iter().take_while(is_there).count()
    }

    /// Whether the thread has taken the same call path.
    fn is_current(&self, stack: usize) -> bool {
        // SAFETY: the stack pointer was `stack` in the caller's caller, which has not returned.
        self.stack == stack && unsafe { self.matching() } == self.slots.len()
    }
}

thread_local! {
    static KEPT: RefCell<Vec<Vec<CachedTrace>>> = const { RefCell::new(Vec::new()) };
}

/// The stack pointer of the calling function.
#[expect(clippy::inline_always, reason = "a call would have a stack pointer of its own")]
#[inline(always)]
pub(super) fn stack_pointer() -> usize {
    let pointer: usize;
    // SAFETY: the instruction only reads a register.
    unsafe { asm!("mov {}, rsp", out(reg) pointer, options(nomem, nostack, preserves_flags)) };
    pointer
}

/// The stack's address of the return address of a frame, which a call has pushed.
pub(super) fn slot_of(frame_start: usize) -> usize {
    frame_start.wrapping_sub(size_of::<usize>())
}

fn set_of(stack: usize) -> usize {
    (stack >> 4).wrapping_mul(0x9E37_79B9) % SETS
}

/// The backtrace of a function with this stack pointer, if it was kept.
pub(super) fn find(stack: usize) -> Option<Arc<RecordedStack>> {
    KEPT.try_with(|kept| {
        let kept = kept.try_borrow().ok()?;
        let mut set = kept.get(set_of(stack))?.iter();
        set.find(|kept| kept.is_current(stack)).map(|kept| Arc::clone(&kept.frames))
    })
    .ok()
    .flatten()
}

/// Keeps the backtrace of a function with this stack pointer.
pub(super) fn keep(
    stack: usize,
    slots: &[usize],
    addresses: &[usize],
    frames: &Arc<RecordedStack>,
) {
    if slots.is_empty() || slots.iter().any(|slot| *slot < stack) {
        return;
    }
    let slots: Box<[_]> = slots.iter().copied().zip(addresses.iter().copied()).collect();
    let count = slots.len();
    let mut new = CachedTrace { stack, slots, frames: Arc::clone(frames) };
    // The unwinder has read them there. Where that is not so, the frames are of another kind.
    // SAFETY: the stack pointer was `stack` in the caller, which has not returned.
    let matching = unsafe { new.matching() };
    if matching == 0 || matching + OUTERMOST < count {
        return;
    }
    new.slots = new.slots[..matching].into();
    let _ = KEPT.try_with(|kept| {
        let Ok(mut kept) = kept.try_borrow_mut() else { return };
        kept.resize_with(SETS, Vec::new);
        let set = &mut kept[set_of(stack)];
        if set.len() == WAYS {
            set.remove(0);
        }
        set.push(new);
    });
}
