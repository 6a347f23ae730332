//! The kernel, and Windows Kernel Sockets, in a process: link it instead of the kernel, and a client of
//! WSK runs under `cargo test`, on any system.
//!
//! A client reaches this crate through the C ABI alone: it defines the functions that `wsk-sys` declares
//! (`WskRegister`, `IoInitializeIrp`, …) under their C names, and the provider's tables behind them. So
//! it knows nothing of the client, which may be in any language. To link it, name it once:
//!
//! ```
//! extern crate wsk_host;
//! ```
//!
//! # What there is so far
//!
//! This is the beginning: the kernel calls that `wsk-sys` declares (but `DbgPrint`, whose number of
//! arguments varies), and TCP (listening and connection sockets, without events and options). Its [`Network`] is in memory, between the sockets of one
//! [`Host`], or the machine's own, so that any program can be the peer. Names, datagrams, stream and
//! basic sockets are not there yet.
//!
//! What it does have is WSK's freedom of timing ([`Timing`]): a request completes before the call that
//! made it returns, or later on another thread at `DISPATCH_LEVEL`, as a seed decides. And it stops the
//! process when a rule is broken that it can see: a wait above `APC_LEVEL`, memory freed twice or not at
//! all, an IRP completed twice, a completion routine that gives its IRP back, a socket used after its
//! close, a registration that ends before its sockets.
//!
//! # Hosts
//!
//! Each [`Host`] has its own network and counts its own memory. A thread belongs to the host that it has
//! [entered](Host::enter), or else to one that the process has from the beginning; system threads belong
//! to their creator's.

// Functions of C have C's names; what their arguments must be is documented in wsk-sys.
#![allow(non_snake_case, reason = "defined for C, under C's names")]
#![allow(clippy::multiple_unsafe_ops_per_block, reason = "a field behind a pointer is one access")]

mod ex;
mod host;
mod io;
mod ke;
mod mm;
mod ps;
mod rtl;
mod wsk;

pub use host::{Config, Entered, Host, Network, Timing};
pub use ke::current_irql;

/// Stops the process: a client has broken a rule. There is nothing to be caught, as in a kernel.
pub(crate) fn violation(message: &str) -> ! {
    eprintln!("wsk-host: {message}");
    eprintln!("{}", std::backtrace::Backtrace::capture());
    std::process::abort()
}
