//! `#[events]`: that it works anywhere, and what it says of mistakes.

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

#[test]
#[cfg(not(miri))]
fn mistakes_are_explained_where_they_are() {
    trybuild::TestCases::new().compile_fail("tests/events/*.rs");
}
