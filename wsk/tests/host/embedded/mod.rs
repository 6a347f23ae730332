//! The traits of embedded Rust, used by code that depends on the traits only.

mod edge;
mod io;
mod nal;
mod udp;
