//! Events by `#[wsk::events]`: every callback of every category, enabled dynamically and statically, on
//! both networks and with many timings.

#![allow(clippy::multiple_unsafe_ops_per_block, reason = "raw calls, one after the other")]

#[path = "../../../wsk-host/tests/raw/mod.rs"]
mod raw;

mod connection;
mod datagram;
mod listen;
mod support;
