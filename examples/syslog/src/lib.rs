//! A syslog sender: messages of RFC 5424 over UDP (RFC 5426), from a bounded queue that callbacks fill at
//! `DISPATCH_LEVEL`.
//!
//! | file | contents |
//! |---|---|
//! | `message.rs` | a message, and its form in a datagram |
//! | `queue.rs` | the queue: senders at any level up to `DISPATCH_LEVEL`, the task that sends, the count of drops |
//! | `watch.rs` | a source of messages: a callback for received datagrams |
//! | `control.rs` | the TCP control port |
//!
//! The crate `syslog-driver`, in the folder `driver`, wraps it in a driver.

#![no_std]
#![forbid(unsafe_code)]

mod control;
mod message;
mod queue;
mod watch;

pub use control::control;
pub use message::{Message, Severity};
pub use queue::{Queue, Sender, Statistics, send};
pub use watch::Watch;
