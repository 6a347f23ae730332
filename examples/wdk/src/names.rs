//! A WSK request issued by hand, with types of both crates and no casts between them.

use core::mem::MaybeUninit;
use core::ptr;

use wdk_sys::ntddk::{
    IoAllocateIrp, IoFreeIrp, KeInitializeEvent, KeSetEvent, KeWaitForSingleObject,
};
use wdk_sys::{IO_STATUS_BLOCK, KEVENT, NTSTATUS, PDEVICE_OBJECT, PIRP, PVOID, UNICODE_STRING};
use wsk::Provider;
use wsk::irql::Passive;
use wsk_sys::{
    Executive, FALSE, IoSetCompletionRoutine, KernelMode, NS_ALL, NT_SUCCESS, NotificationEvent,
    PADDRINFOEXW, STATUS_INSUFFICIENT_RESOURCES, STATUS_MORE_PROCESSING_REQUIRED, STATUS_NOT_SUPPORTED, TRUE,
    fields, unicode_string,
};

/// `localhost` in UTF-16.
const NAME: [u16; 9] = [0x6C, 0x6F, 0x63, 0x61, 0x6C, 0x68, 0x6F, 0x73, 0x74];

/// The result of a look-up.
pub(crate) struct Addresses {
    pub(crate) status: NTSTATUS,
    /// The number of addresses.
    pub(crate) count: usize,
}

/// Resolves `localhost`, and waits for the result.
pub(crate) fn count_addresses(wsk: &Provider, _passive: Passive) -> Addresses {
    let Some(names) = wsk.capabilities().name_resolution() else {
        return Addresses { status: STATUS_NOT_SUPPORTED, count: 0 };
    };
    // wsk-sys returns wdk-sys's type.
    let Some(mut name): Option<UNICODE_STRING> = unicode_string(&NAME) else {
        return Addresses { status: STATUS_NOT_SUPPORTED, count: 0 };
    };
    let mut list: PADDRINFOEXW = ptr::null_mut();
    let (name, result) = (&raw mut name, &raw mut list);
    let call = |irp: PIRP| {
        // SAFETY: `wsk` holds the provider captured; the caller's `Passive` token proves PASSIVE_LEVEL; `name` and `result`
        // point to locals that outlive the request, which `wait_for` waits for.
        unsafe {
            wsk.dispatch().get_address_info(
                names,
                wsk.client(),
                name,
                ptr::null_mut(),
                NS_ALL,
                ptr::null_mut(),
                ptr::null_mut(),
                result,
                ptr::null_mut(),
                ptr::null_mut(),
                irp,
            )
        }
    };
    // SAFETY: the `Passive` token proves PASSIVE_LEVEL. `call` passes the IRP to WSK, which completes every IRP.
    let result = unsafe { wait_for(call) };
    let status = fields::status(&result);
    if !NT_SUCCESS(status) {
        return Addresses { status, count: 0 };
    }
    let mut count = 0;
    let mut next: PADDRINFOEXW = list;
    // SAFETY: after success, `list` is null or a list of WSK's, ended by a null pointer and valid until it is freed.
    while let Some(address) = unsafe { next.as_ref() } {
        count += 1;
        next = address.ai_next;
    }
    if !list.is_null() {
        // SAFETY: WSK returned the list, it is freed once, and it is not used afterwards.
        unsafe { wsk.dispatch().free_address_info(names, wsk.client(), list) };
    }
    Addresses { status, count }
}

/// Issues a request with an IRP of wdk-sys, and waits until it has completed.
///
/// # Safety
///
/// The IRQL is `PASSIVE_LEVEL`, and `call` passes the IRP to a driver that completes it.
unsafe fn wait_for(call: impl FnOnce(PIRP) -> NTSTATUS) -> IO_STATUS_BLOCK {
    let mut event = MaybeUninit::<KEVENT>::uninit();
    let event = event.as_mut_ptr();
    // SAFETY: the event is a local variable; the wait below is in kernel mode, which keeps the stack resident.
    unsafe { KeInitializeEvent(event, NotificationEvent, FALSE) };
    // SAFETY: the IRQL is PASSIVE_LEVEL (this function's contract).
    let irp: PIRP = unsafe { IoAllocateIrp(1, FALSE) };
    if irp.is_null() {
        return fields::io_status_block(STATUS_INSUFFICIENT_RESOURCES, 0);
    }
    // SAFETY: the IRP was just allocated with one stack location; the context is the event, which outlives the wait.
    unsafe { IoSetCompletionRoutine(irp, Some(completed), event.cast(), TRUE, TRUE, TRUE) };
    // The result is the IRP's status, not the return value.
    let _ = call(irp);
    // SAFETY: the event is initialized, the IRQL is PASSIVE_LEVEL, and the request will complete (contract).
    let _ = unsafe {
        KeWaitForSingleObject(event.cast(), Executive, KernelMode, FALSE, ptr::null_mut())
    };
    // SAFETY: the request has completed, and `completed` stopped the I/O manager from processing the IRP further.
    let result = unsafe { (*irp).IoStatus };
    // SAFETY: IoAllocateIrp allocated the IRP, the request has completed, and the IRP is not used afterwards.
    unsafe { IoFreeIrp(irp) };
    result
}

/// Signals the event, and keeps the IRP.
///
/// # Safety
///
/// `event` points to an initialized [`KEVENT`].
unsafe extern "C" fn completed(_device: PDEVICE_OBJECT, _irp: PIRP, event: PVOID) -> NTSTATUS {
    // SAFETY: `event` points to an initialized event (this function's contract).
    unsafe { KeSetEvent(event.cast(), 0, FALSE) };
    STATUS_MORE_PROCESSING_REQUIRED
}
