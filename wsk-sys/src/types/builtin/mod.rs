//! Hand-written definitions of the kernel's types, with the fields that a WSK client uses.
//!
//! The feature `wdk-sys` replaces them with that crate's types of the same names (`types/wdk_sys.rs`).
//! [`crate::fields`] covers the fields that are reached differently there.

mod driver;
mod irp;
mod mdl;
mod objects;
mod scalars;

pub use self::{driver::*, irp::*, mdl::*, objects::*, scalars::*};
