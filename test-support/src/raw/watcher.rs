//! Callbacks that record their arguments, and return the values that a test chooses.

use std::net::SocketAddr;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use wsk_host::current_irql;
use wsk_sys::*;

use super::read_address;

/// A recorded call of a callback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordedCall {
    /// `WskReceiveEvent` or its extended form.
    Receive {
        /// The bytes that the callback took.
        bytes: Vec<u8>,
        /// The flags.
        flags: ULONG,
    },
    /// `WskDisconnectEvent`.
    Disconnect {
        /// The flags.
        flags: ULONG,
    },
    /// `WskSendBacklogEvent` with the ideal size.
    SendBacklog(usize),
    /// `WskAcceptEvent`.
    Accept {
        /// The accepted socket.
        socket: usize,
        /// Its own address.
        local: SocketAddr,
        /// The peer's address.
        remote: SocketAddr,
    },
    /// `WskInspectEvent`.
    Inspect {
        /// The key and the serial number.
        id: (usize, u32),
        /// The peer's address.
        remote: SocketAddr,
    },
    /// `WskAbortEvent`.
    Abort {
        /// The key and the serial number.
        id: (usize, u32),
    },
    /// The callback of this name was called with a null pointer: the socket is dead.
    Dead(&'static str),
}

/// The client's handling of indicated data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// Takes all bytes.
    All,
    /// Takes the first bytes, up to this number.
    Some(usize),
    /// Retains the list: returns `STATUS_PENDING`.
    Retain,
    /// Returns `STATUS_DATA_NOT_ACCEPTED`.
    Refuse,
}

type OnReceive = dyn FnMut(&[u8]) -> Take + Send;
type OnAccept = dyn FnMut(PWSK_SOCKET) -> Option<(PVOID, *const WSK_CLIENT_CONNECTION_DISPATCH)>;
type OnInspect = dyn FnMut(&RecordedCall) -> WSK_INSPECT_ACTION + Send;

/// The context of a socket's callbacks.
///
/// # Invariants
///
/// The event is initialized, in nonpaged pool, and valid as long as this value.
pub struct Watcher {
    event: PRKEVENT,
    seen: Mutex<Vec<RecordedCall>>,
    retained: Mutex<Vec<PWSK_DATA_INDICATION>>,
    /// Calls of the receive callback that have not returned: at most one.
    receiving: AtomicUsize,
    on_receive: Mutex<Box<OnReceive>>,
    on_accept: Mutex<Box<OnAccept>>,
    on_inspect: Mutex<Box<OnInspect>>,
    on_disconnect: Mutex<Box<dyn FnMut(ULONG) + Send>>,
}

// SAFETY: events may be used on any thread. The other fields are locks and an atomic, and what `on_accept` captures
// is used under its lock only.
unsafe impl Send for Watcher {}
// SAFETY: events may be used on any thread, and every other field is a lock or an atomic.
unsafe impl Sync for Watcher {}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The callbacks of connections.
pub static CONNECTION: WSK_CLIENT_CONNECTION_DISPATCH = WSK_CLIENT_CONNECTION_DISPATCH {
    WskReceiveEvent: Some(receive),
    WskDisconnectEvent: Some(disconnect),
    WskSendBacklogEvent: Some(send_backlog),
};

/// The callbacks of listeners.
pub static LISTEN: WSK_CLIENT_LISTEN_DISPATCH = WSK_CLIENT_LISTEN_DISPATCH {
    WskAcceptEvent: Some(accept),
    WskInspectEvent: Some(inspect),
    WskAbortEvent: Some(abort),
};

impl Watcher {
    /// A watcher that takes all data, and accepts all connections without callbacks.
    pub fn new() -> Box<Self> {
        let event: PRKEVENT = Box::into_raw(Box::<KEVENT>::new_uninit()).cast();
        // SAFETY: there is room for the event.
        unsafe { KeInitializeEvent(event, SynchronizationEvent, FALSE) };
        Box::new(Self {
            event,
            seen: Mutex::default(),
            retained: Mutex::default(),
            receiving: AtomicUsize::new(0),
            on_receive: Mutex::new(Box::new(|_| Take::All)),
            on_accept: Mutex::new(Box::new(|_| Some((ptr::null_mut(), ptr::null())))),
            on_inspect: Mutex::new(Box::new(|_| WskInspectAccept)),
            on_disconnect: Mutex::new(Box::new(|_| {})),
        })
    }

    /// Decides over data. Call it before any can arrive.
    pub fn on_receive(self: Box<Self>, f: impl FnMut(&[u8]) -> Take + Send + 'static) -> Box<Self> {
        *lock(&self.on_receive) = Box::new(f);
        self
    }

    /// Returns the context and callbacks of accepted connections, or `None` to reject one. Call it before any can
    /// arrive.
    pub fn on_accept(
        self: Box<Self>,
        f: impl FnMut(PWSK_SOCKET) -> Option<(PVOID, *const WSK_CLIENT_CONNECTION_DISPATCH)> + 'static,
    ) -> Box<Self> {
        *lock(&self.on_accept) = Box::new(f);
        self
    }

    /// Decides over connection requests. Call it before any can arrive.
    pub fn on_inspect(
        self: Box<Self>,
        f: impl FnMut(&RecordedCall) -> WSK_INSPECT_ACTION + Send + 'static,
    ) -> Box<Self> {
        *lock(&self.on_inspect) = Box::new(f);
        self
    }

    /// Called with the flags of each `WskDisconnectEvent`.
    pub fn on_disconnect(self: Box<Self>, f: impl FnMut(ULONG) + Send + 'static) -> Box<Self> {
        *lock(&self.on_disconnect) = Box::new(f);
        self
    }

    /// The context to create a socket with.
    pub fn context(&self) -> PVOID {
        ptr::from_ref(self).cast_mut().cast()
    }

    /// All events so far, in order.
    pub fn seen(&self) -> Vec<RecordedCall> {
        lock(&self.seen).clone()
    }

    /// Waits until `is_enough` returns true for the events so far.
    #[track_caller]
    pub fn wait_until(&self, is_enough: impl Fn(&[RecordedCall]) -> bool) -> Vec<RecordedCall> {
        loop {
            let seen = self.seen();
            if is_enough(&seen) {
                return seen;
            }
            let mut timeout = LARGE_INTEGER { QuadPart: -10_000_000 * 20 };
            let event = self.event.cast();
            // SAFETY: the event is initialized, and this thread may wait.
            let status = unsafe {
                KeWaitForSingleObject(event, Executive, KernelMode, FALSE, &raw mut timeout)
            };
            assert_eq!(status, STATUS_SUCCESS, "no further event within 20 s after {seen:?}");
        }
    }

    /// Waits until there are `count` events.
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> Vec<RecordedCall> {
        self.wait_until(|seen| seen.len() >= count)
    }

    /// Waits until `count` bytes were taken, and returns all of them.
    #[track_caller]
    pub fn wait_for_bytes(&self, count: usize) -> Vec<u8> {
        bytes_of(&self.wait_until(|seen| bytes_of(seen).len() >= count))
    }

    /// Takes the retained lists, in order.
    pub fn take_retained(&self) -> Vec<PWSK_DATA_INDICATION> {
        std::mem::take(&mut lock(&self.retained))
    }

    fn record(&self, event: RecordedCall) {
        assert!(current_irql() <= DISPATCH_LEVEL);
        lock(&self.seen).push(event);
        // SAFETY: the event is initialized, and no lock is held.
        unsafe { KeSetEvent(self.event, 0, FALSE) };
    }

    /// The watcher behind a callback's context.
    unsafe fn of<'a>(context: PVOID) -> &'a Self {
        // SAFETY: the context is a watcher, which tests keep until their sockets are closed.
        unsafe { &*context.cast_const().cast() }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // SAFETY: `new` made it, and no callback runs any more.
        drop(unsafe { Box::from_raw(self.event.cast::<std::mem::MaybeUninit<KEVENT>>()) });
    }
}

/// All bytes that were taken, in order.
pub fn bytes_of(events: &[RecordedCall]) -> Vec<u8> {
    let parts = events.iter().filter_map(|event| match event {
        RecordedCall::Receive { bytes, .. } => Some(bytes.as_slice()),
        _ => None,
    });
    parts.collect::<Vec<_>>().concat()
}

/// Reads a list of indications: each buffer's chain of MDLs, from its offset on.
///
/// # Safety
///
/// The list is a callback's argument, or null.
pub unsafe fn read_list(mut list: PWSK_DATA_INDICATION) -> Vec<u8> {
    let mut all = Vec::new();
    while !list.is_null() {
        // SAFETY: a callback's list and its chains are valid until it is released: the caller's contract.
        unsafe {
            let WSK_BUF { Mdl: mut mdl, Offset: offset, Length: mut left } = (*list).Buffer;
            let mut offset = offset as usize;
            while left > 0 {
                assert!(!mdl.is_null(), "the chain is shorter than its length");
                let address = MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority);
                assert!(!address.is_null());
                let count = left.min((*mdl).ByteCount as usize - offset);
                let from = address.cast::<u8>().add(offset);
                all.extend_from_slice(std::slice::from_raw_parts(from, count));
                (mdl, offset, left) = ((*mdl).Next, 0, left - count);
            }
            list = (*list).Next;
        }
    }
    all
}

/// Asserts that `WSK_FLAG_AT_DISPATCH_LEVEL` is true.
fn check_level(flags: ULONG) {
    if flags & WSK_FLAG_AT_DISPATCH_LEVEL != 0 {
        assert_eq!(current_irql(), DISPATCH_LEVEL);
    }
}

/// `WskReceiveEvent`.
///
/// # Safety
///
/// The context is a [`Watcher`], and the other arguments are those of a callback.
pub unsafe extern "C" fn receive(
    context: PVOID,
    flags: ULONG,
    list: PWSK_DATA_INDICATION,
    count: SIZE_T,
    accepted: *mut SIZE_T,
) -> NTSTATUS {
    // SAFETY: the context is a watcher.
    let watcher = unsafe { Watcher::of(context) };
    check_level(flags);
    let others = watcher.receiving.fetch_add(1, Ordering::SeqCst);
    assert_eq!(others, 0, "data is indicated before the callback has returned");
    let status = if list.is_null() {
        watcher.record(RecordedCall::Dead("WskReceiveEvent"));
        STATUS_SUCCESS
    } else {
        // SAFETY: the list is the callback's.
        let bytes = unsafe { read_list(list) };
        assert_eq!(bytes.len(), count);
        let take = lock(&watcher.on_receive)(&bytes);
        let (status, taken) = match take {
            Take::All => (STATUS_SUCCESS, count),
            Take::Some(taken) => {
                let taken = taken.min(count);
                // SAFETY: WSK passes memory for the number.
                unsafe { accepted.write(taken) };
                (STATUS_SUCCESS, taken)
            }
            Take::Retain => {
                lock(&watcher.retained).push(list);
                (STATUS_PENDING, count)
            }
            Take::Refuse => (STATUS_DATA_NOT_ACCEPTED, 0),
        };
        watcher.record(RecordedCall::Receive { bytes: bytes[..taken].to_vec(), flags });
        status
    };
    watcher.receiving.fetch_sub(1, Ordering::SeqCst);
    status
}

/// `WskReceiveExEvent`.
///
/// # Safety
///
/// The context is a [`Watcher`], and the other arguments are those of a callback.
pub unsafe extern "C" fn receive_ex(
    context: PVOID,
    flags: ULONG,
    list: PWSK_DATA_INDICATION,
    control: PCMSGHDR,
    control_length: ULONG,
    count: SIZE_T,
    accepted: *mut SIZE_T,
) -> NTSTATUS {
    assert!(control.is_null());
    assert_eq!(control_length, 0);
    // SAFETY: the arguments are the same.
    unsafe { receive(context, flags, list, count, accepted) }
}

unsafe extern "C" fn disconnect(context: PVOID, flags: ULONG) -> NTSTATUS {
    // SAFETY: the context is a watcher.
    let watcher = unsafe { Watcher::of(context) };
    check_level(flags);
    lock(&watcher.on_disconnect)(flags);
    watcher.record(RecordedCall::Disconnect { flags: flags & !WSK_FLAG_AT_DISPATCH_LEVEL });
    STATUS_SUCCESS
}

unsafe extern "C" fn send_backlog(context: PVOID, size: SIZE_T) -> NTSTATUS {
    // SAFETY: the context is a watcher.
    unsafe { Watcher::of(context) }.record(RecordedCall::SendBacklog(size));
    STATUS_SUCCESS
}

unsafe extern "C" fn accept(
    context: PVOID,
    flags: ULONG,
    local: PSOCKADDR,
    remote: PSOCKADDR,
    socket: PWSK_SOCKET,
    given: *mut PVOID,
    table: *mut *const WSK_CLIENT_CONNECTION_DISPATCH,
) -> NTSTATUS {
    // SAFETY: the context is a watcher.
    let watcher = unsafe { Watcher::of(context) };
    check_level(flags);
    if socket.is_null() {
        watcher.record(RecordedCall::Dead("WskAcceptEvent"));
        return STATUS_REQUEST_NOT_ACCEPTED;
    }
    // SAFETY: the addresses are the callback's.
    let (local, remote) = unsafe { (read_address(local), read_address(remote)) };
    let answer = {
        let mut on_accept = lock(&watcher.on_accept);
        let answer = on_accept(socket);
        if let Some((context, dispatch)) = answer {
            // SAFETY: WSK passes memory for both.
            unsafe {
                given.write(context);
                table.write(dispatch);
            }
        }
        answer
    };
    watcher.record(RecordedCall::Accept { socket: socket.expose_provenance(), local, remote });
    if answer.is_some() { STATUS_SUCCESS } else { STATUS_REQUEST_NOT_ACCEPTED }
}

unsafe extern "C" fn inspect(
    context: PVOID,
    _local: PSOCKADDR,
    remote: PSOCKADDR,
    id: PWSK_INSPECT_ID,
) -> WSK_INSPECT_ACTION {
    // SAFETY: the context is a watcher.
    let watcher = unsafe { Watcher::of(context) };
    if id.is_null() {
        watcher.record(RecordedCall::Dead("WskInspectEvent"));
        return WskInspectReject;
    }
    // SAFETY: the address and the identification are the callback's.
    let (remote, id) = unsafe { (read_address(remote), (*id).fields()) };
    let event = RecordedCall::Inspect { id, remote };
    let action = lock(&watcher.on_inspect)(&event);
    watcher.record(event);
    action
}

unsafe extern "C" fn abort(context: PVOID, id: PWSK_INSPECT_ID) -> NTSTATUS {
    // SAFETY: the context is a watcher, and the identification is the callback's.
    let (watcher, id) = unsafe { (Watcher::of(context), (*id).fields()) };
    watcher.record(RecordedCall::Abort { id });
    STATUS_SUCCESS
}

/// The contents of an identifier, for comparison.
trait Fields {
    fn fields(&self) -> (usize, u32);
}

impl Fields for WSK_INSPECT_ID {
    fn fields(&self) -> (usize, u32) {
        (self.Key, self.SerialNumber)
    }
}
