//! The messages of `#[wsk_host::test]` for mistakes.

#[test]
fn mistakes_are_explained_where_they_are() {
    test_support::mistakes!("tests/ui");
}
