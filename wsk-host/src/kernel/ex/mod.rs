//! `Ex…`: the executive's pool and rundown protection.

pub(crate) mod pool;
mod rundown;
