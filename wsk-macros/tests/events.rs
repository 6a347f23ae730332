//! `#[events]`: where it works, and its error messages.

// The tables' functions call the kernel.
use wsk_host as _;

/// Without a prelude, without the names that the macro needs, in a macro, and generic.
mod somewhere {
    #![no_implicit_prelude]

    pub(super) struct Generic<T>(pub(super) T);

    macro_rules! implement {
        ($name:ident) => {
            #[::wsk::events]
            impl<T: ::core::marker::Send + ::core::marker::Sync + 'static>
                ::wsk::events::DatagramEvents for $name<T>
            {
                fn receive_from(
                    &self,
                    _datagrams: ::wsk::events::Datagrams<'_>,
                ) -> ::wsk::events::Disposition {
                    ::wsk::events::Disposition::Accepted
                }
            }
        };
    }

    implement!(Generic);
}

#[test]
fn it_works_without_names_and_for_generic_types() {
    use wsk::events::{DatagramTable, EventMask};

    let tables = [
        somewhere::Generic::<u8>::TABLE.WskReceiveFromEvent,
        somewhere::Generic::<String>::TABLE.WskReceiveFromEvent,
    ];
    assert!(tables.iter().all(Option::is_some));
    assert_eq!(somewhere::Generic::<u8>::EVENTS, EventMask::RECEIVE_FROM);
    assert_eq!(somewhere::Generic(7).0, 7);
}

/// Raw identifiers are the same names.
#[test]
fn raw_identifiers_are_recognized() {
    use wsk::events::{r#DatagramEvents, DatagramTable, Datagrams, Disposition};

    #[allow(non_camel_case_types, reason = "a keyword")]
    struct r#type;

    #[wsk::events]
    impl r#DatagramEvents for r#type {
        fn r#receive_from(&self, _datagrams: Datagrams<'_>) -> Disposition {
            Disposition::Accepted
        }
    }

    assert!(r#type::TABLE.WskReceiveFromEvent.is_some());
}

/// A `cfg` on a method applies to its slot, and one on an implementation to its table.
#[test]
fn a_cfg_applies_to_its_slot_or_table() {
    use wsk::events::{
        ConnectionEvents, ConnectionTable, Data, EventMask, ListenEvents, ListenTable, Receipt,
    };

    struct Tunnel;

    #[wsk::events]
    impl ConnectionEvents for Tunnel {
        #[cfg(not(test))]
        fn receive(&self, _data: Data<'_>) -> u8 {
            0
        }

        #[cfg(test)]
        fn send_backlog(&self, _ideal: usize) {}

        #[cfg_attr(test, inline)]
        fn dead(&self) {}
    }

    #[wsk::events]
    #[cfg(not(test))]
    impl ListenEvents for Tunnel {
        type Connection = u8;
    }

    #[wsk::events]
    #[cfg(test)]
    impl ListenEvents for Tunnel {
        type Connection = Self;
    }

    let _ = |data: Data<'_>| Tunnel.receive(data) == Receipt::All;
    assert!(<Tunnel as ConnectionTable>::TABLE.WskReceiveEvent.is_none());
    assert!(<Tunnel as ConnectionTable>::TABLE.WskSendBacklogEvent.is_some());
    assert_eq!(<Tunnel as ListenTable>::INHERITED, EventMask::SEND_BACKLOG);
}

/// The names of this crate's items and those of its user do not clash.
#[test]
fn names_of_the_user_are_never_captured() {
    #![allow(non_camel_case_types, dead_code, unused_imports, reason = "names that are not used")]

    mod names {
        pub(super) struct Methods;
        pub(super) struct Accepting;
        pub(super) mod methods {
            pub(crate) const RECEIVE: u8 = 0;
        }
        pub(super) mod wsk {
            pub(crate) mod events {}
        }
        pub(super) type u32 = ();
    }
    use ::wsk::events::{ConnectionEvents, ConnectionTable, Data, Receipt};
    use names::*;

    struct Tunnel;

    #[::wsk::events]
    impl ConnectionEvents for Tunnel {
        fn receive(&self, _data: Data<'_>) -> Receipt {
            Receipt::All
        }
    }

    assert!(Tunnel::TABLE.WskReceiveEvent.is_some());
}

mod driver {
    pub(crate) use wsk as sockets;
}

#[test]
fn the_crate_can_be_named() {
    use wsk::events::{DatagramEvents, DatagramTable, Datagrams, Disposition};

    struct Tunnel;

    #[driver::sockets::events(crate = crate::driver::sockets)]
    impl DatagramEvents for Tunnel {
        fn receive_from(&self, _datagrams: Datagrams<'_>) -> Disposition {
            Disposition::Accepted
        }
    }

    assert!(Tunnel::TABLE.WskReceiveFromEvent.is_some());
}

/// With every name of `wsk::events` in scope, a handler of one category has one table.
#[test]
fn table_is_unambiguous_with_every_trait_in_scope() {
    use wsk::events::*;

    struct Datagram;
    #[wsk::events]
    impl DatagramEvents for Datagram {
        fn receive_from(&self, _datagrams: Datagrams<'_>) -> Disposition {
            Disposition::Accepted
        }
    }
    struct Inspecting;
    #[wsk::events]
    impl ConditionalListenEvents for Inspecting {
        type Connection = ();

        fn inspect(&self, inspection: Inspection<'_>) {
            inspection.accept();
        }
    }
    struct Connection;
    #[wsk::events]
    impl ConnectionEvents for Connection {
        fn receive(&self, _data: Data<'_>) -> Receipt {
            Receipt::All
        }
    }

    assert!(Datagram::TABLE.WskReceiveFromEvent.is_some());
    assert!(Connection::TABLE.WskReceiveEvent.is_some());
    const { assert!(Inspecting::IS_CONDITIONAL) };
    assert!(Inspecting::TABLE.WskAcceptEvent.is_none());
}

#[test]
#[cfg(not(miri))]
fn mistakes_are_explained_where_they_are() {
    test_support::mistakes!("tests/events");
}

/// Names of the prelude that mean something else.
#[allow(dead_code, non_camel_case_types, reason = "names that are not used")]
mod unusual {
    pub(super) mod core {}
    pub(super) mod std {}
    pub(super) struct Option;
    pub(super) struct Some;
    pub(super) struct Default;
    pub(super) type usize = ();
    pub(super) use wsk::events::*;

    pub(super) mod inner {
        use super::super::unusual::*;

        pub(crate) struct Listener;

        #[wsk::events]
        impl ListenEvents for Listener {
            type Connection = ();

            fn accept(&self, _: Incoming<'_, ()>) {}
        }
    }
}

/// Inputs of unusual shapes: shadowed names of the prelude, const generics, attributes in any order, a local type, a receiver
/// with its type, patterns, named lifetimes, `use super::*` from within, and a macro that makes the whole `impl`.
#[test]
fn unusual_shapes_are_accepted() {
    #![allow(clippy::non_minimal_cfg, clippy::elidable_lifetime_names, reason = "shapes to accept")]

    use unusual::*;

    struct Sized<const N: u8>;

    /// Documented.
    #[allow(clippy::needless_arbitrary_self_type, reason = "a shape")]
    #[wsk::events]
    #[cfg(all())]
    impl<const N: u8> ConnectionEvents for Sized<N>
    where
        [(); 0]:,
    {
        #[inline]
        #[cfg(all())]
        fn disconnected(self: &Self, mut abortive: bool, _: CallbackIrql) {
            abortive = !abortive;
            assert!(!abortive);
        }

        fn receive<'a, 'b>(&'a self, _data: Data<'b>) -> Receipt {
            Receipt::All
        }
    }

    macro_rules! datagrams {
        ($handler:ty, $method:ident, $result:expr) => {
            #[wsk::events]
            impl DatagramEvents for $handler {
                fn $method(&self, _datagrams: Datagrams<'_>) -> Disposition {
                    $result
                }
            }
        };
    }

    datagrams!(&'static Sized<7>, receive_from, Disposition::Accepted);

    assert!(Sized::<3>::TABLE.WskDisconnectEvent.is_some());
    assert!(Sized::<3>::TABLE.WskReceiveEvent.is_some());
    assert!(<&'static Sized<7>>::TABLE.WskReceiveFromEvent.is_some());
    assert!(<inner::Listener as ListenTable>::TABLE.WskAcceptEvent.is_some());
}
