//! Sizes, and members of the kernel's structures, with and without the feature `wdk-sys`.
//!
//! wdk-sys gives names to the unions and structures that C leaves unnamed, and its [`SIZE_T`] and [`ULONG_PTR`]
//! are `u64`; this crate's own types have neither. What goes through these functions compiles with both.
//!
//! ```
//! use wsk_sys::members::{information, io_status_block, status};
//! use wsk_sys::STATUS_SUCCESS;
//!
//! let block = io_status_block(STATUS_SUCCESS, 7);
//! assert_eq!((status(&block), information(&block)), (STATUS_SUCCESS, 7));
//! ```

use crate::{
    DISPATCHER_HEADER, EX_RUNDOWN_REF, IO_STATUS_BLOCK, IRP, LARGE_INTEGER, LIST_ENTRY, LONG,
    LONGLONG, NTSTATUS, PIO_STACK_LOCATION, PVOID, SIZE_T, ULONG_PTR,
};

/// Hands a member's path to another macro, with the names that wdk-sys gives to what C leaves unnamed.
#[cfg(feature = "wdk-sys")]
macro_rules! member_path {
    ($then:ident, $on:tt, DISPATCHER_HEADER, Lock) => {
        $then!($on, __bindgen_anon_1.__bindgen_anon_1.Lock)
    };
    ($then:ident, $on:tt, EX_RUNDOWN_REF, Count) => {
        $then!($on, __bindgen_anon_1.Count)
    };
    ($then:ident, $on:tt, IO_STATUS_BLOCK, Status) => {
        $then!($on, __bindgen_anon_1.Status)
    };
    ($then:ident, $on:tt, IRP, Tail.Overlay.CurrentStackLocation) => {
        $then!($on, Tail.Overlay.__bindgen_anon_2.__bindgen_anon_1.CurrentStackLocation)
    };
    ($then:ident, $on:tt, IRP, Tail.Overlay.DriverContext) => {
        $then!($on, Tail.Overlay.__bindgen_anon_1.__bindgen_anon_1.DriverContext)
    };
    ($then:ident, $on:tt, IRP, Tail.Overlay.ListEntry) => {
        $then!($on, Tail.Overlay.__bindgen_anon_2.ListEntry)
    };
    ($then:ident, $on:tt, IRP, UserIosb) => {
        $then!($on, __bindgen_anon_1.UserIosb)
    };
    ($then:ident, $on:tt, KDPC, TargetInfoAsUlong) => {
        $then!($on, __bindgen_anon_1.TargetInfoAsUlong)
    };
    ($then:ident, $on:tt, $structure:ident, $($member:tt)+) => {
        $then!($on, $($member)+)
    };
}

/// Hands a member's path to another macro: this crate's own types leave out what is unnamed.
#[cfg(not(feature = "wdk-sys"))]
macro_rules! member_path {
    ($then:ident, $on:tt, $structure:ident, $($member:tt)+) => {
        $then!($on, $($member)+)
    };
}

macro_rules! member_offset {
    ($structure:ident, $($member:tt)+) => {
        core::mem::offset_of!($structure, $($member)+)
    };
}

macro_rules! member_place {
    ($pointer:ident, $($member:tt)+) => {
        &raw mut (*$pointer).$($member)+
    };
}

/// Where a member is: for the assertions that hold both crates' types to the headers.
macro_rules! offset {
    ($structure:ident, $($member:tt)+) => {
        member_path!(member_offset, $structure, $structure, $($member)+)
    };
}

/// A pointer to a member.
macro_rules! place {
    ($pointer:ident, $structure:ident, $($member:tt)+) => {
        member_path!(member_place, $pointer, $structure, $($member)+)
    };
}

/// A length as C's `SIZE_T`.
#[must_use]
#[inline]
#[cfg_attr(
    feature = "wdk-sys",
    expect(clippy::cast_lossless, reason = "`From` is not for constants")
)]
pub const fn size_t(length: usize) -> SIZE_T {
    #[cfg(feature = "wdk-sys")]
    // CAST: both have 64 bits.
    return length as SIZE_T;
    #[cfg(not(feature = "wdk-sys"))]
    length
}

/// C's `SIZE_T`, or `ULONG_PTR`, as a length.
#[must_use]
#[inline]
#[cfg_attr(
    feature = "wdk-sys",
    expect(clippy::cast_possible_truncation, reason = "both have 64 bits")
)]
pub const fn length(size: SIZE_T) -> usize {
    #[cfg(feature = "wdk-sys")]
    // CAST: both have 64 bits.
    return size as usize;
    #[cfg(not(feature = "wdk-sys"))]
    size
}

/// The result of a request.
#[must_use]
#[inline]
pub fn io_status_block(status: NTSTATUS, information: usize) -> IO_STATUS_BLOCK {
    // SAFETY: the structure is made of a status, an address that C may read in its place, and a number, for all
    // of which zeros are values.
    let mut block: IO_STATUS_BLOCK = unsafe { core::mem::zeroed() };
    let place = &raw mut block;
    // SAFETY: a member of a local variable.
    let status_place = unsafe { place!(place, IO_STATUS_BLOCK, Status) };
    // SAFETY: as above.
    unsafe { status_place.write(status) };
    block.Information = size_t(information);
    block
}

/// `IO_STATUS_BLOCK.Status`.
#[must_use]
#[inline]
pub fn status(block: &IO_STATUS_BLOCK) -> NTSTATUS {
    let block = core::ptr::from_ref(block).cast_mut();
    // SAFETY: a member of a structure that is borrowed; the pointer is only read through.
    let place = unsafe { place!(block, IO_STATUS_BLOCK, Status) };
    // SAFETY: as above. All that shares the member's place is initialised, and every value is a status.
    unsafe { place.read() }
}

/// `IO_STATUS_BLOCK.Information`.
#[must_use]
#[inline]
pub const fn information(block: &IO_STATUS_BLOCK) -> usize {
    length(block.Information)
}

/// `LARGE_INTEGER.QuadPart`.
#[must_use]
#[inline]
pub fn quad_part(number: &LARGE_INTEGER) -> LONGLONG {
    let place: *const LONGLONG = core::ptr::from_ref(number).cast();
    // SAFETY: the whole of a structure that is borrowed, which has the size and alignment of the number.
    unsafe { place.read() }
}

/// `IRP.Tail.Overlay.CurrentStackLocation`: the member's place.
///
/// # Safety
///
/// `irp` points to an IRP.
#[must_use]
#[inline]
pub const unsafe fn current_stack_location(irp: *mut IRP) -> *mut PIO_STACK_LOCATION {
    // SAFETY: the caller promises an IRP, whose member is within it.
    unsafe { place!(irp, IRP, Tail.Overlay.CurrentStackLocation) }
}

/// `IRP.Tail.Overlay.DriverContext`: the member's place.
///
/// # Safety
///
/// `irp` points to an IRP.
#[must_use]
#[inline]
pub const unsafe fn driver_context(irp: *mut IRP) -> *mut [PVOID; 4] {
    // SAFETY: the caller promises an IRP, whose member is within it.
    unsafe { place!(irp, IRP, Tail.Overlay.DriverContext) }
}

/// `DISPATCHER_HEADER.Lock`: the member's place.
///
/// # Safety
///
/// `header` points to the header of an object that can be waited for.
#[must_use]
#[inline]
pub const unsafe fn dispatcher_lock(header: *mut DISPATCHER_HEADER) -> *mut LONG {
    // SAFETY: the caller promises a header, whose member is within it.
    unsafe { place!(header, DISPATCHER_HEADER, Lock) }
}

/// The header of an object that can be waited for, for who stands in for the kernel.
#[must_use]
#[inline]
pub fn dispatcher_header(lock: LONG, signal_state: LONG, waiting: LIST_ENTRY) -> DISPATCHER_HEADER {
    // SAFETY: the structure is made of numbers and pointers, for all of which zeros are values.
    let mut header: DISPATCHER_HEADER = unsafe { core::mem::zeroed() };
    header.SignalState = signal_state;
    header.WaitListHead = waiting;
    // SAFETY: the header is a local variable.
    let place = unsafe { dispatcher_lock(&raw mut header) };
    // SAFETY: as above.
    unsafe { place.write(lock) };
    header
}

/// `EX_RUNDOWN_REF.Count`: the member's place.
///
/// # Safety
///
/// `protection` points to rundown protection.
#[must_use]
#[inline]
pub const unsafe fn rundown_count(protection: *mut EX_RUNDOWN_REF) -> *mut ULONG_PTR {
    // SAFETY: the caller promises rundown protection, whose member is within it.
    unsafe { place!(protection, EX_RUNDOWN_REF, Count) }
}
