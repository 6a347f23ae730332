//! `wsk-host` for clients in C: a static library, and the header `include/wsk_host.h`.
//!
//! A client's sources are compiled as they are, against `<ntddk.h>` and `<wsk.h>`: those of this
//! project, in `headers/`, need no WDK and no Windows. The library defines the functions that these
//! declare, and `wsk_host_run`, which runs a C function on hosts:
//!
//! ```c
//! #include <ntddk.h>
//! #include <wsk.h>
//! #include <wsk_host.h>
//!
//! static int registers(void *context)
//! {
//!     static const WSK_CLIENT_DISPATCH Dispatch = {MAKE_WSK_VERSION(1, 0), 0, NULL};
//!     static WSK_REGISTRATION Registration;
//!     WSK_CLIENT_NPI Client = {NULL, &Dispatch};
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
//! In a clone of the project, the first command makes `target/debug/libwsk_host.a` and prints the system libraries that
//! it needs:
//!
//! ```sh
//! cargo xtask library
//! cc -fshort-wchar -Iheaders/km -Iheaders/shared -Iwsk-host/c/include client.c main.c \
//!     "${CARGO_TARGET_DIR:-target}"/debug/libwsk_host.a -lgcc_s -lutil -lrt -lpthread -lm -ldl -lc -o client
//! ```
//!
//! On Linux, a client may define `connect`, `send` and all other names of the C library for itself: the kernel's
//! headers give its functions other names in the object file. Functions that are compiled without these headers need
//! the library of `cargo xtask library`, which renames what cargo's own `libwsk_host_c.a` takes from the C library. So
//! does a client that defines a function of the kernel, such as `ExAllocatePool2`, for itself: the library's definition
//! is weak.
//!
//! The profile `c` (`cargo xtask library --profile c`) is `dev` with unwinding. Without unwinding, as in this project's
//! other profiles, a failed run prints the reason and ends the process, and `wsk_host_run` does not return.
//!
//! `cargo xtask test c` does the same with the example. This was tested on Linux only.
//!
//! # Requirements for C clients
//!
//! `DbgPrint`, if the client calls it: Rust cannot define a function whose number of arguments varies.
//! `examples/main.c` has it in six lines, which end in the host's `vDbgPrintEx`.
//!
//! `-fshort-wchar`, which gives wide literals the 16 bits of a `WCHAR`; and `LONG` in place of each `long` that the
//! client shares with Windows, since a `long` has 64 bits on Linux.
//!
//! Everything else is as in Rust: see `wsk-host` for its contents, and for the rules that it verifies.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::time::Duration;

use wsk_host::rules::Levels;
use wsk_host::{
    CallStatus, Config, Faults, Host, Indications, Network, Readiness, Schedule, Stripping, Timing,
    Windows,
};

pub mod driver;
mod names;

/// `wsk_host_options` of the header, which documents it. Zeroes are the defaults.
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
    /// The number of seeds, or zero for 32.
    pub seeds: u64,
    /// The major version of the emulated Windows. Zeroes mean the newest.
    pub windows_major: u32,
    /// Its minor version.
    pub windows_minor: u32,
    /// Its build.
    pub windows_build: u32,
    /// `WSK_HOST_READINESS_…`.
    pub readiness: u32,
    /// Microseconds after which WSK is ready, with `WSK_HOST_READINESS_AFTER`.
    pub ready_after: u64,
    /// The longest delay of the simulated network in microseconds; `WSK_HOST_NONE` for none.
    pub delay: u64,
    /// The number of bytes that a connection of the simulated network buffers.
    pub window: u64,
    /// Faults in a thousand: datagrams that are lost.
    pub loss: u16,
    /// Datagrams that arrive twice.
    pub duplication: u16,
    /// Segments after which their connection is reset.
    pub reset: u16,
    /// Requests that leave their socket no longer functional.
    pub forced_close: u16,
    /// Requests that do not complete until they are cancelled.
    pub hold: u16,
    /// Nonzero: receives return all available data.
    pub whole_receives: u8,
    /// Not zero: `WskDisconnect` is refused, as by Wine.
    pub refuse_disconnect: u8,
    /// Not zero: `WskSocketConnect` is refused, as by Wine.
    pub refuse_socket_connect: u8,
    /// Not zero: `IoCancelIrp` does nothing, as in Wine.
    pub refuse_cancel: u8,
    /// Not zero: `WskGetNameInfo` is refused, as by Wine.
    pub refuse_name_info: u8,
    /// Not zero: `WskControlSocket` and `WskControlClient` are refused, as by Wine.
    pub refuse_control: u8,
    /// Not zero: `WskGetLocalAddress` and `WskGetRemoteAddress` are refused, as by Wine.
    pub refuse_addresses: u8,
    /// Not zero: `TCP_NODELAY` is not supported.
    pub refuse_nodelay: u8,
    /// Zero.
    pub reserved: [u8; 2],
    /// `WSK_HOST_STRIPPING_…`.
    pub stripping: u32,
    /// The levels of rules as a NUL-terminated string for `Levels::parse`, or null for none.
    pub rules: Option<NonNull<c_char>>,
    /// `WSK_HOST_CALL_STATUS_…`.
    pub call_status: u32,
    /// `WSK_HOST_INDICATIONS_…`.
    pub indications: u32,
    /// `WSK_HOST_SCHEDULE_…`.
    pub schedule: u32,
    /// The depth of PCT, or the number of choices of an exhaustive search that differ; zero means 3 or 1.
    pub schedule_depth: u32,
    /// The choices at the start of a run that an exhaustive search varies; zero means 100.
    pub schedule_choices: u32,
}

/// `WSK_HOST_NONE`.
const NONE: u64 = u64::MAX;

/// `WSK_HOST_DEFAULT_SEEDS`.
const DEFAULT_SEEDS: u64 = 32;

impl wsk_host_options {
    fn schedule(&self) -> Result<Schedule, String> {
        let or = |value, default| if value == 0 { default } else { value };
        Ok(match self.schedule {
            0 => Config::default().schedule,
            1 => Schedule::Uniform,
            2 => Schedule::Pct { depth: or(self.schedule_depth, 3) },
            3 => Schedule::Alternate { depth: or(self.schedule_depth, 3) },
            4 => Schedule::Exhaustive {
                differences: or(self.schedule_depth, 1),
                choices: or(self.schedule_choices, 100),
            },
            other => return Err(format!("{other} is not one of WSK_HOST_SCHEDULE_…")),
        })
    }

    /// The configuration and the seeds that the options describe.
    fn parse(&self) -> Result<(Config, Range<u64>), String> {
        let defaults = Config::default();
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
        let readiness = match self.readiness {
            0 => Readiness::Ready,
            1 => Readiness::After(Duration::from_micros(self.ready_after)),
            2 => Readiness::Never,
            other => return Err(format!("{other} is not one of WSK_HOST_READINESS_…")),
        };
        let stripping = match self.stripping {
            0 => Stripping::Nothing,
            1 => Stripping::PacketInfoAlone,
            2 => Stripping::TdiFilter,
            other => return Err(format!("{other} is not one of WSK_HOST_STRIPPING_…")),
        };
        let call_status = match self.call_status {
            0 => CallStatus::Mixed,
            1 => CallStatus::Pending,
            2 => CallStatus::Final,
            other => return Err(format!("{other} is not one of WSK_HOST_CALL_STATUS_…")),
        };
        let indications = match self.indications {
            0 => Indications::Mixed,
            1 => Indications::Plain,
            other => return Err(format!("{other} is not one of WSK_HOST_INDICATIONS_…")),
        };
        let windows = match (self.windows_major, self.windows_minor, self.windows_build) {
            (0, 0, 0) => defaults.windows,
            (major @ (6 | 10), minor, build) => Windows { major, minor, build },
            (major, minor, build) => {
                return Err(format!("Windows {major}.{minor}.{build} has no WSK"));
            }
        };
        let faults = Faults {
            loss: self.loss,
            duplication: self.duplication,
            reset: self.reset,
            forced_close: self.forced_close,
            hold: self.hold,
            ..defaults.faults
        };
        let delay = match self.delay {
            0 => defaults.delay,
            NONE => Duration::ZERO,
            delay => Duration::from_micros(delay),
        };
        let window = match self.window {
            0 => defaults.window,
            window => usize::try_from(window)
                .map_err(|_| format!("the window of {window} bytes is too large"))?,
        };
        if let Some(reserved) = self.reserved.iter().find(|byte| **byte != 0) {
            return Err(format!("the member `reserved` is {reserved}, and must be 0"));
        }
        let count = if self.seeds == 0 { DEFAULT_SEEDS } else { self.seeds };
        let end = self.first_seed.checked_add(count);
        let end = end.ok_or_else(|| format!("the range of {count} seeds exceeds 64 bits"))?;
        // Names every member, so that a new field of `Config` becomes an option here, too.
        let config = Config {
            network,
            timing,
            schedule: self.schedule()?,
            call_status,
            windows,
            faults,
            readiness,
            delay,
            window,
            partial_receives: self.whole_receives == 0,
            indications,
            stripping,
            refuse_disconnect: self.refuse_disconnect != 0,
            refuse_socket_connect: self.refuse_socket_connect != 0,
            refuse_cancel: self.refuse_cancel != 0,
            refuse_name_info: self.refuse_name_info != 0,
            refuse_control: self.refuse_control != 0,
            refuse_addresses: self.refuse_addresses != 0,
            refuse_nodelay: self.refuse_nodelay != 0,
            // The text belongs to the caller: see `wsk_host_run`.
            rules: Levels::TOLERANT,
        };
        Ok((config, self.first_seed..end))
    }
}

/// WSK's identifier as a network programming interface, which `wsk.h` declares and C's import library defines.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "the name is that of C")]
pub static NPI_WSK_INTERFACE_ID: wsk_sys::NPIID = wsk_sys::NPI_WSK_INTERFACE_ID;

/// Runs a C function on hosts; the header documents it.
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
    let scenario = scenario.ok_or_else(|| "the scenario is null".to_owned());
    let parsed = scenario.and_then(|scenario| {
        let (mut config, seeds) = options.parse()?;
        if let Some(rules) = options.rules {
            // SAFETY: the caller passes valid options, whose text ends with NUL.
            let rules = unsafe { CStr::from_ptr(rules.as_ptr()) };
            config.rules = config.rules.parse(&rules.to_string_lossy())?;
        }
        Ok((scenario, (config, seeds)))
    });
    let (scenario, (config, seeds)) = match parsed {
        Ok(parsed) => parsed,
        Err(reason) => {
            eprintln!("wsk-host: wsk_host_run: {reason}");
            return 1;
        }
    };
    // `testing::run` has reported the failure.
    let run = AssertUnwindSafe(|| {
        wsk_host::testing::run(config, seeds, |_host| {
            // SAFETY: `scenario` may be called with `context` on this thread (this function's contract).
            let result = unsafe { scenario(context) };
            assert!(result == 0, "the scenario returned {result}");
        });
    });
    c_int::from(catch_unwind(run).is_err())
}

/// The number of allocations of the current thread's host; the header documents it.
#[unsafe(no_mangle)]
pub extern "C" fn wsk_host_allocations() -> u64 {
    // CAST: a count of calls.
    Host::current().allocations() as u64
}

/// Writes the packets of the current thread's host to a file; the header documents it.
///
/// # Safety
///
/// `path` is a text that ends with NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsk_host_capture_packets(path: *const c_char) -> c_int {
    // SAFETY: the caller passes a text that ends with NUL.
    let path = unsafe { CStr::from_ptr(path) };
    let captured = path.to_str().map_err(io::Error::other);
    match captured.and_then(|path| Host::current().capture_packets(path)) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("wsk-host: wsk_host_capture_packets: cannot create {path:?}: {error}");
            1
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;

    #[test]
    fn packets_are_captured_to_a_file_that_can_be_created() {
        let _entered = Host::new(wsk_host::Config::default()).enter();
        let folder = std::env::temp_dir();
        let file = folder.join(format!("wsk-host-c-{}.pcapng", std::process::id()));
        // SAFETY: the text ends with NUL.
        let capture = |path: &CStr| unsafe { wsk_host_capture_packets(path.as_ptr()) };
        let text = |path: &std::path::Path| std::ffi::CString::new(path.to_str().unwrap()).unwrap();
        assert_eq!(capture(&text(&file)), 0);
        assert_eq!(capture(&text(&folder.join("no such folder").join("run.pcapng"))), 1);
        assert_eq!(capture(c"\xFF"), 1);
        assert_eq!(std::fs::read(&file).unwrap()[..4], [0x0A, 0x0D, 0x0D, 0x0A]);
        std::fs::remove_file(file).unwrap();
    }

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
            // SAFETY: an IRP may be allocated at any time.
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
    fn every_network_can_be_selected() {
        for network in 0..3 {
            let options = wsk_host_options { network, seeds: 1, ..Default::default() };
            assert_eq!(run(Some(&options), &mut Runs::default()), 0, "{options:?}");
        }
    }

    /// Options that all differ from the default.
    fn all_options() -> wsk_host_options {
        wsk_host_options {
            network: 2,
            timing: 1,
            first_seed: 0,
            seeds: 1,
            windows_major: 6,
            windows_minor: 1,
            windows_build: 7601,
            readiness: 1,
            ready_after: 5,
            delay: NONE,
            window: 100,
            loss: 1,
            duplication: 2,
            reset: 3,
            forced_close: 4,
            hold: 5,
            whole_receives: 1,
            refuse_disconnect: 1,
            refuse_socket_connect: 1,
            refuse_cancel: 1,
            refuse_name_info: 1,
            refuse_control: 1,
            refuse_addresses: 1,
            refuse_nodelay: 1,
            reserved: [0; 2],
            stripping: 2,
            rules: None,
            call_status: 2,
            indications: 1,
            schedule: 4,
            schedule_depth: 2,
            schedule_choices: 7,
        }
    }

    /// Does not compile if `Config` has a field that is not named here, and fails if that field is not an option.
    #[test]
    fn every_field_of_the_configuration_is_an_option() {
        macro_rules! differ {
            ($($field:ident)*) => {
                let (all, _) = all_options().parse().unwrap();
                let (default, _) = wsk_host_options::default().parse().unwrap();
                // The levels are parsed from a text: see `what_is_no_option_is_a_failure`.
                let Config { rules: _, $($field: _),* } = all;
                $(assert_ne!(all.$field, default.$field, stringify!($field));)*
            };
        }
        differ! {
            network timing schedule call_status windows faults readiness delay window partial_receives indications stripping
            refuse_disconnect refuse_socket_connect refuse_cancel refuse_name_info refuse_control refuse_addresses
            refuse_nodelay
        }
    }

    #[test]
    fn zeroes_are_the_defaults_and_every_option_counts() {
        let (config, seeds) = wsk_host_options::default().parse().unwrap();
        let default = Config { rules: Levels::TOLERANT, ..Config::default() };
        assert_eq!((config, seeds), (default, 0..DEFAULT_SEEDS));
        let all = all_options();
        let expected = Config {
            network: Network::Null,
            timing: Timing::Inline,
            schedule: Schedule::Exhaustive { differences: 2, choices: 7 },
            call_status: CallStatus::Final,
            windows: Windows::SEVEN,
            faults: Faults {
                loss: 1,
                duplication: 2,
                reset: 3,
                forced_close: 4,
                hold: 5,
                ..Faults::default()
            },
            readiness: Readiness::After(Duration::from_micros(5)),
            delay: Duration::ZERO,
            window: 100,
            partial_receives: false,
            indications: Indications::Plain,
            stripping: Stripping::TdiFilter,
            refuse_disconnect: true,
            refuse_socket_connect: true,
            refuse_cancel: true,
            refuse_name_info: true,
            refuse_control: true,
            refuse_addresses: true,
            refuse_nodelay: true,
            rules: Levels::TOLERANT,
        };
        assert_eq!(all.parse().unwrap().0, expected);
    }

    #[test]
    fn an_unknown_option_is_a_failure() {
        let wrong = [
            wsk_host_options { network: 3, ..Default::default() },
            wsk_host_options { timing: 3, ..Default::default() },
            wsk_host_options { first_seed: u64::MAX, ..Default::default() },
            wsk_host_options { readiness: 3, ..Default::default() },
            wsk_host_options { stripping: 3, ..Default::default() },
            wsk_host_options { call_status: 3, ..Default::default() },
            wsk_host_options { indications: 2, ..Default::default() },
            wsk_host_options { schedule: 5, ..Default::default() },
            wsk_host_options { windows_major: 5, ..Default::default() },
            wsk_host_options { reserved: [0, 1], ..Default::default() },
            wsk_host_options {
                rules: NonNull::new(c"INV-0=off".as_ptr().cast_mut()),
                ..Default::default()
            },
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
