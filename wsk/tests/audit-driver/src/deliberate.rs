//! Faults that a driver must never have. `cargo xtask test audit-all` must find each of them, which proves that it can
//! fail.

#[cfg(feature = "deliberate-allocation")]
mod allocation {
    extern crate alloc;

    calls! {
        "deliberate::allocation": |number: u64| alloc::boxed::Box::new(number);
    }
}

#[cfg(feature = "deliberate")]
mod faults {
    use core::ffi::c_void;

    #[link(name = "ntoskrnl.exe", kind = "raw-dylib", modifiers = "+verbatim")]
    unsafe extern "C" {
        fn MmPageEntireDriver(address: *const c_void) -> *mut c_void;
    }

    calls! {
        "deliberate::panic": |(bytes, index): (&'static [u8], usize)| bytes[index];
        "deliberate::frame": |fill: fn(&mut [u8])| {
            let mut bytes = [0; 4000];
            fill(&mut bytes);
            super::another_frame(fill).wrapping_add(bytes[0])
        };
        "deliberate::pages": |address: *const c_void| {
            // SAFETY: it is never called.
            unsafe { MmPageEntireDriver(address) }
        };
        "deliberate::pointer": |()| pointer as extern "C" fn();
        "deliberate::pageable": |()| pageable();
        "deliberate::registers": |()| registers();
    }

    /// Calls itself, and must return.
    #[unsafe(export_name = "deliberate::circle")]
    extern "C" fn circle(done: extern "C" fn() -> bool) -> usize {
        if done() { 0 } else { circle(done).wrapping_mul(3) ^ usize::from(done()) }
    }

    extern "C" fn pointer() {}

    /// Zeroes the upper parts of the vector registers, which the kernel does not save.
    #[inline(never)]
    fn registers() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: it is never called.
        unsafe {
            core::arch::asm!("vzeroupper", options(nostack));
        }
    }

    #[inline(never)]
    #[unsafe(link_section = "PAGE")]
    fn pageable() {
        // SAFETY: it is never called.
        unsafe { MmPageEntireDriver(core::ptr::null()) };
    }
}

/// As large again: one frame alone may not have more than a page.
#[cfg(feature = "deliberate")]
#[inline(never)]
fn another_frame(fill: fn(&mut [u8])) -> u8 {
    let mut bytes = [0; 4000];
    fill(&mut bytes);
    bytes[0]
}
