//! State that belongs to one load of the driver: statics of its image.
//!
//! In a kernel, the image is loaded once and a static exists once. On a host, one process stands for many kernels, each
//! with a driver of its own, so each kernel has its own copy.
//!
//! # Safety
//!
//! A host returns zeroed memory that is never freed, one block for each kernel and key.

#![expect(unsafe_code, reason = "a host's functions; see Safety")]

use core::ffi::CStr;
use core::time::Duration;

#[cfg(any(not(windows), feature = "host"))]
mod host {
    use core::ffi::{c_char, c_void};

    unsafe extern "C" {
        pub(super) fn wsk_host_image_static(key: *const c_void, size: usize) -> *const c_void;
        pub(super) fn wsk_host_unload_waits(message: *const c_char);
        pub(super) fn wsk_host_debug_print(component: u32, level: u32, text: *const c_char);
    }
}

/// Returns the copy of a static that belongs to the current load of the driver: the static itself, except on a host,
/// where it belongs to the current thread's kernel.
///
/// IRQL: any.
///
/// # Safety
///
/// - The static's value is all zeroes before its first use, and its type has an alignment of at most 8.
/// - Every call for this address is for the same type: a host keeps one block for each address, so neither the first
///   field of a static nor a static of no size may be passed.
#[inline]
#[must_use]
pub unsafe fn image_static<T: Sync>(of_image: &'static T) -> &'static T {
    #[cfg(any(not(windows), feature = "host"))]
    {
        const { assert!(align_of::<T>() <= 8 && size_of::<T>() != 0) };
        let key = core::ptr::from_ref(of_image).cast();
        // SAFETY: the host takes any key and size.
        let memory = unsafe { host::wsk_host_image_static(key, size_of::<T>()) };
        // SAFETY: the host returns zeroed memory of this size, aligned to 8 and never freed; zeroes are a value of `T`
        // (this function's contract).
        unsafe { &*memory.cast::<T>() }
    }
    #[cfg(not(any(not(windows), feature = "host")))]
    of_image
}

/// The time after which a wait for the driver's own objects is to be [reported](report_unload_waits); none on a host, which
/// reports hangs itself.
pub const LONG_WAIT: Option<Duration> =
    if cfg!(any(not(windows), feature = "host")) { None } else { Some(Duration::from_secs(10)) };

/// Reports that the driver's unload routine waits: to the kernel debugger. A host ends the process with the message,
/// since in a test nothing else will end the wait.
///
/// IRQL: <= `DISPATCH_LEVEL`.
pub fn report_unload_waits(message: &CStr) {
    #[cfg(any(not(windows), feature = "host"))]
    // SAFETY: the message is a C string.
    unsafe {
        host::wsk_host_unload_waits(message.as_ptr());
    }
    #[cfg(not(any(not(windows), feature = "host")))]
    {
        debug_print(DPFLTR_IHVNETWORK_ID, DPFLTR_ERROR_LEVEL, message);
        debug_print(DPFLTR_IHVNETWORK_ID, DPFLTR_ERROR_LEVEL, c"\n");
    }
}

/// The component of [`debug_print`] for drivers of network hardware and software. Its filter is the value `IHVNETWORK` of the
/// registry key `Debug Print Filter`.
pub const DPFLTR_IHVNETWORK_ID: crate::ULONG = 80;

/// The level of [`debug_print`] that Windows shows unless its filter is changed.
pub const DPFLTR_ERROR_LEVEL: crate::ULONG = 0;

#[cfg(not(any(not(windows), feature = "host")))]
#[link(name = "ntoskrnl.exe", kind = "raw-dylib", modifiers = "+verbatim")]
unsafe extern "C" {
    /// Its number of arguments varies, so a host cannot define it.
    fn DbgPrintEx(
        component: crate::ULONG,
        level: crate::ULONG,
        format: crate::PCSTR,
        ...
    ) -> crate::ULONG;
}

/// Sends a text to the kernel debugger with `DbgPrintEx`, or writes it to a host's standard error. The debugger accepts at
/// most 512 bytes at once.
///
/// IRQL: <= `DISPATCH_LEVEL`.
/// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-dbgprintex).
pub fn debug_print(component: crate::ULONG, level: crate::ULONG, text: &CStr) {
    #[cfg(any(not(windows), feature = "host"))]
    // SAFETY: the text is a C string.
    unsafe {
        host::wsk_host_debug_print(component, level, text.as_ptr());
    }
    #[cfg(not(any(not(windows), feature = "host")))]
    // SAFETY: the format takes one C string, and no UTF-16 string.
    unsafe {
        DbgPrintEx(component, level, c"%s".as_ptr().cast(), text.as_ptr());
    }
}
