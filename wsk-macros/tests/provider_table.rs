//! `#[provider_table]`: what it makes, and what it says of mistakes.

use std::mem::MaybeUninit;
use std::ptr;

use wsk_macros::provider_table;
use wsk_sys::{
    NTSTATUS, PIRP, PSOCKADDR, PWSK_SOCKET, STATUS_NOT_IMPLEMENTED, STATUS_SUCCESS, ULONG,
    WSK_PROVIDER_LISTEN_DISPATCH, WSK_SOCKET,
};

/// Two slots of a table that has more.
#[provider_table(WSK_PROVIDER_LISTEN_DISPATCH, of_socket)]
struct ListenDispatch {
    WskBind: fn(socket: PWSK_SOCKET, local_address: PSOCKADDR, #[reserved] flags: ULONG, irp: PIRP),
    WskGetLocalAddress: fn(socket: PWSK_SOCKET, local_address: PSOCKADDR, irp: PIRP),
}

/// A table by its address, and not a socket's.
#[provider_table(WSK_PROVIDER_LISTEN_DISPATCH)]
struct Table {
    WskBind: fn(socket: PWSK_SOCKET, local_address: PSOCKADDR, #[reserved] flags: ULONG, irp: PIRP),
}

unsafe extern "C" fn bind(
    socket: PWSK_SOCKET,
    local_address: PSOCKADDR,
    flags: ULONG,
    irp: PIRP,
) -> NTSTATUS {
    assert!(!socket.is_null());
    assert_eq!((local_address.addr(), flags, irp.addr()), (1, 0, 2));
    STATUS_SUCCESS
}

fn table() -> WSK_PROVIDER_LISTEN_DISPATCH {
    // SAFETY: a slot of zeroes is null.
    let mut table: WSK_PROVIDER_LISTEN_DISPATCH = unsafe { MaybeUninit::zeroed().assume_init() };
    table.WskBind = Some(bind);
    table
}

#[test]
fn a_method_calls_its_slot_with_the_socket_and_without_what_is_reserved() {
    let table = table();
    let mut socket = WSK_SOCKET { Dispatch: (&raw const table).cast() };
    let (address, irp) = (ptr::without_provenance_mut(1), ptr::without_provenance_mut(2));
    // SAFETY: the socket has this table.
    let dispatch = unsafe { ListenDispatch::of(&raw mut socket) };
    // SAFETY: the function takes any arguments.
    assert_eq!(unsafe { dispatch.bind(address, irp) }, STATUS_SUCCESS);
    // SAFETY: it is a table.
    let by_address = unsafe { Table::from_raw(&raw const table) };
    // SAFETY: the function takes any arguments.
    assert_eq!(unsafe { by_address.bind(&raw mut socket, address, irp) }, STATUS_SUCCESS);
}

#[test]
fn a_slot_that_is_null_is_not_implemented() {
    let table = table();
    let mut socket = WSK_SOCKET { Dispatch: (&raw const table).cast() };
    // SAFETY: the socket has this table.
    let dispatch = unsafe { ListenDispatch::of(&raw mut socket) };
    // SAFETY: there is no function that would take the arguments.
    let status = unsafe { dispatch.get_local_address(ptr::null_mut(), ptr::null_mut()) };
    assert_eq!(status, STATUS_NOT_IMPLEMENTED);
}

/// The running system's table may end right after the slot that is called (INV-8). Under Miri, a read
/// beyond it fails.
#[test]
fn nothing_beyond_a_slot_is_read() {
    #[repr(C)]
    struct Short {
        basic: wsk_sys::WSK_PROVIDER_BASIC_DISPATCH,
        bind: wsk_sys::PFN_WSK_BIND,
    }

    let whole = table();
    let short = Box::new(Short { basic: whole.Basic, bind: whole.WskBind });
    let mut socket = WSK_SOCKET { Dispatch: (&raw const *short).cast() };
    let (address, irp) = (ptr::without_provenance_mut(1), ptr::without_provenance_mut(2));
    // SAFETY: the socket has the beginning of such a table.
    let dispatch = unsafe { ListenDispatch::of(&raw mut socket) };
    // SAFETY: the table has this slot, whose function takes any arguments.
    assert_eq!(unsafe { dispatch.bind(address, irp) }, STATUS_SUCCESS);
}

#[test]
#[cfg(not(miri))]
fn mistakes_are_explained_where_they_are() {
    trybuild::TestCases::new().compile_fail("tests/provider_table/*.rs");
}
