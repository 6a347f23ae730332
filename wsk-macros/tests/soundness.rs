//! Attacks by safe code on what unsafe code relies on. None compiles.

#[test]
#[cfg(not(miri))]
fn attacks_do_not_compile() {
    test_support::mistakes!("tests/soundness");
}
