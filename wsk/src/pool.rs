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

use core::alloc::{GlobalAlloc, Layout};
use core::mem::MaybeUninit;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use wsk_sys::fields::size_t;
use wsk_sys::{
    ExAllocatePool2, ExFreePoolWithTag, POOL_FLAG_NON_PAGED, POOL_FLAG_UNINITIALIZED, POOL_FLAGS,
};

use crate::status::{Result, known};

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

/// Returns the tag, after setting it to this one unless it was set before.
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

fn allocate(size: usize, flags: POOL_FLAGS) -> Result<NonNull<u8>> {
    // SAFETY: nonpaged pool may be allocated from up to DISPATCH_LEVEL, where all of this crate runs.
    let memory = unsafe { ExAllocatePool2(flags, size_t(size), decide_tag(DEFAULT_TAG)) };
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
pub(crate) unsafe fn free(memory: NonNull<u8>) {
    FREES.fetch_add(1, Ordering::AcqRel);
    // SAFETY: the memory is of this module (this function's contract): nonpaged pool with this tag, which may be freed
    // up to DISPATCH_LEVEL.
    unsafe { ExFreePoolWithTag(memory.as_ptr().cast(), decide_tag(DEFAULT_TAG)) };
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

/// A value in nonpaged memory, freed when it is dropped.
///
/// # Invariants
///
/// The pointer is to a valid `T` in an allocation of this module, which this value owns.
#[derive(Debug)]
pub(crate) struct PoolBox<T>(NonNull<T>);

// SAFETY: it owns its value (Invariants), as `Box` does.
unsafe impl<T: Send> Send for PoolBox<T> {}
// SAFETY: it owns its value (Invariants), and a shared box only gives a shared value, as `Box` does.
unsafe impl<T: Sync> Sync for PoolBox<T> {}

impl<T> PoolBox<T> {
    /// Moves `value` into nonpaged memory.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails; `value` is dropped.
    pub(crate) fn new(value: T) -> Result<Self> {
        Self::new_with(|| value)
    }

    /// Allocates memory, then creates the value. For a large value, use [`new_in_place`](Self::new_in_place).
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails; the value is not created.
    #[inline]
    pub(crate) fn new_with(make: impl FnOnce() -> T) -> Result<Self> {
        const { assert!(align_of::<T>() <= ALIGNMENT, "the pool aligns to 16 bytes") };
        // The pool does not allocate zero bytes.
        let size = size_of::<T>().max(1);
        let memory = allocate(size, POOL_FLAG_NON_PAGED | POOL_FLAG_UNINITIALIZED)?.cast::<T>();
        // SAFETY: the memory is as large and as aligned as a T, and no other code uses it.
        unsafe { memory.write(make()) };
        // INVARIANT: the memory was allocated above, and holds a `T`.
        Ok(Self(memory))
    }

    /// Allocates memory, and creates a value in its place. For a structure that is too large for the stack, where
    /// [`new_with`](Self::new_with) creates most values before it moves them.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails; nothing is written.
    ///
    /// # Safety
    ///
    /// `write` initializes a value in its place, as [`write_fields`] does.
    #[inline]
    pub(crate) unsafe fn new_in_place(write: impl FnOnce(*mut T)) -> Result<Self> {
        let memory = PoolBox::new_with(MaybeUninit::<T>::uninit)?.into_raw().cast();
        write(memory.as_ptr());
        // INVARIANT: the memory was allocated above, and `write` has initialized a `T` in it (this function's
        // contract).
        Ok(Self(memory))
    }

    /// Allocates a value whose bytes are all zero.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    ///
    /// # Safety
    ///
    /// Zeroes are a `T`.
    pub(crate) unsafe fn zeroed() -> Result<Self> {
        const { assert!(align_of::<T>() <= ALIGNMENT, "the pool aligns to 16 bytes") };
        // INVARIANT: the memory was just allocated, and its zeroes are a `T` (this function's contract).
        allocate_zeroed(size_of::<T>().max(1)).map(|memory| Self(memory.cast()))
    }

    /// The place of the value.
    pub(crate) const fn as_mut_ptr(&mut self) -> *mut T {
        self.0.as_ptr()
    }

    /// Converts the box into a pointer for [`PoolBox::from_raw`].
    pub(crate) fn into_raw(self) -> NonNull<T> {
        let pointer = self.0;
        core::mem::forget(self);
        pointer
    }

    /// Converts a pointer back into the box.
    ///
    /// # Safety
    ///
    /// `pointer` came from [`PoolBox::into_raw`], points to a valid `T`, and no other code converts it back.
    pub(crate) const unsafe fn from_raw(pointer: NonNull<T>) -> Self {
        // INVARIANT: the box that `into_raw` took owned the allocation, and this one owns it now.
        Self(pointer)
    }
}

impl<T> Deref for PoolBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the box owns a valid value (Invariants).
        unsafe { self.0.as_ref() }
    }
}

impl<T> DerefMut for PoolBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the box owns a valid value (Invariants), and is borrowed mutably.
        unsafe { self.0.as_mut() }
    }
}

impl<T> Drop for PoolBox<T> {
    fn drop(&mut self) {
        // SAFETY: the box owns a valid value (Invariants), which is not used any more.
        unsafe { self.0.drop_in_place() };
        // SAFETY: the memory is an allocation of this module (Invariants), and is not used any more.
        unsafe { free(self.0.cast()) };
    }
}

/// A value in nonpaged memory with several owners.
///
/// # Invariants
///
/// The pointer is to a [`PoolArcInner`] in an allocation of this module, whose `owners` includes one for this value. It is
/// freed when `owners` becomes zero.
#[derive(Debug)]
pub(crate) struct PoolArc<T>(NonNull<PoolArcInner<T>>);

#[derive(Debug)]
struct PoolArcInner<T> {
    owners: AtomicUsize,
    value: T,
}

// SAFETY: owners share the value (`T: Sync`), and the last one may drop it in another thread (`T: Send`), as for `Arc`.
unsafe impl<T: Send + Sync> Send for PoolArc<T> {}
// SAFETY: a shared owner can be cloned, which gives the value to another thread: the bounds are those of `Arc`.
unsafe impl<T: Send + Sync> Sync for PoolArc<T> {}

impl<T> PoolArc<T> {
    /// Moves `value` into nonpaged memory.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if allocation fails; `value` is dropped.
    pub(crate) fn new(value: T) -> Result<Self> {
        Self::new_with(|| value)
    }

    /// Allocates memory, then creates the value, like [`PoolBox::new_with`].
    ///
    /// # Errors
    ///
    /// As for [`PoolBox::new_with`].
    #[inline]
    pub(crate) fn new_with(make: impl FnOnce() -> T) -> Result<Self> {
        PoolBox::new_with(|| PoolArcInner { owners: AtomicUsize::new(1), value: make() })
            .map(|boxed| Self(boxed.into_raw()))
    }

    fn counted(&self) -> &PoolArcInner<T> {
        // SAFETY: this owner keeps the value.
        unsafe { self.0.as_ref() }
    }

    /// Converts this owner into a pointer to the value for [`PoolArc::from_raw`].
    pub(crate) fn into_raw(self) -> *const T {
        // Not through a reference: `from_raw` accesses memory in front of the value.
        // SAFETY: this owner keeps the memory.
        let value = unsafe { &raw const (*self.0.as_ptr()).value };
        core::mem::forget(self);
        value
    }

    /// # Safety
    ///
    /// `value` came from [`PoolArc::into_raw`], and no other code takes that owner back.
    pub(crate) unsafe fn from_raw(value: *const T) -> Self {
        let offset = core::mem::offset_of!(PoolArcInner<T>, value);
        // SAFETY: the value lies at this offset of its `PoolArcInner`.
        let counted = unsafe { value.byte_sub(offset) };
        // SAFETY: derived from a pointer that is not null.
        Self(unsafe { NonNull::new_unchecked(counted.cast_mut().cast()) })
    }
}

impl<T> Clone for PoolArc<T> {
    fn clone(&self) -> Self {
        // A 64-bit count does not overflow in practice.
        self.counted().owners.fetch_add(1, Ordering::Relaxed);
        Self(self.0)
    }
}

impl<T> Deref for PoolArc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.counted().value
    }
}

impl<T> Drop for PoolArc<T> {
    fn drop(&mut self) {
        if self.counted().owners.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        // The other owners' accesses happen before the value is dropped.
        core::sync::atomic::fence(Ordering::Acquire);
        // SAFETY: this was the last owner.
        drop(unsafe { PoolBox::from_raw(self.0) });
    }
}

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
