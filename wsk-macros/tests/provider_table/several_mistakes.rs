use wsk_macros::provider_table;
#[allow(unused_imports)]
use wsk_sys::*;

#[provider_table(WSK_PROVIDER_LISTEN_DISPATCH, of_socket)]
struct Listen {
    WskBind: usize,
    WskAccept: fn(PWSK_SOCKET, irp: PIRP),
    WskInspectComplete: fn(socket: PWSK_SOCKET, #[ignored] flags: ULONG, irp: PIRP),
    WskGetLocalAddress: fn(socket: PWSK_SOCKET, local_address: PSOCKADDR, irp: PIRP) -> NTSTATUS,
}

fn main() {}
