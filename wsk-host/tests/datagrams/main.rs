//! Datagram sockets of raw clients.

#![allow(clippy::multiple_unsafe_ops_per_block, reason = "raw calls, one after the other")]
#![allow(clippy::cast_ptr_alignment, reason = "what is cast is of pool, which is aligned for all")]

mod calls;
mod control_data;
mod events;
mod faults;
mod groups;
mod machine;
#[path = "../raw/mod.rs"]
mod raw;
mod traffic;
