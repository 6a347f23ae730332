//! The addresses of images, and the calls into them.
//!
//! One range of addresses is reserved for all images and for the functions that they call. No part of the range is
//! reused: an address in it belongs to an image, loaded or not. Without an image the range is empty, and a call costs
//! one comparison.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// The alignment of images, in bytes.
const GRANULE: usize = 64 * 1024;

/// The number of units in the range of all images.
const GRANULES: usize = 64 * 1024;

static START: AtomicUsize = AtomicUsize::new(0);
static SIZE: AtomicUsize = AtomicUsize::new(0);

/// The calls in each unit that have not returned.
static CALLS: [AtomicU32; GRANULES] = [const { AtomicU32::new(0) }; GRANULES];

thread_local! {
    /// The units of the current thread's calls that have not returned.
    static CURRENT: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// Sets the start of the range of all images, of `GRANULES` units.
fn set_range(start: usize) {
    START.store(start, Ordering::SeqCst);
    SIZE.store(GRANULE * GRANULES, Ordering::SeqCst);
}

/// Whether an address belongs to an image that is or was loaded.
#[inline]
pub(crate) fn contain(address: usize) -> bool {
    address.wrapping_sub(START.load(Ordering::Relaxed)) < SIZE.load(Ordering::Relaxed)
}

fn granule_of(address: usize) -> usize {
    address.wrapping_sub(START.load(Ordering::Relaxed)) / GRANULE
}

/// A call of an image's function, until it returns.
pub(crate) struct ImageCall {
    granule: usize,
}

/// Begins a call of a function. `None` if the function is not in an image.
#[inline]
pub(crate) fn enter(address: usize) -> Option<ImageCall> {
    contain(address).then(|| {
        let granule = granule_of(address);
        CALLS[granule].fetch_add(1, Ordering::SeqCst);
        CURRENT.with_borrow_mut(|current| current.push(granule));
        ImageCall { granule }
    })
}

impl Drop for ImageCall {
    fn drop(&mut self) {
        CURRENT.with_borrow_mut(Vec::pop);
        end(self.granule);
    }
}

/// The calls of the current thread end: it does not return to them.
pub(crate) fn leave_all() {
    for granule in CURRENT.take() {
        end(granule);
    }
}

fn end(granule: usize) {
    CALLS[granule].fetch_sub(1, Ordering::SeqCst);
    if AWAITED.load(Ordering::SeqCst) {
        // Locked, so that a thread that has read the count is already waiting when this notifies it.
        drop(WAITING.lock().unwrap_or_else(PoisonError::into_inner));
        ENDED.notify_all();
    }
}

/// Whether a thread waits for the end of calls.
static AWAITED: AtomicBool = AtomicBool::new(false);
static WAITING: Mutex<()> = Mutex::new(());
static ENDED: Condvar = Condvar::new();

/// The number of calls into a range that have not returned.
fn calls_into(range: &Range<usize>) -> u32 {
    let granules = granule_of(range.start)..granule_of(range.end.saturating_sub(1)) + 1;
    CALLS[granules].iter().map(|calls| calls.load(Ordering::SeqCst)).sum()
}

/// Waits until all calls into a range have returned, for `patience` at most. Returns the number of those that have not.
pub(crate) fn wait_for_calls(range: &Range<usize>, patience: Duration) -> u32 {
    let waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
    AWAITED.store(true, Ordering::SeqCst);
    let waited = ENDED.wait_timeout_while(waiting, patience, |()| calls_into(range) > 0);
    AWAITED.store(false, Ordering::SeqCst);
    drop(waited);
    calls_into(range)
}

pub(crate) use memory::{GuardedPages, place};

/// The memory of images.
///
/// # Safety
///
/// Only pages of the reserved range are changed, and each placement is returned once.
#[expect(unsafe_code, reason = "pages are the C library's")]
mod memory {
    use std::ops::Range;
    use std::ptr;
    use std::sync::{Mutex, PoisonError};

    use libc::{MAP_ANONYMOUS, MAP_FIXED, MAP_NORESERVE, MAP_PRIVATE, PROT_NONE, c_int, c_void};

    use super::{GRANULE, GRANULES, set_range};

    #[cfg(target_arch = "aarch64")]
    unsafe extern "C" {
        /// Makes the processor read new instructions from a range. It is the compiler's.
        fn __clear_cache(start: *mut c_void, end: *mut c_void);
    }

    const RESERVED: c_int = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

    /// The start of the reserved range, and the number of its units that were given away.
    static RANGE: Mutex<Option<(usize, usize)>> = Mutex::new(None);

    /// Pages in the range of all images. They are never freed: a later access faults, and its address is known.
    ///
    /// # Invariants
    ///
    /// The pages are in the reserved range, and belong to this value alone.
    pub(crate) struct GuardedPages(Range<usize>);

    /// Reserves whole pages for an image. None if the system refuses, or the range is exhausted.
    pub(crate) fn place(size: usize) -> Option<GuardedPages> {
        let mut range = RANGE.lock().unwrap_or_else(PoisonError::into_inner);
        let (start, used) = match *range {
            Some(reserved) => reserved,
            None => (reserve()?, 0),
        };
        let needed = size.div_ceil(GRANULE).max(1);
        if needed > GRANULES - used {
            return None;
        }
        *range = Some((start, used + needed));
        let first = start + used * GRANULE;
        Some(GuardedPages(first..first + needed * GRANULE))
    }

    fn reserve() -> Option<usize> {
        // SAFETY: new memory is requested.
        let start =
            unsafe { libc::mmap(ptr::null_mut(), GRANULE * GRANULES, PROT_NONE, RESERVED, -1, 0) };
        if start == libc::MAP_FAILED {
            return None;
        }
        let start = start.expose_provenance();
        set_range(start);
        Some(start)
    }

    impl GuardedPages {
        pub(crate) fn range(&self) -> Range<usize> {
            self.0.clone()
        }

        fn at(&self, part: &Range<usize>) -> *mut c_void {
            assert!(part.start <= part.end && part.end <= self.0.len(), "beyond the pages");
            ptr::with_exposed_provenance_mut(self.0.start + part.start)
        }

        /// Copies bytes to an offset, and makes all of their pages writable.
        ///
        /// # Errors
        ///
        /// The system has no memory.
        pub(crate) fn write(&mut self, offset: usize, bytes: &[u8]) -> std::io::Result<()> {
            let part = offset..offset + bytes.len();
            self.protect(part.clone(), libc::PROT_READ | libc::PROT_WRITE)?;
            // SAFETY: the pages are this value's (Invariants), and were made writable.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.at(&part).cast(), bytes.len()) };
            Ok(())
        }

        /// Changes the access to the pages of a part.
        ///
        /// # Errors
        ///
        /// The system refuses the change.
        pub(crate) fn protect(&mut self, part: Range<usize>, access: c_int) -> std::io::Result<()> {
            if part.is_empty() {
                return Ok(());
            }
            // SAFETY: the pages are this value's (Invariants).
            if unsafe { libc::mprotect(self.at(&part), part.len(), access) } == 0 {
                #[cfg(target_arch = "aarch64")]
                if access & libc::PROT_EXEC != 0 {
                    let range = self.at(&part)..self.at(&part).wrapping_byte_add(part.len());
                    // SAFETY: the pages are this value's (Invariants), and readable.
                    unsafe { __clear_cache(range.start, range.end) };
                }
                Ok(())
            } else {
                Err(std::io::Error::last_os_error())
            }
        }
    }

    impl Drop for GuardedPages {
        /// Frees the memory, and keeps the addresses reserved.
        fn drop(&mut self) {
            let whole = 0..self.0.len();
            // SAFETY: the pages are this value's (Invariants), and no Rust reference to them exists.
            let freed = unsafe {
                libc::mmap(self.at(&whole), whole.len(), PROT_NONE, RESERVED | MAP_FIXED, -1, 0)
            };
            assert!(freed != libc::MAP_FAILED, "the system does not free the pages of an image");
        }
    }
}
