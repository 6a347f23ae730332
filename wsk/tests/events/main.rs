//! Events by `#[wsk::events]`: every callback of every category, on both networks and with many timings.

#[path = "../host/support.rs"]
#[allow(dead_code, reason = "these tests use a part of it")]
mod host;

mod attached;
mod connection;
mod datagram;
mod dropped;
mod early;
mod handlers;
mod inspect;
mod listen;
mod memory;
mod method_sets;
mod races;
mod stream;
mod support;
