//! The crate on a host: every scenario with completions inline, deferred, and mixed by many seeds.
//!
//! A host stops the process when a rule is broken that it can see, and each run ends with an empty pool.

#![allow(clippy::large_futures, reason = "a test's stack is a process's")]
#![allow(
    clippy::items_after_statements,
    reason = "what only one test needs stands where it is needed"
)]
#![allow(clippy::unused_async, reason = "scenarios are async, also those that wait for nothing")]

mod abandoned;
mod accept;
mod addresses;
mod allocation;
mod attribute;
mod buffers;
mod cancellation;
mod chains;
mod clients;
mod closing;
mod compat;
mod controls;
mod counters;
mod device;
mod dpc;
mod dropped;
mod echo;
mod embassy_time;
mod embedded;
mod executors;
mod hostile;
mod ioctls;
mod lent;
mod locks;
mod names;
mod options;
mod pended_irp;
mod random;
#[cfg(not(miri))] // Miri has no network.
mod real;
mod refused;
mod registration;
mod relay;
mod runtime;
mod security;
mod sweep;
mod sync;
mod tasks;
mod tcp_buffered;
mod tcp_concurrency;
mod tcp_connect;
mod tcp_copy;
mod tcp_end;
mod tcp_fair;
mod tcp_readiness;
#[cfg(not(miri))]
mod tcp_real;
mod tcp_stream;
mod tcp_transfer;
mod time;
mod udp;
mod unload;
