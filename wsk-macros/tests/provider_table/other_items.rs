//! Items that are no struct with fields.

use wsk_macros::provider_table;
use wsk_sys::*;

#[provider_table(WSK_PROVIDER_BASIC_DISPATCH)]
enum Enum {}

#[provider_table(WSK_PROVIDER_BASIC_DISPATCH)]
fn function() {}

#[provider_table(WSK_PROVIDER_BASIC_DISPATCH)]
struct Unit;

#[provider_table(WSK_PROVIDER_BASIC_DISPATCH)]
union Union {
    WskCloseSocket: usize,
}

fn main() {}
