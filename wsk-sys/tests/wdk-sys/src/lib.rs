//! Checks that the items of both wsk-sys and wdk-sys have the same types: nothing here is cast.

#![no_std]
#![allow(missing_docs)]

/// Fails to compile unless the two functions have the same type.
macro_rules! same_functions {
    ($($name:ident)*) => {
        $(const _: () = {
            let _ = if true { wsk_sys::$name } else { wdk_sys::ntddk::$name };
        };)*
    };
}

wdk_sys::functions!(same_functions);

/// Fails to compile unless the two names denote the same type.
macro_rules! same_types {
    ($($name:ident)*) => {
        $(const _: fn(wsk_sys::$name) -> wdk_sys::$name = |value| value;)*
    };
}

// wsk-sys generates its function types; composed of wdk-sys's types, they equal those of wdk-sys.
same_types! {
    PDRIVER_CANCEL PDRIVER_DISPATCH PDRIVER_INITIALIZE PDRIVER_STARTIO PDRIVER_UNLOAD PIO_COMPLETION_ROUTINE
    PIO_WORKITEM_ROUTINE PIO_WORKITEM_ROUTINE_EX PKDEFERRED_ROUTINE PKSTART_ROUTINE
}
