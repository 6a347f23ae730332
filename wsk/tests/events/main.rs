//! Events by `#[wsk::events]`: every callback of every category, on both networks and with many timings.

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
mod relayed;
mod stream;
