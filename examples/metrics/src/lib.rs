//! A Prometheus exporter: the memory, the sockets and the bytes of a driver, at `/metrics`.
//!
//! | file | contents |
//! |---|---|
//! | `text.rs` | Prometheus' text format, and bounded text |
//! | `metrics.rs` | the metrics: the counters of `wsk` |
//! | `server.rs` | the part of HTTP/1.1 that a scrape needs |
//!
//! The crate `metrics-driver`, in the folder `driver`, wraps it in a driver.

#![no_std]
#![forbid(unsafe_code)]

mod metrics;
mod server;
mod text;

pub use server::{Log, serve};
