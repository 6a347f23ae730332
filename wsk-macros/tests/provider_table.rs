//! `#[provider_table]`: its expansion, and its error messages.

#![allow(non_camel_case_types, non_snake_case, reason = "tables are C's")]
#![allow(clippy::used_underscore_binding, reason = "a parameter is named as the macro's own")]
#![allow(clippy::multiple_unsafe_ops_per_block, reason = "raw calls, one after the other")]

use std::mem::MaybeUninit;
use std::ptr;

use wsk_macros::provider_table;
use wsk_sys::{
    NTSTATUS, PIRP, PSOCKADDR, PVOID, PWSK_INSPECT_ID, PWSK_SOCKET, STATUS_NOT_IMPLEMENTED,
    STATUS_SUCCESS, ULONG, USHORT, WSK_CLIENT_CONNECTION_DISPATCH, WSK_INSPECT_ACTION,
    WSK_PROVIDER_LISTEN_DISPATCH, WSK_SOCKET,
};

/// A table that begins with another.
#[provider_table(WSK_PROVIDER_LISTEN_DISPATCH, of_socket)]
struct ListenDispatch {
    Basic: wsk::dispatch::BasicDispatch,
    WskBind: fn(socket: PWSK_SOCKET, local_address: PSOCKADDR, #[reserved] flags: ULONG, irp: PIRP),
    WskAccept: fn(
        socket: PWSK_SOCKET,
        #[reserved] flags: ULONG,
        context: PVOID,
        dispatch: *const WSK_CLIENT_CONNECTION_DISPATCH,
        local_address: PSOCKADDR,
        remote_address: PSOCKADDR,
        irp: PIRP,
    ),
    WskInspectComplete:
        fn(socket: PWSK_SOCKET, id: PWSK_INSPECT_ID, action: WSK_INSPECT_ACTION, irp: PIRP),
    WskGetLocalAddress: fn(socket: PWSK_SOCKET, local_address: PSOCKADDR, irp: PIRP),
}

/// A table of an interface that WSK does not have, as its extensions would: values first, functions that
/// some systems lack, one that returns nothing.
#[repr(C)]
#[derive(Clone, Copy)]
struct EXTENSION_DISPATCH {
    Version: USHORT,
    Reserved: USHORT,
    ExtStart: Option<unsafe extern "C" fn(context: PVOID, flags: ULONG, irp: PIRP) -> NTSTATUS>,
    ExtStop: Option<unsafe extern "C" fn(context: PVOID)>,
}

#[derive(Clone, Copy)]
struct Stops(());

bitflags::bitflags! {
    #[derive(Clone, Copy)]
    struct StartFlags: ULONG {
        const SLOWLY = 4;
    }
}

#[provider_table(EXTENSION_DISPATCH)]
struct Extension {
    Version: USHORT,
    #[reserved]
    Reserved: USHORT,
    ExtStart: fn(context: PVOID, #[flags] flags: StartFlags, #[reserved] irp: PIRP),
    #[since(Stops)]
    ExtStop: fn(context: PVOID) -> (),
}

unsafe extern "C" fn start(context: PVOID, flags: ULONG, irp: PIRP) -> NTSTATUS {
    assert!(irp.is_null());
    // SAFETY: the test passes a number.
    unsafe { context.cast::<ULONG>().write(flags) };
    STATUS_SUCCESS
}

unsafe extern "C" fn stop(context: PVOID) {
    // SAFETY: the test passes a number.
    unsafe { context.cast::<ULONG>().write(7) };
}

#[test]
fn a_table_of_another_interface_is_called_in_the_same_way() {
    let table =
        EXTENSION_DISPATCH { Version: 3, Reserved: 0, ExtStart: Some(start), ExtStop: Some(stop) };
    // SAFETY: it is a table.
    let extension = unsafe { Extension::from_raw(&raw const table) };
    assert_eq!(extension.version(), 3);
    let mut number: ULONG = 0;
    let context: PVOID = (&raw mut number).cast();
    // SAFETY: the functions take a pointer to a number.
    unsafe {
        assert_eq!(extension.ext_start(context, StartFlags::SLOWLY), STATUS_SUCCESS);
        assert_eq!(context.cast::<ULONG>().read(), 4);
        extension.ext_stop(Stops(()), context);
        assert_eq!(context.cast::<ULONG>().read(), 7);
    }
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
    // The slots that all tables begin with are called in the same way.
    // SAFETY: the slot is null.
    assert_eq!(unsafe { dispatch.close_socket(irp) }, STATUS_NOT_IMPLEMENTED);
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

/// A table whose names are those that the macro uses itself, with slots that have conditions.
#[repr(C)]
#[derive(Clone, Copy)]
struct NAMES_DISPATCH {
    table: Option<unsafe extern "C" fn(context: PVOID, slot: ULONG, function: PIRP) -> NTSTATUS>,
    #[cfg(not(test))]
    Missing: Option<unsafe extern "C" fn() -> NTSTATUS>,
    WskType: Option<unsafe extern "C" fn(slot: PVOID) -> NTSTATUS>,
    Own: USHORT,
}

#[provider_table(NAMES_DISPATCH)]
struct Names {
    table: fn(table: PVOID, slot: ULONG, function: PIRP),
    #[cfg(not(test))]
    Missing: fn(),
    #[cfg(test)]
    #[since(Stops)]
    WskType: fn(_has: PVOID),
    Own: wsk_sys::USHORT,
}

/// Macros can make declarations, and parts of them.
#[test]
fn a_macro_can_declare_a_table() {
    macro_rules! declare {
        ($name:ident, $table:path, $slot:ident: $function:ty) => {
            #[provider_table($table)]
            struct $name {
                $slot: $function,
            }
        };
    }

    #[repr(C)]
    struct ONE_DISPATCH {
        One: Option<unsafe extern "C" fn(PVOID) -> NTSTATUS>,
    }

    declare!(One, ONE_DISPATCH, One: fn(context: PVOID));

    let table = ONE_DISPATCH { One: None };
    // SAFETY: it is a table.
    let one = unsafe { One::from_raw(&raw const table) };
    // SAFETY: there is no function that would take the argument.
    assert_eq!(unsafe { one.one(ptr::null_mut()) }, STATUS_NOT_IMPLEMENTED);
}

#[test]
fn parameter_names_never_clash() {
    unsafe extern "C" fn ping(context: PVOID, slot: ULONG, function: PIRP) -> NTSTATUS {
        assert_eq!((context.addr(), slot, function.addr()), (8, 9, 10));
        STATUS_SUCCESS
    }
    unsafe extern "C" fn pong(slot: PVOID) -> NTSTATUS {
        assert_eq!(slot.addr(), 11);
        STATUS_SUCCESS
    }
    let table = NAMES_DISPATCH { table: Some(ping), WskType: Some(pong), Own: 3 };
    // SAFETY: it is a table.
    let names = unsafe { Names::from_raw(&raw const table) };
    // SAFETY: the functions take any arguments.
    unsafe {
        let [first, third] = [8, 10].map(ptr::without_provenance_mut::<()>);
        assert_eq!(names.table(first.cast(), 9, third.cast()), STATUS_SUCCESS);
        let pointer: PVOID = ptr::without_provenance_mut(11);
        assert_eq!(names.r#type(Stops(()), pointer), STATUS_SUCCESS);
    }
    assert_eq!(names.own(), 3);
}

#[test]
#[cfg(not(miri))]
fn mistakes_are_explained_where_they_are() {
    test_support::mistakes!("tests/provider_table");
}
