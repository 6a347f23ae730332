//! The provider's tables, as long as a Windows has them.
//!
//! A table is never shorter in memory than the type that a client may have been compiled with. The slots that
//! the chosen Windows lacks hold functions that stop the process: a client that calls one would have read beyond the
//! end of the real table ([INV-8](crate::rules#inv-8)). The lengths are in `wsk_sys::since`.

use std::mem::offset_of;
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
use std::sync::LazyLock;

use wsk_sys::ctypes::c_void;
use wsk_sys::since::{self, TableLength, WindowsVersion, lengths};
use wsk_sys::{
    WSK_PROVIDER_BASIC_DISPATCH, WSK_PROVIDER_CONNECTION_DISPATCH, WSK_PROVIDER_DATAGRAM_DISPATCH,
    WSK_PROVIDER_DISPATCH, WSK_PROVIDER_LISTEN_DISPATCH, WSK_PROVIDER_STREAM_DISPATCH,
};

use super::calls::{basic, connection, datagram, listen, names, provider, unavailable};
use super::category::{self, Category};
use super::client::VERSION;
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
use crate::kernel::abi::HostFunction;
use crate::kernel::config::Windows;

/// A table of a specific Windows. A slot that is newer than the table has a second function, for
/// older versions. The compiler checks that every newer slot has one.
macro_rules! table {
    (
        $(#[$attribute:meta])*
        fn $make:ident $(<$category:ident>)? ($windows:ident) -> $table:ident
            { $($field:ident = $value:expr,)* }
        $($slot:ident: $function:path $(| $unavailable:path)?,)*
    ) => {
        $(#[$attribute])*
        const fn $make $(<const $category: Category>)? ($windows: WindowsVersion) -> $table {
            $table {
                $($field: $value,)*
                $($slot: Some(table!(@ $table, $windows, $slot, $function $(, $unavailable)?)),)*
            }
        }

        #[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
        impl for_images::Table for $table {
            fn each_function(&mut self, visitor: &mut impl for_images::Visitor) {
                $(for_images::Table::each_function(&mut self.$field, visitor);)*
                $(visitor.visit(&mut self.$slot);)*
            }
        }
    };
    (@ $table:ident, $windows:ident, $slot:ident, $function:path) => {{
        const {
            assert!(
                offset_of!($table, $slot) < lengths::$table[0].bytes,
                "a slot that is newer than its table needs a function for older Windows, in `unavailable`"
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
    ($($name:ident: $table:ident by $make:path,)*) => {
        #[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
        #[expect(unsafe_code, reason = "a list is a section of the program")]
        mod images {
            use super::*;

            #[linkme::distributed_slice(crate::kernel::abi::entry_points::TABLE_FUNCTIONS)]
            static FUNCTIONS: fn(&mut Vec<HostFunction>) = |functions| {
                $(for_images::collect(&super::$name, functions);)*
            };

            $(pub(super) static $name: LazyLock<[$table; lengths::$table.len()]> =
                LazyLock::new(|| for_images::convert(&super::$name));)*
        }

        $(        static $name: [$table; lengths::$table.len()] = {
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

table! {
        fn provider_of(windows) -> WSK_PROVIDER_DISPATCH { Version = VERSION, Reserved = 0, }
        WskSocket: provider::socket,
        WskSocketConnect: provider::socket_connect,
        WskControlClient: provider::control_client,
        WskGetAddressInfo: names::get_address_info | unavailable::get_address_info,
        WskFreeAddressInfo: names::free_address_info | unavailable::free_address_info,
        WskGetNameInfo: names::get_name_info | unavailable::get_name_info,
}

table! {
        fn basic_of<C>(_windows) -> WSK_PROVIDER_BASIC_DISPATCH {}
        WskControlSocket: basic::control_socket::<C>,
        WskCloseSocket: basic::close_socket::<C>,
}

table! {
        fn listen_of(windows) -> WSK_PROVIDER_LISTEN_DISPATCH { Basic = basic_of::<{ category::LISTEN }>(windows), }
        WskBind: basic::bind::<{ category::LISTEN }>,
        WskAccept: listen::accept::<{ category::LISTEN }>,
        WskInspectComplete: listen::inspect_complete::<{ category::LISTEN }>,
        WskGetLocalAddress: basic::get_local_address::<{ category::LISTEN }>,
}

table! {
        fn datagram_of(windows) -> WSK_PROVIDER_DATAGRAM_DISPATCH { Basic = basic_of::<{ category::DATAGRAM }>(windows), }
        WskBind: basic::bind::<{ category::DATAGRAM }>,
        WskSendTo: datagram::send_to::<{ category::DATAGRAM }>,
        WskReceiveFrom: datagram::receive_from::<{ category::DATAGRAM }>,
        WskRelease: datagram::release::<{ category::DATAGRAM }>,
        WskGetLocalAddress: basic::get_local_address::<{ category::DATAGRAM }>,
        WskSendMessages: datagram::send_messages::<{ category::DATAGRAM }> | unavailable::send_messages,
}

table! {
        fn connection_of(windows) -> WSK_PROVIDER_CONNECTION_DISPATCH { Basic = basic_of::<{ category::CONNECTION }>(windows), }
        WskBind: basic::bind::<{ category::CONNECTION }>,
        WskConnect: connection::connect::<{ category::CONNECTION }>,
        WskGetLocalAddress: basic::get_local_address::<{ category::CONNECTION }>,
        WskGetRemoteAddress: connection::get_remote_address::<{ category::CONNECTION }>,
        WskSend: connection::send::<{ category::CONNECTION }>,
        WskReceive: connection::receive::<{ category::CONNECTION }>,
        WskDisconnect: connection::disconnect::<{ category::CONNECTION }>,
        WskRelease: connection::release::<{ category::CONNECTION }>,
        WskConnectEx: connection::connect_ex::<{ category::CONNECTION }> | unavailable::connect_ex,
        WskSendEx: connection::send_ex::<{ category::CONNECTION }> | unavailable::send_ex,
        WskReceiveEx: connection::receive_ex::<{ category::CONNECTION }> | unavailable::receive_ex,
}

table! {
        fn stream_of(windows) -> WSK_PROVIDER_STREAM_DISPATCH { Basic = basic_of::<{ category::STREAM }>(windows), }
        WskBind: basic::bind::<{ category::STREAM }>,
        WskAccept: listen::accept::<{ category::STREAM }>,
        WskConnect: connection::connect::<{ category::STREAM }>,
        WskListen: listen::listen::<{ category::STREAM }>,
        WskSend: connection::send::<{ category::STREAM }>,
        WskReceive: connection::receive::<{ category::STREAM }>,
        WskDisconnect: connection::disconnect::<{ category::STREAM }>,
        WskRelease: connection::release::<{ category::STREAM }>,
        WskGetLocalAddress: basic::get_local_address::<{ category::STREAM }>,
        WskGetRemoteAddress: connection::get_remote_address::<{ category::STREAM }>,
        WskConnectEx: connection::connect_ex::<{ category::STREAM }>,
        WskSendEx: connection::send_ex::<{ category::STREAM }> | unavailable::send_ex,
        WskReceiveEx: connection::receive_ex::<{ category::STREAM }> | unavailable::receive_ex,
}

/// The table that a Windows has: the shortest, if it is older than all.
fn choose<T>(tables: &'static [T], lengths: &[TableLength], windows: Windows) -> &'static T {
    let newest = lengths.iter().rposition(|length| windows.has(length.since));
    &tables[newest.unwrap_or(0)]
}

/// Chooses a table, for a client that is an image or linked.
macro_rules! choose {
    ($tables:ident, $table:ident, $windows:expr, $is_image:expr) => {{
        #[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
        let tables = if $is_image { &*images::$tables } else { &$tables };
        #[cfg(not(all(target_os = "linux", target_arch = "x86_64", not(miri))))]
        let (tables, _) = (&$tables, $is_image);
        std::ptr::from_ref(choose(tables, &lengths::$table, $windows))
    }};
}

/// The table of a category's sockets, for a client that is an image or linked.
pub(super) fn of(category: Category, windows: Windows, is_image: bool) -> *const c_void {
    match category {
        category::BASIC => choose!(BASIC, WSK_PROVIDER_BASIC_DISPATCH, windows, is_image).cast(),
        category::LISTEN => choose!(LISTEN, WSK_PROVIDER_LISTEN_DISPATCH, windows, is_image).cast(),
        category::DATAGRAM => {
            choose!(DATAGRAM, WSK_PROVIDER_DATAGRAM_DISPATCH, windows, is_image).cast()
        }
        category::CONNECTION => {
            choose!(CONNECTION, WSK_PROVIDER_CONNECTION_DISPATCH, windows, is_image).cast()
        }
        _ => choose!(STREAM, WSK_PROVIDER_STREAM_DISPATCH, windows, is_image).cast(),
    }
}

/// The table that a capture returns to a client that is an image or linked.
pub(super) fn provider(windows: Windows, is_image: bool) -> *const WSK_PROVIDER_DISPATCH {
    choose!(PROVIDER, WSK_PROVIDER_DISPATCH, windows, is_image)
}

/// The tables of clients that are images: the same functions, by their entry points.
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
mod for_images {
    use crate::kernel::abi::HostFunction;
    use crate::kernel::abi::entry_points::{HostRoutine, pointer};

    /// A table of functions.
    pub(super) trait Table: Copy {
        fn each_function(&mut self, visitor: &mut impl Visitor);
    }

    /// A member that is not a function.
    impl Table for u16 {
        fn each_function(&mut self, _: &mut impl Visitor) {}
    }

    /// Visits the functions of a table.
    pub(super) trait Visitor {
        fn visit<F: HostRoutine>(&mut self, slot: &mut Option<F>);
    }

    struct Collect<'a>(&'a mut Vec<HostFunction>);

    impl Visitor for Collect<'_> {
        fn visit<F: HostRoutine>(&mut self, slot: &mut Option<F>) {
            self.0.extend(slot.map(HostRoutine::host_function));
        }
    }

    struct Convert;

    impl Visitor for Convert {
        fn visit<F: HostRoutine>(&mut self, slot: &mut Option<F>) {
            *slot = slot.map(pointer);
        }
    }

    /// Lists the functions of tables.
    pub(super) fn collect<T: Table>(tables: &[T], functions: &mut Vec<HostFunction>) {
        for table in tables {
            let mut copy = *table;
            copy.each_function(&mut Collect(functions));
        }
    }

    /// Returns tables with the entry points of their functions.
    pub(super) fn convert<T: Table, const N: usize>(tables: &[T; N]) -> [T; N] {
        let mut copies = *tables;
        for table in &mut copies {
            table.each_function(&mut Convert);
        }
        copies
    }
}
