//! Functions that are not written as slots are. Each is reported.

use wsk_macros::provider_table;
use wsk_sys::*;

#[provider_table(WSK_PROVIDER_BASIC_DISPATCH, of_socket)]
struct Functions {
    WskUnsafe: unsafe fn(socket: PWSK_SOCKET),
    WskExtern: extern "C" fn(socket: PWSK_SOCKET),
    WskLifetimes: for<'a> fn(socket: PWSK_SOCKET, irp: &'a IRP),
    WskNone: fn(),
    WskReserved: fn(#[reserved] socket: PWSK_SOCKET),
    WskUnderscore: fn(socket: PWSK_SOCKET, _: PIRP),
    WskUnnamed: fn(socket: PWSK_SOCKET, PIRP),
    WskBox: Box<fn(PWSK_SOCKET)>,
    Basic: Basic,
}

#[provider_table(WSK_PROVIDER_LISTEN_DISPATCH)]
struct OfNoSocket {
    Basic: Basic,
}

fn main() {}
