//! Requests and their completion: INV-10 to INV-14, and INV-17.

use std::ptr;

#[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
use test_support::process::run_failing;
use test_support::raw::{
    Client, PoolAddress, PoolBuffer, Request, TAG, close, completed, connection, irp, listen,
    receive, socket_of,
};
use wsk_sys::*;

use wsk_host::{CallStatus, Config};

use crate::stops::{Says, breaks, breaks_on, deferred, inline, stops};

/// `WskSocket` with an IRP of any kind.
pub(crate) fn create(client: &Client, irp: PIRP) -> NTSTATUS {
    // SAFETY: the provider is captured.
    unsafe {
        (*client.provider.Dispatch).WskSocket.unwrap()(
            client.provider.Client,
            AF_INET,
            SOCK_STREAM,
            IPPROTO_TCP,
            WSK_FLAG_LISTEN_SOCKET,
            ptr::null_mut(),
            ptr::null(),
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null_mut(),
            irp,
        )
    }
}

/// An event that is never set.
pub(crate) fn event() -> PVOID {
    let event: PRKEVENT = Box::into_raw(Box::<KEVENT>::new_uninit()).cast();
    // SAFETY: there is room for it.
    unsafe { KeInitializeEvent(event, NotificationEvent, FALSE) };
    event.cast()
}

/// A receive that waits, since the peer sends nothing.
fn waits(client: &Client) -> Request {
    let buffer = Box::leak(Box::new(PoolBuffer::new(10)));
    receive(client.connections()[1], buffer, 0)
}

#[test]
fn a_null_irp() {
    breaks(10, ["WskSocket", "the IRP is null", ""], |client| {
        create(&client, ptr::null_mut());
    });
}

#[test]
fn an_irp_without_a_stack_location() {
    breaks(10, ["WskSocket", "the IRP has no stack location left", ""], |client| {
        let irp = irp(Some(completed), ptr::null_mut());
        // SAFETY: breaks INV-10: the only location is used up.
        unsafe { IoSetNextIrpStackLocation(irp) };
        create(&client, irp);
    });
}

#[test]
fn an_irp_used_twice() {
    breaks(10, ["WskSocket", "the IRP is already in flight", "WskReceive"], |client| {
        let request = waits(&client);
        create(&client, request.irp);
    });
}

const NO_ROUTINE: Says<'_> = [
    "WskSocket",
    "the IRP's completion routine is not set for success, error and cancellation",
    "",
];

#[test]
fn no_completion_routine() {
    breaks(11, NO_ROUTINE, |client| {
        // SAFETY: breaks INV-11.
        create(&client, unsafe { IoAllocateIrp(1, FALSE) });
    });
}

#[test]
fn a_routine_for_success_only() {
    breaks(11, NO_ROUTINE, |client| {
        // SAFETY: breaks INV-11.
        unsafe {
            let irp = IoAllocateIrp(1, FALSE);
            IoSetCompletionRoutine(irp, Some(completed), ptr::null_mut(), TRUE, FALSE, FALSE);
            create(&client, irp);
        }
    });
}

/// Returns from a completion routine with an IRP that has no owner.
unsafe extern "C" fn goes_on(_device: PDEVICE_OBJECT, _irp: PIRP, _event: PVOID) -> NTSTATUS {
    STATUS_SUCCESS
}

#[test]
fn a_routine_that_gives_its_irp_back() {
    let found = "the IRP was completed twice, or its completion routine did not keep it";
    breaks(11, ["IofCompleteRequest", found, ""], |client| {
        create(&client, irp(Some(goes_on), ptr::null_mut()));
    });
}

/// An IRP that a driver above has sent, with a routine of the client's on it, as it is handed to WSK.
fn borrowed(routine: PIO_COMPLETION_ROUTINE) -> PIRP {
    // SAFETY: the IRP is new, and has a location for the client and one for WSK.
    unsafe {
        let irp = IoAllocateIrp(2, FALSE);
        IoSetCompletionRoutine(irp, Some(completed), ptr::null_mut(), TRUE, TRUE, TRUE);
        IoSetNextIrpStackLocation(irp);
        IoSetCompletionRoutine(irp, routine, ptr::null_mut(), TRUE, TRUE, TRUE);
        irp
    }
}

#[test]
fn an_irp_of_a_driver_above_that_is_not_marked_pending() {
    let found = "the completion routine passed the IRP on without marking it pending";
    breaks_on(pending(), 13, ["IofCompleteRequest", found, ""], |client| {
        create(&client, borrowed(Some(goes_on)));
    });
}

/// A host whose calls return `STATUS_PENDING` even for a request that has completed.
fn pending() -> Config {
    inline().call_status(CallStatus::Pending)
}

/// Marks an IRP pending for the driver above, if it is.
unsafe extern "C" fn marks(_device: PDEVICE_OBJECT, irp: PIRP, _event: PVOID) -> NTSTATUS {
    // SAFETY: the IRP is the routine's, and is at the client's location.
    unsafe {
        if (*irp).PendingReturned != FALSE {
            IoMarkIrpPending(irp);
        }
    }
    STATUS_SUCCESS
}

/// INV-13 is kept.
#[test]
fn irps_of_a_driver_above_that_are_marked_pending_go_on() {
    let client = Client::new(pending());
    // Without a completion routine, the kernel marks the IRP.
    for routine in [Some(marks as unsafe extern "C" fn(_, _, _) -> _), None] {
        let irp = borrowed(routine);
        if routine.is_none() {
            // SAFETY: the IRP is new, and its next location is WSK's, for which no routine is called.
            unsafe { IoSetCompletionRoutine(irp, None, ptr::null_mut(), FALSE, FALSE, FALSE) };
        }
        assert_eq!(create(&client, irp), STATUS_PENDING);
        // SAFETY: the driver above has kept it.
        let (socket, pending) = unsafe { ((*irp).IoStatus.Information, (*irp).PendingReturned) };
        assert_ne!(pending, FALSE);
        close(socket_of(socket));
        // SAFETY: the driver above has kept the IRP, and frees it once.
        unsafe { IoFreeIrp(irp) };
    }
    client.end();
}

/// INV-13: an IRP that completes before its call returns the final status continues unchanged.
#[test]
fn irps_of_a_driver_above_that_are_not_pending_go_on() {
    let client = Client::new(inline());
    for routine in [marks as unsafe extern "C" fn(_, _, _) -> _, goes_on] {
        let irp = borrowed(Some(routine));
        assert_eq!(create(&client, irp), STATUS_SUCCESS);
        // SAFETY: the driver above has kept it.
        let (socket, pending) = unsafe { ((*irp).IoStatus.Information, (*irp).PendingReturned) };
        assert_eq!(pending, FALSE);
        close(socket_of(socket));
        // SAFETY: the driver above has kept the IRP, and frees it once.
        unsafe { IoFreeIrp(irp) };
    }
    client.end();
}

const IN_FLIGHT: &str = "the IRP is in flight";

#[test]
fn an_irp_reused_in_flight() {
    breaks(14, ["IoReuseIrp", IN_FLIGHT, "WskReceive"], |client| {
        // SAFETY: breaks INV-14.
        unsafe { IoReuseIrp(waits(&client).irp, STATUS_SUCCESS) };
    });
}

#[test]
fn an_irp_initialized_in_flight() {
    breaks(14, ["IoInitializeIrp", IN_FLIGHT, "WskReceive"], |client| {
        // SAFETY: breaks INV-14.
        unsafe { IoInitializeIrp(waits(&client).irp, IoSizeOfIrp(1), 1) };
    });
}

#[test]
fn an_irp_freed_in_flight() {
    let says = ["IoFreeIrp", "the memory is an IRP in flight", "WskReceive"];
    breaks(14, says, |client| {
        // SAFETY: breaks INV-14.
        unsafe { IoFreeIrp(waits(&client).irp) };
    });
}

#[test]
fn an_irp_completed_by_its_client() {
    breaks(14, ["IofCompleteRequest", IN_FLIGHT, "WskReceive"], |client| {
        // SAFETY: breaks INV-14.
        unsafe { IoCompleteRequest(waits(&client).irp, 0) };
    });
}

#[test]
fn a_routine_set_in_flight() {
    breaks(14, ["IoSetCompletionRoutineEx", IN_FLIGHT, "WskReceive"], |client| {
        let (irp, none) = (waits(&client).irp, ptr::null_mut());
        // SAFETY: breaks INV-14.
        unsafe { IoSetCompletionRoutineEx(none, irp, Some(completed), none.cast(), 1, 1, 1) };
    });
}

#[test]
fn a_context_on_the_stack() {
    breaks(17, ["WskSocket", "context is on the stack", ""], |client| {
        let mut context = 0_u64;
        client.socket_with(WSK_FLAG_LISTEN_SOCKET, (&raw mut context).cast(), ptr::null());
    });
}

#[test]
fn a_dispatch_table_on_the_stack() {
    breaks(17, ["WskSocket", "dispatch table is on the stack", ""], |client| {
        let table = WSK_CLIENT_LISTEN_DISPATCH {
            WskAcceptEvent: None,
            WskInspectEvent: None,
            WskAbortEvent: None,
        };
        let table = (&raw const table).cast();
        client.socket_with(WSK_FLAG_LISTEN_SOCKET, ptr::null_mut(), table);
    });
}

#[test]
fn a_context_of_an_accepted_socket_on_the_stack() {
    breaks(17, ["WskAccept", "context is on the stack", ""], |client| {
        let (listener, _) = client.listener(ptr::null_mut(), ptr::null());
        let mut context = 0_u64;
        test_support::raw::accept(listener, (&raw mut context).cast(), ptr::null());
    });
}

/// INV-12: a returned call does not give its IRP back to the client.
#[test]
fn an_irp_freed_before_its_completion_routine_has_run() {
    let says = ["IoFreeIrp", "the memory is an IRP in flight", "WskBind"];
    breaks_on(deferred(), 14, says, |client| {
        let socket = client.socket(WSK_FLAG_LISTEN_SOCKET);
        let request = test_support::raw::bind(socket, ([127, 0, 0, 1], 0));
        // The call has returned, which proves nothing.
        assert_eq!(request.returned, STATUS_PENDING);
        // SAFETY: breaks INV-12.
        unsafe { IoFreeIrp(request.irp) };
    });
}

/// Frees the IRP.
unsafe extern "C" fn frees(_device: PDEVICE_OBJECT, irp: PIRP, _context: PVOID) -> NTSTATUS {
    // SAFETY: the routine is the last that uses the IRP, if the client is right.
    unsafe { IoFreeIrp(irp) };
    STATUS_MORE_PROCESSING_REQUIRED
}

/// INV-12: a client that takes a status other than `STATUS_PENDING` for an IRP that it still owns.
#[test]
fn an_irp_freed_by_its_routine_and_after_its_call() {
    let found = "the completion routine has freed the IRP: WskSocket returns STATUS_SUCCESS";
    breaks(12, ["IoFreeIrp", found, "WskSocket"], |client| {
        let irp = irp(Some(frees), ptr::null_mut());
        if create(&client, irp) != STATUS_PENDING {
            // SAFETY: breaks INV-12.
            unsafe { IoFreeIrp(irp) };
        }
    });
}

/// INV-12: a client that takes the result from an IRP which its completion routine has freed.
#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
fn an_irp_read_after_its_routine_has_freed_it() {
    let said = run_failing("requests::an_irp_read_after_its_routine_has_freed_it", "", |_| {
        let client = Client::new(inline());
        let irp = irp(Some(frees), ptr::null_mut());
        create(&client, irp);
        // SAFETY: breaks INV-12.
        unsafe { (&raw const (*irp).IoStatus.Information).read_volatile() };
    });
    let Some(said) = said else { return };
    for part in [
        "wsk-host: INV-12 violated: ",
        "\n  call:    a read of freed memory, at the offset 56 of it\n",
        "\n  found:   the completion routine has freed the IRP: WskSocket returns STATUS_SUCCESS\n  freed:   by IoFreeIrp in the thread `",
        "\n  created: by WskSocket in the thread `",
    ] {
        assert!(said.contains(part), "`{part}` is not said in:\n{said}");
    }
}

/// A completion routine returns, in whichever thread it is called.
#[test]
fn a_thread_terminated_in_a_completion_routine() {
    unsafe extern "C" fn terminates(_: PDEVICE_OBJECT, _: PIRP, _: PVOID) -> NTSTATUS {
        // SAFETY: breaks the rule: a completion routine returns.
        unsafe { PsTerminateSystemThread(STATUS_SUCCESS) }
    }
    unsafe extern "C" fn creates(client: PVOID) {
        // SAFETY: the test passes a client, and waits for this thread.
        let client = unsafe { &*client.cast::<Client>() };
        create(client, irp(Some(terminates), ptr::null_mut()));
    }
    let headline = "PsTerminateSystemThread: the current thread is in a completion routine or an event \
                    callback, which must return";
    stops(headline, |client| {
        let mut handle: HANDLE = ptr::null_mut();
        let (to, of, process, id) =
            (&raw mut handle, ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        let context = (&raw const client).cast_mut().cast();
        // SAFETY: the thread is waited for.
        unsafe {
            PsCreateSystemThread(to, 0, of, process, id, Some(creates), context);
            ZwWaitForSingleObject(handle, FALSE, ptr::null_mut());
        }
    });
}

/// INV-12: the same after a failure.
#[test]
fn an_irp_freed_by_its_routine_and_after_a_refused_call() {
    let found =
        "the completion routine has freed the IRP: WskBind returns STATUS_INVALID_DEVICE_STATE";
    breaks(12, ["IoReuseIrp", found, "WskBind"], |client| {
        let (listener, _) = client.listener(ptr::null_mut(), ptr::null());
        let irp = irp(Some(frees), ptr::null_mut());
        let address = PoolAddress::new(([127, 0, 0, 1], 0));
        // SAFETY: the socket is open, and the address is read during the call.
        let status = unsafe { listen(listener).WskBind.unwrap()(listener, address.0, 0, irp) };
        if !NT_SUCCESS(status) {
            // SAFETY: breaks INV-12.
            unsafe { IoReuseIrp(irp, status) };
        }
    });
}

/// INV-12: a client that takes a status other than `STATUS_PENDING` for an IRP that has not completed.
#[test]
fn an_irp_completed_by_its_client_after_its_call() {
    let found = "the IRP is completed already: WskSocket returns STATUS_SUCCESS";
    breaks(12, ["IofCompleteRequest", found, "WskSocket"], |client| {
        let irp = irp(Some(keeps), ptr::null_mut());
        if create(&client, irp) != STATUS_PENDING {
            // SAFETY: breaks INV-12.
            unsafe { IofCompleteRequest(irp, IO_NO_INCREMENT) };
        }
    });
}

/// INV-12: a client that waits only for `STATUS_PENDING`. The event of the first request is still set when it waits for
/// the second.
#[test]
fn an_event_left_set_by_a_request_that_was_not_waited_for() {
    breaks(14, ["IoReuseIrp", IN_FLIGHT, "WskReceive"], |client| {
        let socket = client.connections()[1];
        let event = event();
        let irp = irp(Some(completed), event);
        let buffer = PoolBuffer::new(1);
        // SAFETY: the socket is open, and the IRP idle. The wait does not wait, which breaks INV-12.
        unsafe {
            let table = connection(socket);
            let address = PoolAddress::empty();
            let status = table.WskGetLocalAddress.unwrap()(socket, address.0, irp);
            assert_eq!(status, STATUS_SUCCESS, "there is nothing to wait for");
            for _ in 0..2 {
                IoReuseIrp(irp, STATUS_SUCCESS);
                IoSetCompletionRoutine(irp, Some(completed), event, TRUE, TRUE, TRUE);
                let status = table.WskReceive.unwrap()(socket, buffer.buffer, 0, irp);
                assert_eq!(status, STATUS_PENDING, "nothing was sent");
                KeWaitForSingleObject(event, Executive, KernelMode, FALSE, ptr::null_mut());
            }
        }
    });
}

#[test]
fn a_wait_at_dispatch_level() {
    stops("KeWaitForSingleObject: called at IRQL 2, the maximum is 1", |_| {
        // SAFETY: breaks the kernel's rule: no wait without a timeout at this level.
        unsafe {
            KfRaiseIrql(DISPATCH_LEVEL);
            KeWaitForSingleObject(event(), Executive, KernelMode, FALSE, ptr::null_mut());
        }
    });
}

#[test]
fn memory_freed_twice() {
    stops("ExFreePoolWithTag: the block of 1 bytes with the tag `test` was freed", |_| {
        // SAFETY: breaks the kernel's rule.
        unsafe {
            let memory = ExAllocatePoolWithTag(NonPagedPoolNx, 1, TAG);
            ExFreePoolWithTag(memory, TAG);
            ExFreePoolWithTag(memory, TAG);
        }
    });
}

/// The same IRP for two requests, without `IoReuseIrp` between them.
#[test]
fn an_irp_used_again_as_it_is() {
    let found = "the IRP has completed a request, and neither IoReuseIrp nor IoInitializeIrp was called since";
    breaks(10, ["WskSocket", found, ""], |client| {
        let irp = irp(Some(keeps), ptr::null_mut());
        create(&client, irp);
        // SAFETY: the request has completed, and its routine has kept the IRP.
        unsafe { IoSetCompletionRoutine(irp, Some(keeps), ptr::null_mut(), TRUE, TRUE, TRUE) };
        create(&client, irp);
    });
}

/// The completion routine of a request does not carry over to the next one.
#[test]
fn an_irp_reused_without_a_routine() {
    breaks(11, NO_ROUTINE, |client| {
        let irp = irp(Some(keeps), ptr::null_mut());
        create(&client, irp);
        // SAFETY: the request has completed, and its routine has kept the IRP.
        unsafe { IoReuseIrp(irp, STATUS_SUCCESS) };
        create(&client, irp);
    });
}

/// Keeps the IRP, and does nothing else.
unsafe extern "C" fn keeps(_device: PDEVICE_OBJECT, _irp: PIRP, _context: PVOID) -> NTSTATUS {
    STATUS_MORE_PROCESSING_REQUIRED
}

/// Marks the client's own IRP pending, as routines of drivers in the middle of a stack do.
unsafe extern "C" fn marks_its_own(
    _device: PDEVICE_OBJECT,
    irp: PIRP,
    _context: PVOID,
) -> NTSTATUS {
    // SAFETY: breaks the kernel's rule: the IRP has no current stack location.
    unsafe { IoMarkIrpPending(irp) };
    STATUS_MORE_PROCESSING_REQUIRED
}

#[test]
fn an_own_irp_marked_pending() {
    let headline = "IofCompleteRequest, after the completion routine, has found an IRP that was marked pending without a \
                    stack location of its own: IoMarkIrpPending is for an IRP that a driver above has sent, not for one \
                    that the caller has allocated";
    stops(headline, |client| {
        create(&client, irp(Some(marks_its_own), ptr::null_mut()));
    });
}

#[test]
fn an_own_irp_marked_pending_before_its_request() {
    let headline = "WskSocket has found an IRP that was marked pending without a stack location of its own: \
                    IoMarkIrpPending is for an IRP that a driver above has sent, not for one that the caller has allocated";
    stops(headline, |client| {
        let irp = irp(Some(keeps), ptr::null_mut());
        // SAFETY: breaks the kernel's rule: the IRP has no current stack location.
        unsafe { IoMarkIrpPending(irp) };
        create(&client, irp);
    });
}

#[test]
fn an_irp_used_after_its_free() {
    stops("WskSocket: the block of 280 bytes with the tag `Irp ` was freed", |client| {
        let irp = irp(Some(keeps), ptr::null_mut());
        // SAFETY: breaks the kernel's rule: the IRP is used below.
        unsafe { IoFreeIrp(irp) };
        create(&client, irp);
    });
}
