use wsk_macros::provider_table;
#[allow(unused_imports)]
use wsk_sys::*;

#[provider_table(WSK_PROVIDER_LISTEN_DISPATCH, of_socket)]
struct Listen {
    WskConnect: fn(socket: PWSK_SOCKET, remote_address: PSOCKADDR, #[reserved] flags: ULONG, irp: PIRP),
}

fn main() {}
