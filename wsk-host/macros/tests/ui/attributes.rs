//! Functions that are tests twice.

#[wsk_host::test]
#[test]
fn twice() {}

#[wsk_host::test]
#[wsk_host::test]
fn nested() {}

fn main() {}
