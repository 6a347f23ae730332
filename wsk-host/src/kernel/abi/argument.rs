//! The types of arguments and results that cross the boundary.

#![cfg_attr(not(images), allow(dead_code, reason = "other systems load no images"))]

use wsk_sys::LARGE_INTEGER;

/// How an argument's bits extend to a register: a caller leaves the others as they are, and this process's convention
/// requires small integers to be extended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ArgumentKind {
    Signed8,
    Unsigned8,
    Signed16,
    Unsigned16,
    Bits32,
    Bits64,
}

/// A type of arguments, each of which takes one register or one place on the stack in both conventions.
pub(crate) trait Argument: Copy {
    const KIND: ArgumentKind;
}

/// A type of results, which are returned in the register `rax` in both conventions.
pub(crate) trait ReturnValue {
    /// The result whose bits are the lowest ones of a register.
    fn from_register(register: u64) -> Self;
}

macro_rules! integers {
    ($($type:ty: $kind:ident,)*) => {$(
        impl Argument for $type {
            const KIND: ArgumentKind = ArgumentKind::$kind;
        }

        impl ReturnValue for $type {
            #[expect(
                clippy::allow_attributes,
                reason = "which cast is not lossless depends on the type"
            )]
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_possible_wrap,
                reason = "the upper bits of a register do not belong to a smaller result"
            )]
            fn from_register(register: u64) -> Self {
                register as Self
            }
        }
    )*};
}

integers! {
    i8: Signed8,
    u8: Unsigned8,
    i16: Signed16,
    u16: Unsigned16,
    i32: Bits32,
    u32: Bits32,
    i64: Bits64,
    u64: Bits64,
    isize: Bits64,
    usize: Bits64,
}

impl<T> Argument for *mut T {
    const KIND: ArgumentKind = ArgumentKind::Bits64;
}

impl<T> Argument for *const T {
    const KIND: ArgumentKind = ArgumentKind::Bits64;
}

/// A function pointer, or null.
impl<T: Copy> Argument for Option<T> {
    const KIND: ArgumentKind = {
        assert!(size_of::<Self>() == 8, "an optional pointer has the size of a pointer");
        ArgumentKind::Bits64
    };
}

impl Argument for LARGE_INTEGER {
    const KIND: ArgumentKind = ArgumentKind::Bits64;
}

impl<T> ReturnValue for *mut T {
    fn from_register(register: u64) -> Self {
        std::ptr::with_exposed_provenance_mut(usize::from_register(register))
    }
}

impl ReturnValue for () {
    fn from_register(_: u64) {}
}
