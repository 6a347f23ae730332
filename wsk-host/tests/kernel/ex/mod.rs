//! The executive: pool and rundown protection.

mod pool;
mod rundown;
