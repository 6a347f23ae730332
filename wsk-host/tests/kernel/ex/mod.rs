//! The executive: pool, rundown protection, timers and work items.

mod pool;
mod rundown;
mod timer;
mod work_item;
