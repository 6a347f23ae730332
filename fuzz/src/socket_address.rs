//! Socket addresses in C's layout, and as text.
//!
//! The first byte chooses. A `SOCKADDR` of a socket's family has any other bytes: the host reads it in `WskBind`,
//! and a bind that succeeds must report an address of the same family, port and IP address. Text that std parses as
//! a socket address must stand for the same address in `wsk`, and be displayed as text that std parses again.

use std::net::SocketAddr;

use test_support::raw::datagrams::{local_address, unbound};
use test_support::raw::{Client, PoolAddress, call, close, listen};
use test_support::scenario::passive;
use wsk::rt::block_on;
use wsk_sys::{AF_INET, AF_INET6, SOCKADDR_IN, SOCKADDR_IN6, STATUS_SUCCESS};

/// Runs the target.
///
/// # Panics
///
/// If the address that is read is another.
pub fn run(data: &[u8]) {
    match data.split_first() {
        Some((first, rest)) if first % 3 == 0 => bind(rest),
        Some((_, rest)) => text(&String::from_utf8_lossy(rest)),
        None => {}
    }
}

fn bind(bytes: &[u8]) {
    let is_v4 = bytes.len() % 2 == 0;
    let (family, size) = if is_v4 {
        (AF_INET, size_of::<SOCKADDR_IN>())
    } else {
        (AF_INET6, size_of::<SOCKADDR_IN6>())
    };
    let client = Client::new(super::config());
    let socket = unbound(&client, family);
    let address = PoolAddress::empty();
    let mut raw = [0_u8; size_of::<SOCKADDR_IN6>()];
    raw[..2].copy_from_slice(&family.to_ne_bytes());
    let count = bytes.len().min(size - 2);
    raw[2..2 + count].copy_from_slice(&bytes[..count]);
    // SAFETY: `empty` allocated a `SOCKADDR_STORAGE`, which is larger.
    unsafe { address.0.cast::<[u8; size_of::<SOCKADDR_IN6>()]>().write_unaligned(raw) };
    let wanted = address.get();
    // SAFETY: the socket is open, and the address is read during the call.
    let request = call(|irp| unsafe { listen(socket).WskBind.unwrap()(socket, address.0, 0, irp) });
    if request.wait().0 == STATUS_SUCCESS {
        let bound = local_address(socket);
        assert_eq!(bound.ip(), wanted.ip());
        assert!(wanted.port() == 0 || bound.port() == wanted.port(), "{wanted}: {bound}");
    }
    close(socket);
    drop(address);
    client.end();
}

fn text(text: &str) {
    // The host does not parse scope identifiers, such as `fe80::1%1`.
    if text.contains('%') {
        return;
    }
    super::with_provider(|_, wsk| {
        let lookup = wsk::net::lookup_host(wsk, text);
        let found = block_on(passive(), lookup).expect("this thread may wait");
        if let Ok(address) = text.parse::<SocketAddr>() {
            let found = found.expect("std parses the text as an address");
            // `wsk` formats addresses itself; std must parse the result.
            let shown = format!("{found:?}");
            let inner = shown.strip_prefix('[').and_then(|shown| shown.strip_suffix(']'));
            assert_eq!(inner.and_then(|inner| inner.parse().ok()), Some(address), "{shown}");
            assert_eq!(found.collect::<Vec<_>>(), [address]);
        }
    });
}
