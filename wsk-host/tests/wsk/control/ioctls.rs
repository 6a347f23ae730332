//! Ioctls of sockets.

use std::net::IpAddr;
use std::ptr;

use test_support::hosts::{everywhere, on, real, simulated};
use test_support::raw::datagrams::{any_port, bound, unbound};
use test_support::raw::{
    Client, PoolBuffer, Request, basic, bind, call, close, connect, control, read_address,
    set_option, socket_of,
};
use wsk_sys::*;

fn few() -> impl Iterator<Item = wsk_host::Config> {
    simulated().into_iter().take(8).chain(real())
}

/// An ioctl without an IRP.
fn inline(socket: PWSK_SOCKET, code: ULONG, room: Option<&PoolBuffer>) -> (NTSTATUS, usize) {
    let mut returned = 0;
    let (size, output) = match room {
        Some(room) => (room.size, room.bytes.cast()),
        None => (0, ptr::null_mut()),
    };
    // SAFETY: the socket is open, and the sizes are those of the memory.
    let status = unsafe {
        basic(socket).WskControlSocket.unwrap()(
            socket,
            WskIoctl,
            code,
            0,
            0,
            ptr::null_mut(),
            size,
            output,
            &raw mut returned,
            ptr::null_mut(),
        )
    };
    (status, returned)
}

fn with_irp(socket: PWSK_SOCKET, code: ULONG, input: Option<&PoolBuffer>) -> Request {
    control(socket, (WskIoctl, code, 0), input, None)
}

fn tcp(client: &Client, flags: ULONG, family: ADDRESS_FAMILY) -> PWSK_SOCKET {
    let none = ptr::null_mut();
    socket_of(client.create(flags, (family, SOCK_STREAM, IPPROTO_TCP), none, none).succeed())
}

/// The addresses of the list at a buffer, each of them in the same buffer.
fn addresses(room: &PoolBuffer, size: usize) -> Vec<IpAddr> {
    let list: *const SOCKET_ADDRESS_LIST = room.bytes.cast_const().cast();
    // SAFETY: the list was written.
    unsafe {
        let entries = (&raw const (*list).Address).cast::<SOCKET_ADDRESS>();
        (0..usize::try_from((*list).iAddressCount).unwrap())
            .map(|index| {
                let SOCKET_ADDRESS { lpSockaddr, iSockaddrLength } = entries.add(index).read();
                let offset = lpSockaddr.addr() - room.bytes.addr();
                assert!(offset + usize::try_from(iSockaddrLength).unwrap() <= size);
                read_address(lpSockaddr).ip()
            })
            .collect()
    }
}

#[test]
fn the_machines_addresses_are_listed_in_the_callers_buffer() {
    on(few(), |client| {
        for (family, loopback) in [
            (AF_INET, IpAddr::from([127, 0, 0, 1])),
            (AF_INET6, std::net::Ipv6Addr::LOCALHOST.into()),
        ] {
            let sockets = [
                tcp(client, WSK_FLAG_BASIC_SOCKET, family),
                tcp(client, WSK_FLAG_LISTEN_SOCKET, family),
                tcp(client, WSK_FLAG_CONNECTION_SOCKET, family),
                unbound(client, family),
            ];
            for socket in sockets {
                let (status, size) = inline(socket, SIO_ADDRESS_LIST_QUERY, None);
                assert_eq!(status, STATUS_BUFFER_OVERFLOW);
                let small = PoolBuffer::new(size - 1);
                let again = inline(socket, SIO_ADDRESS_LIST_QUERY, Some(&small));
                assert_eq!(again, (STATUS_BUFFER_OVERFLOW, size));
                let room = PoolBuffer::new(size + 8);
                let listed = inline(socket, SIO_ADDRESS_LIST_QUERY, Some(&room));
                assert_eq!(listed, (STATUS_SUCCESS, size));
                let all = addresses(&room, size);
                assert!(all.contains(&loopback), "{all:?}");
                assert!(all.iter().all(|ip| ip.is_ipv4() == loopback.is_ipv4()));
                close(socket);
            }
        }
    });
}

#[test]
fn a_list_of_addresses_is_sorted() {
    on(few(), |client| {
        let socket = tcp(client, WSK_FLAG_BASIC_SOCKET, AF_INET);
        let (_, size) = inline(socket, SIO_ADDRESS_LIST_QUERY, None);
        let list = PoolBuffer::new(size);
        assert_eq!(inline(socket, SIO_ADDRESS_LIST_QUERY, Some(&list)).0, STATUS_SUCCESS);
        let expected = addresses(&list, size);
        let ioctl = (WskIoctl, SIO_ADDRESS_LIST_SORT, 0);
        assert_eq!(control(socket, ioctl, Some(&list), Some(&list)).succeed(), size);
        assert_eq!(addresses(&list, size), expected);
        let small = PoolBuffer::new(size - 1);
        control(socket, ioctl, Some(&list), Some(&small)).fail(STATUS_BUFFER_TOO_SMALL);
        close(socket);
    });
}

#[test]
fn a_change_of_addresses_completes_its_request_once() {
    everywhere(|client| {
        let sockets = [
            tcp(client, WSK_FLAG_BASIC_SOCKET, AF_INET),
            bound(client, any_port(AF_INET6)).0,
            tcp(client, WSK_FLAG_LISTEN_SOCKET, AF_INET),
        ];
        let change = |socket| with_irp(socket, SIO_ADDRESS_LIST_CHANGE, None);
        let waiting = sockets.map(change);
        let cancelled = change(sockets[0]);
        client.host.settle();
        assert!(waiting.iter().all(|request| !request.is_complete()));
        cancelled.cancel();
        cancelled.fail(STATUS_CANCELLED);
        client.host.change_network();
        for request in waiting {
            request.succeed();
        }
        let left = change(sockets[1]);
        close(sockets[1]);
        left.fail(STATUS_CANCELLED);
        close(sockets[0]);
        close(sockets[2]);
    });
}

#[test]
fn the_loopback_fast_path_is_set_before_connecting() {
    everywhere(|client| {
        let yes = PoolBuffer::with(&[1]);
        let set = |socket, value| with_irp(socket, SIO_LOOPBACK_FAST_PATH, value);
        let listener = tcp(client, WSK_FLAG_LISTEN_SOCKET, AF_INET);
        set(listener, Some(&yes)).succeed();
        bind(listener, any_port(AF_INET)).succeed();
        let socket = tcp(client, WSK_FLAG_CONNECTION_SOCKET, AF_INET);
        set(socket, Some(&yes)).succeed();
        set(socket, None).fail(STATUS_INVALID_PARAMETER);
        bind(socket, any_port(AF_INET)).succeed();
        connect(socket, test_support::raw::local_address(listener)).succeed();
        set(socket, Some(&yes)).fail(STATUS_INVALID_DEVICE_STATE);
        let datagrams = unbound(client, AF_INET);
        set(datagrams, Some(&yes)).fail(STATUS_NOT_SUPPORTED);
        for socket in [datagrams, socket, listener] {
            close(socket);
        }
    });
}

#[test]
fn connections_have_no_redirect_records() {
    on(few(), |client| {
        let socket = tcp(client, WSK_FLAG_CONNECTION_SOCKET, AF_INET);
        for code in
            [SIO_QUERY_WFP_CONNECTION_REDIRECT_RECORDS, SIO_QUERY_WFP_CONNECTION_REDIRECT_CONTEXT]
        {
            with_irp(socket, code, None).fail(STATUS_NOT_FOUND);
        }
        let records = PoolBuffer::with(&[1; 40]);
        with_irp(socket, SIO_SET_WFP_CONNECTION_REDIRECT_RECORDS, Some(&records)).succeed();
        let none = with_irp(socket, SIO_SET_WFP_CONNECTION_REDIRECT_RECORDS, None);
        none.fail(STATUS_INVALID_PARAMETER);
        close(socket);
    });
}

#[test]
fn receive_side_scaling_is_reported_as_off() {
    on(few(), |client| {
        for socket in [tcp(client, WSK_FLAG_BASIC_SOCKET, AF_INET), unbound(client, AF_INET6)] {
            let room = PoolBuffer::with(&[7; 4]);
            let ioctl = (WskIoctl, SIO_QUERY_RSS_SCALABILITY_INFO, 0);
            assert_eq!(control(socket, ioctl, None, Some(&room)).succeed(), 1);
            assert_eq!(room.read(4), [FALSE, 7, 7, 7]);
            control(socket, ioctl, None, None).fail(STATUS_BUFFER_TOO_SMALL);
            close(socket);
        }
    });
}

#[test]
fn keep_alive_values_set_three_options() {
    everywhere(|client| {
        let values = |onoff, keepalivetime, keepaliveinterval| {
            let numbers: [ULONG; 3] = [onoff, keepalivetime, keepaliveinterval];
            PoolBuffer::with(&numbers.map(ULONG::to_ne_bytes).concat())
        };
        let set = |socket, values: &PoolBuffer| with_irp(socket, SIO_KEEPALIVE_VALS, Some(values));
        let [listener, socket, accepted] = client.connections();
        let options = |socket| {
            [(SOL_SOCKET, SO_KEEPALIVE), (IPPROTO_TCP, TCP_KEEPALIVE), (IPPROTO_TCP, TCP_KEEPINTVL)]
                .map(|(level, name)| test_support::raw::get_option(socket, level, name).unwrap())
        };
        assert_eq!(options(socket), [0, 7200, 1]);
        set(socket, &values(1, 60_000, 1500)).succeed();
        assert_eq!(options(socket), [1, 60, 2]);
        set(socket, &values(0, 5, 5)).succeed();
        assert_eq!(options(socket), [0, 60, 2]);
        set(socket, &PoolBuffer::with(&[1; 11])).fail(STATUS_INVALID_PARAMETER);
        set(listener, &values(1, 1, 1)).fail(STATUS_NOT_SUPPORTED);
        let unconnected = tcp(client, WSK_FLAG_CONNECTION_SOCKET, AF_INET);
        set(unconnected, &values(1, 1, 1)).fail(STATUS_INVALID_DEVICE_STATE);
        for socket in [unconnected, accepted, socket, listener] {
            close(socket);
        }
    });
}

#[test]
fn extensions_cannot_be_registered() {
    on(few(), |client| {
        for socket in [tcp(client, WSK_FLAG_BASIC_SOCKET, AF_INET), unbound(client, AF_INET)] {
            assert_eq!(inline(socket, SIO_WSK_REGISTER_EXTENSION, None).0, STATUS_NOT_SUPPORTED);
            close(socket);
        }
    });
}

#[test]
fn ioctls_of_other_categories_are_refused() {
    on(few(), |client| {
        let datagrams = bound(client, any_port(AF_INET)).0;
        let connection = tcp(client, WSK_FLAG_CONNECTION_SOCKET, AF_INET);
        let listener = tcp(client, WSK_FLAG_LISTEN_SOCKET, AF_INET);
        let basic_socket = tcp(client, WSK_FLAG_BASIC_SOCKET, AF_INET);
        for (socket, codes) in [
            (
                datagrams,
                &[
                    SIO_WSK_QUERY_IDEAL_SEND_BACKLOG,
                    SIO_WSK_QUERY_RECEIVE_BACKLOG,
                    SIO_WSK_SET_TCP_SILENT_MODE,
                    SIO_WSK_SET_RECEIVE_EX_CALLBACK,
                    0x1234,
                ][..],
            ),
            (connection, &[SIO_WSK_SET_REMOTE_ADDRESS, SIO_WSK_SET_SENDTO_ADDRESS, 0]),
            (listener, &[SIO_WSK_SET_SENDTO_ADDRESS, SIO_WSK_QUERY_RECEIVE_BACKLOG, ULONG::MAX]),
            (basic_socket, &[SIO_WSK_SET_REMOTE_ADDRESS, SIO_WSK_SET_TCP_SILENT_MODE, 7]),
        ] {
            for code in codes {
                with_irp(socket, *code, None).fail(STATUS_NOT_SUPPORTED);
                assert_eq!(inline(socket, *code, None).0, STATUS_NOT_SUPPORTED);
            }
            let room = PoolBuffer::new(size_of::<WSK_INSPECT_ID>());
            let inspected = inline(socket, SIO_WSK_QUERY_INSPECT_ID, Some(&room)).0;
            assert_eq!(inspected, STATUS_INVALID_DEVICE_REQUEST);
        }
        // One that is not connected has no backlog.
        let backlog = with_irp(connection, SIO_WSK_QUERY_RECEIVE_BACKLOG, None);
        backlog.fail(STATUS_INVALID_DEVICE_STATE);
        for socket in [datagrams, connection, listener, basic_socket] {
            close(socket);
        }
    });
}

#[test]
fn an_ioctls_address_must_have_its_exact_size() {
    on(few(), |client| {
        let (socket, _) = bound(client, any_port(AF_INET6));
        let short = PoolBuffer::with(&AF_INET6.to_ne_bytes());
        for code in [SIO_WSK_SET_REMOTE_ADDRESS, SIO_WSK_SET_SENDTO_ADDRESS] {
            with_irp(socket, code, Some(&short)).fail(STATUS_INVALID_PARAMETER);
        }
        close(socket);
    });
}

#[test]
fn a_basic_socket_has_options_and_ioctls_of_each_transport() {
    everywhere(|client| {
        for family in [AF_INET, AF_INET6] {
            for (kind, protocol, level, name) in [
                (SOCK_STREAM, IPPROTO_TCP, IPPROTO_TCP, TCP_NODELAY),
                (SOCK_DGRAM, IPPROTO_UDP, IPPROTO_UDP, UDP_SEND_MSG_SIZE),
            ] {
                let none = ptr::null_mut();
                let request =
                    client.create(WSK_FLAG_BASIC_SOCKET, (family, kind, protocol), none, none);
                let socket = socket_of(request.succeed());
                assert_eq!(set_option(socket, level, name, 1), STATUS_SUCCESS);
                assert_eq!(inline(socket, SIO_ADDRESS_LIST_QUERY, None).0, STATUS_BUFFER_OVERFLOW);
                // SAFETY: the socket is open.
                let closing =
                    call(|irp| unsafe { basic(socket).WskCloseSocket.unwrap()(socket, irp) });
                closing.succeed();
            }
        }
    });
}
