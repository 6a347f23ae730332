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
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
mod runtime;
pub(crate) mod strings;
mod time;
mod va_list;
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
mod variadic;
mod version;
