use wsk_macros::provider_table;
#[allow(unused_imports)]
use wsk_sys::*;

#[provider_table(WSK_PROVIDER_BASIC_DISPATCH, of_sockets)]
struct Basic {
    WskCloseSocket: fn(socket: PWSK_SOCKET, irp: PIRP),
}

fn main() {}
