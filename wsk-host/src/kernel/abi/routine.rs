//! Calls of the client's functions.
//!
//! # Safety
//!
//! An address in the range of the images is a function of an image, which follows Microsoft's convention; every other
//! one follows the convention of this process.

#![expect(unsafe_code, reason = "the functions are the client's")]

use super::argument::{Argument, ReturnValue};
#[cfg(images)]
use super::images;

/// A function that a client has given: linked to this process, or a function of an image.
pub(crate) trait Routine: Copy {
    type Arguments;
    type Output;

    /// Calls the function, in the convention of the code at its address.
    ///
    /// # Safety
    ///
    /// The function may be called with these arguments.
    unsafe fn invoke(self, arguments: Self::Arguments) -> Self::Output;
}

macro_rules! routines {
    ($($argument:ident: $name:ident),*) => {
        impl<Output: ReturnValue, $($argument: Argument),*> Routine
            for unsafe extern "C" fn($($argument),*) -> Output
        {
            type Arguments = ($($argument,)*);
            type Output = Output;

            #[inline]
            unsafe fn invoke(self, ($($name,)*): Self::Arguments) -> Output {
                #[cfg(images)]
                if let Some(_inside) = images::enter(self as usize) {
                    // SAFETY: the function is an image's, which follows Microsoft's convention: the arguments take one
                    // register or place each, and the result is in `rax`, with unspecified upper bits.
                    let function = unsafe {
                        std::mem::transmute::<Self, unsafe extern "efiapi" fn($($argument),*) -> u64>(
                            self,
                        )
                    };
                    // SAFETY: the function may be called with these arguments (this function's contract).
                    return Output::from_register(unsafe { function($($name),*) });
                }
                // SAFETY: the function may be called with these arguments (this function's contract).
                unsafe { self($($name),*) }
            }
        }
    };
}

routines!(A: a);
routines!(A: a, B: b);
routines!(A: a, B: b, C: c);
routines!(A: a, B: b, C: c, D: d);
routines!(A: a, B: b, C: c, D: d, E: e);
routines!(A: a, B: b, C: c, D: d, E: e, F: f);
routines!(A: a, B: b, C: c, D: d, E: e, F: f, G: g);
