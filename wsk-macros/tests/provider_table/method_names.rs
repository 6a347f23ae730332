//! Slots whose methods have no name, or that of another.

use wsk::sys::{NTSTATUS, PVOID, PWSK_SOCKET, USHORT};

type Function = Option<unsafe extern "C" fn(PVOID) -> NTSTATUS>;

#[repr(C)]
pub struct NAMES {
    pub Wsk: Function,
    pub Wsk_: Function,
    pub Wsk2Ping: Function,
    pub WskSelf: Function,
    pub WskFromRaw: Function,
    pub WskPing: Function,
    pub Ping: Function,
    pub Version: USHORT,
    pub version: Function,
}

#[wsk::provider_table(NAMES)]
pub struct Names {
    Wsk: fn(context: PVOID),
    Wsk_: fn(context: PVOID),
    Wsk2Ping: fn(context: PVOID),
    WskSelf: fn(context: PVOID),
    WskFromRaw: fn(context: PVOID),
    WskPing: fn(context: PVOID),
    Ping: fn(context: PVOID),
    Version: USHORT,
    version: fn(context: PVOID),
}

#[repr(C)]
pub struct OF_SOCKET {
    pub WskSocket: Option<unsafe extern "C" fn(PWSK_SOCKET) -> NTSTATUS>,
}

#[wsk::provider_table(OF_SOCKET, of_socket)]
pub struct OfSocket {
    WskSocket: fn(socket: PWSK_SOCKET),
}

fn main() {}
