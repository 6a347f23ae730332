//! Checks that both macros find `wsk` under the name that its user gives it, without std.

#![no_std]

/// For a crate that depends on this one only.
pub use sockets;

/// Implements the events of a datagram socket for a type, with a macro's own path to `wsk`.
#[macro_export]
macro_rules! sink {
    ($name:ident) => {
        #[$crate::sockets::events(crate = $crate::sockets)]
        impl $crate::sockets::events::DatagramEvents for $name {
            fn receive_from(
                &self,
                _datagrams: $crate::sockets::events::Datagrams<'_>,
            ) -> $crate::sockets::events::Disposition {
                $crate::sockets::events::Disposition::Accepted
            }
        }
    };
}

use sockets::events::{DatagramEvents, Datagrams, Disposition};
use sockets::sys::{NTSTATUS, PVOID, USHORT};

/// Takes everything.
#[derive(Clone, Copy, Debug)]
pub struct Sink;

#[sockets::events]
impl DatagramEvents for Sink {
    fn receive_from(&self, _datagrams: Datagrams<'_>) -> Disposition {
        Disposition::Accepted
    }
}

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
#[sockets::provider_table(PING_DISPATCH)]
pub struct PingDispatch {
    Version: USHORT,
    Ping: fn(context: PVOID),
}

#[cfg(test)]
mod tests {
    extern crate std;

    use sockets::events::DatagramTable;
    use sockets::sys::STATUS_NOT_IMPLEMENTED;

    use super::*;

    #[test]
    fn both_macros_work() {
        assert!(Sink::TABLE.WskReceiveFromEvent.is_some());
        let table = PING_DISPATCH { Version: 7, Ping: None };
        // SAFETY: it is a table.
        let ping = unsafe { PingDispatch::from_raw(&raw const table) };
        assert_eq!(ping.version(), 7);
        // SAFETY: there is no function that would use the context.
        let status = unsafe { ping.ping(core::ptr::null_mut()) };
        assert_eq!(status, STATUS_NOT_IMPLEMENTED);
    }

    #[kernel::test(seeds = 0..2)]
    async fn a_test_finds_its_host(host: kernel::Host) {
        core::future::ready(()).await;
        assert_eq!(host.outstanding_allocations(), 0);
    }

    /// Its name and the macro's own are not mixed up.
    #[kernel::test(seeds = 0..2)]
    fn host(host: kernel::Host) {
        assert_eq!(host.outstanding_allocations(), 0);
        drop(host);
    }

    mod support {
        pub(super) use kernel as wsk_host;
    }

    #[support::wsk_host::test(crate = super::tests::support::wsk_host, seeds = 0..2)]
    fn a_test_finds_a_host_that_is_re_exported() {}
}
