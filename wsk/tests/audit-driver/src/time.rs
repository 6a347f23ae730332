//! Time.

use core::fmt::Debug;
use core::time::Duration;

use wsk::time::{self, Sleep};

use crate::entries::Foreign;

futures! {
    "time::sleep": |duration: Duration| time::sleep(duration);
    "time::timeout": |(duration, future): (Duration, Foreign<8>)| time::timeout(duration, future);
}

calls! {
    "Sleep::new": |duration: Duration| Sleep::new(duration);
}

const _: () = {
    #[unsafe(export_name = "Sleep::poll")]
    unsafe extern "C" fn poll(
        future: *mut core::ffi::c_void,
        context: *mut core::ffi::c_void,
        result: *mut core::ffi::c_void,
    ) {
        // SAFETY: the caller of the export passes a sleep, a context, and room for the result.
        unsafe { crate::entries::poll(|sleep: Sleep| sleep, future, context, result) }
    }
};

drops! {
    "Sleep::drop": Sleep;
}

formats! {
    "Sleep::fmt<Debug>": Sleep as Debug;
}
