//! The crate on a host: every scenario with completions inline, deferred, and mixed by many seeds.
//!
//! A host stops the process when a rule is broken that it can see, and each run ends with an empty pool.

mod accept;
mod addresses;
mod allocation;
mod attribute;
mod buffers;
mod clients;
mod controls;
mod dropped;
mod echo;
mod ioctls;
mod names;
mod options;
#[cfg(not(miri))] // Miri has no network.
mod real;
mod registration;
mod runtime;
mod security;
mod support;
mod sweep;
mod tcp_buffered;
mod tcp_connect;
mod tcp_end;
mod tcp_fair;
#[cfg(not(miri))]
mod tcp_real;
mod tcp_stream;
mod tcp_transfer;
mod time;
mod udp;
