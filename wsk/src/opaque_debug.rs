//! `Debug` for a type whose fields are not shown.

/// Implements `Debug` as the name of a type.
macro_rules! opaque_debug {
    ($name:ident $(<$parameter:ident>)?) => {
        impl $(<$parameter>)? core::fmt::Debug for $name $(<$parameter>)? {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}

pub(crate) use opaque_debug;
