//! The functions of a C library that compiled code calls, and the allocator: macros, so that they are in the driver itself,
//! where a linker finds them without a `use`.

/// Defines the functions and symbols that compiled code needs and a driver does not have: `memcpy`, `memmove`, `memset`,
/// `memcmp`, `strlen` and `__chkstk`, which the kernel exports; `__CxxFrameHandler3` and `_fltused`, to which the precompiled
/// `core` refers. [`driver!`](crate::driver) does this with the feature `runtime-symbols`. Nothing in tests, and on other
/// systems than Windows.
///
/// A driver that is linked with the WDK's libraries has them already.
#[macro_export]
macro_rules! runtime_symbols {
    () => {
        #[cfg(all(windows, not(test)))]
        #[allow(unsafe_code, reason = "defines symbols for the linker")]
        const _: () = {
            use ::core::ffi::{c_char, c_int, c_void};

            #[allow(dead_code, reason = "called by compiled code; exported by the kernel")]
            #[link(name = "ntoskrnl.exe", kind = "raw-dylib", modifiers = "+verbatim")]
            unsafe extern "C" {
                fn memcmp(left: *const c_void, right: *const c_void, count: usize) -> c_int;
                fn memcpy(to: *mut c_void, from: *const c_void, count: usize) -> *mut c_void;
                fn memmove(to: *mut c_void, from: *const c_void, count: usize) -> *mut c_void;
                fn memset(memory: *mut c_void, value: c_int, count: usize) -> *mut c_void;
                fn strlen(text: *const c_char) -> usize;
                /// Touches the pages of a large frame.
                fn __chkstk();
            }

            // The handler of exceptions that the precompiled `core` and `alloc` name in their unwind information. Link-time
            // optimization removes the references; without it, the linker needs the symbol. It returns
            // `ExceptionContinueSearch`: no Rust frame of a driver handles an exception, and the system stops as it does for
            // one that is not handled.
            #[unsafe(no_mangle)]
            extern "C" fn __CxxFrameHandler3() -> c_int {
                1
            }

            // Defined by C compilers in programs that use floating-point numbers.
            #[unsafe(no_mangle)]
            static _fltused: c_int = 0;
        };
    };
}

/// [`runtime_symbols!`], with the feature of this name.
#[cfg(feature = "runtime-symbols")]
#[doc(hidden)]
#[macro_export]
macro_rules! __runtime_symbols {
    () => {
        $crate::runtime_symbols!();
    };
}

/// Nothing, without the feature `runtime-symbols`.
#[cfg(not(feature = "runtime-symbols"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __runtime_symbols {
    () => {};
}

/// Defines the driver's global allocator: nonpaged pool, under the driver's tag. [`driver!`](crate::driver) does this with the
/// feature `alloc`. Nothing in tests, and on other systems than Windows.
///
/// An allocation that fails is a panic, and so a bug check: the crate `alloc` reports no error except from its `try_`
/// functions. That is defined behavior, and no memory is corrupted. But a program or a peer on the network that makes the
/// driver allocate without a bound brings the system down. `wsk` itself uses no allocator, and returns
/// `STATUS_INSUFFICIENT_RESOURCES`.
#[macro_export]
macro_rules! allocator {
    () => {
        #[cfg(all(windows, not(test)))]
        const _: () = {
            #[global_allocator]
            static ALLOCATOR: $crate::__private::NonPaged = $crate::__private::NonPaged;
        };
    };
}

/// [`allocator!`], with the feature `alloc`.
#[cfg(feature = "alloc")]
#[doc(hidden)]
#[macro_export]
macro_rules! __allocator {
    () => {
        $crate::allocator!();
    };
}

/// Nothing, without the feature `alloc`.
#[cfg(not(feature = "alloc"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __allocator {
    () => {};
}
