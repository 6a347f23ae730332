#![allow(unused_imports)]

use wsk::sys::*;
use wsk_macros::provider_table;

#[provider_table(WSK_PROVIDER_BASIC_DISPATCH, of_socket)]
struct Basic {
    WskControlSocket: usize,
    WskCloseSocket: fn(PWSK_SOCKET, #[ignored] irp: PIRP),
}

fn main() {}
