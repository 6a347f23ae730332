//! The kernel core: timers, DPCs, waits and queues.

mod dpc;
mod queue;
mod timer;
mod wait;
