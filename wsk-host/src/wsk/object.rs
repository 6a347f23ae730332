//! The object behind a `WSK_SOCKET`, and the checks of its use.
//!
//! # Safety
//!
//! A `WSK_SOCKET` is the beginning of a `SocketObject`. Its address is looked up among the known ones before it is
//! accessed, and it stays allocated while it is open and, closed, in the quarantine.

#![expect(unsafe_code, reason = "the functions and objects are those of a C interface")]

use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use wsk_sys::ctypes::c_void;
use wsk_sys::{ADDRESS_FAMILY, DISPATCH_LEVEL, PIRP, PWSK_SOCKET, STATUS_SUCCESS, WSK_SOCKET};

use super::action::{ClosedSocket, Irp, IrpCompletion};
use super::callback_table::socket_owner;
use super::category::{Category, name};
use super::client::Client;
use crate::kernel::Kernel;
use crate::kernel::context::require_no_completion_routine;
use crate::kernel::interrupt;
use crate::kernel::ke::dispatcher::{Token, token};
use crate::kernel::ke::irql::require_at_most;
use crate::kernel::quarantine::Quarantine;
use crate::kernel::trace;
use crate::verifier::{Origin, Rule, fatal_violation, kernel_violation};

/// A socket as its client sees it: `WSK_SOCKET`, followed by the host's own fields.
///
/// # Invariants
///
/// - `socket` is the first field (`repr(C)`), so a `PWSK_SOCKET` is the address of a `SocketObject`.
/// - The address is in [`KNOWN`] from the creation on, with `open` set until the client closes the socket. The memory
///   is freed later, by the quarantine.
/// - `client` is `Some` while the socket is open.
#[repr(C)]
pub(super) struct SocketObject {
    socket: WSK_SOCKET,
    pub(super) id: u64,
    category: Category,
    pub(super) family: ADDRESS_FAMILY,
    /// None when it is closed.
    client: Option<Arc<Client>>,
}

/// Every socket so far, by address: distinguishes open sockets, closed ones, and other pointers.
static KNOWN: Mutex<Option<FxHashMap<usize, SocketRecord>>> = Mutex::new(None);

struct SocketRecord {
    origin: Origin,
    open: bool,
    /// The calls that have not returned yet, and the thread of the last one.
    calls: SmallVec<[(&'static str, Token); 2]>,
}

fn records() -> MutexGuard<'static, Option<FxHashMap<usize, SocketRecord>>> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SocketObject {
    /// Makes a socket's object, and returns its address.
    pub(super) fn create(
        id: u64,
        category: Category,
        family: ADDRESS_FAMILY,
        dispatch: *const c_void,
        client: &Arc<Client>,
        call: &'static str,
    ) -> usize {
        let socket = WSK_SOCKET { Dispatch: dispatch };
        let object =
            Box::new(Self { socket, id, category, family, client: Some(Arc::clone(client)) });
        let address = Box::into_raw(object).expose_provenance();
        let origin = Origin::here(call);
        records().get_or_insert_default().insert(
            address,
            SocketRecord { origin: origin.clone(), open: true, calls: SmallVec::new() },
        );
        client.socket_created(id, origin);
        address
    }

    /// Ends an object that its client has never seen, or must not use.
    pub(super) fn discard(address: usize) {
        if let Some(known) = records().as_mut().and_then(|all| all.get_mut(&address)) {
            known.open = false;
        }
        if address != 0 {
            retire(address);
        }
    }

    pub(super) fn client(&self) -> &Client {
        match &self.client {
            Some(client) => client,
            None => kernel_violation("a socket was closed while a function was called with it"),
        }
    }

    pub(super) fn kernel(&self) -> &Kernel {
        &self.client().kernel
    }
}

/// Where a socket was created.
pub(super) fn origin(address: usize) -> Option<Origin> {
    records().as_ref()?.get(&address).map(|known| known.origin.clone())
}

/// A call with a socket, until it returns.
pub(super) struct InCall<'a> {
    pub(super) object: &'a SocketObject,
    address: usize,
}

impl InCall<'_> {
    /// Where the socket was created.
    pub(super) fn origin(&self) -> Option<Origin> {
        origin(self.address)
    }
}

impl std::ops::Deref for InCall<'_> {
    type Target = SocketObject;

    fn deref(&self) -> &SocketObject {
        self.object
    }
}

impl Drop for InCall<'_> {
    fn drop(&mut self) {
        leave(self.address);
    }
}

fn leave(address: usize) {
    if let Some(known) = records().as_mut().and_then(|all| all.get_mut(&address)) {
        let thread = token();
        if let Some(call) = known.calls.iter().rposition(|(_, of)| *of == thread) {
            known.calls.remove(call);
        }
    }
}

/// Begins a call with a socket, through the table of a category.
///
/// # Safety
///
/// The pointer is one that this provider has delivered.
pub(super) unsafe fn begin<'a>(
    socket: PWSK_SOCKET,
    category: Category,
    function: &'static str,
) -> InCall<'a> {
    require_no_completion_routine(function);
    // SAFETY: the pointer is one that this provider has delivered (this function's contract).
    unsafe { begin_in_any_routine(socket, category, function) }
}

/// Begins a call like [`begin`], but also in a completion routine.
///
/// # Safety
///
/// The pointer is one that this provider has delivered.
pub(super) unsafe fn begin_in_any_routine<'a>(
    socket: PWSK_SOCKET,
    category: Category,
    function: &'static str,
) -> InCall<'a> {
    require_at_most(DISPATCH_LEVEL, function);
    {
        let mut all = records();
        let found = all.as_mut().and_then(|all| all.get_mut(&socket.addr()));
        match found {
            Some(known) if known.open => {
                known.calls.push((function, token()));
            }
            Some(SocketRecord { origin, .. }) => {
                let origin = origin.clone();
                drop(all);
                fatal_violation(
                    Rule::SOCKET_CLOSED_ONCE,
                    function,
                    "the socket is closed",
                    Some(&origin),
                    "the socket no longer exists",
                );
            }
            None => fatal_violation(
                Rule::SOCKET_CLOSED_ONCE,
                function,
                "the pointer is not, and never was, a socket",
                None,
                "there is no socket to call the function with",
            ),
        }
    }
    // SAFETY: the object is open, so it is not freed.
    let object = unsafe { &*ptr::with_exposed_provenance::<SocketObject>(socket.addr()) };
    if object.category != category {
        let found = format!(
            "the function is from the table of a {} socket, but the socket is a {} socket",
            name(category),
            name(object.category)
        );
        fatal_violation(
            Rule::PROVIDER_TABLE_OF_CATEGORY,
            function,
            &found,
            origin(socket.addr()).as_ref(),
            "the function does not exist for the socket",
        );
    }
    interrupt();
    InCall { object, address: socket.addr() }
}

impl ClosedSocket {
    /// From here on, no function may be called with the socket ([INV-44](crate::rules#inv-44)), and none may be
    /// running ([INV-45](crate::rules#inv-45)).
    pub(super) fn new(socket: PWSK_SOCKET, irp: PIRP) -> Self {
        let mut all = records();
        if let Some(known) = all.as_mut().and_then(|all| all.get_mut(&socket.addr())) {
            known.open = false;
            let thread = token();
            let other = known.calls.iter().find(|(_, of)| *of != thread);
            if let Some((function, _)) = other {
                let found = format!("another thread is still in {function} with the socket");
                let origin = known.origin.clone();
                drop(all);
                let (rule, function) = (Rule::CLOSE_DURING_CALL, "WskCloseSocket");
                let why = "the other call would use a socket that no longer exists";
                fatal_violation(rule, function, &found, Some(&origin), why);
            }
        }
        Self::Socket { irp: Irp(irp), object: socket.addr() }
    }

    /// Retires the closed object, and returns the completion of its IRP.
    pub(super) fn finish(self) -> Option<IrpCompletion> {
        match self {
            Self::Socket { irp: Irp(irp), object } => {
                retire(object);
                Some(IrpCompletion::of_no_socket(irp, STATUS_SUCCESS, trace::CallResult::Nothing))
            }
            Self::Changes(client) => {
                client.changes_closed();
                None
            }
        }
    }
}

/// The closed sockets. Their memory is kept for a while, so that a client that uses one still finds its table, and is
/// stopped there.
static CLOSED: Mutex<Quarantine<usize>> = Mutex::new(Quarantine::new(4096));

/// Ends a closed socket, before its close's IRP is completed: the client may then end the registration.
fn retire(address: usize) {
    let object: *mut SocketObject = ptr::with_exposed_provenance_mut(address);
    // SAFETY: the close has waited for everything that used the object.
    let (id, client) = unsafe { ((*object).id, (*object).client.take()) };
    if let Some(client) = client {
        client.kernel.usage().unpin_objects(socket_owner(id));
        client.socket_closed(id);
    }
    let oldest = CLOSED.lock().unwrap_or_else(PoisonError::into_inner).add(address);
    if let Some(oldest) = oldest {
        records().as_mut().map(|all| all.remove(&oldest));
        // SAFETY: `create` allocated it, and it has left the quarantine, its last owner.
        drop(unsafe { Box::from_raw(ptr::with_exposed_provenance_mut::<SocketObject>(oldest)) });
    }
}
