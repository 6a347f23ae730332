//! The kernel: the functions of `ntoskrnl.exe` that a driver calls, each in the file of its prefix.

pub(crate) mod context;
pub(crate) mod ex;
pub(crate) mod io;
pub(crate) mod ke;
pub(crate) mod memory;
pub(crate) mod mm;
mod ps;
pub(crate) mod random;
mod rtl;
pub(crate) mod schedule;
pub(crate) mod trace;
pub(crate) mod usage;
