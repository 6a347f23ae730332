//! `Rtl…`: the run-time library, and the version of Windows.

pub(crate) mod address;
mod avl;
mod convert;
mod debug;
mod format;
mod guid;
mod memory;
mod random;
mod run_once;
#[cfg(images)]
mod runtime;
pub(crate) mod strings;
mod time;
mod va_list;
#[cfg(images)]
mod variadic;
mod version;
