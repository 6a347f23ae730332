//! A client's callback tables, and the functions that they must have.
//!
//! # Safety
//!
//! The client keeps its tables until its socket's close has completed; they are only read.

#![expect(unsafe_code, reason = "the functions and objects are those of a C interface")]

use std::ptr;

use wsk_sys::{
    PVOID, ULONG, WSK_CLIENT_CONNECTION_DISPATCH, WSK_CLIENT_DATAGRAM_DISPATCH,
    WSK_CLIENT_LISTEN_DISPATCH, WSK_EVENT_ACCEPT, WSK_EVENT_DISCONNECT, WSK_EVENT_RECEIVE,
    WSK_EVENT_RECEIVE_FROM, WSK_EVENT_SEND_BACKLOG,
};

use crate::kernel::Kernel;
use crate::kernel::usage::Owner;
use crate::verifier::{Origin, Rule, rule_violation};

/// The context and the dispatch tables of a socket's callbacks.
///
/// # Invariants
///
/// The context and each non-null table belong to the client, and are valid until the socket's close has completed
/// ([INV-46](crate::rules#inv-46)).
#[derive(Clone, Copy)]
pub(super) struct CallbackTable {
    pub(super) context: usize,
    pub(super) listen: *const WSK_CLIENT_LISTEN_DISPATCH,
    pub(super) datagram: *const WSK_CLIENT_DATAGRAM_DISPATCH,
    pub(super) connection: *const WSK_CLIENT_CONNECTION_DISPATCH,
}

// SAFETY: the client's tables and contexts may be used in any thread (INV-39, INV-63).
unsafe impl Send for CallbackTable {}

impl CallbackTable {
    pub(super) const NONE: Self =
        Self { context: 0, listen: ptr::null(), datagram: ptr::null(), connection: ptr::null() };

    /// The addresses of the context and the tables, each with its name.
    pub(super) fn parts(&self) -> [(&'static str, usize); 4] {
        [
            ("context", self.context),
            ("dispatch table", self.listen.addr()),
            ("dispatch table", self.datagram.addr()),
            ("dispatch table", self.connection.addr()),
        ]
    }

    /// A socket needs them until its close has completed ([INV-46](crate::rules#inv-46)).
    pub(super) fn pin(&self, kernel: &Kernel, socket: u64, origin: Option<&Origin>) {
        let Some(origin) = origin else {
            return;
        };
        let mut usage = kernel.usage();
        for (noun, address) in self.parts() {
            usage.pin_object(
                socket_owner(socket),
                (noun, Rule::CLOSE_COMPLETES_LAST),
                address,
                origin,
            );
        }
    }
}

/// The output parameters of `WskAcceptEvent`.
///
/// # Invariants
///
/// Both pointers are valid until the callback has returned and its results were read.
#[derive(Clone, Copy)]
pub(super) struct AcceptOutputs {
    pub(super) context: *mut PVOID,
    pub(super) dispatch: *mut *const WSK_CLIENT_CONNECTION_DISPATCH,
}

// SAFETY: the pointers are valid while they are used (Invariants), and one thread uses them at a time.
unsafe impl Send for AcceptOutputs {}

/// A socket, as the owner of the memory of its callbacks.
pub(super) fn socket_owner(socket: u64) -> Owner {
    Owner { description: "socket #, which is still open", number: socket }
}

/// The single events in a mask.
pub(super) fn each(mask: ULONG) -> impl Iterator<Item = ULONG> {
    (0..ULONG::BITS).map(|bit| 1 << bit).filter(move |event| mask & event != 0)
}

/// Whether the client's table has a function for an event.
///
/// # Safety
///
/// The tables are null, or valid ([INV-39](crate::rules#inv-39)).
unsafe fn has_function(callbacks: &CallbackTable, event: ULONG) -> bool {
    // SAFETY: this function's contract requires it, and the pointers are only read.
    let (listen, datagram, connection) = unsafe {
        (callbacks.listen.as_ref(), callbacks.datagram.as_ref(), callbacks.connection.as_ref())
    };
    match event {
        WSK_EVENT_ACCEPT => listen.is_some_and(|table| table.WskAcceptEvent.is_some()),
        WSK_EVENT_RECEIVE_FROM => datagram.is_some_and(|table| table.WskReceiveFromEvent.is_some()),
        WSK_EVENT_RECEIVE => connection.is_some_and(|table| table.WskReceiveEvent.is_some()),
        WSK_EVENT_DISCONNECT => connection.is_some_and(|table| table.WskDisconnectEvent.is_some()),
        WSK_EVENT_SEND_BACKLOG => {
            connection.is_some_and(|table| table.WskSendBacklogEvent.is_some())
        }
        _ => false,
    }
}

/// The names of the callbacks in the client's tables that an event enables.
pub(super) fn functions(callbacks: &CallbackTable) -> Vec<&'static str> {
    const ALL: [(ULONG, &str); 5] = [
        (WSK_EVENT_ACCEPT, "WskAcceptEvent"),
        (WSK_EVENT_RECEIVE_FROM, "WskReceiveFromEvent"),
        (WSK_EVENT_RECEIVE, "WskReceiveEvent"),
        (WSK_EVENT_DISCONNECT, "WskDisconnectEvent"),
        (WSK_EVENT_SEND_BACKLOG, "WskSendBacklogEvent"),
    ];
    // SAFETY: the tables are null or valid (Invariants).
    let has = |event| unsafe { has_function(callbacks, event) };
    ALL.into_iter().filter(|(event, _)| has(*event)).map(|(_, name)| name).collect()
}

/// Stops a client that enables an event without a function for it ([INV-51](crate::rules#inv-51)).
pub(super) fn require_functions(callbacks: &CallbackTable, events: ULONG, call: &str) {
    for event in each(events) {
        // SAFETY: the tables are null or valid (Invariants).
        if !unsafe { has_function(callbacks, event) } {
            let found = format!("the event {event:#x} is enabled, but has no callback");
            rule_violation(Rule::EVENT_CALLBACKS, call, &found, None);
        }
    }
}
