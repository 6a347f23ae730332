//! The lines of traces and reports about callbacks and closes.

use std::ptr;

use test_support::process::run_failing;
use test_support::raw::{Client, PoolBuffer, close, disconnect, receive_exactly, send};
use wsk_sys::*;

use crate::stops::inline;

fn noted(client: &Client) -> Vec<String> {
    let trace = client.host.trace();
    let notes = trace
        .iter()
        .filter_map(|line| Some(line.split_once("aborts the connection of ")?.1.to_owned()));
    notes.collect()
}

#[test]
fn a_close_that_aborts_says_why() {
    let client = Client::new(inline());
    let [listener, socket, peer] = client.connections();
    close(socket);
    assert_eq!(noted(&client), ["socket 2 (INV-49): no WskDisconnect has completed"]);
    disconnect(peer).wait();
    close(peer);
    close(listener);

    let [listener, socket, peer] = client.connections();
    disconnect(socket).succeed();
    close(socket);
    let why = "the end of the peer's data has not arrived, or data before it was not received";
    assert_eq!(noted(&client).last().unwrap(), &format!("socket 5 (INV-49): {why}"));
    close(peer);
    close(listener);

    let before = noted(&client).len();
    let [listener, socket, peer] = client.connections();
    let buffer = PoolBuffer::with(b"x");
    send(socket, &buffer).succeed();
    receive_exactly(peer, 1);
    disconnect(socket).succeed();
    disconnect(peer).succeed();
    close(socket);
    close(peer);
    assert_eq!(noted(&client).len(), before);
    close(listener);
    drop(buffer);
    client.end();
}

unsafe extern "C" fn waits(
    _: PVOID,
    _: ULONG,
    _: PSOCKADDR,
    _: PSOCKADDR,
    _: PWSK_SOCKET,
    _: *mut PVOID,
    _: *mut *const WSK_CLIENT_CONNECTION_DISPATCH,
) -> NTSTATUS {
    let mut time = LARGE_INTEGER { QuadPart: -1 };
    // SAFETY: breaks INV-16.
    unsafe { KeDelayExecutionThread(KernelMode, FALSE, &raw mut time) };
    STATUS_REQUEST_NOT_ACCEPTED
}

static TABLE: WSK_CLIENT_LISTEN_DISPATCH = WSK_CLIENT_LISTEN_DISPATCH {
    WskAcceptEvent: Some(waits),
    WskInspectEvent: None,
    WskAbortEvent: None,
};

#[test]
fn a_stop_in_a_callback_names_the_callback() {
    fn scenario(_: &str) {
        let client = Client::new(inline());
        let (listener, address) = client.listener(ptr::null_mut(), &raw const TABLE);
        test_support::raw::set_events(listener, WSK_EVENT_ACCEPT);
        client.connected_to(address, ptr::null_mut(), ptr::null());
    }
    let Some(said) = run_failing("traces::a_stop_in_a_callback_names_the_callback", "", scenario)
    else {
        return;
    };
    assert!(said.contains("\n  in:      WskAcceptEvent of socket 1\n"), "{said}");
    assert!(said.contains("WskAcceptEvent of socket 1: entered\n"), "{said}");
}
