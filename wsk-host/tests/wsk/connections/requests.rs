//! Requests of connection sockets.

use std::ptr;

use test_support::hosts::{both_networks, on, simulated};
use test_support::raw::streams::*;
use test_support::raw::*;
use wsk_sys::*;

use super::close_all;

/// More bytes than the machine buffers without a receive.
const LARGE: &[usize] = if cfg!(miri) { &[10_000] } else { &[8 << 20; 4] };

#[test]
fn bytes_travel_both_ways_and_then_the_end() {
    on(both_networks(), |client| {
        let [listener, socket, accepted] = client.connections();
        for (from, to) in [(socket, accepted), (accepted, socket)] {
            send_all(from, b"hello");
            assert_eq!(receive_exactly(to, 5), b"hello");
            disconnect(from).succeed();
            let buffer = PoolBuffer::new(5);
            // Every receive sees the end.
            let ends = [receive(to, &buffer, 0), receive(to, &buffer, WSK_FLAG_WAITALL)];
            assert_eq!(ends.map(Request::succeed), [0, 0]);
        }
        close_all([listener, socket, accepted]);
    });
}

#[test]
fn a_connect_sends_first_bytes() {
    on(both_networks(), |client| {
        let (listener, address) = client.listener(ptr::null_mut(), ptr::null());
        let socket = client.socket(WSK_FLAG_CONNECTION_SOCKET);
        bind(socket, ([127, 0, 0, 1], 0)).succeed();
        let bytes = pattern(65_535);
        let first = PoolBuffer::with(&bytes);
        let request = connect_ex(socket, address, Some(&first), 0);
        let accepted = socket_of(accept(listener, ptr::null_mut(), ptr::null()).succeed());
        request.succeed();
        let more = PoolBuffer::with(b"more");
        let sent = send(socket, &more);
        assert_eq!(receive_exactly(accepted, 65_539), [bytes.as_slice(), b"more"].concat());
        sent.succeed();
        close_all([listener, socket, accepted]);

        let (listener, address) = client.listener(ptr::null_mut(), ptr::null());
        let socket = client.socket(WSK_FLAG_CONNECTION_SOCKET);
        bind(socket, ([127, 0, 0, 1], 0)).succeed();
        let long = PoolBuffer::new(65_536);
        connect_ex(socket, address, Some(&long), 0).fail(STATUS_BUFFER_OVERFLOW);
        connect_ex(socket, address, None, 1).fail(STATUS_INVALID_PARAMETER);
        connect_ex(socket, address, None, 0).succeed();
        close_all([listener, socket]);
    });
}

#[test]
fn connecting_with_more_bytes_than_the_window_continues() {
    let configs = simulated().into_iter().map(|config| config.window(100));
    on(configs, |client| {
        let (listener, address) = client.listener(ptr::null_mut(), ptr::null());
        let socket = client.socket(WSK_FLAG_CONNECTION_SOCKET);
        bind(socket, ([127, 0, 0, 1], 0)).succeed();
        let bytes = pattern(5000);
        let first = PoolBuffer::with(&bytes);
        let request = connect_ex(socket, address, Some(&first), 0);
        let accepted = socket_of(accept(listener, ptr::null_mut(), ptr::null()).succeed());
        assert_eq!(receive_exactly(accepted, 5000), bytes);
        request.succeed();
        close_all([listener, socket, accepted]);
    });
}

#[test]
fn one_call_creates_binds_and_connects() {
    on(both_networks(), |client| {
        let (listener, address) = client.listener(ptr::null_mut(), ptr::null());
        let request = client.socket_connect(address);
        let accepted = socket_of(accept(listener, ptr::null_mut(), ptr::null()).succeed());
        let socket = socket_of(request.succeed());
        send_all(socket, b"hello");
        assert_eq!(receive_exactly(accepted, 5), b"hello");
        assert_eq!(addresses(socket)[1], Ok(address));
        assert_eq!(addresses(socket)[0], addresses(accepted)[1]);
        close_all([listener, socket, accepted]);

        let request = client.socket_connect(address);
        request.fail(STATUS_CONNECTION_REFUSED);
    });
}

#[test]
fn one_call_that_is_cancelled_leaves_no_socket() {
    on(both_networks(), |client| {
        let (listener, address) = client.listener(ptr::null_mut(), ptr::null());
        let request = client.socket_connect(address);
        request.cancel();
        match request.wait() {
            (STATUS_SUCCESS, socket) => close(socket_of(socket)),
            (status, _) => assert_eq!(status, STATUS_CANCELLED),
        }
        close(listener);
    });
}

#[test]
fn a_refused_socket_can_connect_elsewhere() {
    on(both_networks(), |client| {
        let free = client.free_address();
        let socket = client.socket(WSK_FLAG_CONNECTION_SOCKET);
        connect(socket, free).fail(STATUS_INVALID_DEVICE_STATE);
        bind(socket, ([127, 0, 0, 1], 0)).succeed();
        bind(socket, ([127, 0, 0, 1], 0)).fail(STATUS_INVALID_DEVICE_STATE);
        connect(socket, free).fail(STATUS_CONNECTION_REFUSED);
        let (listener, address) = client.listener(ptr::null_mut(), ptr::null());
        connect(socket, address).succeed();
        connect(socket, address).fail(STATUS_CONNECTION_ACTIVE);
        close_all([listener, socket]);
    });
}

#[test]
fn addresses_are_known_after_bind_and_connect() {
    const NONE: Result<std::net::SocketAddr, NTSTATUS> = Err(STATUS_INVALID_DEVICE_STATE);
    on(both_networks(), |client| {
        let (listener, address) = client.listener(ptr::null_mut(), ptr::null());
        let socket = client.socket(WSK_FLAG_CONNECTION_SOCKET);
        assert_eq!(addresses(socket), [NONE, NONE]);
        let buffer = PoolBuffer::new(1);
        send(socket, &buffer).fail(STATUS_INVALID_DEVICE_STATE);
        receive(socket, &buffer, 0).fail(STATUS_INVALID_DEVICE_STATE);
        disconnect(socket).fail(STATUS_INVALID_DEVICE_STATE);
        bind(socket, ([127, 0, 0, 1], 0)).succeed();
        let [local, remote] = addresses(socket);
        assert_ne!(local.unwrap().port(), 0);
        assert_eq!(remote, NONE);
        receive(socket, &buffer, 0).fail(STATUS_INVALID_DEVICE_STATE);
        connect(socket, address).succeed();
        assert_eq!(addresses(socket), [local, Ok(address)]);
        // An accept can have both at once.
        let [own, peer] = [PoolAddress::empty(), PoolAddress::empty()];
        let (none, table) = (ptr::null_mut(), ptr::null());
        // SAFETY: the socket listens, and there is room for the addresses.
        let request = call(|irp| unsafe {
            listen(listener).WskAccept.unwrap()(listener, 0, none, table, own.0, peer.0, irp)
        });
        let accepted = socket_of(request.succeed());
        assert_eq!([own.get(), peer.get()], [address, local.unwrap()]);
        assert_eq!(addresses(accepted), [Ok(address), local]);
        close_all([listener, socket, accepted]);
    });
}

#[test]
fn a_drain_takes_everything_to_the_end() {
    on(both_networks(), |client| {
        let [listener, socket, accepted] = client.connections();
        let empty = PoolBuffer::new(0);
        let drain = receive(accepted, &empty, WSK_FLAG_DRAIN);
        send_all(socket, &pattern(10_000));
        client.host.settle();
        assert!(!drain.is_complete());
        send_all(socket, &pattern(10_000));
        disconnect(socket).succeed();
        assert_eq!(drain.succeed(), 0);
        // The other direction is still open.
        send_all(accepted, b"hello");
        assert_eq!(receive_exactly(socket, 5), b"hello");
        close_all([listener, socket, accepted]);
    });
}

#[test]
fn an_empty_receive_waits_for_data_and_leaves_it() {
    on(both_networks(), |client| {
        let [listener, socket, accepted] = client.connections();
        let empty = PoolBuffer::new(0);
        let request = receive(accepted, &empty, 0);
        assert!(!request.is_complete());
        send_all(socket, b"hello");
        assert_eq!(request.succeed(), 0);
        assert_eq!(receive_exactly(accepted, 5), b"hello");
        assert_eq!(send(socket, &empty).succeed(), 0);
        close_all([listener, socket, accepted]);
    });
}

#[test]
fn receives_are_served_in_order() {
    on(both_networks(), |client| {
        let [listener, socket, accepted] = client.connections();
        let buffers: Vec<PoolBuffer> = (0..5).map(|_| PoolBuffer::new(100)).collect();
        let all = |buffer| receive(accepted, buffer, WSK_FLAG_WAITALL);
        let requests: Vec<Request> = buffers.iter().map(all).collect();
        let bytes = pattern(500);
        send_all(socket, &bytes[..250]);
        send_all(socket, &bytes[250..]);
        for (request, (buffer, expected)) in
            requests.into_iter().zip(buffers.iter().zip(bytes.chunks(100)))
        {
            assert_eq!(request.succeed(), 100);
            assert_eq!(buffer.read(100), expected);
        }
        close_all([listener, socket, accepted]);
    });
}

#[test]
fn a_cancelled_receive_loses_nothing() {
    on(both_networks(), |client| {
        let [listener, socket, accepted] = client.connections();
        let [first, second] = [PoolBuffer::new(10), PoolBuffer::new(7)];
        let cancelled = receive(accepted, &first, WSK_FLAG_WAITALL);
        send_all(socket, b"begin");
        // It has some of its bytes when the host's network has nothing left to do.
        client.host.settle();
        let next = receive(accepted, &second, WSK_FLAG_WAITALL);
        cancelled.cancel();
        cancelled.fail(STATUS_CANCELLED);
        send_all(socket, b"ning");
        send_all(socket, b"of all");
        assert_eq!(next.succeed(), 7);
        assert_eq!(second.read(7), b"beginni");
        assert_eq!(receive_exactly(accepted, 8), b"ngof all");
        close_all([listener, socket, accepted]);
    });
}

#[test]
fn a_receive_that_is_cancelled_while_it_is_filled_loses_nothing() {
    on(both_networks(), |client| {
        let [listener, socket, accepted] = client.connections();
        let rounds: u8 = if cfg!(miri) { 2 } else { 50 };
        let buffer = PoolBuffer::new(4);
        for round in 0..rounds {
            let bytes = [round, 1, 2, 3];
            let waiting = receive(accepted, &buffer, WSK_FLAG_WAITALL);
            // Its last bytes arrive about when it is cancelled: either may be first.
            send_all(socket, &bytes);
            waiting.cancel();
            match waiting.wait() {
                (STATUS_SUCCESS, 4) => assert_eq!(buffer.read(4), bytes),
                (STATUS_CANCELLED, _) => assert_eq!(receive_exactly(accepted, 4), bytes),
                other => panic!("{other:x?}"),
            }
        }
        close_all([listener, socket, accepted]);
    });
}

#[test]
fn every_request_that_waits_can_be_cancelled() {
    let small = both_networks().into_iter().map(|config| config.window(1000));
    on(small, |client| {
        let [listener, socket, accepted] = client.connections();
        let waiting = accept(listener, ptr::null_mut(), ptr::null());
        waiting.cancel();
        waiting.fail(STATUS_CANCELLED);

        let [one, none] = [PoolBuffer::new(1), PoolBuffer::new(0)];
        for request in [
            receive(accepted, &one, 0),
            receive(accepted, &none, 0),
            receive(accepted, &none, WSK_FLAG_DRAIN),
        ] {
            assert!(!request.is_complete());
            request.cancel();
            request.fail(STATUS_CANCELLED);
        }

        // More bytes than any network buffers without a receive.
        let large = PoolChain::new(0, LARGE);
        let sends = [send_buf(socket, large.buffer, 0), send_buf(socket, large.buffer, 0)];
        let end = disconnect(socket);
        for request in [&sends[1], &end, &sends[0]] {
            request.cancel();
        }
        for request in sends {
            request.fail(STATUS_CANCELLED);
        }
        end.fail(STATUS_CANCELLED);
        close_all([listener, socket, accepted]);
    });
}

#[test]
fn a_disconnect_sends_its_last_bytes_after_all_others() {
    on(both_networks(), |client| {
        let [listener, socket, accepted] = client.connections();
        let bytes = pattern(200_000);
        let [first, last] =
            [PoolBuffer::with(&bytes[..150_000]), PoolBuffer::with(&bytes[150_000..])];
        let sent = send(socket, &first);
        let end = disconnect_with(socket, Some(&last), 0);
        assert_eq!(receive_to_end(accepted), bytes);
        assert_eq!(sent.succeed(), 150_000);
        end.succeed();
        send(socket, &first).fail(STATUS_INVALID_DEVICE_STATE);
        disconnect(socket).fail(STATUS_INVALID_DEVICE_STATE);
        // The other half is open.
        send_all(accepted, b"answer");
        disconnect(accepted).succeed();
        assert_eq!(receive_to_end(socket), b"answer");
        close_all([listener, socket, accepted]);
    });
}

#[test]
fn an_abort_fails_waiting_requests_and_resets_the_peer() {
    let small = both_networks().into_iter().map(|config| config.window(1000));
    on(small, |client| {
        let [listener, socket, accepted] = client.connections();
        let [one, other] = [PoolBuffer::new(1), PoolBuffer::new(1)];
        let large = PoolChain::new(0, LARGE);
        let waiting =
            [receive(socket, &one, 0), send_buf(socket, large.buffer, 0), disconnect(socket)];
        disconnect_with(socket, None, WSK_FLAG_ABORTIVE).succeed();
        for request in waiting {
            let (status, _) = request.wait();
            assert!(status < 0, "{status:#x}");
        }
        receive(socket, &one, 0).fail(STATUS_INVALID_DEVICE_STATE);
        send(socket, &one).fail(STATUS_INVALID_DEVICE_STATE);
        // The peer may still receive the bytes that have arrived.
        let status = loop {
            match receive_some(accepted, 1 << 20) {
                (STATUS_SUCCESS, bytes) => assert!(!bytes.is_empty(), "the end is graceful"),
                (status, _) => break status,
            }
        };
        assert_eq!(status, STATUS_CONNECTION_RESET);
        receive(accepted, &other, 0).fail(STATUS_CONNECTION_RESET);
        send(accepted, &other).fail(STATUS_CONNECTION_RESET);
        close_all([listener, socket, accepted]);
    });
}

#[test]
fn a_close_cancels_waiting_requests_and_completes_last() {
    let small = both_networks().into_iter().map(|config| config.window(1000));
    on(small, |client| {
        let [listener, socket, accepted] = client.connections();
        let [one, other] = [PoolBuffer::new(1), PoolBuffer::new(1)];
        let large = PoolChain::new(0, LARGE);
        let waiting = [
            receive(socket, &one, WSK_FLAG_WAITALL),
            receive(socket, &other, 0),
            send_buf(socket, large.buffer, 0),
            disconnect(socket),
        ];
        close(socket);
        assert!(waiting.iter().all(Request::is_complete));
        for request in waiting {
            request.fail(STATUS_CANCELLED);
        }
        let accepts = [0, 1].map(|_| accept(listener, ptr::null_mut(), ptr::null()));
        close(listener);
        assert!(accepts.iter().all(Request::is_complete));
        for request in accepts {
            request.fail(STATUS_CANCELLED);
        }
        close(accepted);
    });
}

#[test]
fn a_close_resets_unless_both_sides_have_ended() {
    on(both_networks(), |client| {
        // Not ended.
        let [listener, socket, accepted] = client.connections();
        close(socket);
        assert_eq!(receive_some(accepted, 1).0, STATUS_CONNECTION_RESET);
        close_all([listener, accepted]);
        // Both ended, though this side has never received the peer's end.
        let [listener, socket, accepted] = client.connections();
        disconnect(accepted).succeed();
        // It has arrived when this completes, which takes nothing.
        receive_nothing(socket);
        send_all(socket, b"last words");
        disconnect(socket).succeed();
        close(socket);
        assert_eq!(receive_to_end(accepted), b"last words");
        close_all([listener, accepted]);
    });
}

#[test]
fn chains_with_offsets_carry_bytes_both_ways() {
    on(both_networks(), |client| {
        let [listener, socket, accepted] = client.connections();
        let bytes = pattern(1111);
        for (from, to) in [(socket, accepted), (accepted, socket)] {
            let source = PoolChain::new(7, &[1, 100, 10, 1000]);
            source.fill(&bytes);
            let target = PoolChain::new(3, &[500, 1, 600, 10]);
            let sent = send_buf(from, source.buffer, WSK_FLAG_NODELAY);
            assert_eq!(receive_buf(to, target.buffer, WSK_FLAG_WAITALL).succeed(), 1111);
            assert_eq!(target.read(1111), bytes);
            assert_eq!(sent.succeed(), 1111);
        }
        close_all([listener, socket, accepted]);
    });
}

#[test]
fn the_extended_functions_behave_as_the_plain_ones() {
    on(both_networks(), |client| {
        let [listener, socket, accepted] = client.connections();
        let [hello, room, length] =
            [PoolBuffer::with(b"hello"), PoolBuffer::new(5), PoolBuffer::with(&[9; 4])];
        let sent = send_ex(socket, &hello, 0);
        assert_eq!(receive_ex(accepted, &room, WSK_FLAG_WAITALL, &length).succeed(), 5);
        assert_eq!((room.read(5), length.read(4)), (b"hello".to_vec(), vec![0; 4]));
        assert_eq!(sent.succeed(), 5);
        send_ex(socket, &hello, WSK_FLAG_OOB).fail(STATUS_NOT_SUPPORTED);
        close_all([listener, socket, accepted]);
    });
}

#[test]
fn the_ideal_backlog_can_be_queried() {
    on(both_networks(), |client| {
        let [listener, socket, accepted] = client.connections();
        let ask = |socket, code| {
            let output = PoolBuffer::new(size_of::<usize>());
            let (status, size) = control(socket, (WskIoctl, code, 0), None, Some(&output)).wait();
            if status != STATUS_SUCCESS {
                return Err(status);
            }
            assert_eq!(size, size_of::<usize>());
            Ok(usize::from_ne_bytes(output.read(size).try_into().unwrap()))
        };
        assert!(ask(socket, SIO_WSK_QUERY_IDEAL_SEND_BACKLOG).unwrap() > 0);
        assert_eq!(ask(accepted, SIO_WSK_QUERY_RECEIVE_BACKLOG), Ok(0));
        send_all(socket, b"hello");
        receive_nothing(accepted);
        assert_eq!(ask(accepted, SIO_WSK_QUERY_RECEIVE_BACKLOG), Ok(5));
        assert_eq!(receive_exactly(accepted, 2), b"he");
        assert_eq!(ask(accepted, SIO_WSK_QUERY_RECEIVE_BACKLOG), Ok(3));
        let new = client.socket(WSK_FLAG_CONNECTION_SOCKET);
        let early = ask(new, SIO_WSK_QUERY_RECEIVE_BACKLOG);
        assert_eq!(early, Err(STATUS_INVALID_DEVICE_STATE));
        close_all([listener, socket, accepted, new]);
    });
}

#[test]
fn silent_mode_is_for_connections_to_other_machines() {
    const SILENCE: (WSK_CONTROL_SOCKET_TYPE, ULONG, ULONG) =
        (WskIoctl, SIO_WSK_SET_TCP_SILENT_MODE, 0);
    on(both_networks(), |client| {
        let [listener, socket, accepted] = client.connections();
        control(socket, SILENCE, None, None).fail(STATUS_INVALID_DEVICE_STATE);
        // It is unchanged.
        send_all(socket, b"hello");
        assert_eq!(receive_exactly(accepted, 5), b"hello");
        close_all([listener, socket, accepted]);
    });
    on(simulated(), |client| {
        let listener = client.socket(WSK_FLAG_LISTEN_SOCKET);
        client.host.add_address([10, 0, 0, 1]);
        client.host.add_address([10, 0, 0, 2]);
        bind(listener, ([10, 0, 0, 1], 80)).succeed();
        let socket = client.socket(WSK_FLAG_CONNECTION_SOCKET);
        bind(socket, ([10, 0, 0, 2], 0)).succeed();
        connect(socket, ([10, 0, 0, 1], 80).into()).succeed();
        let accepted = socket_of(accept(listener, ptr::null_mut(), ptr::null()).succeed());
        control(socket, SILENCE, None, None).succeed();
        let one = PoolBuffer::new(1);
        send(socket, &one).fail(STATUS_INVALID_DEVICE_STATE);
        receive(socket, &one, 0).fail(STATUS_INVALID_DEVICE_STATE);
        disconnect(socket).fail(STATUS_INVALID_DEVICE_STATE);
        let waiting = receive(accepted, &one, 0);
        close(socket);
        // Nothing is sent, not even a reset.
        client.host.settle();
        assert!(!waiting.is_complete());
        waiting.cancel();
        waiting.fail(STATUS_CANCELLED);
        close_all([listener, accepted]);
    });
}

#[test]
fn a_refused_call_completes_its_irp() {
    on(both_networks(), |client| {
        let [listener, socket, accepted] = client.connections();
        control(socket, (WskControlMax, 0, 0), None, None).fail(STATUS_INVALID_PARAMETER);
        let short = PoolBuffer::new(1);
        let events = (WskSetOption, SO_WSK_EVENT_CALLBACK, SOL_SOCKET);
        control(socket, events, Some(&short), None).fail(STATUS_INVALID_PARAMETER);
        let callback = (WskIoctl, SIO_WSK_SET_RECEIVE_EX_CALLBACK, 0);
        control(socket, callback, Some(&short), None).fail(STATUS_INVALID_PARAMETER);
        control(socket, (WskIoctl, 0x1234, 0), None, None).fail(STATUS_NOT_SUPPORTED);
        close_all([listener, socket, accepted]);
    });
}
