//! The provider's tables, as long as a Windows has them.
//!
//! A table is never shorter in memory than the type that a client may have been compiled with. What the
//! chosen Windows lacks is there as a function that stops the process: a client that calls it would have
//! read beyond the end of the real table (INV-8).

use wsk_sys::ctypes::c_void;
use wsk_sys::{
    WSK_PROVIDER_BASIC_DISPATCH, WSK_PROVIDER_CONNECTION_DISPATCH, WSK_PROVIDER_DATAGRAM_DISPATCH,
    WSK_PROVIDER_DISPATCH, WSK_PROVIDER_LISTEN_DISPATCH, WSK_PROVIDER_STREAM_DISPATCH,
};

use super::calls::{basic, bytes, client, datagram, listen, missing, names};
use super::category::{self, Category};
use super::registration::VERSION;
use crate::config::Windows;

const fn basic_of<const C: Category>() -> WSK_PROVIDER_BASIC_DISPATCH {
    WSK_PROVIDER_BASIC_DISPATCH {
        WskControlSocket: Some(basic::control_socket::<C>),
        WskCloseSocket: Some(basic::close_socket::<C>),
    }
}

static BASIC: WSK_PROVIDER_BASIC_DISPATCH = basic_of::<{ category::BASIC }>();

static LISTEN: WSK_PROVIDER_LISTEN_DISPATCH = {
    const C: Category = category::LISTEN;
    WSK_PROVIDER_LISTEN_DISPATCH {
        Basic: basic_of::<C>(),
        WskBind: Some(basic::bind::<C>),
        WskAccept: Some(listen::accept::<C>),
        WskInspectComplete: Some(listen::inspect_complete::<C>),
        WskGetLocalAddress: Some(basic::get_local_address::<C>),
    }
};

const fn datagram_of(windows: Windows) -> WSK_PROVIDER_DATAGRAM_DISPATCH {
    const C: Category = category::DATAGRAM;
    let has_messages = at_least(windows, Windows::EIGHT);
    WSK_PROVIDER_DATAGRAM_DISPATCH {
        Basic: basic_of::<C>(),
        WskBind: Some(basic::bind::<C>),
        WskSendTo: Some(datagram::send_to::<C>),
        WskReceiveFrom: Some(datagram::receive_from::<C>),
        WskRelease: Some(datagram::release::<C>),
        WskGetLocalAddress: Some(basic::get_local_address::<C>),
        WskSendMessages: Some(if has_messages {
            datagram::send_messages::<C>
        } else {
            missing::send_messages
        }),
    }
}

const fn connection_of(windows: Windows) -> WSK_PROVIDER_CONNECTION_DISPATCH {
    const C: Category = category::CONNECTION;
    let has_connect = at_least(windows, Windows::TEN_1703);
    let has_more = at_least(windows, Windows::TEN_1803);
    WSK_PROVIDER_CONNECTION_DISPATCH {
        Basic: basic_of::<C>(),
        WskBind: Some(basic::bind::<C>),
        WskConnect: Some(bytes::connect::<C>),
        WskGetLocalAddress: Some(basic::get_local_address::<C>),
        WskGetRemoteAddress: Some(bytes::get_remote_address::<C>),
        WskSend: Some(bytes::send::<C>),
        WskReceive: Some(bytes::receive::<C>),
        WskDisconnect: Some(bytes::disconnect::<C>),
        WskRelease: Some(bytes::release::<C>),
        WskConnectEx: Some(if has_connect { bytes::connect_ex::<C> } else { missing::connect_ex }),
        WskSendEx: Some(if has_more { bytes::send_ex::<C> } else { missing::send_ex }),
        WskReceiveEx: Some(if has_more { bytes::receive_ex::<C> } else { missing::receive_ex }),
    }
}

const fn stream_of(windows: Windows) -> WSK_PROVIDER_STREAM_DISPATCH {
    const C: Category = category::STREAM;
    let has_more = at_least(windows, Windows::TEN_1803);
    WSK_PROVIDER_STREAM_DISPATCH {
        Basic: basic_of::<C>(),
        WskBind: Some(basic::bind::<C>),
        WskAccept: Some(listen::accept::<C>),
        WskConnect: Some(bytes::connect::<C>),
        WskListen: Some(listen::listen::<C>),
        WskSend: Some(bytes::send::<C>),
        WskReceive: Some(bytes::receive::<C>),
        WskDisconnect: Some(bytes::disconnect::<C>),
        WskRelease: Some(bytes::release::<C>),
        WskGetLocalAddress: Some(basic::get_local_address::<C>),
        WskGetRemoteAddress: Some(bytes::get_remote_address::<C>),
        WskConnectEx: Some(bytes::connect_ex::<C>),
        WskSendEx: Some(if has_more { bytes::send_ex::<C> } else { missing::send_ex }),
        WskReceiveEx: Some(if has_more { bytes::receive_ex::<C> } else { missing::receive_ex }),
    }
}

const fn provider_of(windows: Windows) -> WSK_PROVIDER_DISPATCH {
    let has_names = at_least(windows, Windows::SEVEN);
    WSK_PROVIDER_DISPATCH {
        Version: VERSION,
        Reserved: 0,
        WskSocket: Some(client::socket),
        WskSocketConnect: Some(client::socket_connect),
        WskControlClient: Some(client::control_client),
        WskGetAddressInfo: Some(if has_names {
            names::get_address_info
        } else {
            missing::get_address_info
        }),
        WskFreeAddressInfo: Some(if has_names {
            names::free_address_info
        } else {
            missing::free_address_info
        }),
        WskGetNameInfo: Some(if has_names { names::get_name_info } else { missing::get_name_info }),
    }
}

const fn at_least(windows: Windows, since: Windows) -> bool {
    let [have, need] = [windows, since];
    if have.major != need.major {
        return have.major > need.major;
    }
    if have.minor != need.minor {
        return have.minor > need.minor;
    }
    have.build >= need.build
}

/// One of a table's lengths, and the Windows since which it has it: the newest first.
struct Since<T: 'static>(Windows, &'static T);

fn choose<T>(tables: &[Since<T>], windows: Windows) -> *const T {
    let table = tables.iter().find(|table| windows >= table.0);
    std::ptr::from_ref(table.map_or(tables[tables.len() - 1].1, |table| table.1))
}

static DATAGRAM: [Since<WSK_PROVIDER_DATAGRAM_DISPATCH>; 2] = {
    static NEW: WSK_PROVIDER_DATAGRAM_DISPATCH = datagram_of(Windows::EIGHT);
    static OLD: WSK_PROVIDER_DATAGRAM_DISPATCH = datagram_of(Windows::VISTA);
    [Since(Windows::EIGHT, &NEW), Since(Windows::VISTA, &OLD)]
};

static CONNECTION: [Since<WSK_PROVIDER_CONNECTION_DISPATCH>; 3] = {
    static NEW: WSK_PROVIDER_CONNECTION_DISPATCH = connection_of(Windows::TEN_1803);
    static MIDDLE: WSK_PROVIDER_CONNECTION_DISPATCH = connection_of(Windows::TEN_1703);
    static OLD: WSK_PROVIDER_CONNECTION_DISPATCH = connection_of(Windows::VISTA);
    [Since(Windows::TEN_1803, &NEW), Since(Windows::TEN_1703, &MIDDLE), Since(Windows::VISTA, &OLD)]
};

static STREAM: [Since<WSK_PROVIDER_STREAM_DISPATCH>; 2] = {
    static NEW: WSK_PROVIDER_STREAM_DISPATCH = stream_of(Windows::TEN_1803);
    static OLD: WSK_PROVIDER_STREAM_DISPATCH = stream_of(Windows::TEN_1703);
    [Since(Windows::TEN_1803, &NEW), Since(Windows::TEN_1703, &OLD)]
};

static PROVIDER: [Since<WSK_PROVIDER_DISPATCH>; 2] = {
    static NEW: WSK_PROVIDER_DISPATCH = provider_of(Windows::SEVEN);
    static OLD: WSK_PROVIDER_DISPATCH = provider_of(Windows::VISTA);
    [Since(Windows::SEVEN, &NEW), Since(Windows::VISTA, &OLD)]
};

/// The table of a category's sockets.
pub(super) fn of(category: Category, windows: Windows) -> *const c_void {
    match category {
        category::BASIC => (&raw const BASIC).cast(),
        category::LISTEN => (&raw const LISTEN).cast(),
        category::DATAGRAM => choose(&DATAGRAM, windows).cast(),
        category::CONNECTION => choose(&CONNECTION, windows).cast(),
        _ => choose(&STREAM, windows).cast(),
    }
}

/// The table that a capture gives.
pub(super) fn provider(windows: Windows) -> *const WSK_PROVIDER_DISPATCH {
    choose(&PROVIDER, windows)
}
