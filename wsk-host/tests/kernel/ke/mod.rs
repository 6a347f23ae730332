//! The kernel core: timers, DPCs and waits.

mod dpc;
mod timer;
mod wait;
