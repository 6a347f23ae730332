//! Wrong arguments of the attribute.

use wsk_macros::provider_table;
use wsk_sys::*;

#[provider_table]
struct NoTable {
    WskCloseSocket: fn(socket: PWSK_SOCKET, irp: PIRP),
}

#[provider_table(of_socket)]
struct NoTableButAnOption {
    WskCloseSocket: fn(socket: PWSK_SOCKET, irp: PIRP),
}

#[provider_table(crate = wsk, WSK_PROVIDER_BASIC_DISPATCH)]
struct TheTableLast {
    WskCloseSocket: fn(socket: PWSK_SOCKET, irp: PIRP),
}

#[provider_table("WSK_PROVIDER_BASIC_DISPATCH")]
struct InQuotationMarks {
    WskCloseSocket: fn(socket: PWSK_SOCKET, irp: PIRP),
}

#[provider_table(WSK_PROVIDER_BASIC_DISPATCH, of_socket, of_socket)]
struct Twice {
    WskCloseSocket: fn(socket: PWSK_SOCKET, irp: PIRP),
}

#[provider_table(WSK_PROVIDER_BASIC_DISPATCH<u8>, of_socket)]
struct GenericTable {
    WskCloseSocket: fn(socket: PWSK_SOCKET, irp: PIRP),
}

#[provider_table(WSK_PROVIDER_BASIC_DISPATCH, crate)]
struct NoPath {
    WskCloseSocket: fn(socket: PWSK_SOCKET, irp: PIRP),
}

fn main() {}
