//! `Ex…`: the executive's pool, lists and locks.

mod fast_mutex;
mod lists;
mod lookaside;
pub(crate) mod pool;
mod push_lock;
pub(super) mod queued_lock;
mod resource;
mod rundown;
mod spin_lock;
