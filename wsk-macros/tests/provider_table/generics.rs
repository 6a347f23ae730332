//! A table is one type of C's.

use wsk_macros::provider_table;
use wsk_sys::*;

#[provider_table(WSK_PROVIDER_BASIC_DISPATCH, of_socket)]
struct Generic<T> {
    WskCloseSocket: fn(socket: PWSK_SOCKET, irp: PIRP),
}

#[provider_table(WSK_PROVIDER_BASIC_DISPATCH, of_socket)]
struct Bounded
where
    u8: Copy,
{
    WskCloseSocket: fn(socket: PWSK_SOCKET, irp: PIRP),
}

fn main() {}
