//! `WskReceiveFromEvent`.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ptr;
use std::sync::{Mutex, PoisonError};

use test_support::hosts::everywhere;
use test_support::raw::datagrams::{
    RawControlMessage, Receive, any_port, bound, local_address, messages, number, receive, send_to,
    send_with_control, with_callback,
};
use test_support::raw::{
    Client, Request, basic, bind, call, close, control, datagram, npi, read_address, set_events,
    set_option,
};
use wsk_host::current_irql;
use wsk_sys::*;

/// The arguments of a callback.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Indicated {
    bytes: Vec<u8>,
    from: SocketAddr,
    messages: Vec<RawControlMessage>,
    flags: ULONG,
}

/// A callback's context: the status to return, and the arguments received.
struct Listener {
    state: Mutex<State>,
    /// A semaphore that counts the calls.
    called: *mut KSEMAPHORE,
}

struct State {
    answers: VecDeque<NTSTATUS>,
    otherwise: NTSTATUS,
    lists: Vec<Vec<Indicated>>,
    retained: Vec<PWSK_DATAGRAM_INDICATION>,
    running: usize,
}

static DISPATCH: WSK_CLIENT_DATAGRAM_DISPATCH =
    WSK_CLIENT_DATAGRAM_DISPATCH { WskReceiveFromEvent: Some(received_from) };

impl Listener {
    /// A listener that returns the statuses of a list in order, and then always the same one.
    #[expect(clippy::unnecessary_box_returns, reason = "its address is a socket's context")]
    fn new(answers: impl IntoIterator<Item = NTSTATUS>, otherwise: NTSTATUS) -> Box<Self> {
        let called = Box::into_raw(Box::<KSEMAPHORE>::new_uninit()).cast();
        // SAFETY: there is room for the semaphore.
        unsafe { KeInitializeSemaphore(called, 0, LONG::MAX) };
        let answers = answers.into_iter().collect();
        let state = State { answers, otherwise, lists: vec![], retained: vec![], running: 0 };
        Box::new(Self { state: Mutex::new(state), called })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A socket that calls it, with its callback not enabled, and the socket's address.
    fn bound(&self, client: &Client) -> (PWSK_SOCKET, SocketAddr) {
        let context = ptr::from_ref(self).cast_mut().cast();
        let socket = with_callback(client, AF_INET, context, &raw const DISPATCH);
        bind(socket, any_port(AF_INET)).succeed();
        (socket, local_address(socket))
    }

    /// Waits for a call.
    fn is_called(&self) {
        // SAFETY: the semaphore is initialized.
        unsafe {
            let called = self.called.cast();
            KeWaitForSingleObject(called, Executive, KernelMode, FALSE, ptr::null_mut());
        }
    }

    /// Whether the callback runs within `milliseconds` ms.
    fn is_called_within(&self, milliseconds: i64) -> bool {
        let mut timeout = LARGE_INTEGER { QuadPart: -10_000 * milliseconds };
        // SAFETY: the semaphore is initialized.
        let status = unsafe {
            let called = self.called.cast();
            KeWaitForSingleObject(called, Executive, KernelMode, FALSE, &raw mut timeout)
        };
        status == STATUS_SUCCESS
    }

    /// Waits until `count` datagrams were indicated, and returns their bytes in order.
    fn takes(&self, count: usize) -> Vec<Vec<u8>> {
        while self.all().len() < count {
            self.is_called();
        }
        let mut all: Vec<_> = self.all().into_iter().map(|one| one.bytes).collect();
        all.sort();
        all
    }

    fn all(&self) -> Vec<Indicated> {
        self.state().lists.concat()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // SAFETY: `new` made it, and no callback runs any more.
        drop(unsafe { Box::from_raw(self.called.cast::<std::mem::MaybeUninit<KSEMAPHORE>>()) });
    }
}

/// The bytes of a buffer with a chain of MDLs.
unsafe fn bytes_of(buffer: &WSK_BUF) -> Vec<u8> {
    let (mut mdl, mut offset, mut all) = (buffer.Mdl, buffer.Offset as usize, Vec::new());
    while all.len() < buffer.Length {
        // SAFETY: the chain has as many bytes as the buffer says.
        unsafe {
            let start: *const u8 = MmGetSystemAddressForMdlSafe(mdl, 0).cast();
            let length = ((*mdl).ByteCount as usize - offset).min(buffer.Length - all.len());
            all.extend_from_slice(std::slice::from_raw_parts(start.add(offset), length));
            (mdl, offset) = ((*mdl).Next, 0);
        }
    }
    all
}

unsafe fn read_list(mut list: PWSK_DATAGRAM_INDICATION, flags: ULONG) -> Vec<Indicated> {
    let mut all = Vec::new();
    while !list.is_null() {
        // SAFETY: the list is the callback's, or was retained.
        let one = unsafe { &*list };
        // SAFETY: the list's buffer and control data are valid as long as the list.
        all.push(unsafe {
            Indicated {
                bytes: bytes_of(&one.Buffer),
                from: read_address(one.RemoteAddress),
                messages: messages(one.ControlInfo, one.ControlInfoLength),
                flags,
            }
        });
        assert_eq!(one.ControlInfo.is_null(), one.ControlInfoLength == 0);
        list = one.Next;
    }
    all
}

unsafe extern "C" fn received_from(
    context: PVOID,
    flags: ULONG,
    list: PWSK_DATAGRAM_INDICATION,
) -> NTSTATUS {
    // SAFETY: the socket's context.
    let listener = unsafe { &*context.cast::<Listener>() };
    let is_dispatch = flags & WSK_FLAG_AT_DISPATCH_LEVEL != 0;
    assert_eq!(is_dispatch, current_irql() == DISPATCH_LEVEL);
    // SAFETY: the list is valid during the call.
    let all = unsafe { read_list(list, flags & !WSK_FLAG_AT_DISPATCH_LEVEL) };
    let mut state = listener.state();
    state.running += 1;
    let answer = state.answers.pop_front().unwrap_or(state.otherwise);
    state.lists.push(all);
    if answer == STATUS_PENDING {
        state.retained.push(list);
    }
    drop(state);
    // SAFETY: the semaphore is initialized.
    unsafe { KeReleaseSemaphore(listener.called, 0, 1, FALSE) };
    listener.state().running -= 1;
    answer
}

fn release(socket: PWSK_SOCKET, list: PWSK_DATAGRAM_INDICATION) {
    // SAFETY: the list was retained.
    let status = unsafe { datagram(socket).WskRelease.unwrap()(socket, list) };
    assert_eq!(status, STATUS_SUCCESS);
}

const DISABLE: ULONG = WSK_EVENT_RECEIVE_FROM | WSK_EVENT_DISABLE;

/// Disables the callback with an IRP.
fn disable(socket: PWSK_SOCKET) -> Request {
    let value = WSK_EVENT_CALLBACK_CONTROL { NpiId: npi(), EventMask: DISABLE };
    let input = Box::new(value);
    // SAFETY: the socket is open, and the input stays: it is given up.
    call(|irp| unsafe {
        basic(socket).WskControlSocket.unwrap()(
            socket,
            WskSetOption,
            SO_WSK_EVENT_CALLBACK,
            SOL_SOCKET,
            size_of::<WSK_EVENT_CALLBACK_CONTROL>(),
            Box::into_raw(input).cast(),
            0,
            ptr::null_mut(),
            ptr::null_mut(),
            irp,
        )
    })
}

#[test]
fn an_enabled_callback_gets_arriving_datagrams() {
    everywhere(|client| {
        let listener = Listener::new([], STATUS_SUCCESS);
        let (socket, address) = listener.bound(client);
        let (sender, from) = bound(client, any_port(AF_INET));
        send_to(sender, b"before", address);
        assert!(!listener.is_called_within(20));
        assert_eq!(set_option(socket, IPPROTO_IP, IP_ECN, 1), STATUS_SUCCESS);
        assert_eq!(set_events(socket, WSK_EVENT_RECEIVE_FROM), STATUS_SUCCESS);
        assert_eq!(listener.takes(1), [b"before"]);
        let ecn = number(IPPROTO_IP, IP_ECN, 2);
        assert_eq!(
            send_with_control(sender, b"meanwhile", address, std::slice::from_ref(&ecn)),
            STATUS_SUCCESS
        );
        send_to(sender, b"", address);
        assert_eq!(listener.takes(3), [&b""[..], b"before", b"meanwhile"]);
        for one in listener.all() {
            assert_eq!((one.from, one.flags), (from, 0));
            let is_marked = one.bytes == b"meanwhile";
            let expected = if is_marked { ecn.clone() } else { number(IPPROTO_IP, IP_ECN, 0) };
            assert_eq!(one.messages, [expected]);
        }
        disable(socket).succeed();
        send_to(sender, b"after", address);
        assert_eq!(receive(socket).bytes, b"after");
        assert_eq!(listener.all().len(), 3);
        close(socket);
        close(sender);
    });
}

#[test]
fn a_callback_sometimes_gets_several_datagrams_at_once() {
    let most = Mutex::new(0);
    everywhere(|client| {
        let listener = Listener::new([], STATUS_SUCCESS);
        let (socket, address) = listener.bound(client);
        let expected: Vec<Vec<u8>> = (0..30_u8).map(|byte| vec![byte; 3]).collect();
        for bytes in &expected {
            send_to(socket, bytes, address);
        }
        assert_eq!(set_events(socket, WSK_EVENT_RECEIVE_FROM), STATUS_SUCCESS);
        assert_eq!(listener.takes(30), expected);
        close(socket);
        let longest = listener.state().lists.iter().map(Vec::len).max();
        let mut most = most.lock().unwrap();
        *most = longest.unwrap().max(*most);
    });
    assert!(most.into_inner().unwrap() > 1);
}

#[test]
fn a_retained_list_stays_until_it_is_released() {
    everywhere(|client| {
        let listener = Listener::new([], STATUS_PENDING);
        let (socket, address) = listener.bound(client);
        assert_eq!(set_events(socket, WSK_EVENT_RECEIVE_FROM), STATUS_SUCCESS);
        // A list may be released while the callback that retains it has not returned yet.
        for round in 0..20_u8 {
            send_to(socket, &[round; 9], address);
            listener.is_called();
            let list = listener.state().retained.pop().unwrap();
            // SAFETY: it is retained.
            assert_eq!(unsafe { read_list(list, 0) }[0].bytes, [round; 9]);
            release(socket, list);
        }
        // Later ones arrive in the meantime, and none is lost.
        for round in 0..4_u8 {
            send_to(socket, &[round], address);
        }
        assert_eq!(listener.takes(24)[0], [0]);
        for list in std::mem::take(&mut listener.state().retained) {
            release(socket, list);
        }
        close(socket);
    });
}

#[test]
fn datagrams_refused_by_a_dynamic_callback_wait_for_the_next_enable() {
    everywhere(|client| {
        let listener = Listener::new([STATUS_DATA_NOT_ACCEPTED], STATUS_SUCCESS);
        let (socket, address) = listener.bound(client);
        assert_eq!(set_events(socket, WSK_EVENT_RECEIVE_FROM), STATUS_SUCCESS);
        send_to(socket, b"one", address);
        listener.is_called();
        send_to(socket, b"two", address);
        // It is disabled.
        assert!(!listener.is_called_within(20));
        let refused = listener.state().lists.drain(..).collect::<Vec<_>>().concat();
        assert_eq!(refused[0].bytes, b"one");
        assert_eq!(set_events(socket, WSK_EVENT_RECEIVE_FROM), STATUS_SUCCESS);
        assert_eq!(listener.takes(2), [b"one", b"two"]);
        close(socket);
    });
}

#[test]
fn datagrams_refused_by_a_dynamic_callback_can_be_received() {
    everywhere(|client| {
        let listener = Listener::new([STATUS_DATA_NOT_ACCEPTED], STATUS_SUCCESS);
        let (socket, address) = listener.bound(client);
        assert_eq!(set_events(socket, WSK_EVENT_RECEIVE_FROM), STATUS_SUCCESS);
        send_to(socket, b"one", address);
        listener.is_called();
        assert_eq!(receive(socket).bytes, b"one");
        send_to(socket, b"two", address);
        assert_eq!(receive(socket).bytes, b"two");
        close(socket);
    });
}

#[test]
fn datagrams_refused_by_a_static_callback_are_dropped() {
    everywhere(|client| {
        assert_eq!(client.set_static_events(WSK_EVENT_RECEIVE_FROM), STATUS_SUCCESS);
        let listener = Listener::new([STATUS_DATA_NOT_ACCEPTED], STATUS_SUCCESS);
        let (socket, address) = listener.bound(client);
        send_to(socket, b"refused", address);
        listener.is_called();
        send_to(socket, b"taken", address);
        assert_eq!(listener.takes(2), [b"refused", &b"taken"[..]]);
        while listener.is_called_within(20) {}
        assert_eq!(listener.all().len(), 2);
        // It cannot be disabled.
        assert_eq!(set_events(socket, DISABLE), STATUS_INVALID_PARAMETER);
        disable(socket).fail(STATUS_INVALID_PARAMETER);
        close(socket);
    });
}

#[test]
fn requests_and_the_callback_share_the_datagrams() {
    let taken = Mutex::new((0, 0));
    everywhere(|client| {
        let listener = Listener::new([], STATUS_SUCCESS);
        let (socket, address) = listener.bound(client);
        assert_eq!(set_events(socket, WSK_EVENT_RECEIVE_FROM), STATUS_SUCCESS);
        let expected: Vec<Vec<u8>> = (0..10_u8).map(|byte| vec![byte]).collect();
        let mut all = Vec::new();
        for bytes in &expected {
            let waiting = Receive::new(socket, 1, 0);
            send_to(socket, bytes, address);
            // One of the two gets it.
            while !waiting.request.completes_within(1)
                && listener.all().len() + all.len() <= usize::from(bytes[0])
            {}
            waiting.request.cancel();
            match waiting.wait() {
                Ok(one) => all.push(one.bytes),
                Err(status) => assert_eq!(status, STATUS_CANCELLED),
            }
        }
        let mut counts = taken.lock().unwrap();
        counts.0 += all.len();
        counts.1 += listener.all().len();
        drop(counts);
        all.extend(listener.all().into_iter().map(|one| one.bytes));
        all.sort();
        assert_eq!(all, expected);
        close(socket);
    });
    let (by_requests, by_callbacks) = taken.into_inner().unwrap();
    assert!(by_requests > by_callbacks && by_callbacks > 0, "{by_requests} and {by_callbacks}");
}

#[test]
fn after_a_disable_no_callback_runs() {
    everywhere(|client| {
        let listener = Listener::new([], STATUS_SUCCESS);
        let (socket, address) = listener.bound(client);
        for with_irp in [true, false, true] {
            assert_eq!(set_events(socket, WSK_EVENT_RECEIVE_FROM), STATUS_SUCCESS);
            for byte in 0..4_u8 {
                send_to(socket, &[byte], address);
            }
            if with_irp {
                // It completes when all that had begun have returned.
                disable(socket).succeed();
                assert_eq!(listener.state().running, 0);
            } else {
                let status = set_events(socket, DISABLE);
                assert!(matches!(status, STATUS_SUCCESS | STATUS_EVENT_PENDING), "{status:#x}");
                disable(socket).succeed();
            }
            let before = listener.all().len();
            send_to(socket, b"unseen", address);
            assert!(!listener.is_called_within(0) || listener.all().len() == before);
            // Requests receive the datagrams that were not indicated.
            while receive(socket).bytes != b"unseen" {}
            assert_eq!(listener.all().len(), before);
        }
        close(socket);
    });
}

#[test]
fn events_are_enabled_after_a_bind_with_valid_input() {
    everywhere(|client| {
        let listener = Listener::new([], STATUS_SUCCESS);
        let context = ptr::from_ref(&*listener).cast_mut().cast();
        let socket = with_callback(client, AF_INET, context, &raw const DISPATCH);
        assert_eq!(set_events(socket, WSK_EVENT_RECEIVE_FROM), STATUS_INVALID_DEVICE_STATE);
        bind(socket, any_port(AF_INET)).succeed();
        assert_eq!(set_events(socket, DISABLE), STATUS_SUCCESS);
        // An IRP is completed, whatever the error.
        let short = test_support::raw::PoolBuffer::with(&[0; 4]);
        let option = (WskSetOption, SO_WSK_EVENT_CALLBACK, SOL_SOCKET);
        control(socket, option, Some(&short), None).fail(STATUS_INVALID_PARAMETER);
        let unknown = test_support::raw::PoolBuffer::new(size_of::<WSK_EVENT_CALLBACK_CONTROL>());
        // SAFETY: there is room for it.
        unsafe {
            unknown
                .bytes
                .cast::<WSK_EVENT_CALLBACK_CONTROL>()
                .write(WSK_EVENT_CALLBACK_CONTROL { NpiId: ptr::null_mut(), EventMask: DISABLE });
        }
        control(socket, option, Some(&unknown), None).fail(STATUS_NOT_SUPPORTED);
        close(socket);
    });
}

#[test]
fn a_close_waits_for_callbacks() {
    everywhere(|client| {
        let listener = Listener::new([], STATUS_SUCCESS);
        let (socket, address) = listener.bound(client);
        assert_eq!(set_events(socket, WSK_EVENT_RECEIVE_FROM), STATUS_SUCCESS);
        for byte in 0..8_u8 {
            send_to(socket, &[byte], address);
        }
        close(socket);
        assert_eq!(listener.state().running, 0);
        // Nothing uses it any more.
        drop(listener);
    });
}
