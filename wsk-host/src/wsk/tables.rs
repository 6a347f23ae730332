//! The provider's tables, as long as a Windows has them.
//!
//! A table is never shorter in memory than the type that a client may have been compiled with. The slots that
//! the chosen Windows lacks hold functions that stop the process: a client that calls one would have read beyond the
//! end of the real table ([INV-8](crate::rules#inv-8)). The lengths are in `wsk_sys::since`.

use std::mem::offset_of;

use wsk_sys::ctypes::c_void;
use wsk_sys::since::{self, TableLength, WindowsVersion, lengths};
use wsk_sys::{
    WSK_PROVIDER_BASIC_DISPATCH, WSK_PROVIDER_CONNECTION_DISPATCH, WSK_PROVIDER_DATAGRAM_DISPATCH,
    WSK_PROVIDER_DISPATCH, WSK_PROVIDER_LISTEN_DISPATCH, WSK_PROVIDER_STREAM_DISPATCH,
};

use super::calls::{basic, connection, datagram, listen, names, provider, unavailable};
use super::category::{self, Category};
use super::client::VERSION;
use crate::kernel::config::Windows;

/// A table as a Windows has it. A slot that came later than the table has a second function, which stands
/// there before: that no other slot came later is checked when this is compiled.
macro_rules! table {
    (
        $table:ident, $windows:ident { $($field:ident = $value:expr,)* }
        $($slot:ident: $function:path $(| $unavailable:path)?,)*
    ) => {
        $table {
            $($field: $value,)*
            $($slot: Some(table!(@ $table, $windows, $slot, $function $(, $unavailable)?)),)*
        }
    };
    (@ $table:ident, $windows:ident, $slot:ident, $function:path) => {{
        const {
            assert!(
                offset_of!($table, $slot) < lengths::$table[0].bytes,
                "a slot that came later needs a function that stands there before"
            )
        };
        $function
    }};
    (@ $table:ident, $windows:ident, $slot:ident, $function:path, $unavailable:path) => {
        if offset_of!($table, $slot) < since::length(&lengths::$table, $windows) {
            $function
        } else {
            $unavailable
        }
    };
}

/// All lengths that a table has had.
macro_rules! tables {
    ($($name:ident: $table:ident by $make:path,)*) => {$(
        static $name: [$table; lengths::$table.len()] = {
            let mut tables = [$make(lengths::$table[0].since); lengths::$table.len()];
            let mut at = 1;
            while at < tables.len() {
                tables[at] = $make(lengths::$table[at].since);
                at += 1;
            }
            tables
        };
    )*};
}

tables! {
    PROVIDER: WSK_PROVIDER_DISPATCH by provider_of,
    BASIC: WSK_PROVIDER_BASIC_DISPATCH by basic_of::<{ category::BASIC }>,
    LISTEN: WSK_PROVIDER_LISTEN_DISPATCH by listen_of,
    DATAGRAM: WSK_PROVIDER_DATAGRAM_DISPATCH by datagram_of,
    CONNECTION: WSK_PROVIDER_CONNECTION_DISPATCH by connection_of,
    STREAM: WSK_PROVIDER_STREAM_DISPATCH by stream_of,
}

const fn provider_of(windows: WindowsVersion) -> WSK_PROVIDER_DISPATCH {
    table! {
        WSK_PROVIDER_DISPATCH, windows { Version = VERSION, Reserved = 0, }
        WskSocket: provider::socket,
        WskSocketConnect: provider::socket_connect,
        WskControlClient: provider::control_client,
        WskGetAddressInfo: names::get_address_info | unavailable::get_address_info,
        WskFreeAddressInfo: names::free_address_info | unavailable::free_address_info,
        WskGetNameInfo: names::get_name_info | unavailable::get_name_info,
    }
}

const fn basic_of<const C: Category>(_windows: WindowsVersion) -> WSK_PROVIDER_BASIC_DISPATCH {
    table! {
        WSK_PROVIDER_BASIC_DISPATCH, _windows {}
        WskControlSocket: basic::control_socket::<C>,
        WskCloseSocket: basic::close_socket::<C>,
    }
}

const fn listen_of(windows: WindowsVersion) -> WSK_PROVIDER_LISTEN_DISPATCH {
    const C: Category = category::LISTEN;
    table! {
        WSK_PROVIDER_LISTEN_DISPATCH, windows { Basic = basic_of::<C>(windows), }
        WskBind: basic::bind::<C>,
        WskAccept: listen::accept::<C>,
        WskInspectComplete: listen::inspect_complete::<C>,
        WskGetLocalAddress: basic::get_local_address::<C>,
    }
}

const fn datagram_of(windows: WindowsVersion) -> WSK_PROVIDER_DATAGRAM_DISPATCH {
    const C: Category = category::DATAGRAM;
    table! {
        WSK_PROVIDER_DATAGRAM_DISPATCH, windows { Basic = basic_of::<C>(windows), }
        WskBind: basic::bind::<C>,
        WskSendTo: datagram::send_to::<C>,
        WskReceiveFrom: datagram::receive_from::<C>,
        WskRelease: datagram::release::<C>,
        WskGetLocalAddress: basic::get_local_address::<C>,
        WskSendMessages: datagram::send_messages::<C> | unavailable::send_messages,
    }
}

const fn connection_of(windows: WindowsVersion) -> WSK_PROVIDER_CONNECTION_DISPATCH {
    const C: Category = category::CONNECTION;
    table! {
        WSK_PROVIDER_CONNECTION_DISPATCH, windows { Basic = basic_of::<C>(windows), }
        WskBind: basic::bind::<C>,
        WskConnect: connection::connect::<C>,
        WskGetLocalAddress: basic::get_local_address::<C>,
        WskGetRemoteAddress: connection::get_remote_address::<C>,
        WskSend: connection::send::<C>,
        WskReceive: connection::receive::<C>,
        WskDisconnect: connection::disconnect::<C>,
        WskRelease: connection::release::<C>,
        WskConnectEx: connection::connect_ex::<C> | unavailable::connect_ex,
        WskSendEx: connection::send_ex::<C> | unavailable::send_ex,
        WskReceiveEx: connection::receive_ex::<C> | unavailable::receive_ex,
    }
}

const fn stream_of(windows: WindowsVersion) -> WSK_PROVIDER_STREAM_DISPATCH {
    const C: Category = category::STREAM;
    table! {
        WSK_PROVIDER_STREAM_DISPATCH, windows { Basic = basic_of::<C>(windows), }
        WskBind: basic::bind::<C>,
        WskAccept: listen::accept::<C>,
        WskConnect: connection::connect::<C>,
        WskListen: listen::listen::<C>,
        WskSend: connection::send::<C>,
        WskReceive: connection::receive::<C>,
        WskDisconnect: connection::disconnect::<C>,
        WskRelease: connection::release::<C>,
        WskGetLocalAddress: basic::get_local_address::<C>,
        WskGetRemoteAddress: connection::get_remote_address::<C>,
        WskConnectEx: connection::connect_ex::<C>,
        WskSendEx: connection::send_ex::<C> | unavailable::send_ex,
        WskReceiveEx: connection::receive_ex::<C> | unavailable::receive_ex,
    }
}

/// The table that a Windows has: the shortest, if it is older than all.
fn choose<T>(tables: &'static [T], lengths: &[TableLength], windows: Windows) -> &'static T {
    let newest = lengths.iter().rposition(|length| windows.has(length.since));
    &tables[newest.unwrap_or(0)]
}

macro_rules! choose {
    ($tables:ident, $table:ident, $windows:expr) => {
        std::ptr::from_ref(choose(&$tables, &lengths::$table, $windows))
    };
}

/// The table of a category's sockets.
pub(super) fn of(category: Category, windows: Windows) -> *const c_void {
    match category {
        category::BASIC => choose!(BASIC, WSK_PROVIDER_BASIC_DISPATCH, windows).cast(),
        category::LISTEN => choose!(LISTEN, WSK_PROVIDER_LISTEN_DISPATCH, windows).cast(),
        category::DATAGRAM => choose!(DATAGRAM, WSK_PROVIDER_DATAGRAM_DISPATCH, windows).cast(),
        category::CONNECTION => {
            choose!(CONNECTION, WSK_PROVIDER_CONNECTION_DISPATCH, windows).cast()
        }
        _ => choose!(STREAM, WSK_PROVIDER_STREAM_DISPATCH, windows).cast(),
    }
}

/// The table that a capture gives.
pub(super) fn provider(windows: Windows) -> *const WSK_PROVIDER_DISPATCH {
    choose!(PROVIDER, WSK_PROVIDER_DISPATCH, windows)
}
