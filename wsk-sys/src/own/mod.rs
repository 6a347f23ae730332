//! The kernel's types, by hand, with the members that a client uses.
//!
//! With the feature `wdk-sys` they are those of that crate (`shared.rs`), under the same names. What differs
//! in how a member is reached is in `members`.

mod driver;
mod irp;
mod mdl;
mod objects;
mod types;

pub use self::{driver::*, irp::*, mdl::*, objects::*, types::*};
