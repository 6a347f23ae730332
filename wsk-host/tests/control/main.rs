//! Controls, options and names, by raw clients.

#![allow(clippy::multiple_unsafe_ops_per_block, reason = "raw calls, one after the other")]
#![allow(clippy::cast_ptr_alignment, reason = "what is cast is of pool, which is aligned for all")]

#[allow(dead_code, reason = "this test uses a part of it")]
#[path = "../datagrams/calls.rs"]
mod calls;
mod client;
mod ioctls;
mod names;
mod options;
#[path = "../raw/mod.rs"]
mod raw;
mod sharing;
