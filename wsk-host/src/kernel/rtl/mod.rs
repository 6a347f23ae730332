//! `Rtl…`: the run-time library, and the version of Windows.
//!
//! # Safety
//!
//! The exported functions have the contracts that `wsk-sys` documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

pub(crate) mod address;
mod avl;
mod convert;
mod debug;
mod format;
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

use wsk_sys::{NTSTATUS, PASSIVE_LEVEL, PRTL_OSVERSIONINFOW, STATUS_SUCCESS};

use crate::kernel::current;
use crate::kernel::ke::irql::require_at_most;

#[wsk_host_macros::export]
unsafe extern "C" fn RtlGetVersion(information: PRTL_OSVERSIONINFOW) -> NTSTATUS {
    require_at_most(PASSIVE_LEVEL, "RtlGetVersion");
    // SAFETY: the caller passes room for the version.
    let information = unsafe { &mut *information };
    let windows = current().config().windows;
    information.dwMajorVersion = windows.major;
    information.dwMinorVersion = windows.minor;
    information.dwBuildNumber = windows.build;
    information.dwPlatformId = 2;
    information.szCSDVersion.fill(0);
    STATUS_SUCCESS
}
