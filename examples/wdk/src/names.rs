//! A request of WSK's that is made by hand: nothing of it is cast from one crate's types to the other's.

use core::mem::MaybeUninit;
use core::ptr;

use wdk_sys::ntddk::{
    IoAllocateIrp, IoFreeIrp, KeInitializeEvent, KeSetEvent, KeWaitForSingleObject,
};
use wdk_sys::{IO_STATUS_BLOCK, KEVENT, NTSTATUS, PDEVICE_OBJECT, PIRP, PVOID, UNICODE_STRING};
use wsk::Provider;
use wsk::irql::Passive;
use wsk_sys::{
    Executive, FALSE, IoSetCompletionRoutine, KernelMode, NS_ALL, NotificationEvent, PADDRINFOEXW,
    STATUS_INSUFFICIENT_RESOURCES, STATUS_MORE_PROCESSING_REQUIRED, STATUS_NOT_SUPPORTED, TRUE,
    fields, unicode_string,
};

/// `localhost`, in the system's characters.
const NAME: [u16; 9] = [0x6C, 0x6F, 0x63, 0x61, 0x6C, 0x68, 0x6F, 0x73, 0x74];

/// What came of a look-up.
pub(crate) struct Addresses {
    pub(crate) status: NTSTATUS,
    /// How many there are.
    pub(crate) count: usize,
}

/// Looks `localhost` up, and waits for the answer.
pub(crate) fn count_addresses(wsk: &Provider, _passive: Passive) -> Addresses {
    let Some(names) = wsk.capabilities().names() else {
        return Addresses { status: STATUS_NOT_SUPPORTED, count: 0 };
    };
    // A string of wdk-sys, made by wsk-sys.
    let Some(mut name): Option<UNICODE_STRING> = unicode_string(&NAME) else {
        return Addresses { status: STATUS_NOT_SUPPORTED, count: 0 };
    };
    let mut list: PADDRINFOEXW = ptr::null_mut();
    let (name, place) = (&raw mut name, &raw mut list);
    let call = |irp: PIRP| {
        // SAFETY: the provider is captured, and the level is passive, as the caller's token says; the name and the
        // place of the list stay until the request has completed, which is waited for.
        unsafe {
            wsk.dispatch().get_address_info(
                names,
                wsk.client(),
                name,
                ptr::null_mut(),
                NS_ALL,
                ptr::null_mut(),
                ptr::null_mut(),
                place,
                ptr::null_mut(),
                ptr::null_mut(),
                irp,
            )
        }
    };
    // SAFETY: the level is passive, and the call hands the IRP to WSK, which always completes it.
    let result = unsafe { wait_for(call) };
    let status = fields::status(&result);
    if !wdk::nt_success(status) {
        return Addresses { status, count: 0 };
    }
    let mut count = 0;
    let mut next: PADDRINFOEXW = list;
    // SAFETY: a list of WSK's, whose last element has no next one, until it is freed.
    while let Some(address) = unsafe { next.as_ref() } {
        count += 1;
        next = address.ai_next;
    }
    if !list.is_null() {
        // SAFETY: the list is WSK's, and nobody uses it any more.
        unsafe { wsk.dispatch().free_address_info(names, wsk.client(), list) };
    }
    Addresses { status, count }
}

/// Makes a request with an IRP of wdk-sys, and waits until it has completed.
///
/// # Safety
///
/// The level is passive, and `call` hands the IRP to somebody who always completes it.
unsafe fn wait_for(call: impl FnOnce(PIRP) -> NTSTATUS) -> IO_STATUS_BLOCK {
    let mut event = MaybeUninit::<KEVENT>::uninit();
    let event = event.as_mut_ptr();
    // SAFETY: memory of this function's, on a stack that the wait below keeps in place.
    unsafe { KeInitializeEvent(event, NotificationEvent, FALSE) };
    // SAFETY: the level is passive.
    let irp: PIRP = unsafe { IoAllocateIrp(1, FALSE) };
    if irp.is_null() {
        return fields::io_status_block(STATUS_INSUFFICIENT_RESOURCES, 0);
    }
    // SAFETY: the IRP is fresh; the routine needs an event, which stays until it has been set.
    unsafe { IoSetCompletionRoutine(irp, Some(completed), event.cast(), TRUE, TRUE, TRUE) };
    // What it returns is not the result: that comes with the IRP.
    let _ = call(irp);
    // SAFETY: the event is initialised, and the wait without end is for a request that will complete.
    let _ = unsafe {
        KeWaitForSingleObject(event.cast(), Executive, KernelMode, FALSE, ptr::null_mut())
    };
    // SAFETY: the request has completed, and the IRP was taken back from the I/O manager.
    let result = unsafe { (*irp).IoStatus };
    // SAFETY: as above; nobody uses the IRP any more.
    unsafe { IoFreeIrp(irp) };
    result
}

/// Tells who waits, and keeps the IRP.
unsafe extern "C" fn completed(_device: PDEVICE_OBJECT, _irp: PIRP, event: PVOID) -> NTSTATUS {
    // SAFETY: the context is the event that is waited for.
    unsafe { KeSetEvent(event.cast(), 0, FALSE) };
    STATUS_MORE_PROCESSING_REQUIRED
}
