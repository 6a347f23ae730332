//! Controls, options and names.

mod client;
mod ioctls;
mod names;
mod options;
mod sharing;
