//! `Io…`: I/O request packets.
//!
//! # Safety
//!
//! The exported functions have the contracts that `wsk-sys` documents. An IRP in flight is accessed through
//! its pointer, never through a reference: it may be cancelled at any time, which writes two of its fields
//! atomically.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU8, Ordering};

use wsk_sys::fields;
use wsk_sys::{
    BOOLEAN, CCHAR, DISPATCH_LEVEL, FALSE, IoSizeOfIrp, NTSTATUS, PDEVICE_OBJECT, PIRP, PVOID,
    SL_INVOKE_ON_CANCEL, SL_INVOKE_ON_ERROR, SL_INVOKE_ON_SUCCESS, SL_PENDING_RETURNED,
    STATUS_MORE_PROCESSING_REQUIRED, TRUE, ULONG, USHORT,
};

use crate::kernel::abi::Routine as _;
use crate::kernel::blocks::GUARD;
use crate::kernel::ex::pool::{
    FRESH, allocate_certainly, allocate_in_pages, free, require_no_overrun,
};
use crate::kernel::io::cancel::IoAcquireCancelSpinLock;
use crate::kernel::io::guarded_routine::call_completion_routine;
use crate::kernel::ke::irql::require_at_most;
use crate::kernel::{Kernel, current};
use crate::verifier::{Rule, fatal_violation, kernel_violation, rule_violation};

/// The type of an IRP among kernel objects.
const IO_TYPE_IRP: i16 = 6;

#[wsk_host_macros::export]
unsafe extern "C" fn IoInitializeIrp(irp: PIRP, size: USHORT, locations: CCHAR) {
    // SAFETY: the caller passes memory of this size.
    unsafe { initialize(&current(), irp, size, locations) };
}

/// Initializes an IRP, which must not be in flight.
///
/// # Safety
///
/// The IRP is memory of this size.
unsafe fn initialize(kernel: &Kernel, irp: PIRP, size: USHORT, locations: CCHAR) {
    kernel.usage().initialize(irp, "IoInitializeIrp");
    if size < IoSizeOfIrp(locations) {
        kernel_violation("IoInitializeIrp: PacketSize is too small for StackSize stack locations");
    }
    // SAFETY: the IRP is memory of this size, by this function's contract.
    unsafe { irp.cast::<u8>().write_bytes(0, usize::from(size)) };
    // SAFETY: the memory is as large as was checked, and an IRP of zeroes is valid.
    let packet = unsafe { &mut *irp };
    packet.Type = IO_TYPE_IRP;
    packet.Size = size;
    packet.StackCount = locations;
    packet.CurrentLocation = locations + 1;
    // SAFETY: the locations follow the packet, and their number was checked against the size.
    let beyond =
        unsafe { irp.add(1).cast::<wsk_sys::IO_STACK_LOCATION>().offset(locations.into()) };
    // SAFETY: the packet is borrowed, and the place within it.
    let place = unsafe { fields::current_stack_location(packet) };
    // SAFETY: the place is the packet's own field.
    unsafe { place.write(beyond) };
}

/// The tag of IRPs that the kernel allocates.
const TAG: ULONG = u32::from_le_bytes(*b"Irp ");

#[wsk_host_macros::export]
pub(crate) extern "C" fn IoAllocateIrp(locations: CCHAR, _charge_quota: BOOLEAN) -> PIRP {
    require_at_most(DISPATCH_LEVEL, "IoAllocateIrp");
    allocate_by(allocate_in_pages, locations)
}

/// Allocates the IRP of a request that must reach the driver, such as the close of a file.
pub(super) fn allocate_certain_irp(locations: CCHAR) -> PIRP {
    allocate_by(allocate_certainly, locations)
}

/// A function of the pool.
type Allocate = fn(usize, ULONG, u8, &'static str) -> PVOID;

fn allocate_by(allocate: Allocate, locations: CCHAR) -> PIRP {
    let size = IoSizeOfIrp(locations);
    let irp: PIRP = allocate(size.into(), TAG, FRESH, "IoAllocateIrp").cast();
    if !irp.is_null() {
        // SAFETY: the memory was allocated with this size.
        unsafe { IoInitializeIrp(irp, size, locations) };
    }
    irp
}

#[wsk_host_macros::export]
pub(crate) extern "C" fn IoFreeIrp(irp: PIRP) {
    require_usable(&current(), irp, "IoFreeIrp");
    free(irp.cast(), TAG, "IoFreeIrp");
}

#[wsk_host_macros::export]
unsafe extern "C" fn IoReuseIrp(irp: PIRP, status: NTSTATUS) {
    let kernel = current();
    kernel.usage().require_not_in_flight(irp, "IoReuseIrp");
    require_usable(&kernel, irp, "IoReuseIrp");
    // SAFETY: the caller passes an IRP of its own.
    let (size, locations) = unsafe { ((*irp).Size, (*irp).StackCount) };
    // SAFETY: the caller passes an IRP of its own.
    if unsafe { (*irp).Type } != IO_TYPE_IRP {
        kernel_violation("IoReuseIrp: the IRP is not initialized");
    }
    // SAFETY: the caller passes an IRP of its own, whose memory has the size that it was initialized with.
    unsafe { initialize(&kernel, irp, size, locations) };
    // SAFETY: the caller passes an IRP of its own, which was just initialized.
    unsafe { (*irp).IoStatus = fields::io_status_block(status, 0) };
}

/// Stops a client that uses an IRP which it has freed, or which [`require_not_marked`] refuses.
pub(crate) fn require_usable(kernel: &Kernel, irp: PIRP, function: &str) {
    let is_usable = kernel.pool().is_intact(irp.addr());
    // The slow path finds out what is wrong, if anything.
    if !is_usable {
        require_live(kernel, irp, function);
        require_not_marked(kernel, irp, function);
    }
}

/// Stops a client that uses an IRP which it has freed.
pub(crate) fn require_live(kernel: &Kernel, irp: PIRP, function: &str) {
    let freed = kernel.pool().freed_at(irp.addr());
    if let Some(freed) = freed {
        kernel.usage().require_not_freed_by_routine(irp, function);
        kernel_violation(&format!("{function}: {freed}"));
    }
}

/// Stops a client that has marked an IRP pending which has no current stack location, one of its own: that writes
/// behind the IRP. Does nothing if the IRP is freed.
fn require_not_marked(kernel: &Kernel, irp: PIRP, function: &str) {
    let pool = kernel.pool();
    if pool.is_intact(irp.addr()) {
        return;
    }
    let Some(size) = pool.size_of_block(irp.addr()) else { return };
    let marked = size + std::mem::offset_of!(wsk_sys::IO_STACK_LOCATION, Control);
    if pool.guard_at(irp.addr(), marked) == Some(GUARD | SL_PENDING_RETURNED) {
        let origin = pool.origin_of_block(irp.addr());
        kernel_violation(&format!(
            "{function} has found an IRP that was marked pending without a stack location of its own: \
             IoMarkIrpPending is for an IRP that a driver above has sent, not for one that the caller has allocated\n  \
             created: {origin}"
        ));
    }
    drop(pool);
    require_no_overrun(kernel, irp.addr(), function);
}

/// A routine that cancels an IRP that the provider owns.
pub(crate) type CancelRoutine = unsafe fn(PIRP);

/// The address of an IRP's cancel routine. wsk-host stores a routine of its own type there.
///
/// # Safety
///
/// The IRP is valid.
unsafe fn cancel_routine<'a>(irp: PIRP) -> &'a AtomicPtr<()> {
    // SAFETY: the field has the size and alignment of a pointer, and is only used atomically.
    unsafe { AtomicPtr::from_ptr((&raw mut (*irp).CancelRoutine).cast()) }
}

/// Whether an IRP was cancelled: a separate byte, since that may happen at any time.
///
/// # Safety
///
/// The IRP is valid.
unsafe fn cancelled<'a>(irp: PIRP) -> &'a AtomicU8 {
    // SAFETY: the field is a byte, and is only used atomically while the IRP is in flight.
    unsafe { AtomicU8::from_ptr(&raw mut (*irp).Cancel) }
}

/// Makes an IRP cancellable, and returns whether it was already cancelled.
///
/// # Safety
///
/// The provider owns the IRP.
pub(crate) unsafe fn set_cancel_routine(irp: PIRP, routine: CancelRoutine) -> bool {
    // SAFETY: the caller's IRP is valid.
    unsafe { cancel_routine(irp) }.store(routine as *mut (), Ordering::SeqCst);
    // SAFETY: the provider owns the IRP, by this function's contract.
    unsafe { cancelled(irp) }.load(Ordering::SeqCst) != FALSE
}

/// Removes an IRP's cancel routine. Returns false if the IRP is being cancelled: then the routine completes it.
///
/// # Safety
///
/// The provider owns the IRP, and has set a cancel routine.
pub(crate) unsafe fn claim(irp: PIRP) -> bool {
    // SAFETY: the caller's IRP is valid.
    !unsafe { cancel_routine(irp) }.swap(ptr::null_mut(), Ordering::AcqRel).is_null()
}

/// Calls the cancel routine that a driver has set, which releases the cancel spin lock.
///
/// # Safety
///
/// The routine is the one that the driver has set for this IRP, and was taken from it once.
unsafe fn cancel_by_driver(irp: PIRP, routine: *mut ()) {
    // SAFETY: the pointer is to a driver's cancel routine (this function's contract), which has this type.
    let routine = unsafe {
        std::mem::transmute::<*mut (), unsafe extern "C" fn(PDEVICE_OBJECT, PIRP)>(routine)
    };
    let mut irql = 0;
    // SAFETY: there is room for a level.
    unsafe { IoAcquireCancelSpinLock(&raw mut irql) };
    // SAFETY: the IRP is at a location of its driver, which does not complete it without the lock.
    let device = unsafe {
        (*irp).CancelIrql = irql;
        (*fields::current_stack_location(irp).read()).DeviceObject
    };
    // SAFETY: the routine is for this IRP (this function's contract).
    unsafe { routine.invoke((device, irp)) };
    require_at_most(irql, "the end of a cancel routine");
}

#[wsk_host_macros::export]
unsafe extern "C" fn IoCancelIrp(irp: PIRP) -> BOOLEAN {
    require_at_most(DISPATCH_LEVEL, "IoCancelIrp");
    let kernel = current();
    require_live(&kernel, irp, "IoCancelIrp");
    if kernel.config().refuse_cancel {
        return FALSE;
    }
    // SAFETY: the caller passes an IRP whose memory is valid during this call.
    unsafe { cancelled(irp) }.store(TRUE, Ordering::SeqCst);
    // SAFETY: the caller passes an IRP whose memory is valid during this call.
    let routine = unsafe { cancel_routine(irp) }.swap(ptr::null_mut(), Ordering::SeqCst);
    if routine.is_null() {
        return FALSE;
    }
    if !kernel.usage().contains(irp) {
        // SAFETY: the IRP is a driver's, which has set a routine of its own.
        unsafe { cancel_by_driver(irp, routine) };
        return TRUE;
    }
    // SAFETY: `set_cancel_routine` stored it.
    let routine = unsafe { std::mem::transmute::<*mut (), CancelRoutine>(routine) };
    // SAFETY: the routine is for this IRP, and it was taken from it once.
    unsafe { routine(irp) };
    TRUE
}

/// Completes an IRP: calls the completion routine of each stack location, until one keeps the IRP.
#[wsk_host_macros::export]
pub(crate) unsafe extern "C" fn IofCompleteRequest(irp: PIRP, _boost: CCHAR) {
    require_at_most(DISPATCH_LEVEL, "IofCompleteRequest");
    let kernel = current();
    require_live(&kernel, irp, "IofCompleteRequest");
    let usage = kernel.usage();
    usage.require_not_in_flight(irp, "IofCompleteRequest");
    // SAFETY: the caller passes an IRP, which is allocated.
    if unsafe { (*irp).CurrentLocation > (*irp).StackCount } {
        usage.require_not_completed(irp, "IofCompleteRequest");
    }
    drop(usage);
    // SAFETY: the caller owns the IRP, whose MDLs are valid.
    unsafe { require_memory_returned(&kernel, irp) };
    // SAFETY: the caller owns the IRP, and gives it up.
    unsafe { complete_request(&kernel, irp) };
}

/// Stops a client that completes an IRP whose memory a request in flight uses: the completion unlocks and frees it.
///
/// # Safety
///
/// The IRP is allocated, and its MDLs are valid.
unsafe fn require_memory_returned(kernel: &Kernel, irp: PIRP) {
    let mut usage = kernel.usage();
    if !usage.has_requests() {
        return;
    }
    // SAFETY: the IRP is allocated (this function's contract).
    let mut next = unsafe { (*irp).MdlAddress };
    // SAFETY: the MDL is null, or valid (this function's contract).
    while let Some(mdl) = unsafe { next.as_ref() } {
        let (start, bytes) = (next.addr(), mdl.StartVa.addr() + mdl.ByteOffset as usize);
        let ranges =
            [start..start + size_of::<wsk_sys::MDL>(), bytes..bytes + mdl.ByteCount as usize];
        if let Some(origin) = ranges.iter().find_map(|range| usage.pinned_in(range)) {
            let found = "the memory of the IRP is the memory of a request in flight";
            rule_violation(Rule::LENT_IRP_COMPLETED, "IofCompleteRequest", found, Some(&origin));
            return;
        }
        next = mdl.Next;
    }
}

/// Completes an IRP like [`IofCompleteRequest`], for a driver that has just taken it out of flight.
///
/// # Safety
///
/// The caller gives up the IRP, which is allocated.
pub(crate) unsafe fn complete_request(kernel: &Kernel, irp: PIRP) {
    loop {
        // No reference to the IRP, because it may be cancelled at the same time, which accesses two of its fields.
        // SAFETY: the caller owns the IRP, and gives it up.
        let (current, count) = unsafe { ((*irp).CurrentLocation, (*irp).StackCount) };
        if current > count {
            let found = "the IRP was completed twice, or its completion routine did not keep it";
            let why = "the IRP has no stack location left to complete";
            fatal_violation(Rule::COMPLETION_ROUTINE, "IofCompleteRequest", found, None, why);
        }
        // SAFETY: the caller owns the IRP until a completion routine keeps it.
        let place = unsafe { fields::current_stack_location(irp) };
        // SAFETY: the current location is one of the IRP's, as was just checked.
        let location = unsafe { place.read() };
        // SAFETY: the next location is one of the IRP's, or one beyond.
        unsafe { place.write(location.add(1)) };
        // SAFETY: the caller owns the IRP until a completion routine keeps it.
        unsafe { (*irp).CurrentLocation = current + 1 };
        // SAFETY: the location is one of the IRP's, as was checked.
        let (control, routine, context) =
            unsafe { ((*location).Control, (*location).CompletionRoutine, (*location).Context) };
        // A location is of one request: its routine is not called again.
        // SAFETY: the location is one of the IRP's, as was checked.
        unsafe { (*location).Control = 0 };
        // SAFETY: the caller owns the IRP until a completion routine keeps it.
        unsafe { (*irp).PendingReturned = control & SL_PENDING_RETURNED };
        // SAFETY: the caller owns the IRP until a completion routine keeps it.
        let status = fields::status(&unsafe { (*irp).IoStatus });
        let wanted = if status >= 0 { SL_INVOKE_ON_SUCCESS } else { SL_INVOKE_ON_ERROR };
        // SAFETY: the caller owns the IRP until a completion routine keeps it.
        let is_cancelled = unsafe { cancelled(irp) }.load(Ordering::SeqCst) != FALSE;
        let cancel = if is_cancelled { SL_INVOKE_ON_CANCEL } else { 0 };
        // The driver that sent it got it from a driver above, if there is a location for that.
        let is_pending = control & SL_PENDING_RETURNED != 0 && current < count;
        // SAFETY: a pending location below the last has a next one.
        let above = is_pending.then(|| unsafe { location.add(1) });
        if control & (wanted | cancel) == 0 {
            if let Some(above) = above {
                // SAFETY: the next location is the IRP's, as `is_pending` checks.
                unsafe { (*above).Control |= SL_PENDING_RETURNED };
            }
            continue;
        }
        let Some(routine) = routine else {
            rule_violation(
                Rule::COMPLETION_ROUTINE,
                "IofCompleteRequest",
                "the IRP has no completion routine",
                None,
            );
            continue;
        };
        // SAFETY: the sender of the IRP has set this routine for this context.
        let status = unsafe { call_completion_routine(kernel, routine, irp, context) };
        if status == STATUS_MORE_PROCESSING_REQUIRED {
            // The IRP may be freed already.
            require_not_marked(kernel, irp, "IofCompleteRequest, after the completion routine,");
            return;
        }
        // SAFETY: the routine has left the IRP to this call, and `is_pending` has checked the location.
        if above.is_some_and(|above| unsafe { (*above).Control } & SL_PENDING_RETURNED == 0) {
            let found = "the completion routine passed the IRP on without marking it pending";
            rule_violation(Rule::BORROWED_IRP_PENDING, "IofCompleteRequest", found, None);
        }
    }
}
