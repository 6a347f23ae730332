//! What stands in the tables: functions of C that call a handler's methods.
//!
//! A context is null if its socket was made without one, and what a callback tells of may be null if the
//! socket is no longer functional: both are answered as WSK asks for. What a method without an answer is called for
//! succeeds, as WSK fixes it (INV-62).

use core::cell::Cell;
use core::ptr::NonNull;

use wsk_sys::fields::{length, size_t};
use wsk_sys::{
    NTSTATUS, PSOCKADDR, PVOID, PWSK_DATA_INDICATION, PWSK_DATAGRAM_INDICATION, PWSK_INSPECT_ID,
    PWSK_SOCKET, SIZE_T, STATUS_DATA_NOT_ACCEPTED, STATUS_PENDING, STATUS_REQUEST_NOT_ACCEPTED,
    STATUS_SUCCESS, ULONG, WSK_CLIENT_CONNECTION_DISPATCH, WSK_FLAG_ABORTIVE, WSK_INSPECT_ACTION,
    WskInspectReject,
};

use super::inspection::Verdict;
use super::{
    ConditionalListenEvents, ConnectionEvents, Data, DatagramEvents, Datagrams, Disposition,
    Incoming, InspectId, Inspection, Level, ListenEvents, Receipt,
};
use crate::socket::{SocketMemory, SocketState};

/// The context of a callback: the memory of its socket.
///
/// # Safety
///
/// It is null, or the memory of a socket with a handler of this type, which stays until the close has completed
/// (INV-46).
unsafe fn context<'a, T>(context: PVOID) -> Option<&'a SocketMemory<T>> {
    // SAFETY: the caller's promise.
    unsafe { context.cast::<SocketMemory<T>>().as_ref() }
}

impl<T> SocketMemory<T> {
    /// The handler, which is about to be told that the socket no longer works.
    fn dead(&self) -> &T {
        self.state.mark_dead();
        &self.handler
    }
}

macro_rules! accept_event {
    ($name:ident, $events:ident, $doc:literal) => {
        #[doc = $doc]
        ///
        /// # Safety
        ///
        /// WSK calls it, for a socket with a context of this type.
        pub unsafe extern "C" fn $name<T: $events>(
            socket_context: PVOID,
            flags: ULONG,
            local_address: PSOCKADDR,
            remote_address: PSOCKADDR,
            accept_socket: PWSK_SOCKET,
            accept_socket_context: *mut PVOID,
            accept_socket_dispatch: *mut *const WSK_CLIENT_CONNECTION_DISPATCH,
        ) -> NTSTATUS {
            // SAFETY: the socket was made with this context.
            let Some(context) = (unsafe { context::<T>(socket_context) }) else {
                return STATUS_REQUEST_NOT_ACCEPTED;
            };
            let Some(socket) = NonNull::new(accept_socket) else {
                context.dead().dead();
                return STATUS_REQUEST_NOT_ACCEPTED;
            };
            let accepted = Cell::new(None);
            context.handler.accept(Incoming {
                socket,
                addresses: [local_address, remote_address],
                level: Level::from_flags(flags),
                listener: &context.state,
                context: accept_socket_context,
                table: accept_socket_dispatch,
                accepted: &accepted,
                handler: core::marker::PhantomData,
            });
            let Some(accepted) = accepted.get() else {
                return STATUS_REQUEST_NOT_ACCEPTED;
            };
            // WSK learns only now that the socket is the client's, so it must not be closed before. If it was
            // dropped already, the reaper closes it.
            // SAFETY: `Incoming` left a use for this.
            unsafe { SocketState::release_open_deferred(accepted) };
            STATUS_SUCCESS
        }
    };
}

accept_event!(accept, ListenEvents, "`WskAcceptEvent`.");
accept_event!(
    conditional_accept,
    ConditionalListenEvents,
    "`WskAcceptEvent` of a listener that inspects."
);

/// `WskInspectEvent`.
///
/// # Safety
///
/// WSK calls it, for a socket with a context of this type.
pub unsafe extern "C" fn inspect<T: ConditionalListenEvents>(
    socket_context: PVOID,
    local_address: PSOCKADDR,
    remote_address: PSOCKADDR,
    inspect_id: PWSK_INSPECT_ID,
) -> WSK_INSPECT_ACTION {
    // SAFETY: the socket was made with this context.
    let Some(context) = (unsafe { context::<T>(socket_context) }) else {
        return WskInspectReject;
    };
    // SAFETY: WSK's identification is valid during the call, or null.
    let Some(id) = (unsafe { inspect_id.as_ref() }).map(InspectId::from_raw) else {
        context.dead().dead();
        return WskInspectReject;
    };
    let addresses = [local_address, remote_address];
    let verdict = Cell::new(Verdict::Reject);
    context.handler.inspect(Inspection::new(id, addresses, &context.state, &verdict));
    // SAFETY: the inspection was this listener's, and has ended.
    unsafe { verdict.get().end(&context.state) }
}

/// `WskAbortEvent`.
///
/// # Safety
///
/// WSK calls it, for a socket with a context of this type.
pub unsafe extern "C" fn abort<T: ConditionalListenEvents>(
    socket_context: PVOID,
    inspect_id: PWSK_INSPECT_ID,
) -> NTSTATUS {
    // SAFETY: the socket was made with this context.
    let context = unsafe { context::<T>(socket_context) };
    // SAFETY: WSK's identification is valid during the call.
    let id = unsafe { inspect_id.as_ref() };
    if let (Some(context), Some(id)) = (context, id) {
        context.handler.aborted(InspectId::from_raw(id));
    }
    STATUS_SUCCESS
}

/// `WskReceiveFromEvent`.
///
/// # Safety
///
/// WSK calls it, for a socket with a context of this type.
pub unsafe extern "C" fn receive_from<T: DatagramEvents>(
    socket_context: PVOID,
    flags: ULONG,
    indication: PWSK_DATAGRAM_INDICATION,
) -> NTSTATUS {
    // SAFETY: the socket was made with this context.
    let Some(context) = (unsafe { context::<T>(socket_context) }) else {
        return STATUS_DATA_NOT_ACCEPTED;
    };
    let Some(list) = NonNull::new(indication) else {
        context.dead().dead();
        return STATUS_SUCCESS;
    };
    let is_retained = Cell::new(false);
    let datagrams = Datagrams::new(list, flags, &context.state, &is_retained);
    let disposition = context.handler.receive_from(datagrams);
    match disposition {
        _ if is_retained.get() => STATUS_PENDING,
        Disposition::Accepted => STATUS_SUCCESS,
        Disposition::Refused => STATUS_DATA_NOT_ACCEPTED,
    }
}

/// `WskReceiveEvent`.
///
/// # Safety
///
/// WSK calls it, for a socket with a context of this type.
pub unsafe extern "C" fn receive<T: ConnectionEvents>(
    socket_context: PVOID,
    flags: ULONG,
    indication: PWSK_DATA_INDICATION,
    bytes_indicated: SIZE_T,
    bytes_accepted: *mut SIZE_T,
) -> NTSTATUS {
    // SAFETY: the socket was made with this context.
    let Some(context) = (unsafe { context::<T>(socket_context) }) else {
        return STATUS_DATA_NOT_ACCEPTED;
    };
    let bytes = (bytes_indicated, bytes_accepted);
    // SAFETY: these are what WSK gives.
    unsafe { receive_by(&context.state, &*context.handler, flags, indication, bytes) }
}

/// Lets a handler receive.
///
/// # Safety
///
/// The rest are the arguments of `WskReceiveEvent`, for the socket whose memory this is: with the list, how many bytes
/// it has, and where to say how many were accepted.
#[inline]
pub(super) unsafe fn receive_by<T: ConnectionEvents + ?Sized>(
    state: &SocketState,
    handler: &T,
    flags: ULONG,
    indication: PWSK_DATA_INDICATION,
    (bytes_indicated, bytes_accepted): (SIZE_T, *mut SIZE_T),
) -> NTSTATUS {
    let Some(list) = NonNull::new(indication) else {
        state.mark_dead();
        handler.dead();
        return STATUS_SUCCESS;
    };
    let is_retained = Cell::new(false);
    let indicated = length(bytes_indicated);
    let data = Data::new(list, indicated, flags, state, &is_retained);
    match handler.receive(data) {
        _ if is_retained.get() => STATUS_PENDING,
        Receipt::Refused => STATUS_DATA_NOT_ACCEPTED,
        Receipt::All => STATUS_SUCCESS,
        Receipt::Partial(count) => {
            // No more than there is (INV-55).
            // SAFETY: WSK passes room for the number.
            unsafe { bytes_accepted.write(size_t(count.min(indicated))) };
            STATUS_SUCCESS
        }
    }
}

/// `WskDisconnectEvent`.
///
/// # Safety
///
/// WSK calls it, for a socket with a context of this type.
pub unsafe extern "C" fn disconnect<T: ConnectionEvents>(
    socket_context: PVOID,
    flags: ULONG,
) -> NTSTATUS {
    // SAFETY: the socket was made with this context.
    if let Some(context) = unsafe { context::<T>(socket_context) } {
        context.handler.disconnected(flags & WSK_FLAG_ABORTIVE != 0, Level::from_flags(flags));
    }
    STATUS_SUCCESS
}

/// `WskSendBacklogEvent`.
///
/// # Safety
///
/// WSK calls it, for a socket with a context of this type.
pub unsafe extern "C" fn send_backlog<T: ConnectionEvents>(
    socket_context: PVOID,
    ideal_backlog_size: SIZE_T,
) -> NTSTATUS {
    // SAFETY: the socket was made with this context.
    if let Some(context) = unsafe { context::<T>(socket_context) } {
        context.handler.send_backlog(length(ideal_backlog_size));
    }
    STATUS_SUCCESS
}
