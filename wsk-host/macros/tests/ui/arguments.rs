//! Wrong arguments.

#[wsk_host::test(seed = 7)]
fn an_unknown_argument() {}

#[wsk_host::test(7..8)]
fn a_value_alone() {}

#[wsk_host::test(seeds)]
fn no_value() {}

#[wsk_host::test(seeds = 1..2, seeds = 2..3)]
fn an_argument_twice() {}

#[wsk_host::test(crate = "wsk_host")]
fn a_path_in_quotation_marks() {}

fn main() {}
