//! The metrics: the counters of `wsk` in this driver.

use core::fmt;

use wsk::counters::{self, Counters};
use wsk::pool::{self, Usage};

use crate::text::Kind::{self, Counter, Gauge};
use crate::text::write_metric;

/// The metrics at one moment, in Prometheus' text format when they are displayed.
pub(crate) struct Metrics {
    counters: Counters,
    memory: Usage,
}

impl Metrics {
    pub(crate) fn read() -> Self {
        Self { counters: counters::read(), memory: pool::usage() }
    }
}

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { counters, memory } = self;
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let mut metric = |name: &str, kind: Kind, help: &str, value: u64| {
            write_metric(f, (name, kind, help), value)
        };
        metric("wsk_sockets", Gauge, "Sockets that exist.", counters.sockets_open)?;
        metric(
            "wsk_sockets_created_total",
            Counter,
            "Sockets created or accepted.",
            counters.sockets_created,
        )?;
        metric("wsk_sent_bytes_total", Counter, "Bytes sent.", counters.bytes_sent)?;
        metric("wsk_received_bytes_total", Counter, "Bytes received.", counters.bytes_received)?;
        metric("wsk_requests_total", Counter, "Completed requests to WSK.", counters.requests)?;
        metric(
            "wsk_requests_failed_total",
            Counter,
            "Requests to WSK that failed.",
            counters.requests_failed,
        )?;
        metric(
            "wsk_pool_allocations",
            Gauge,
            "Allocations of nonpaged pool that are not freed.",
            count(memory.outstanding()),
        )?;
        metric(
            "wsk_pool_allocations_max",
            Gauge,
            "The highest number of allocations at any time.",
            count(memory.peak),
        )?;
        metric(
            "wsk_pool_allocations_total",
            Counter,
            "Allocations of nonpaged pool, freed ones included.",
            count(memory.allocations),
        )
    }
}
