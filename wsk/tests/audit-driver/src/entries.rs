//! From a line to a function that the image exports.
//!
//! Arguments and results are behind opaque pointers, so the compiler can remove nothing. Borrowed arguments are `'static`
//! here, which a caller of the exported function would have to ensure.

use core::ffi::c_void;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

/// Calls: `"name": |(one, two): (One, Two)| function(one, two)`.
macro_rules! calls {
    ($($name:literal: $call:expr;)*) => {
        $(
            const _: () = {
                #[unsafe(export_name = $name)]
                unsafe extern "C" fn entry(
                    arguments: *const core::ffi::c_void,
                    result: *mut core::ffi::c_void,
                ) {
                    let call = $call;
                    // SAFETY: the caller of the export passes the arguments, and room for the result.
                    unsafe { $crate::entries::call(call, arguments, result) }
                }
            };
        )*
    };
}

/// Functions that make a future: the call, the polls of the future, and its drop.
macro_rules! futures {
    ($($name:literal: $call:expr;)*) => {
        $(
            calls! { $name: $call; }
            const _: () = {
                #[unsafe(export_name = concat!($name, ".poll"))]
                unsafe extern "C" fn poll(
                    future: *mut core::ffi::c_void,
                    context: *mut core::ffi::c_void,
                    result: *mut core::ffi::c_void,
                ) {
                    let call = $call;
                    // SAFETY: the caller of the export passes the future, a context, and room for the result.
                    unsafe { $crate::entries::poll(call, future, context, result) }
                }

                #[unsafe(export_name = concat!($name, ".drop"))]
                unsafe extern "C" fn drop(future: *mut core::ffi::c_void) {
                    let call = $call;
                    // SAFETY: the caller of the export passes the future, and does not use it again.
                    unsafe { $crate::entries::drop_result(call, future) }
                }
            };
        )*
    };
}

/// Drops: `"name": Type`.
macro_rules! drops {
    ($($name:literal: $type:ty;)*) => {
        $(
            const _: () = {
                #[unsafe(export_name = $name)]
                unsafe extern "C" fn drop(value: *mut core::ffi::c_void) {
                    // SAFETY: the caller of the export passes the value, and does not use it again.
                    unsafe { value.cast::<$type>().drop_in_place() }
                }
            };
        )*
    };
}

/// What `Debug` and `Display` write: `"name": Type as Trait`.
macro_rules! formats {
    ($($name:literal: $type:ty as $format:path;)*) => {
        $(
            calls! {
                $name: |(value, f): (&'static $type, &'static mut core::fmt::Formatter<'static>)| {
                    <$type as $format>::fmt(value, f)
                };
            }
        )*
    };
}

/// # Safety
///
/// `arguments` are a value that is given away, and there is room for the result.
pub(crate) unsafe fn call<A, R>(
    function: impl FnOnce(A) -> R,
    arguments: *const c_void,
    result: *mut c_void,
) {
    // SAFETY: `arguments` points to an `A` that is passed by value (this function's contract).
    let arguments = unsafe { arguments.cast::<A>().read() };
    // SAFETY: `result` has room for an `R` (this function's contract).
    unsafe { result.cast::<R>().write(function(arguments)) };
}

/// Polls a future of the function.
///
/// # Safety
///
/// The pointers are to such a future, which is pinned, and to a context. There is room for the result.
pub(crate) unsafe fn poll<A, F: Future>(
    _function: impl FnOnce(A) -> F,
    future: *mut c_void,
    context: *mut c_void,
    result: *mut c_void,
) {
    // SAFETY: `future` points to an `F` (this function's contract).
    let future = unsafe { &mut *future.cast::<F>() };
    // SAFETY: the future is pinned (this function's contract).
    let future = unsafe { Pin::new_unchecked(future) };
    // SAFETY: `context` points to a context (this function's contract).
    let context = unsafe { &mut *context.cast::<Context<'_>>() };
    // SAFETY: `result` has room for the result (this function's contract).
    unsafe { result.cast::<Poll<F::Output>>().write(future.poll(context)) };
}

/// Drops a result of the function.
///
/// # Safety
///
/// The pointer is to such a result, which is not used any more.
pub(crate) unsafe fn drop_result<A, R>(_function: impl FnOnce(A) -> R, result: *mut c_void) {
    // SAFETY: `result` points to an `R` that is not used again (this function's contract).
    unsafe { result.cast::<R>().drop_in_place() };
}

/// A future of `SIZE` bytes with unknown code.
pub(crate) struct Foreign<const SIZE: usize> {
    poll: fn(&mut Context<'_>) -> Poll<()>,
    _bytes: [u8; SIZE],
}

impl<const SIZE: usize> Future for Foreign<SIZE> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        (self.poll)(context)
    }
}
