use wsk_macros::provider_table;
#[allow(unused_imports)]
use wsk_sys::*;

#[provider_table(WSK_PROVIDER_LISTEN_DISPATCH, of_socket)]
struct Listen {
    WskBind: fn(socket: PWSK_SOCKET, local_address: PSOCKADDR, #[reserved] flags: ULONG, irp: PIRP),
}

unsafe fn bind(listen: Listen, address: PSOCKADDR, irp: PIRP) -> NTSTATUS {
    unsafe { listen.bind(address, 1, irp) }
}

fn main() {}
