//! That what wsk-sys and wdk-sys both have is the same: nothing here has a cast.

#![no_std]
#![allow(missing_docs)]

/// Compiles if the two functions have the same type.
macro_rules! same_functions {
    ($($name:ident)*) => {
        $(const _: () = {
            let _ = if true { wsk_sys::$name } else { wdk_sys::ntddk::$name };
        };)*
    };
}

wdk_sys::functions!(same_functions);

/// Compiles if the two names are of the same type.
macro_rules! same_types {
    ($($name:ident)*) => {
        $(const _: fn(wsk_sys::$name) -> wdk_sys::$name = |value| value;)*
    };
}

// Made of the same types, the function types that wsk-sys has from the headers are those of wdk-sys.
same_types! {
    PDRIVER_CANCEL PDRIVER_DISPATCH PDRIVER_INITIALIZE PDRIVER_STARTIO PDRIVER_UNLOAD PIO_COMPLETION_ROUTINE
    PIO_WORKITEM_ROUTINE PIO_WORKITEM_ROUTINE_EX PKDEFERRED_ROUTINE PKSTART_ROUTINE
}
