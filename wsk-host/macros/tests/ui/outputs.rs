// Compiled with its tests.

//! Tests that return what is no result or take what is no host.

use std::future::{Ready, ready};

#[wsk_host::test]
fn never_polled() -> Ready<()> {
    ready(())
}

#[wsk_host::test]
async fn polled_once() -> Ready<()> {
    ready(())
}

#[wsk_host::test]
fn a_condition() -> bool {
    false
}

#[wsk_host::test]
fn a_value() -> Result<u8, String> {
    Ok(3)
}

#[wsk_host::test]
fn a_reference(host: &wsk_host::Host) {
    host.settle();
}

fn main() {}
