//! What a `WSK_SOCKET` is the beginning of, and who may use it.

use std::collections::{HashMap, VecDeque};
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wsk_sys::{ADDRESS_FAMILY, DISPATCH_LEVEL, PIRP, PWSK_SOCKET, STATUS_SUCCESS, WSK_SOCKET};

use super::act::Completed;
use super::category::{Category, name};
use super::registration::Client;
use super::socket::Irp;
use super::tables;
use crate::host::Host;
use crate::kernel::context::require_no_completion_routine;
use crate::kernel::ke::require_at_most;
use crate::kernel::schedule::interrupt;
use crate::kernel::trace;
use crate::kernel::usage::Keeper;
use crate::verifier::{Origin, Rule, rule_violation, violation};

#[repr(C)]
pub(super) struct Object {
    socket: WSK_SOCKET,
    pub(super) id: u64,
    category: Category,
    pub(super) family: ADDRESS_FAMILY,
    /// None when it is closed.
    client: Option<Arc<Client>>,
}

/// The sockets that there were, by address: to tell an open one from what once was one.
static KNOWN: Mutex<Option<HashMap<usize, Known>>> = Mutex::new(None);

struct Known {
    origin: Arc<Origin>,
    open: bool,
    /// The calls that have not returned yet, and the thread of the last one.
    calls: Vec<(&'static str, std::thread::ThreadId)>,
}

fn known() -> MutexGuard<'static, Option<HashMap<usize, Known>>> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Object {
    /// Makes a socket's object, and returns its address.
    pub(super) fn create(
        id: u64,
        category: Category,
        family: ADDRESS_FAMILY,
        client: &Arc<Client>,
        call: &'static str,
    ) -> usize {
        let socket = WSK_SOCKET { Dispatch: tables::of(category, client.windows()) };
        let object =
            Box::new(Self { socket, id, category, family, client: Some(Arc::clone(client)) });
        let address = Box::into_raw(object).expose_provenance();
        let origin = Arc::new(Origin::here(call));
        known()
            .get_or_insert_default()
            .insert(address, Known { origin: Arc::clone(&origin), open: true, calls: vec![] });
        client.socket_created(id, origin);
        address
    }

    /// Ends an object that its client has never seen, or must not use.
    pub(super) fn discard(address: usize) {
        if let Some(known) = known().as_mut().and_then(|all| all.get_mut(&address)) {
            known.open = false;
        }
        if address != 0 {
            bury(address);
        }
    }

    pub(super) fn client(&self) -> &Client {
        match &self.client {
            Some(client) => client,
            None => violation("a socket was closed while a function was called with it"),
        }
    }

    pub(super) fn host(&self) -> &Host {
        &self.client().host
    }
}

/// Where a socket was created.
pub(super) fn origin(address: usize) -> Option<Arc<Origin>> {
    known().as_ref()?.get(&address).map(|known| Arc::clone(&known.origin))
}

/// A call with a socket, until it returns.
pub(super) struct InCall<'a> {
    pub(super) object: &'a Object,
    address: usize,
}

impl InCall<'_> {
    /// Where the socket was created.
    pub(super) fn origin(&self) -> Option<Arc<Origin>> {
        origin(self.address)
    }
}

impl std::ops::Deref for InCall<'_> {
    type Target = Object;

    fn deref(&self) -> &Object {
        self.object
    }
}

impl Drop for InCall<'_> {
    fn drop(&mut self) {
        leave(self.address);
    }
}

fn leave(address: usize) {
    if let Some(known) = known().as_mut().and_then(|all| all.get_mut(&address)) {
        let thread = std::thread::current().id();
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
    require_at_most(DISPATCH_LEVEL, function);
    require_no_completion_routine(function);
    {
        let mut all = known();
        let found = all.as_mut().and_then(|all| all.get_mut(&socket.addr()));
        match found {
            Some(known) if known.open => {
                known.calls.push((function, std::thread::current().id()));
            }
            Some(Known { origin, .. }) => {
                let origin = Arc::clone(origin);
                drop(all);
                rule_violation(
                    Rule::SOCKET_CLOSED_ONCE,
                    function,
                    "the socket is closed",
                    Some(&origin),
                );
            }
            None => rule_violation(
                Rule::SOCKET_CLOSED_ONCE,
                function,
                "this is no socket, and never was one",
                None,
            ),
        }
    }
    // SAFETY: the object is open, and so is there.
    let object = unsafe { &*ptr::with_exposed_provenance::<Object>(socket.addr()) };
    if object.category != category {
        let found = format!(
            "the function is of a {} socket's table, and the socket is a {} socket",
            name(category),
            name(object.category)
        );
        rule_violation(
            Rule::PROVIDER_TABLE_OF_CATEGORY,
            function,
            &found,
            origin(socket.addr()).as_deref(),
        );
    }
    interrupt();
    InCall { object, address: socket.addr() }
}

/// What has begun to close: freed when nothing of it is left to run.
pub(crate) enum ClosedSocket {
    Socket {
        irp: Irp,
        object: usize,
    },
    /// What a registration's own requests wait at.
    Changes(Arc<Client>),
}

impl ClosedSocket {
    /// From here on, no function may be called with the socket (INV-44), and none may be running (INV-45).
    pub(super) fn new(socket: PWSK_SOCKET, irp: PIRP) -> Self {
        let mut all = known();
        if let Some(known) = all.as_mut().and_then(|all| all.get_mut(&socket.addr())) {
            known.open = false;
            let thread = std::thread::current().id();
            let other = known.calls.iter().find(|(_, of)| *of != thread);
            if let Some((function, _)) = other {
                let found = format!("another thread is in {function} with the socket");
                let origin = Arc::clone(&known.origin);
                drop(all);
                rule_violation(Rule::CLOSE_DURING_CALL, "WskCloseSocket", &found, Some(&origin));
            }
        }
        Self::Socket { irp: Irp(irp), object: socket.addr() }
    }

    /// Gives up what has closed, and gives its IRP to be completed.
    pub(super) fn finish(self) -> Option<Completed> {
        match self {
            Self::Socket { irp: Irp(irp), object } => {
                bury(object);
                Some(Completed::of_no_socket(irp, STATUS_SUCCESS, trace::Result::Nothing))
            }
            Self::Changes(client) => {
                client.changes_closed();
                None
            }
        }
    }
}

/// Closed sockets whose memory is kept, so that whoever uses one finds its table, and is stopped there.
const GRAVES: usize = 4096;

static BURIED: Mutex<VecDeque<usize>> = Mutex::new(VecDeque::new());

/// Ends a closed socket, before its close's IRP is completed: whoever waits for that may end the
/// registration next.
fn bury(address: usize) {
    let object: *mut Object = ptr::with_exposed_provenance_mut(address);
    // SAFETY: the close has waited for everything that used the object.
    let (id, client) = unsafe { ((*object).id, (*object).client.take()) };
    if let Some(client) = client {
        client.host.in_flight().drop_kept(Keeper::Socket(id));
        client.socket_closed(id);
    }
    let mut buried = BURIED.lock().unwrap_or_else(PoisonError::into_inner);
    buried.push_back(address);
    let oldest = if buried.len() > GRAVES { buried.pop_front() } else { None };
    if let Some(oldest) = oldest {
        known().as_mut().map(|all| all.remove(&oldest));
        // SAFETY: `create` made it, and it was closed long ago.
        drop(unsafe { Box::from_raw(ptr::with_exposed_provenance_mut::<Object>(oldest)) });
    }
}
