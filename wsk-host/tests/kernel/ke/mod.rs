//! The kernel core: timers, DPCs and waits.

mod timer;
mod wait;
