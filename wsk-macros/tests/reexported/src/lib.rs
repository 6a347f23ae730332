//! A crate that has `wsk` from another crate, by `crate = path`, and forbids unsafe code.

#![no_std]
#![forbid(unsafe_code)]

use renamed::sockets::events::{
    ConditionalListenEvents, DatagramEvents, Datagrams, Disposition, Inspection,
};
use renamed::sockets::sys::{NTSTATUS, PVOID, USHORT};

/// Takes everything.
#[derive(Clone, Copy, Debug)]
pub struct Sink;

#[renamed::sockets::events(crate = renamed::sockets)]
impl DatagramEvents for Sink {
    fn receive_from(&self, _datagrams: Datagrams<'_>) -> Disposition {
        Disposition::Accepted
    }
}

#[renamed::sockets::events(crate = ::renamed::sockets,)]
impl ConditionalListenEvents for Sink {
    type Connection = ();

    fn inspect(&self, inspection: Inspection<'_>) {
        inspection.accept();
    }
}

/// As [`Sink`], by a macro of the crate that has `wsk`.
#[derive(Clone, Copy, Debug)]
pub struct MadeByMacro;

renamed::sink!(MadeByMacro);

/// A table in C.
#[allow(non_snake_case, non_camel_case_types, reason = "the names are C's")]
#[repr(C)]
#[derive(Debug)]
pub struct PING_DISPATCH {
    /// Which interface this is.
    pub Version: USHORT,
    /// The only function.
    pub Ping: Option<unsafe extern "C" fn(context: PVOID) -> NTSTATUS>,
}

/// Its functions.
#[renamed::sockets::provider_table(PING_DISPATCH, crate = renamed::sockets)]
pub struct PingDispatch {
    Version: USHORT,
    Ping: fn(context: PVOID),
}

#[cfg(test)]
mod tests {
    use wsk_host as _;

    use renamed::sockets::events::{DatagramTable, ListenTable};

    use super::*;

    #[test]
    fn tables_have_the_implemented_callbacks() {
        assert!(<Sink as DatagramTable>::TABLE.WskReceiveFromEvent.is_some());
        assert!(MadeByMacro::TABLE.WskReceiveFromEvent.is_some());
        assert!(<Sink as ListenTable>::TABLE.WskInspectEvent.is_some());
        assert_eq!(size_of::<PingDispatch>(), size_of::<usize>());
    }
}
