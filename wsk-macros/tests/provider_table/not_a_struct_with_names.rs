#![allow(unused_imports)]

use wsk::sys::*;
use wsk_macros::provider_table;

#[provider_table(WSK_PROVIDER_BASIC_DISPATCH, of_socket)]
struct Basic(fn(PWSK_SOCKET, PIRP));

fn main() {}
