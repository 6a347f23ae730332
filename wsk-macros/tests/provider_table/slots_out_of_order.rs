#![allow(unused_imports)]

use wsk::sys::*;
use wsk_macros::provider_table;

#[provider_table(WSK_PROVIDER_BASIC_DISPATCH, of_socket)]
struct Basic {
    WskCloseSocket: fn(socket: PWSK_SOCKET, irp: PIRP),
    WskControlSocket: fn(socket: PWSK_SOCKET, request_type: WSK_CONTROL_SOCKET_TYPE, control_code: ULONG, level: ULONG, input_size: SIZE_T, input: PVOID, output_size: SIZE_T, output: PVOID, returned: PSIZE_T, irp: PIRP),
}

fn main() {}
