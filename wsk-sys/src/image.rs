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

#[cfg(any(not(windows), feature = "host"))]
mod host {
    use core::ffi::{c_char, c_void};

    unsafe extern "C" {
        pub(super) fn wsk_host_image_static(key: *const c_void, size: usize) -> *const c_void;
        pub(super) fn wsk_host_unload_waits(message: *const c_char);
    }
}

/// Returns the copy of a static that belongs to the current load of the driver: the static itself, except on a host,
/// where it belongs to the current thread's kernel.
///
/// IRQL: any.
///
/// # Safety
///
/// The static's value is all zeroes before its first use, and its type has an alignment of at most 8.
#[inline]
#[must_use]
pub unsafe fn image_static<T: Sync>(of_image: &'static T) -> &'static T {
    #[cfg(any(not(windows), feature = "host"))]
    {
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
    // SAFETY: the format takes one C string.
    unsafe {
        crate::DbgPrint(c"%s\n".as_ptr().cast(), message.as_ptr());
    }
}
