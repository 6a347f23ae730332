//! The WSK provider, called by a client that makes the raw calls.

#![allow(clippy::multiple_unsafe_ops_per_block, reason = "raw calls, one after the other")]
#![allow(clippy::cast_ptr_alignment, reason = "structures are in pool, which is aligned for all")]

mod addresses;
mod call_status;
mod connections;
mod control;
mod datagrams;
mod indications;
mod values;
