//! Bindings of C headers for `wsk-sys`, and the API of `wsk.h` in each release of the WDK.
//!
//! `cargo xtask regen`, `surface`, `diff` and `wdk-sys` run this. The headers are read with libclang, which is loaded
//! at run time.
#![forbid(unsafe_code)]

pub mod api_record;
pub mod deep_stack;
pub mod diff;
pub mod headers;
mod output;
mod project;
pub mod regen;
mod unified_diff;
pub mod wdk_sys;
