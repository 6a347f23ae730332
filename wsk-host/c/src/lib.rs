//! `wsk-host` for clients in C: a static library, and the header `include/wsk_host.h`.
//!
//! A client's sources are compiled as they are, against `<ntddk.h>` and `<wsk.h>`: those of this
//! project, in `headers/`, need no WDK and no Windows. The library defines the functions that these
//! declare, and `wsk_host_run`, which runs a function of C's on hosts:
//!
//! ```c
//! #include <ntddk.h>
//! #include <wsk.h>
//! #include <wsk_host.h>
//!
//! static int registers(void *context)
//! {
//!     static const WSK_CLIENT_DISPATCH Dispatch = {MAKE_WSK_VERSION(1, 0), 0, NULL};
//!     WSK_CLIENT_NPI Client = {NULL, &Dispatch};
//!     WSK_REGISTRATION Registration;
//!
//!     UNREFERENCED_PARAMETER(context);
//!     if (!NT_SUCCESS(WskRegister(&Client, &Registration))) {
//!         return 1;
//!     }
//!     WskDeregister(&Registration);
//!     return 0;
//! }
//!
//! int main(void)
//! {
//!     return wsk_host_run(NULL, registers, NULL);
//! }
//! ```
//!
//! A whole client, and a program that runs it, are in `examples/`.
//!
//! # Building
//!
//! In a clone of the project, this makes `target/debug/libwsk_host_c.a` and says which of the system's
//! libraries it needs (`native-static-libs`):
//!
//! ```sh
//! cargo rustc --package wsk-host-c -- --print native-static-libs
//! cc -Iheaders/km -Iheaders/shared -Iwsk-host/c/include client.c main.c \
//!     target/debug/libwsk_host_c.a -lgcc_s -lutil -lrt -lpthread -lm -ldl -lc -o client
//! ```
//!
//! The profile `c` is `dev` with unwinding. Without that, as in this project's other profiles, a run that
//! fails ends the process after it has said why, and `wsk_host_run` does not return.
//!
//! `cargo xtask test c` does the same with the example. It was tried on Linux only.
//!
//! # What C has to bring
//!
//! `DbgPrint`, if the client calls it: Rust cannot define a function whose number of arguments varies.
//! `examples/main.c` has it in six lines.
//!
//! Everything else is as in Rust: see `wsk-host` for what there is, and which rules it verifies.

use std::ffi::{c_int, c_void};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use wsk_host::{Config, Host, Network, Timing};

/// `wsk_host_options` of the header, which documents it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(non_camel_case_types, reason = "the name is that of C")]
pub struct wsk_host_options {
    /// `WSK_HOST_NETWORK_…`.
    pub network: u32,
    /// `WSK_HOST_TIMING_…`.
    pub timing: u32,
    /// The first seed.
    pub first_seed: u64,
    /// How many seeds, or zero for 32.
    pub seeds: u64,
}

/// `WSK_HOST_DEFAULT_SEEDS`.
const DEFAULT_SEEDS: u64 = 32;

impl wsk_host_options {
    /// What the numbers mean.
    fn parse(&self) -> Result<(Config, Range<u64>), String> {
        let network = match self.network {
            0 => Network::Simulated,
            1 => Network::Real,
            2 => Network::Null,
            other => return Err(format!("{other} is not one of WSK_HOST_NETWORK_…")),
        };
        let timing = match self.timing {
            0 => Timing::Mixed(self.first_seed),
            1 => Timing::Inline,
            2 => Timing::Deferred,
            other => return Err(format!("{other} is not one of WSK_HOST_TIMING_…")),
        };
        let count = if self.seeds == 0 { DEFAULT_SEEDS } else { self.seeds };
        let end = self.first_seed.checked_add(count);
        let end = end.ok_or_else(|| format!("there are no {count} seeds from here on"))?;
        Ok((Config { network, timing, ..Config::default() }, self.first_seed..end))
    }
}

/// Runs a function of C's on hosts; the header documents it.
///
/// # Safety
///
/// `options` is null or valid. `scenario` may be called with `context` on this thread, returns, and keeps
/// the contracts of the functions that it calls.
#[unsafe(no_mangle)]
#[expect(clippy::missing_panics_doc, reason = "the panics in it are caught in it")]
pub unsafe extern "C" fn wsk_host_run(
    options: *const wsk_host_options,
    scenario: Option<unsafe extern "C" fn(*mut c_void) -> c_int>,
    context: *mut c_void,
) -> c_int {
    // SAFETY: the caller passes valid options, or null.
    let options = unsafe { options.as_ref() }.copied().unwrap_or_default();
    let scenario = scenario.ok_or_else(|| "there is no scenario".to_owned());
    let parsed = scenario.and_then(|scenario| Ok((scenario, options.parse()?)));
    let (scenario, (config, seeds)) = match parsed {
        Ok(parsed) => parsed,
        Err(reason) => {
            eprintln!("wsk-host: wsk_host_run: {reason}");
            return 1;
        }
    };
    // What has happened was said when it happened.
    let run = AssertUnwindSafe(|| {
        wsk_host::testing::run(config, seeds, |_host| {
            // SAFETY: the caller says that it may be called.
            let result = unsafe { scenario(context) };
            assert!(result == 0, "the scenario has returned {result}");
        });
    });
    c_int::from(catch_unwind(run).is_err())
}

/// How often the current thread's host was asked for memory; the header documents it.
#[unsafe(no_mangle)]
pub extern "C" fn wsk_host_allocations() -> u64 {
    // CAST: a count of calls.
    Host::current().allocations() as u64
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;

    /// The context of a scenario that counts its runs, and fails in one of them.
    #[derive(Default)]
    struct Runs {
        made: u64,
        failing: Option<u64>,
    }

    unsafe extern "C" fn counts(context: *mut c_void) -> c_int {
        // SAFETY: the tests pass this context.
        let runs = unsafe { &mut *context.cast::<Runs>() };
        runs.made += 1;
        c_int::from(runs.failing == Some(runs.made))
    }

    unsafe extern "C" {
        fn IoAllocateIrp(locations: i8, charge_quota: u8) -> *mut c_void;
        fn IoFreeIrp(irp: *mut c_void);
    }

    unsafe extern "C" fn leaks(_context: *mut c_void) -> c_int {
        // SAFETY: an IRP may be allocated at any time.
        c_int::from(unsafe { IoAllocateIrp(1, 0) }.is_null())
    }

    /// Fails unless each of its allocations is counted.
    unsafe extern "C" fn allocates(_context: *mut c_void) -> c_int {
        let before = wsk_host_allocations();
        for _ in 0..3 {
            // SAFETY: as above.
            let irp = unsafe { IoAllocateIrp(1, 0) };
            // SAFETY: it was just allocated.
            unsafe { IoFreeIrp(irp) };
        }
        c_int::from(wsk_host_allocations() != before + 3)
    }

    fn run(options: Option<&wsk_host_options>, runs: &mut Runs) -> c_int {
        let options = options.map_or(ptr::null(), ptr::from_ref);
        // SAFETY: the options are valid, and the context is the scenario's.
        unsafe { wsk_host_run(options, Some(counts), ptr::from_mut(runs).cast()) }
    }

    #[test]
    fn every_seed_is_a_run() {
        let mut runs = Runs::default();
        assert_eq!(run(None, &mut runs), 0);
        assert_eq!(runs.made, DEFAULT_SEEDS);

        let some = wsk_host_options { first_seed: 7, seeds: 3, ..Default::default() };
        let mut runs = Runs::default();
        assert_eq!(run(Some(&some), &mut runs), 0);
        assert_eq!(runs.made, 3);

        for timing in [1, 2] {
            let mut runs = Runs::default();
            assert_eq!(run(Some(&wsk_host_options { timing, ..some }), &mut runs), 0);
            assert_eq!(runs.made, 1);
        }
    }

    #[test]
    fn the_first_failure_is_the_last_run() {
        let mut runs = Runs { made: 0, failing: Some(5) };
        assert_eq!(run(None, &mut runs), 1);
        assert_eq!(runs.made, 5);
    }

    #[test]
    fn memory_that_is_left_is_a_failure() {
        // SAFETY: the scenario needs no context.
        assert_eq!(unsafe { wsk_host_run(ptr::null(), Some(leaks), ptr::null_mut()) }, 1);
    }

    #[test]
    fn allocations_are_counted() {
        // SAFETY: the scenario needs no context.
        assert_eq!(unsafe { wsk_host_run(ptr::null(), Some(allocates), ptr::null_mut()) }, 0);
    }

    #[test]
    fn every_network_can_be_had() {
        for network in 0..3 {
            let options = wsk_host_options { network, seeds: 1, ..Default::default() };
            assert_eq!(run(Some(&options), &mut Runs::default()), 0, "{options:?}");
        }
    }

    #[test]
    fn what_is_no_option_is_a_failure() {
        let wrong = [
            wsk_host_options { network: 3, ..Default::default() },
            wsk_host_options { timing: 3, ..Default::default() },
            wsk_host_options { first_seed: u64::MAX, ..Default::default() },
        ];
        for options in wrong {
            let mut runs = Runs::default();
            assert_eq!(run(Some(&options), &mut runs), 1, "{options:?}");
            assert_eq!(runs.made, 0);
        }
        // SAFETY: there is nothing to be called.
        assert_eq!(unsafe { wsk_host_run(ptr::null(), None, ptr::null_mut()) }, 1);
    }
}
