//! Connections of the null network: sent bytes are returned as zeroes.

use std::ptr;

use test_support::hosts::on;
use test_support::raw::streams::{addresses, receive_nothing, receive_to_end, send_all};
use test_support::raw::watcher::{self, Watcher};
use test_support::raw::{
    Client, PoolBuffer, accept, close, disconnect, receive, send, set_events, socket_of,
};
use wsk_host::{Config, Network, Timing};
use wsk_sys::{PWSK_SOCKET, STATUS_CANCELLED, WSK_EVENT_RECEIVE, WSK_FLAG_WAITALL};

fn nulls() -> Vec<Config> {
    let timings = [Timing::Inline, Timing::Deferred, Timing::Mixed(1), Timing::Mixed(2)];
    let null = Config { network: Network::Null, ..Config::default() };
    timings.map(|timing| null.partial_receives(false).timing(timing)).to_vec()
}

fn connection(client: &Client) -> PWSK_SOCKET {
    let address = ([192, 0, 2, 1], 7).into();
    let socket = socket_of(client.socket_connect(address).succeed());
    let [local, remote] = addresses(socket);
    assert_eq!(remote, Ok(address));
    assert_ne!(local.map(|address| address.port()), Ok(0));
    socket
}

#[test]
fn the_null_network_returns_as_many_bytes_as_were_sent() {
    on(nulls(), |client| {
        let socket = connection(client);
        let (out, back) = (PoolBuffer::with(&[7; 100]), PoolBuffer::with(&[7; 60]));
        for left in [40, 80, 120] {
            assert_eq!(send(socket, &out).succeed(), 100);
            assert_eq!(receive(socket, &back, 0).succeed(), 60);
            assert_eq!(back.read(60), [0; 60], "{left} are left");
        }
        send_all(socket, &[7; 30]);
        assert_eq!(disconnect(socket).succeed(), 0);
        assert_eq!(receive_to_end(socket), [0; 150]);
        close(socket);
    });
}

#[test]
fn a_receive_waits_for_a_send() {
    on(nulls(), |client| {
        let socket = connection(client);
        let back = PoolBuffer::new(10);
        let received = receive(socket, &back, WSK_FLAG_WAITALL);
        client.host.settle();
        assert!(!received.is_complete());
        send_all(socket, &[7; 6]);
        client.host.settle();
        assert!(!received.is_complete());
        send_all(socket, &[7; 6]);
        assert_eq!(received.succeed(), 10);
        receive_nothing(socket);
        let received = [receive(socket, &back, 0), receive(socket, &back, 0)];
        client.host.settle();
        assert!(!received[1].is_complete());
        received[1].cancel();
        let [first, second] = received;
        assert_eq!(first.succeed(), 2);
        second.fail(STATUS_CANCELLED);
        close(socket);
    });
}

#[test]
fn returned_bytes_are_indicated() {
    on(nulls(), |client| {
        let watcher = Watcher::new();
        let address = ([192, 0, 2, 1], 7).into();
        let socket =
            client.connected_to(address, watcher.context(), &raw const watcher::CONNECTION);
        set_events(socket, WSK_EVENT_RECEIVE);
        send_all(socket, &[7; 5]);
        assert_eq!(watcher.wait_for_bytes(5), [0; 5]);
        close(socket);
    });
}

#[test]
fn a_listener_on_the_null_network_gets_no_connections() {
    on(nulls(), |client| {
        let (listener, address) = client.listener(ptr::null_mut(), ptr::null());
        let accepted = accept(listener, ptr::null_mut(), ptr::null());
        let socket = client.connected_to(address, ptr::null_mut(), ptr::null());
        client.host.settle();
        assert!(!accepted.is_complete());
        close(listener);
        accepted.fail(STATUS_CANCELLED);
        close(socket);
    });
}
