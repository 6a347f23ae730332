//! Faults: WSK that is not ready, or withdrawn, and failures that a seed decides.

use std::mem::MaybeUninit;
use std::ptr;
use std::time::Duration;

use test_support::hosts::{both_networks, on, simulated};
use test_support::raw::streams::*;
use test_support::raw::watcher::{self, RecordedCall, Take, Watcher};
use test_support::raw::*;
use wsk_host::{Config, Faults, Host, Readiness};
use wsk_sys::*;

fn with(faults: Faults) -> Vec<Config> {
    simulated().into_iter().map(|config| config.faults(faults)).collect()
}

#[test]
fn a_withdrawal_fails_waiting_and_later_requests() {
    let small = both_networks().into_iter().map(|config| config.window(1000));
    on(small, |client| {
        let [listener, socket, accepted] = client.connections();
        let one = PoolBuffer::new(1);
        let large = PoolChain::new(0, if cfg!(miri) { &[10_000] } else { &[8 << 20; 4] });
        let waiting = [
            accept(listener, ptr::null_mut(), ptr::null()),
            receive(socket, &one, 0),
            send_buf(socket, large.buffer, 0),
            disconnect(socket),
        ];
        client.host.withdraw();
        for request in waiting {
            request.fail(STATUS_FILE_FORCED_CLOSED);
        }
        receive(accepted, &one, 0).fail(STATUS_FILE_FORCED_CLOSED);
        send(accepted, &one).fail(STATUS_FILE_FORCED_CLOSED);
        disconnect(accepted).fail(STATUS_FILE_FORCED_CLOSED);
        accept(listener, ptr::null_mut(), ptr::null()).fail(STATUS_FILE_FORCED_CLOSED);
        assert_eq!(addresses(socket), [Err(STATUS_FILE_FORCED_CLOSED); 2]);
        assert_eq!(get_option(socket, SOL_SOCKET, SO_KEEPALIVE), Err(STATUS_FILE_FORCED_CLOSED));
        assert_eq!(set_events(socket, WSK_EVENT_RECEIVE), STATUS_FILE_FORCED_CLOSED);
        [listener, socket, accepted].into_iter().for_each(close);
        // There are no new sockets.
        let tcp = (AF_INET, SOCK_STREAM, IPPROTO_TCP);
        client
            .create(WSK_FLAG_CONNECTION_SOCKET, tcp, ptr::null_mut(), ptr::null())
            .fail(STATUS_DEVICE_NOT_READY);
        client.socket_connect(([127, 0, 0, 1], 9).into()).fail(STATUS_DEVICE_NOT_READY);
        let mut provider = MaybeUninit::uninit();
        let block = (&raw const *client.registration).cast_mut();
        // SAFETY: the block is registered.
        let status = unsafe { WskCaptureProviderNPI(block, WSK_NO_WAIT, provider.as_mut_ptr()) };
        assert_eq!(status, STATUS_DEVICE_NOT_READY);
    });
}

#[test]
fn a_withdrawal_leaks_no_socket() {
    on(simulated(), |client| {
        let (listener, address) = client.listener(ptr::null_mut(), ptr::null());
        let request = client.socket_connect(address);
        client.host.withdraw();
        match request.wait() {
            (STATUS_SUCCESS, socket) => close(socket_of(socket)),
            (status, _) => assert_eq!(status, STATUS_FILE_FORCED_CLOSED),
        }
        close(listener);
    });
}

#[test]
fn a_withdrawal_calls_each_callback_once() {
    on(both_networks(), |client| {
        let [listening, connected, idle, extended] = [
            Watcher::new(),
            Watcher::new().on_receive(|_| Take::Retain),
            Watcher::new(),
            Watcher::new(),
        ];
        let (listener, address) = client.listener(listening.context(), &raw const watcher::LISTEN);
        let table = &raw const watcher::CONNECTION;
        let socket = client.connected_to(address, connected.context(), table);
        let accepted = socket_of(accept(listener, idle.context(), table).succeed());
        let other = client.connected_to(address, extended.context(), ptr::null());
        assert_eq!(set_events(listener, WSK_EVENT_ACCEPT), STATUS_SUCCESS);
        let given = accepted_of(&listening);
        let events = WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT;
        assert_eq!(set_events(socket, events), STATUS_SUCCESS);
        assert_eq!(set_receive_ex(other, Some(watcher::receive_ex)), STATUS_SUCCESS);
        // Data may be on its way to the callback.
        let bytes = PoolBuffer::with(b"hello");
        let sent = send(accepted, &bytes);
        client.host.withdraw();
        let _ = sent.wait();
        let dead = RecordedCall::Dead("WskReceiveEvent");
        for watcher in [&connected, &extended] {
            let seen = watcher.wait_until(|seen| seen.contains(&dead));
            assert_eq!(seen.last(), Some(&dead), "{seen:?}");
        }
        listening.wait_until(|seen| seen.contains(&RecordedCall::Dead("WskAcceptEvent")));
        client.host.settle();
        for watcher in [&*listening, &connected, &extended] {
            let dead = watcher.seen().iter().filter(|e| matches!(e, RecordedCall::Dead(_))).count();
            assert_eq!(dead, 1, "{:?}", watcher.seen());
        }
        assert_eq!(idle.seen(), []);
        for list in connected.take_retained() {
            assert_eq!(release(socket, list), STATUS_SUCCESS);
        }
        [socket, accepted, other, given, listener].into_iter().for_each(close);
    });
}

/// The socket that a listener's callback was given.
fn accepted_of(listening: &Watcher) -> PWSK_SOCKET {
    match listening.wait_for(1).remove(0) {
        RecordedCall::Accept { socket, .. } => socket_of(socket),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_withdrawal_calls_the_callback_of_the_listeners_role() {
    on(both_networks(), |client| {
        let [inspecting, streaming] = [Watcher::new(), Watcher::new()];
        let table = (&raw const watcher::LISTEN).cast();
        let listener = client.socket_with(WSK_FLAG_LISTEN_SOCKET, inspecting.context(), table);
        assert_eq!(set_option(listener, SOL_SOCKET, SO_CONDITIONAL_ACCEPT, 1), STATUS_SUCCESS);
        bind(listener, ([127, 0, 0, 1], 0)).succeed();
        let both = WSK_CLIENT_STREAM_DISPATCH {
            Listen: &raw const watcher::LISTEN,
            Connect: &raw const watcher::CONNECTION,
        };
        let both = Box::new(both);
        let table = (&raw const *both).cast();
        let stream = client.socket_with(WSK_FLAG_STREAM_SOCKET, streaming.context(), table);
        bind(stream, ([127, 0, 0, 1], 0)).succeed();
        stream_listen(stream).succeed();
        assert_eq!(set_events(stream, WSK_EVENT_ACCEPT | WSK_EVENT_RECEIVE), STATUS_SUCCESS);
        client.host.withdraw();
        assert_eq!(inspecting.wait_for(1), [RecordedCall::Dead("WskInspectEvent")]);
        assert_eq!(streaming.wait_for(1), [RecordedCall::Dead("WskAcceptEvent")]);
        close(listener);
        close(stream);
        assert_eq!((inspecting.seen().len(), streaming.seen().len()), (1, 1));
    });
}

/// A registration of a version, without a capture.
fn registered(version: USHORT) -> (Box<WSK_REGISTRATION>, Box<WSK_CLIENT_DISPATCH>) {
    let dispatch =
        Box::new(WSK_CLIENT_DISPATCH { Version: version, Reserved: 0, WskClientEvent: None });
    // SAFETY: zeroes are a block that is not registered.
    let mut block: Box<WSK_REGISTRATION> = Box::new(unsafe { MaybeUninit::zeroed().assume_init() });
    let mut npi = WSK_CLIENT_NPI { ClientContext: ptr::null_mut(), Dispatch: &raw const *dispatch };
    // SAFETY: the block and the table outlive the registration, and there is memory for the provider.
    assert_eq!(unsafe { WskRegister(&raw mut npi, &raw mut *block) }, STATUS_SUCCESS);
    (block, dispatch)
}

fn capture(block: &mut WSK_REGISTRATION, timeout: ULONG) -> NTSTATUS {
    let mut provider = MaybeUninit::uninit();
    // SAFETY: the block is registered.
    unsafe { WskCaptureProviderNPI(block, timeout, provider.as_mut_ptr()) }
}

#[test]
fn a_capture_waits_until_wsk_is_ready() {
    for config in simulated() {
        let after = Readiness::After(Duration::from_secs(10));
        let host = Host::new(config.readiness(after));
        let _entered = host.enter();
        let (mut block, _dispatch) = registered(MAKE_WSK_VERSION(1, 0));
        assert_eq!(capture(&mut block, WSK_NO_WAIT), STATUS_DEVICE_NOT_READY);
        let mut range = MaybeUninit::uninit();
        // SAFETY: the block is registered.
        let status =
            unsafe { WskQueryProviderCharacteristics(&raw mut *block, range.as_mut_ptr()) };
        assert_eq!(status, STATUS_DEVICE_NOT_READY);
        assert_eq!(capture(&mut block, 4000), STATUS_DEVICE_NOT_READY);
        assert!(host.elapsed() >= Duration::from_secs(4));
        assert!(host.elapsed() < Duration::from_secs(10));
        assert_eq!(capture(&mut block, 7000), STATUS_SUCCESS);
        assert!(host.elapsed() >= Duration::from_secs(10));
        assert!(host.elapsed() < Duration::from_secs(11));
        assert_eq!(capture(&mut block, WSK_INFINITE_WAIT), STATUS_SUCCESS);
        // SAFETY: the provider was captured twice.
        unsafe {
            WskReleaseProviderNPI(&raw mut *block);
            WskReleaseProviderNPI(&raw mut *block);
            WskDeregister(&raw mut *block);
        }
    }
}

#[test]
fn wsk_may_never_be_ready() {
    let host = Host::new(Config::default().readiness(Readiness::Never));
    let _entered = host.enter();
    let (mut block, _dispatch) = registered(MAKE_WSK_VERSION(1, 0));
    assert_eq!(capture(&mut block, WSK_NO_WAIT), STATUS_DEVICE_NOT_READY);
    assert_eq!(capture(&mut block, 3_600_000), STATUS_DEVICE_NOT_READY);
    assert!(host.elapsed() >= Duration::from_secs(3600));
    // SAFETY: the block is registered.
    unsafe { WskDeregister(&raw mut *block) };
}

#[test]
fn a_refused_version_can_query_the_supported_range() {
    let host = Host::new(Config::default());
    let _entered = host.enter();
    let (mut block, _dispatch) = registered(MAKE_WSK_VERSION(2, 0));
    assert_eq!(capture(&mut block, WSK_NO_WAIT), STATUS_NOINTERFACE);
    let mut range = MaybeUninit::uninit();
    // SAFETY: the block is registered.
    let range: WSK_PROVIDER_CHARACTERISTICS = unsafe {
        let status = WskQueryProviderCharacteristics(&raw mut *block, range.as_mut_ptr());
        assert_eq!(status, STATUS_SUCCESS);
        range.assume_init()
    };
    assert_eq!(range.HighestVersion, MAKE_WSK_VERSION(1, 0));
    assert_eq!(range.LowestVersion, MAKE_WSK_VERSION(1, 0));
    // SAFETY: the block is registered.
    unsafe { WskDeregister(&raw mut *block) };
    let (mut block, _dispatch) = registered(range.HighestVersion);
    assert_eq!(capture(&mut block, WSK_NO_WAIT), STATUS_SUCCESS);
    // SAFETY: the provider is captured.
    unsafe {
        WskReleaseProviderNPI(&raw mut *block);
        WskDeregister(&raw mut *block);
    }
}

#[test]
fn held_requests_complete_when_cancelled() {
    on(with(Faults { hold: 1000, ..Faults::default() }), |client| {
        // Even a socket, which is not there then.
        let tcp = (AF_INET, SOCK_STREAM, IPPROTO_TCP);
        for request in [
            client.create(WSK_FLAG_CONNECTION_SOCKET, tcp, ptr::null_mut(), ptr::null()),
            client.create(WSK_FLAG_LISTEN_SOCKET, tcp, ptr::null_mut(), ptr::null()),
            client.socket_connect(([127, 0, 0, 1], 9).into()),
        ] {
            assert!(!request.completes_within(1000));
            request.cancel();
            request.fail(STATUS_CANCELLED);
        }
        let request = client.create(WSK_FLAG_CONNECTION_SOCKET, tcp, ptr::null_mut(), ptr::null());
        client.host.withdraw();
        request.fail(STATUS_FILE_FORCED_CLOSED);
    });
}

/// Uses connections as a client does, and gives up on everything that fails. Returns whether
/// something has failed with one of these.
fn tries(client: &Client, expected: &[NTSTATUS], waits: bool) -> bool {
    let mut has_failed = false;
    let mut finish = |request: Request| {
        if waits && !request.completes_within(1000) {
            request.cancel();
        }
        match request.wait() {
            (STATUS_SUCCESS, information) => Some(information),
            (STATUS_INVALID_DEVICE_STATE, _) => None,
            (status, _) => {
                assert!(expected.contains(&status), "{status:#x}");
                has_failed = true;
                None
            }
        }
    };
    let tcp = (AF_INET, SOCK_STREAM, IPPROTO_TCP);
    let new = |flags| client.create(flags, tcp, ptr::null_mut(), ptr::null());
    let mut sockets = Vec::new();
    if let Some(listener) = finish(new(WSK_FLAG_LISTEN_SOCKET)).map(socket_of) {
        sockets.push(listener);
        let address = ([127, 0, 0, 1], 7000).into();
        finish(bind(listener, address));
        for _ in 0..3 {
            let accepting = accept(listener, ptr::null_mut(), ptr::null());
            let connecting = client.socket_connect(address);
            let pair = [finish(connecting), finish(accepting)].map(|i| i.map(socket_of));
            sockets.extend(pair.iter().flatten());
            if let [Some(one), Some(other)] = pair {
                let [to, from] = [PoolBuffer::new(100), PoolBuffer::with(&pattern(100))];
                for _ in 0..5 {
                    let sending = send(one, &from);
                    let receiving = receive(other, &to, 0);
                    if finish(sending).is_none() {
                        receiving.cancel();
                    }
                    finish(receiving);
                }
                finish(disconnect(one));
            }
        }
    }
    sockets.into_iter().for_each(close);
    has_failed
}

#[test]
fn faults_leave_nothing_behind() {
    let refused = STATUS_CONNECTION_REFUSED;
    let kinds = [
        (
            Faults { hold: 100, ..Faults::default() },
            vec![STATUS_CANCELLED, STATUS_CONNECTION_RESET, refused],
        ),
        (
            Faults { reset: 100, ..Faults::default() },
            vec![STATUS_CANCELLED, STATUS_CONNECTION_RESET],
        ),
        (
            Faults { forced_close: 100, ..Faults::default() },
            vec![STATUS_FILE_FORCED_CLOSED, STATUS_CANCELLED, STATUS_CONNECTION_RESET, refused],
        ),
    ];
    for (faults, statuses) in kinds {
        let failures = std::cell::Cell::new(0);
        on(with(faults), |client| {
            let has_failed = tries(client, &statuses, true);
            failures.set(failures.get() + usize::from(has_failed));
        });
        assert!(failures.get() > 0, "{faults:?} does nothing");
    }
}
