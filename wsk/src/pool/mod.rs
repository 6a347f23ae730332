//! Nonpaged memory, for requests, buffers, sockets and tasks.
//!
//! Memory that WSK or a completion routine may access must be nonpaged ([INV-17](crate::rules#inv-17)), so this crate
//! allocates only nonpaged memory. Every allocation can fail, and returns an error.
//!
//! Every allocation has a tag, by which the system counts memory: `poolmon` and the debugger's `!poolused` show it. A driver
//! that [sets its own](set_tag) can be distinguished from other drivers with this crate.
//!
//! # Safety
//!
//! The pool's memory is aligned to 16 bytes. It is freed once, with the tag that it was allocated with.

#![expect(unsafe_code, reason = "see Safety")]

pub(crate) mod arc;
mod boxed;
#[cfg(loom)]
mod model;

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use wsk_sys::fields::size_t;
use wsk_sys::{POOL_FLAG_NON_PAGED, POOL_FLAG_UNINITIALIZED, POOL_FLAGS};

pub(crate) use self::arc::Arc;
pub use self::boxed::PoolBox;
use crate::status::{Result, known};

#[cfg(loom)]
use self::model as system;

#[cfg(not(loom))]
use wsk_sys as system;

/// The tag of allocations unless the driver [sets its own](set_tag).
pub const DEFAULT_TAG: [u8; 4] = *b"WskR";

/// The alignment of every allocation in bytes.
const ALIGNMENT: usize = 16;

/// The tag, as passed to the pool. Zero until the driver or the first allocation sets it. It never changes afterwards,
/// since memory must be freed with the tag that it was allocated with.
static TAG: AtomicU32 = AtomicU32::new(0);

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);
static FREES: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// Sets the tag of all later allocations: four characters, as `poolmon` shows them.
///
/// Call it in `DriverEntry`, before anything else of this crate: the first allocation sets [`DEFAULT_TAG`]. Each driver has
/// its own copy of this crate, and so its own tag. [`NonPaged`] uses the same tag.
///
/// IRQL: any.
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-exallocatepool2).
///
/// # Errors
///
/// - `STATUS_INVALID_PARAMETER` if a character is not a printable ASCII character (space to `~`).
/// - `STATUS_INVALID_DEVICE_REQUEST` if another tag is already in use.
///
/// ```
/// use wsk::pool;
///
/// pool::set_tag(*b"Echo")?;
/// assert_eq!(pool::tag(), *b"Echo");
/// # let buffer = wsk::Buffer::new(1)?;
/// assert!(pool::set_tag(*b"Late").is_err());
/// # extern crate wsk_host;
/// # Ok::<(), wsk::Error>(())
/// ```
pub fn set_tag(tag: [u8; 4]) -> Result<()> {
    if !tag.iter().all(|character| (b' '..=b'~').contains(character)) {
        return Err(known::STATUS_INVALID_PARAMETER);
    }
    if decide_tag(tag) == u32::from_le_bytes(tag) {
        Ok(())
    } else {
        Err(known::STATUS_INVALID_DEVICE_REQUEST)
    }
}

/// Returns the tag of this crate's allocations. If no tag was set, this sets [`DEFAULT_TAG`].
///
/// IRQL: any.
#[must_use]
pub fn tag() -> [u8; 4] {
    decide_tag(DEFAULT_TAG).to_le_bytes()
}

/// Returns the tag, after setting it to `tag` unless it was already set.
fn decide_tag(tag: [u8; 4]) -> u32 {
    // Only the tag itself is shared. Memory passes from its allocation to its free, so both see the same tag.
    let decided = TAG.load(Ordering::Relaxed);
    if decided != 0 {
        return decided;
    }
    let tag = u32::from_le_bytes(tag);
    match TAG.compare_exchange(0, tag, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => tag,
        Err(decided) => decided,
    }
}

/// The number of this crate's allocations so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The number of successful allocations.
    pub allocations: usize,
    /// The number of allocations that were freed.
    pub frees: usize,
    /// The highest number of outstanding allocations at any time.
    pub peak: usize,
}

impl Usage {
    /// Returns the number of allocations that were not freed.
    #[must_use]
    pub const fn outstanding(&self) -> usize {
        self.allocations - self.frees
    }
}

/// Returns the number of allocations of this crate, and of [`NonPaged`] if the driver uses it, since the driver was loaded. A
/// driver that prints it when it unloads shows its own leaks.
///
/// IRQL: any.
///
/// ```
/// let before = wsk::pool::usage();
/// let buffer = wsk::Buffer::new(1024)?;
/// assert_eq!(wsk::pool::usage().allocations, before.allocations + 1);
/// # extern crate wsk_host;
/// # Ok::<(), wsk::Error>(())
/// ```
#[must_use]
pub fn usage() -> Usage {
    // The frees first: no allocation is freed before it is made, so this order cannot report more
    // frees than allocations.
    let frees = FREES.load(Ordering::Acquire);
    Usage {
        allocations: ALLOCATIONS.load(Ordering::Acquire),
        frees,
        peak: PEAK.load(Ordering::Relaxed),
    }
}

/// Allocates nonpaged, zeroed memory, aligned to 16 bytes.
pub(crate) fn allocate_zeroed(size: usize) -> Result<NonNull<u8>> {
    allocate(size, POOL_FLAG_NON_PAGED)
}

// Out of line, as `free` is: a driver calls them in many places, none of which is a fast path.
#[inline(never)]
fn allocate(size: usize, flags: POOL_FLAGS) -> Result<NonNull<u8>> {
    // SAFETY: nonpaged pool may be allocated from up to DISPATCH_LEVEL, where all of this crate runs.
    let memory = unsafe { system::ExAllocatePool2(flags, size_t(size), decide_tag(DEFAULT_TAG)) };
    let memory = NonNull::new(memory.cast()).ok_or(known::STATUS_INSUFFICIENT_RESOURCES)?;
    let outstanding = (ALLOCATIONS.fetch_add(1, Ordering::AcqRel) + 1)
        .saturating_sub(FREES.load(Ordering::Acquire));
    PEAK.fetch_max(outstanding, Ordering::Relaxed);
    Ok(memory)
}

/// Frees memory of this module.
///
/// # Safety
///
/// `memory` came from [`allocate_zeroed`] or [`PoolBox`], and is not used any more.
#[inline(never)]
pub(crate) unsafe fn free(memory: NonNull<u8>) {
    FREES.fetch_add(1, Ordering::AcqRel);
    // SAFETY: the memory is of this module (this function's contract): nonpaged pool with this tag, which may be freed
    // up to DISPATCH_LEVEL.
    unsafe { system::ExFreePoolWithTag(memory.as_ptr().cast(), decide_tag(DEFAULT_TAG)) };
}

/// Writes a structure in its place, field by field. A value would be created on the stack and then moved: on x64, an
/// operation has 928 bytes, and the start of a socket's memory 1,088, while a kernel stack has 24 KiB. Each field has a
/// value, or a function that writes it in place; a missing field is a compile error.
///
/// # Safety
///
/// The place is memory for such a structure, and no other code uses it.
macro_rules! write_fields {
    (@field $place:ident, $field:ident, : $value:expr) => {
        // SAFETY: the macro's caller gives a place that is valid for writes.
        let place = unsafe { &raw mut (*$place).$field };
        // SAFETY: the macro's caller gives a place that is valid for writes.
        unsafe { place.write($value) };
    };
    (@field $place:ident, $field:ident, => $write:expr) => {
        // SAFETY: the macro's caller gives a place that is valid for writes.
        $write(unsafe { &raw mut (*$place).$field });
    };
    ($place:expr, $structure:ident { $($field:ident $mark:tt $how:expr,)* }) => {{
        let place = $place;
        $crate::pool::all_fields(place, |$structure { $($field: _,)* }| ());
        $($crate::pool::write_fields!(@field place, $field, $mark $how);)*
    }};
}

pub(crate) use write_fields;

/// For [`write_fields`], which needs only the types.
#[inline]
pub(crate) fn all_fields<T>(_place: *mut T, _fields: impl FnOnce(&T)) {}

/// Nonpaged pool as a driver's global allocator, for drivers that use the `alloc` crate.
///
/// This crate needs no allocator. The collections of `alloc` crash the system when an allocation fails, so prefer their
/// `try_reserve`.
///
/// IRQL: <= `DISPATCH_LEVEL`. Minimum Windows: Windows 8.
///
/// ```
/// # #[cfg(any())] // A process has its own.
/// #[global_allocator]
/// static ALLOCATOR: wsk::pool::NonPaged = wsk::pool::NonPaged;
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct NonPaged;

// SAFETY: the pool gives out memory that no other code uses until it is freed, aligned to 16 bytes;
// larger alignments are refused.
unsafe impl GlobalAlloc for NonPaged {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::allocate(layout, POOL_FLAG_NON_PAGED | POOL_FLAG_UNINITIALIZED)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::allocate(layout, POOL_FLAG_NON_PAGED)
    }

    unsafe fn dealloc(&self, memory: *mut u8, _layout: Layout) {
        if let Some(memory) = NonNull::new(memory) {
            // SAFETY: the memory is of this allocator, and no longer used (`GlobalAlloc`'s contract).
            unsafe { free(memory) };
        }
    }
}

impl NonPaged {
    fn allocate(layout: Layout, flags: POOL_FLAGS) -> *mut u8 {
        if layout.align() > ALIGNMENT {
            return core::ptr::null_mut();
        }
        allocate(layout.size(), flags).map_or(core::ptr::null_mut(), NonNull::as_ptr)
    }
}
