//! Accessors for fields and sizes that differ between the built-in kernel types and those of wdk-sys.
//!
//! wdk-sys names the unions and structures that C leaves unnamed, and its [`SIZE_T`] and [`ULONG_PTR`] are `u64`.
//! The built-in types have no such names, and use `usize`. Code that uses these functions compiles with both.
//!
//! # Safety
//!
//! Unsafe code here computes field addresses (`&raw mut`) in structures that the caller vouches for, and reads and
//! writes fields of structures that the function itself borrows or owns.
//!
//! ```
//! use wsk_sys::fields::{information, io_status_block, status};
//! use wsk_sys::STATUS_SUCCESS;
//!
//! let block = io_status_block(STATUS_SUCCESS, 7);
//! assert_eq!((status(&block), information(&block)), (STATUS_SUCCESS, 7));
//! ```

#![expect(unsafe_code, reason = "fields behind raw pointers; see Safety")]

use crate::{
    DISPATCHER_HEADER, EX_RUNDOWN_REF, IO_STATUS_BLOCK, IRP, LARGE_INTEGER, LIST_ENTRY, LONG,
    LONGLONG, NTSTATUS, PIO_STACK_LOCATION, PVOID, SIZE_T, ULONG_PTR,
};

/// Passes a field's path to the macro `$then`, with wdk-sys's names for unnamed unions and structures.
#[cfg(feature = "wdk-sys")]
macro_rules! field_path {
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
    ($then:ident, $on:tt, $structure:ident, $($field:tt)+) => {
        $then!($on, $($field)+)
    };
}

/// Passes a field's path to the macro `$then`: the built-in types have no unnamed unions and structures.
#[cfg(not(feature = "wdk-sys"))]
macro_rules! field_path {
    ($then:ident, $on:tt, $structure:ident, $($field:tt)+) => {
        $then!($on, $($field)+)
    };
}

macro_rules! field_offset {
    ($structure:ident, $($field:tt)+) => {
        core::mem::offset_of!($structure, $($field)+)
    };
}

macro_rules! field_pointer {
    ($pointer:ident, $($field:tt)+) => {
        &raw mut (*$pointer).$($field)+
    };
}

/// The offset of a field, for the generated assertions that compare either crate's types with the headers.
macro_rules! offset {
    ($structure:ident, $($field:tt)+) => {
        field_path!(field_offset, $structure, $structure, $($field)+)
    };
}

/// A raw pointer to a field.
macro_rules! field {
    ($pointer:ident, $structure:ident, $($field:tt)+) => {
        field_path!(field_pointer, $pointer, $structure, $($field)+)
    };
}

/// Converts a length to C's `SIZE_T`.
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

/// Converts C's `SIZE_T` or `ULONG_PTR` to a length.
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

/// Returns an `IO_STATUS_BLOCK` with this status and this value of `Information`.
#[must_use]
#[inline]
pub fn io_status_block(status: NTSTATUS, information: usize) -> IO_STATUS_BLOCK {
    // SAFETY: the structure consists of an integer or raw pointer (`Status`) and an integer (`Information`); all
    // zeros is a valid value of each.
    let mut block: IO_STATUS_BLOCK = unsafe { core::mem::zeroed() };
    let pointer = &raw mut block;
    // SAFETY: `pointer` is the address of the local variable `block`.
    let field = unsafe { field!(pointer, IO_STATUS_BLOCK, Status) };
    // SAFETY: `field` lies within the local variable `block`, which is not borrowed.
    unsafe { field.write(status) };
    block.Information = size_t(information);
    block
}

/// Returns `IO_STATUS_BLOCK.Status`.
#[must_use]
#[inline]
pub fn status(block: &IO_STATUS_BLOCK) -> NTSTATUS {
    let block = core::ptr::from_ref(block).cast_mut();
    // SAFETY: `block` comes from a reference, so the field lies within a live structure.
    let field = unsafe { field!(block, IO_STATUS_BLOCK, Status) };
    // SAFETY: the structure is borrowed for this call and `field` is only read. Its bytes are initialized, and
    // every bit pattern is a valid status.
    unsafe { field.read() }
}

/// Returns `IO_STATUS_BLOCK.Information`.
#[must_use]
#[inline]
pub const fn information(block: &IO_STATUS_BLOCK) -> usize {
    length(block.Information)
}

/// Returns `LARGE_INTEGER.QuadPart`.
#[must_use]
#[inline]
pub fn quad_part(number: &LARGE_INTEGER) -> LONGLONG {
    let number: *const LONGLONG = core::ptr::from_ref(number).cast();
    // SAFETY: the pointer comes from a reference; `LARGE_INTEGER` has the size and alignment of its `QuadPart`.
    unsafe { number.read() }
}

/// Returns the address of `IRP.Tail.Overlay.CurrentStackLocation`.
///
/// # Safety
///
/// `irp` points to an allocated [`IRP`].
#[must_use]
#[inline]
pub const unsafe fn current_stack_location(irp: *mut IRP) -> *mut PIO_STACK_LOCATION {
    // SAFETY: `irp` points to an allocated IRP (this function's contract); the field lies within it.
    unsafe { field!(irp, IRP, Tail.Overlay.CurrentStackLocation) }
}

/// Returns the address of `IRP.Tail.Overlay.DriverContext`.
///
/// # Safety
///
/// `irp` points to an allocated [`IRP`].
#[must_use]
#[inline]
pub const unsafe fn driver_context(irp: *mut IRP) -> *mut [PVOID; 4] {
    // SAFETY: `irp` points to an allocated IRP (this function's contract); the field lies within it.
    unsafe { field!(irp, IRP, Tail.Overlay.DriverContext) }
}

/// Returns the address of `DISPATCHER_HEADER.Lock`.
///
/// # Safety
///
/// `header` points to an allocated [`DISPATCHER_HEADER`].
#[must_use]
#[inline]
pub const unsafe fn dispatcher_lock(header: *mut DISPATCHER_HEADER) -> *mut LONG {
    // SAFETY: `header` points to an allocated header (this function's contract); the field lies within it.
    unsafe { field!(header, DISPATCHER_HEADER, Lock) }
}

/// Returns the header of a dispatcher object. For code that implements the kernel's functions.
#[must_use]
#[inline]
pub fn dispatcher_header(lock: LONG, signal_state: LONG, waiting: LIST_ENTRY) -> DISPATCHER_HEADER {
    // SAFETY: the structure consists of integers and raw pointers; all zeros is a valid value of each.
    let mut header: DISPATCHER_HEADER = unsafe { core::mem::zeroed() };
    header.SignalState = signal_state;
    header.WaitListHead = waiting;
    // SAFETY: the pointer is the address of the local variable `header`.
    let field = unsafe { dispatcher_lock(&raw mut header) };
    // SAFETY: `field` lies within the local variable `header`, which is not borrowed.
    unsafe { field.write(lock) };
    header
}

/// Returns the address of `EX_RUNDOWN_REF.Count`.
///
/// # Safety
///
/// `protection` points to an allocated [`EX_RUNDOWN_REF`].
#[must_use]
#[inline]
pub const unsafe fn rundown_count(protection: *mut EX_RUNDOWN_REF) -> *mut ULONG_PTR {
    // SAFETY: `protection` points to an allocated `EX_RUNDOWN_REF` (this function's contract); the field lies within
    // it.
    unsafe { field!(protection, EX_RUNDOWN_REF, Count) }
}
