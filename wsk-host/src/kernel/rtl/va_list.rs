//! The arguments of variadic C functions, in the `va_list` of each processor.
//!
//! # Safety
//!
//! The exported functions have the contracts that Microsoft documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use std::ffi::c_void;

/// A `va_list` as a function argument: a pointer on every processor, with a different target.
pub(super) type RawList = *mut c_void;

/// On Windows and on Apple's arm64, the address of the next argument.
#[cfg(any(windows, all(target_vendor = "apple", target_arch = "aarch64")))]
mod layout {
    use super::RawList;

    pub(super) struct Layout(*mut u64);

    impl Layout {
        pub(super) fn new(list: RawList) -> Self {
            Self(list.cast())
        }

        pub(super) fn next(&mut self) -> *mut u64 {
            let argument = self.0;
            self.0 = argument.wrapping_add(1);
            argument
        }
    }
}

/// Elsewhere on x64 (the System V ABI): registers that were saved, then the stack.
#[cfg(all(target_arch = "x86_64", not(windows)))]
mod layout {
    use super::RawList;

    #[repr(C)]
    struct List {
        integers: u32,
        floats: u32,
        stack: *mut u64,
        saved: *mut u8,
    }

    pub(super) struct Layout(*mut List);

    impl Layout {
        pub(super) fn new(list: RawList) -> Self {
            Self(list.cast())
        }

        pub(super) fn next(&mut self) -> *mut u64 {
            /// The size of the saved integer registers in bytes.
            const SAVED: u32 = 48;
            // SAFETY: `VaList` has a valid list (Invariants), which has no other user meanwhile.
            let list = unsafe { &mut *self.0 };
            if list.integers < SAVED {
                let argument = list.saved.wrapping_add(list.integers as usize);
                list.integers += 8;
                argument.cast()
            } else {
                let argument = list.stack;
                list.stack = argument.wrapping_add(1);
                argument
            }
        }
    }
}

/// Elsewhere on arm64 (AAPCS64): as on x64, with other members.
#[cfg(all(target_arch = "aarch64", not(any(windows, target_vendor = "apple"))))]
mod layout {
    use super::RawList;

    #[repr(C)]
    struct List {
        stack: *mut u64,
        integers_end: *mut u8,
        floats_end: *mut u8,
        /// Negative, and zero when none is left.
        integers: i32,
        floats: i32,
    }

    pub(super) struct Layout(*mut List);

    impl Layout {
        pub(super) fn new(list: RawList) -> Self {
            Self(list.cast())
        }

        pub(super) fn next(&mut self) -> *mut u64 {
            // SAFETY: `VaList` has a valid list (Invariants), which has no other user meanwhile.
            let list = unsafe { &mut *self.0 };
            if list.integers < 0 {
                let argument = list.integers_end.wrapping_offset(list.integers as isize);
                list.integers += 8;
                argument.cast()
            } else {
                let argument = list.stack;
                list.stack = argument.wrapping_add(1);
                argument
            }
        }
    }
}

/// A list that is read argument by argument.
///
/// # Invariants
///
/// The list is valid while this exists, and has as many arguments as are read.
pub(super) struct VaList(List);

/// A list, by its layout.
enum List {
    /// A list of this process.
    Native(layout::Layout),
    /// An image's: the address of the next argument.
    #[cfg(images)]
    Image(*mut u64),
}

impl List {
    fn next(&mut self) -> *mut u64 {
        match self {
            Self::Native(layout) => layout.next(),
            #[cfg(images)]
            Self::Image(next) => std::mem::replace(next, next.wrapping_add(1)),
        }
    }
}

impl VaList {
    /// # Safety
    ///
    /// The list is valid while the result is used, and has as many arguments, each an integer or a pointer, as are
    /// read.
    pub(super) unsafe fn new(list: RawList) -> Self {
        Self(List::Native(layout::Layout::new(list)))
    }

    /// The list of an image, where each argument takes eight bytes.
    ///
    /// # Safety
    ///
    /// The list has as many arguments, each an integer or a pointer, as are read, and is valid while the result is used.
    #[cfg(images)]
    pub(super) unsafe fn of_image(arguments: RawList) -> Self {
        Self(List::Image(arguments.cast()))
    }

    /// An integer. If it has 32 bits, its upper half is undefined.
    pub(super) fn integer(&mut self) -> u64 {
        let place = self.0.next();
        // SAFETY: by this type's invariant there is another argument, which takes eight bytes.
        unsafe { place.read() }
    }

    pub(super) fn pointer<T>(&mut self) -> *const T {
        let place = self.0.next();
        // SAFETY: by this type's invariant there is another argument, which takes eight bytes.
        unsafe { place.cast::<*const T>().read() }
    }
}
