//! The status that a call returns whose request completes before the call returns: the final one, or `STATUS_PENDING`.

use std::collections::{BTreeMap, BTreeSet};
use std::ptr;

use test_support::hosts::{both_networks, on, real, simulated};
use test_support::raw::{
    Client, PoolAddress, PoolBuffer, Request, accept, basic, bind, call, control, disconnect,
    listen, receive, send, socket_of,
};
use wsk_host::{CallStatus, Config, Timing};
use wsk_sys::*;

/// The statuses that the calls of each function have returned: pending, and final ones.
type StatusesByFunction = BTreeMap<&'static str, BTreeSet<bool>>;

/// Waits for a request, and checks that its call returned a matching status. Returns the status and the information.
#[track_caller]
fn observe(
    seen: &mut StatusesByFunction,
    function: &'static str,
    request: Request,
) -> (NTSTATUS, usize) {
    let was_pending = request.returned == STATUS_PENDING;
    assert!(was_pending || request.is_complete(), "{function} returns before the IRP completes");
    assert!(request.completes_within(10_000), "{function}");
    // SAFETY: the request has completed, and its IRP is the test's.
    let marked = unsafe { (*request.irp).PendingReturned } != FALSE;
    assert_eq!(marked, was_pending, "{function} returns {:#x}", request.returned);
    let returned = request.returned;
    let (status, information) = request.wait();
    assert!(was_pending || returned == status, "{function} returns {returned:#x}, not {status:#x}");
    seen.entry(function).or_default().insert(was_pending);
    (status, information)
}

/// Calls that complete at once, successes and failures.
fn calls(client: &Client, seen: &mut StatusesByFunction) {
    let kind = (AF_INET, SOCK_STREAM, IPPROTO_TCP);
    let (none, no_table) = (ptr::null_mut(), ptr::null());
    let created = client.create(WSK_FLAG_LISTEN_SOCKET, kind, none, no_table);
    let listener = socket_of(observe(seen, "WskSocket", created).1);
    let any = ([127, 0, 0, 1], 0);
    assert_eq!(observe(seen, "WskBind", bind(listener, any)).0, STATUS_SUCCESS);
    let again = observe(seen, "WskBind, again", bind(listener, any));
    assert_eq!(again.0, STATUS_INVALID_DEVICE_STATE);
    let local = PoolAddress::empty();
    // SAFETY: the socket is open, and the memory stays.
    let asked =
        call(|irp| unsafe { listen(listener).WskGetLocalAddress.unwrap()(listener, local.0, irp) });
    assert_eq!(observe(seen, "WskGetLocalAddress", asked).0, STATUS_SUCCESS);
    let socket = client.connected_to(local.get(), ptr::null_mut(), ptr::null());
    let peer = socket_of(accept(listener, ptr::null_mut(), ptr::null()).succeed());
    let one = PoolBuffer::with(&1_u32.to_ne_bytes());
    let option = control(socket, (WskSetOption, TCP_NODELAY, IPPROTO_TCP), Some(&one), None);
    assert_eq!(observe(seen, "WskControlSocket", option).0, STATUS_SUCCESS);
    let (sent, received) = (PoolBuffer::with(&[1; 9]), PoolBuffer::new(9));
    assert_eq!(observe(seen, "WskSend", send(socket, &sent)), (STATUS_SUCCESS, 9));
    assert_eq!(receive(peer, &received, WSK_FLAG_WAITALL).wait(), (STATUS_SUCCESS, 9));
    assert_eq!(observe(seen, "WskDisconnect", disconnect(socket)).0, STATUS_SUCCESS);
    let refused = observe(seen, "WskSend, after the end", send(socket, &sent));
    assert_eq!(refused.0, STATUS_INVALID_DEVICE_STATE);
    for socket in [listener, socket, peer] {
        // SAFETY: the socket is open, and closed once.
        let closed = call(|irp| unsafe { basic(socket).WskCloseSocket.unwrap()(socket, irp) });
        assert_eq!(observe(seen, "WskCloseSocket", closed).0, STATUS_SUCCESS);
    }
}

/// The statuses of the calls on all of these hosts.
fn seen_on(configs: impl IntoIterator<Item = Config>) -> StatusesByFunction {
    let seen = std::cell::RefCell::default();
    on(configs, |client| calls(client, &mut seen.borrow_mut()));
    seen.into_inner()
}

fn with(configs: Vec<Config>, status: CallStatus) -> impl Iterator<Item = Config> {
    configs.into_iter().map(move |config| config.call_status(status))
}

#[test]
fn a_seed_decides_what_calls_return() {
    let networks = [simulated(), real()].into_iter().filter(|configs| !configs.is_empty());
    for configs in networks {
        let network = configs[0].network;
        let configs =
            configs.into_iter().filter(|config| matches!(config.timing, Timing::Mixed(_)));
        for (function, statuses) in seen_on(configs) {
            assert_eq!(statuses, [false, true].into(), "{function} on {network:?}");
        }
    }
}

#[test]
fn every_call_returns_that_it_is_pending() {
    for (function, statuses) in seen_on(with(both_networks(), CallStatus::Pending)) {
        assert_eq!(statuses, [true].into(), "{function}");
    }
}

#[test]
fn every_call_returns_its_final_status() {
    for (function, statuses) in seen_on(with(both_networks(), CallStatus::Final)) {
        // A close also waits for the completion routines of earlier requests to return.
        let may_be_pending = function == "WskCloseSocket" && statuses.contains(&false);
        assert!(statuses == [false].into() || may_be_pending, "{function}");
    }
}

#[test]
fn timings_without_a_seed_decide_what_calls_return() {
    for (timing, is_pending) in [(Timing::Inline, false), (Timing::Deferred, true)] {
        for (function, statuses) in seen_on([Config::default().timing(timing)]) {
            assert_eq!(statuses, [is_pending].into(), "{function} with {timing:?}");
        }
    }
}

#[test]
fn a_request_that_waits_is_pending() {
    on(with(both_networks(), CallStatus::Final), |client| {
        let [listener, socket, peer] = client.connections();
        let buffer = PoolBuffer::new(1);
        let request = receive(peer, &buffer, 0);
        assert_eq!(request.returned, STATUS_PENDING);
        request.cancel();
        request.fail(STATUS_CANCELLED);
        drop(buffer);
        for socket in [listener, socket, peer] {
            test_support::raw::close(socket);
        }
    });
}

#[test]
fn a_trace_shows_the_calls_that_return_a_final_status() {
    let client = Client::new(Config::default().timing(Timing::Inline));
    let socket = client.socket(WSK_FLAG_LISTEN_SOCKET);
    test_support::raw::close(socket);
    let trace = client.host.trace().join("\n");
    let line = "the call with IRP 1 returns STATUS_SUCCESS: the IRP is not marked pending";
    assert!(trace.contains(line), "{trace}");
    client.end();
}
