//! Backtraces of the current thread.
//!
//! The frames of an image are what its unwind data say, which may be wrong: they then lead the unwinder out of the stack.
//! A backtrace ends there.

#[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
mod guarded;

use backtrace::Frame;

/// Visits the frames of the current thread, the innermost first, until `visit` returns false. `visit` must not panic.
pub(crate) fn trace(mut visit: impl FnMut(&Frame) -> bool) {
    let mut inner = 0;
    let mut visit_outer = |frame: &Frame| {
        let start = frame.sp().addr();
        // Each frame is nearer to the stack's base than the one that it has called. Otherwise the unwinder runs in circles.
        let is_outer = start > inner || start == 0;
        inner = start;
        is_outer && visit(frame)
    };
    #[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
    guarded::trace(&mut visit_outer);
    #[cfg(not(all(target_os = "linux", target_arch = "x86_64", not(miri))))]
    backtrace::trace(&mut visit_outer);
}

#[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
pub(crate) use guarded::end;
