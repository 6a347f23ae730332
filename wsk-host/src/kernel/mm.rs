//! `Mm…`: memory descriptor lists, and routines by name.
//!
//! # Safety
//!
//! The exported functions have the contracts that `wsk-sys` documents. An MDL is accessed during a call only;
//! retired ones are owned by the quarantine.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use wsk_sys::fields::size_t;
use wsk_sys::since::{self, WindowsVersion};
use wsk_sys::{
    ADDRESS_AND_SIZE_TO_SPAN_PAGES, BOOLEAN, CSHORT, DISPATCH_LEVEL, FALSE, KPROCESSOR_MODE,
    LARGE_INTEGER, LOCK_OPERATION, MDL, MDL_MAPPED_TO_SYSTEM_VA, MDL_PAGES_LOCKED,
    MDL_SOURCE_IS_NONPAGED_POOL, MEMORY_CACHING_TYPE, MmCached, MmInitializeMdl, PAGE_SIZE,
    PASSIVE_LEVEL, PIRP, PMDL, PUNICODE_STRING, PVOID, SIZE_T, TRUE, ULONG,
};

use crate::kernel::current;
use crate::kernel::ex::pool::{ExAllocatePool2, FRESH, allocate, free};
use crate::kernel::ke::irql::require_at_most;
use crate::kernel::ke::time::{KeQuerySystemTimePrecise, KeQueryUnbiasedInterruptTime};
use crate::kernel::quarantine::Quarantine;
use crate::verifier::{Origin, Rule, fatal_violation, kernel_violation, rule_violation};

#[wsk_host_macros::export]
unsafe extern "C" fn MmBuildMdlForNonPagedPool(mdl: PMDL) {
    // SAFETY: the caller passes an initialized MDL of its own.
    let mdl = unsafe { &mut *mdl };
    let address = mdl.StartVa.wrapping_byte_add(mdl.ByteOffset as usize);
    let end = address.addr() + mdl.ByteCount as usize;
    let kernel = current();
    let mut pool = kernel.pool();
    let in_pool = pool.end_of_block(address.addr()).is_some_and(|of_block| end <= of_block);
    let is_nonpaged = in_pool && !pool.is_paged(address.addr());
    drop(pool);
    if !is_nonpaged {
        rule_violation(
            Rule::MDL_OF_NONPAGED_POOL,
            "MmBuildMdlForNonPagedPool",
            "the memory is not nonpaged pool",
            None,
        );
    }
    mdl.MappedSystemVa = address;
    mdl.MdlFlags |= MDL_SOURCE_IS_NONPAGED_POOL;
}

/// Whether an access of a byte would cause no fault.
#[wsk_host_macros::export]
extern "C" fn MmIsAddressValid(address: PVOID) -> BOOLEAN {
    require_at_most(DISPATCH_LEVEL, "MmIsAddressValid");
    let kernel = current();
    let mut pool = kernel.pool();
    let is_valid = pool.end_of_block(address.addr()).is_some()
        || (pool.freed_at(address.addr()).is_none() && is_mapped(address));
    if is_valid { TRUE } else { FALSE }
}

/// Whether a byte of this process can be read.
#[cfg(all(target_os = "linux", not(miri)))]
fn is_mapped(address: PVOID) -> bool {
    let mut byte = 0_u8;
    let here = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    let there = libc::iovec { iov_base: address.cast(), iov_len: 1 };
    // SAFETY: no pointer is involved.
    let process = unsafe { libc::getpid() };
    // SAFETY: the byte is this function's, and the system reads the address, which may be any.
    let read =
        unsafe { libc::process_vm_readv(process, &raw const here, 1, &raw const there, 1, 0) };
    read == 1
}

/// Whether a byte of this process can be read, as far as that is known: no system maps the first pages.
#[cfg(not(all(target_os = "linux", not(miri))))]
fn is_mapped(address: PVOID) -> bool {
    address.addr() >= 0x1_0000
}

/// The flag of an MDL that describes a part of another one.
pub(crate) const MDL_PARTIAL: CSHORT = 0x10;

/// The flags of an MDL whose memory is resident.
const RESIDENT: CSHORT = MDL_SOURCE_IS_NONPAGED_POOL | MDL_PAGES_LOCKED;

/// The address of an MDL's memory, which must stay where it is.
///
/// # Safety
///
/// The MDL is valid.
pub(crate) unsafe fn system_address(mdl: PMDL, call: &str) -> *mut u8 {
    require_not_retired(mdl, call);
    // SAFETY: the MDL is valid, by this function's contract.
    let mdl = unsafe { &*mdl };
    if mdl.MdlFlags & RESIDENT == 0 {
        rule_violation(
            Rule::BUFFER_RESIDENT,
            call,
            "the memory of the MDL is neither nonpaged nor locked",
            None,
        );
    }
    virtual_address(mdl).cast()
}

/// An MDL and its memory that a client has returned to WSK.
///
/// # Invariants
///
/// `mdl` describes all of `bytes`.
pub(crate) struct RetiredMdl {
    pub(crate) mdl: Box<MDL>,
    pub(crate) bytes: Box<[u8]>,
    /// The rule that a use of the memory breaks, and a description of the memory for the report.
    pub(crate) rule: Rule,
    pub(crate) found: &'static str,
    pub(crate) origin: Origin,
}

// SAFETY: the MDL describes `bytes`, which the value owns (Invariants).
unsafe impl Send for RetiredMdl {}

/// The byte that fills returned memory.
const RETIRED: u8 = 0xDD;

fn retired() -> MutexGuard<'static, Quarantine<RetiredMdl>> {
    static ALL: Mutex<Quarantine<RetiredMdl>> = Mutex::new(Quarantine::new(64));
    ALL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps a returned MDL without its data, to detect its use.
pub(crate) fn retire(mut mdl: RetiredMdl) {
    // Miri finds a use of freed memory itself.
    if cfg!(miri) {
        return;
    }
    mdl.bytes.fill(RETIRED);
    // A client that needs the address asks the kernel or the provider, and is stopped there.
    mdl.mdl.MdlFlags = 0;
    mdl.mdl.MappedSystemVa = ptr::null_mut();
    let oldest = retired().add(mdl);
    drop(oldest);
}

/// Stops a client that uses an MDL that it has returned.
fn require_not_retired(mdl: *const MDL, call: &str) {
    if let Some(retired) = retired().iter().find(|retired| ptr::eq(&raw const *retired.mdl, mdl)) {
        let why = "the memory of the MDL is no longer the client's";
        fatal_violation(retired.rule, call, retired.found, Some(&retired.origin), why);
    }
}

/// A process has one address space, so this is also the system's address.
fn virtual_address(mdl: &MDL) -> PVOID {
    mdl.StartVa.wrapping_byte_add(mdl.ByteOffset as usize)
}

/// The tag of MDLs that the kernel allocates.
const TAG: ULONG = u32::from_le_bytes(*b"Mdl ");

#[wsk_host_macros::export]
pub(crate) unsafe extern "C" fn IoAllocateMdl(
    address: PVOID,
    length: ULONG,
    secondary: BOOLEAN,
    _charge_quota: BOOLEAN,
    irp: PIRP,
) -> PMDL {
    require_at_most(DISPATCH_LEVEL, "IoAllocateMdl");
    let size = ADDRESS_AND_SIZE_TO_SPAN_PAGES(address, length as usize) * size_of::<usize>()
        + size_of::<MDL>();
    // An MDL counts its own size in 15 bits.
    if CSHORT::try_from(size).is_err() {
        return ptr::null_mut();
    }
    let mdl: PMDL = allocate(size_t(size), TAG, FRESH, "IoAllocateMdl").cast();
    if mdl.is_null() {
        return mdl;
    }
    // SAFETY: the memory was allocated with this size.
    unsafe { MmInitializeMdl(mdl, address, size_t(length as usize)) };
    // SAFETY: the caller passes an IRP of its own, or null.
    if let Some(irp) = unsafe { irp.as_mut() } {
        let mut place = &raw mut irp.MdlAddress;
        if secondary != FALSE {
            // SAFETY: the IRP's chain is of valid MDLs.
            while let Some(last) = unsafe { (*place).as_mut() } {
                place = &raw mut last.Next;
            }
        }
        // SAFETY: the place is the IRP's, or its last MDL's.
        unsafe { place.write(mdl) };
    }
    mdl
}

#[wsk_host_macros::export]
pub(crate) extern "C" fn IoFreeMdl(mdl: PMDL) {
    free(mdl.cast(), TAG, "IoFreeMdl");
}

#[wsk_host_macros::export]
unsafe extern "C" fn IoBuildPartialMdl(source: PMDL, target: PMDL, address: PVOID, length: ULONG) {
    // SAFETY: the caller passes a valid MDL.
    let source = unsafe { &*source };
    let offset = address.addr().wrapping_sub(virtual_address(source).addr());
    let rest = (source.ByteCount as usize).checked_sub(offset);
    let length = if length == 0 { rest.unwrap_or(0) } else { length as usize };
    if rest.is_none_or(|rest| length > rest) {
        kernel_violation("IoBuildPartialMdl: the range is not within the source");
    }
    // SAFETY: the caller passes an MDL of its own.
    let target = unsafe { &mut *target };
    let pages = ADDRESS_AND_SIZE_TO_SPAN_PAGES(address, length) * size_of::<usize>();
    if size_of::<MDL>() + pages > usize::try_from(target.Size).unwrap_or(0) {
        kernel_violation("IoBuildPartialMdl: the target has no room for the pages");
    }
    let (next, size) = (target.Next, target.Size);
    // SAFETY: it is the caller's, and has room for a header.
    unsafe { MmInitializeMdl(target, address, size_t(length)) };
    target.Next = next;
    target.Size = size;
    target.MdlFlags = source.MdlFlags & (RESIDENT | MDL_MAPPED_TO_SYSTEM_VA);
    target.MdlFlags |= MDL_PARTIAL;
    target.MappedSystemVa = virtual_address(target);
    let (partial, source) = (ptr::from_mut(target).addr(), ptr::from_ref(source).addr());
    current().usage().add_partial(partial, source);
}

#[wsk_host_macros::export]
pub(crate) unsafe extern "C" fn MmProbeAndLockPages(
    mdl: PMDL,
    _mode: KPROCESSOR_MODE,
    _operation: LOCK_OPERATION,
) {
    require_at_most(DISPATCH_LEVEL, "MmProbeAndLockPages");
    // SAFETY: the caller passes an MDL of its own.
    let mdl = unsafe { &mut *mdl };
    if mdl.MdlFlags & RESIDENT != 0 {
        kernel_violation("MmProbeAndLockPages: the pages are already locked, or are nonpaged pool");
    }
    mdl.MdlFlags |= MDL_PAGES_LOCKED;
    let origin = Origin::here("MmProbeAndLockPages");
    current().usage().lock_pages(ptr::from_mut(mdl).addr(), origin);
}

#[wsk_host_macros::export]
pub(crate) unsafe extern "C" fn MmUnlockPages(mdl: PMDL) {
    require_at_most(DISPATCH_LEVEL, "MmUnlockPages");
    // SAFETY: the caller passes an MDL of its own.
    let mdl = unsafe { &mut *mdl };
    if mdl.MdlFlags & MDL_PAGES_LOCKED == 0 {
        kernel_violation("MmUnlockPages: the pages are not locked");
    }
    let kernel = current();
    let address = ptr::from_mut(mdl).addr();
    let was_locked = kernel.usage().is_locked(address);
    if !was_locked {
        kernel_violation(
            "MmUnlockPages: MmProbeAndLockPages has not locked the pages of this MDL: it is a partial one, or one of MmAllocatePagesForMdlEx",
        );
    }
    let memory = address..address + size_of::<MDL>();
    let mut usage = kernel.usage();
    if !usage.require_unpinned(&memory, "MmUnlockPages")
        || !usage.require_no_partial_in_flight(address, "MmUnlockPages")
    {
        // The pages stay locked, for the request that uses them.
        return;
    }
    drop(usage);
    kernel.usage().unlock_pages(address);
    mdl.MdlFlags &= !(MDL_PAGES_LOCKED | MDL_MAPPED_TO_SYSTEM_VA);
}

#[wsk_host_macros::export]
unsafe extern "C" fn MmMapLockedPagesSpecifyCache(
    mdl: PMDL,
    _mode: KPROCESSOR_MODE,
    _cache: MEMORY_CACHING_TYPE,
    _wanted: PVOID,
    _bug_check: ULONG,
    _priority: ULONG,
) -> PVOID {
    require_at_most(DISPATCH_LEVEL, "MmMapLockedPagesSpecifyCache");
    require_not_retired(mdl, "MmMapLockedPagesSpecifyCache");
    // SAFETY: the caller passes an MDL of its own.
    let mdl = unsafe { &mut *mdl };
    if mdl.MdlFlags & MDL_PAGES_LOCKED == 0 {
        kernel_violation("MmMapLockedPagesSpecifyCache: the pages are not locked");
    }
    // Mapping takes resources of the system.
    if !current().may_allocate() {
        return ptr::null_mut();
    }
    mdl.MdlFlags |= MDL_MAPPED_TO_SYSTEM_VA;
    mdl.MappedSystemVa = virtual_address(mdl);
    mdl.MappedSystemVa
}

#[wsk_host_macros::export]
unsafe extern "C" fn MmUnmapLockedPages(address: PVOID, mdl: PMDL) {
    require_at_most(DISPATCH_LEVEL, "MmUnmapLockedPages");
    require_not_retired(mdl, "MmUnmapLockedPages");
    // SAFETY: the caller passes an MDL of its own.
    let mdl = unsafe { &mut *mdl };
    if mdl.MdlFlags & MDL_MAPPED_TO_SYSTEM_VA == 0 || mdl.MappedSystemVa != address {
        kernel_violation("MmUnmapLockedPages: the pages are not mapped at this address");
    }
    mdl.MdlFlags &= !MDL_MAPPED_TO_SYSTEM_VA;
    mdl.MappedSystemVa = ptr::null_mut();
}

/// The tag of pages that the kernel allocates.
const PAGES: ULONG = u32::from_le_bytes(*b"MmPg");

/// All pages or none: addresses, ranges and caching of physical memory have no meaning here.
#[wsk_host_macros::export]
unsafe extern "C" fn MmAllocatePagesForMdlEx(
    _low: LARGE_INTEGER,
    _high: LARGE_INTEGER,
    _skip: LARGE_INTEGER,
    size: SIZE_T,
    cache: MEMORY_CACHING_TYPE,
    flags: ULONG,
) -> PMDL {
    // SAFETY: the caller keeps this function's contract, which is the same.
    unsafe { allocate_pages(size, cache, flags, "MmAllocatePagesForMdlEx") }
}

#[wsk_host_macros::export]
unsafe extern "C" fn MmAllocatePagesForMdl(
    _low: LARGE_INTEGER,
    _high: LARGE_INTEGER,
    _skip: LARGE_INTEGER,
    size: SIZE_T,
) -> PMDL {
    // SAFETY: the caller keeps this function's contract, which is the same.
    unsafe { allocate_pages(size, MmCached, 0, "MmAllocatePagesForMdl") }
}

/// Allocates an MDL that describes new pages.
///
/// # Safety
///
/// The client frees the pages before the MDL.
unsafe fn allocate_pages(
    size: SIZE_T,
    cache: MEMORY_CACHING_TYPE,
    flags: ULONG,
    function: &'static str,
) -> PMDL {
    const MM_DONT_ZERO_ALLOCATION: ULONG = 1;
    const ALL: ULONG = 0x1FF;
    const CACHE_TYPES: MEMORY_CACHING_TYPE = 6;
    require_at_most(DISPATCH_LEVEL, function);
    if flags & !ALL != 0 || !(0..CACHE_TYPES).contains(&cache) {
        kernel_violation(&format!(
            "{function}: CacheType is {cache}, and Flags is {flags:#x}; one has an unknown value"
        ));
    }
    let size = wsk_sys::fields::length(size);
    let Some(size) = size.checked_next_multiple_of(PAGE_SIZE) else { return ptr::null_mut() };
    let Some(length) = ULONG::try_from(size).ok().filter(|length| *length != 0) else {
        return ptr::null_mut();
    };
    let fill = if flags & MM_DONT_ZERO_ALLOCATION == 0 { 0 } else { FRESH };
    let pages = allocate(size_t(size), PAGES, fill, function);
    if pages.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: there is no IRP.
    let mdl = unsafe { IoAllocateMdl(pages, length, FALSE, FALSE, ptr::null_mut()) };
    // SAFETY: the MDL was just allocated, or is null.
    match unsafe { mdl.as_mut() } {
        Some(mdl) => mdl.MdlFlags |= MDL_PAGES_LOCKED,
        None => free(pages, PAGES, function),
    }
    mdl
}

/// The client frees the MDL afterwards, with `ExFreePool`.
#[wsk_host_macros::export]
unsafe extern "C" fn MmFreePagesFromMdl(mdl: PMDL) {
    require_at_most(DISPATCH_LEVEL, "MmFreePagesFromMdl");
    require_not_retired(mdl, "MmFreePagesFromMdl");
    // SAFETY: the caller passes an MDL of its own.
    let mdl = unsafe { &mut *mdl };
    let pages = virtual_address(mdl);
    if mdl.MdlFlags & MDL_PAGES_LOCKED == 0 || !are_allocated(pages) {
        kernel_violation("MmFreePagesFromMdl: the MDL is not one of MmAllocatePagesForMdlEx");
    }
    free(pages, PAGES, "MmFreePagesFromMdl");
    mdl.MdlFlags &= !(MDL_PAGES_LOCKED | MDL_MAPPED_TO_SYSTEM_VA);
    mdl.MappedSystemVa = ptr::null_mut();
}

/// Whether pages are of `MmAllocatePagesForMdlEx`.
fn are_allocated(pages: PVOID) -> bool {
    current().pool().tag(pages.addr()) == Some(PAGES)
}

/// Finds the routines that clients look up because older systems lack them: those of the emulated Windows, and none of
/// later versions.
#[unsafe(no_mangle)]
unsafe extern "C" fn MmGetSystemRoutineAddress(name: PUNICODE_STRING) -> PVOID {
    require_at_most(PASSIVE_LEVEL, "MmGetSystemRoutineAddress");
    let windows = current().config().windows;
    let time = (KeQuerySystemTimePrecise as *const (), KeQueryUnbiasedInterruptTime as *const ());
    let routines: [(&str, WindowsVersion, *const ()); 3] = [
        ("ExAllocatePool2", since::ExAllocatePool2, ExAllocatePool2 as *const ()),
        ("KeQuerySystemTimePrecise", since::KeQuerySystemTimePrecise, time.0),
        ("KeQueryUnbiasedInterruptTime", since::KeQueryUnbiasedInterruptTime, time.1),
    ];
    // SAFETY: the caller passes a counted string.
    let (units, length) = unsafe { ((*name).Buffer, usize::from((*name).Length) / 2) };
    // SAFETY: a counted string has a buffer of its length, which may be null if that is zero.
    let is_it = |routine: &str| unsafe {
        routine.len() == length
            && routine.encode_utf16().enumerate().all(|(at, unit)| units.add(at).read() == unit)
    };
    let found = routines.iter().find(|(routine, since, _)| windows.has(*since) && is_it(routine));
    found.map_or(ptr::null_mut(), |(_, _, address)| address.cast_mut().cast())
}
