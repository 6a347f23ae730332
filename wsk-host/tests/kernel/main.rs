//! The kernel's functions, called as a driver in C calls them. The modules mirror `src/kernel`.

#![allow(clippy::multiple_unsafe_ops_per_block, reason = "raw calls, one after the other")]

mod cng;
mod ex;
mod exports;
mod io;
mod ke;
mod mm;
mod ps;
mod rtl;

use wsk_host::{Config, Entered, Host};
use wsk_sys::LARGE_INTEGER;

/// A host for the current thread.
fn host() -> (Host, Entered) {
    let host = Host::new(Config::default());
    let entered = host.enter();
    (host, entered)
}

/// A relative timeout, in the kernel's units of 100 ns.
fn milliseconds(count: i64) -> LARGE_INTEGER {
    LARGE_INTEGER { QuadPart: -10_000 * count }
}
