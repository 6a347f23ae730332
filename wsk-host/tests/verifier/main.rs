//! WSK's rules, each broken by raw calls in a separate process, and the report that follows. Where
//! a violation returns a status instead, the status is tested here.

#![allow(clippy::multiple_unsafe_ops_per_block, reason = "raw calls, one after the other")]
#![allow(clippy::cast_ptr_alignment, reason = "structures are in pool, which is aligned for all")]

mod addresses_and_flags;
mod answers;
mod buffers;
mod continuing;
mod dpcs;
mod events;
mod inspections;
#[cfg(not(miri))] // Miri starts no processes.
mod kernel;
mod lent;
mod levels;
#[cfg(not(miri))] // Miri finds these accesses itself.
mod memory;
mod names_and_security;
mod registration;
mod requests;
#[cfg(not(miri))] // Miri starts no processes.
mod resources;
mod routines;
mod sockets;
mod stacks;
mod stops;
mod table;
mod traces;
mod unload;
