//! The traits of embedded Rust, used by code that knows nothing else.

mod io;
mod nal;
mod udp;
