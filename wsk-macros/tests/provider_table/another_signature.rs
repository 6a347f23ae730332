use wsk_macros::provider_table;
#[allow(unused_imports)]
use wsk_sys::*;

#[provider_table(WSK_PROVIDER_LISTEN_DISPATCH, of_socket)]
struct Listen {
    WskBind: fn(socket: PWSK_SOCKET, local_address: PWSK_BUF, #[reserved] flags: ULONG, irp: PIRP),
    WskGetLocalAddress: fn(socket: PWSK_SOCKET, local_address: PSOCKADDR),
}

fn main() {}
