//! `Ex…`: the executive's pool, lists and locks.

mod fast_mutex;
#[cfg(images)]
mod image_lookaside;
mod lists;
mod lookaside;
pub(crate) mod pool;
mod push_lock;
pub(super) mod queued_lock;
mod resource;
mod rundown;
mod spin_lock;
mod timer;
mod work_item;
