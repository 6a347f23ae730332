//! Images that run: what inline code reads, calls in both directions, faults, and the end.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod sample;

use std::fs;
use std::path::Path;

use sample::EntryAction;
use test_support::process::run_failing;
use wsk_host::{Config, Host, Timing};
use wsk_loader::{Driver, LoadError, Options};

fn load(mode: EntryAction) -> Result<Driver, LoadError> {
    load_file(&sample::file(mode))
}

/// Loads an image, and removes its folder.
fn load_file(path: &Path) -> Result<Driver, LoadError> {
    // SAFETY: the image is this test's own.
    let driver = unsafe { Options::new().allow_missing().load(path) };
    fs::remove_dir_all(path.parent().unwrap()).unwrap();
    driver
}

/// Loads the sample, which must end its process with a report that has all of `expected`.
#[track_caller]
fn stops(test: &str, mode: EntryAction, expected: &[&str]) {
    let report = run_failing(test, "", |_| {
        let host = Host::new(Config::default().timing(Timing::Inline));
        let _entered = host.enter();
        match load(mode) {
            Ok(driver) => driver.unload(),
            Err(error) => eprintln!("{error}"),
        }
        host.settle();
        pass_time();
    });
    let Some(report) = report else { return };
    for expected in expected {
        assert!(report.contains(expected), "expected {expected:?}:\n{report}");
    }
}

/// Waits for a second, in which timers are due.
fn pass_time() {
    let mut interval = wsk_sys::LARGE_INTEGER { QuadPart: -10_000_000 };
    // SAFETY: the interval is valid during the call.
    unsafe { wsk_sys::KeDelayExecutionThread(0, 0, &raw mut interval) };
}

#[test]
fn inline_code_and_imports_work_with_every_seed_and_timing() {
    let timings = (0..32).map(Timing::Mixed).chain([Timing::Inline, Timing::Deferred]);
    for timing in timings {
        let host = Host::new(Config::default().timing(timing));
        let _entered = host.enter();
        // `DriverEntry` fails with the number of a check that fails.
        load(EntryAction::Checks).unwrap_or_else(|error| panic!("{timing:?}: {error}")).unload();
        assert_eq!(host.outstanding_allocations(), 0);
    }
}

#[test]
fn all_missing_imports_are_listed_before_the_driver_runs() {
    let path = sample::file(EntryAction::Halt);
    // SAFETY: the image is this test's own.
    let error = unsafe { Driver::load(&path) }.err().unwrap();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot load {}: the host does not have\n  ntoskrnl.exe!#5\n  ntoskrnl.exe!NoSuchFunction\n\
             Imports by number (#) are never found, because a function has other numbers in other builds of Windows: \
             import it by name.",
            path.display()
        )
    );
}

#[test]
fn a_missing_import_stops_when_it_is_called() {
    let found = "ntoskrnl.exe!NoSuchFunction: the image calls it, and the host does not have it";
    stops("a_missing_import_stops_when_it_is_called", EntryAction::CallMissing, &[found]);
}

#[test]
fn a_halt_is_reported() {
    stops(
        "a_halt_is_reported",
        EntryAction::Halt,
        &[
            "the driver has faulted: a privileged instruction, which a host does not emulate\n  code:    hlt\n  at:      sample.sys+0x1",
        ],
    );
}

#[test]
fn fail_fast_is_reported() {
    stops(
        "fail_fast_is_reported",
        EntryAction::FailFast,
        &["the driver has stopped itself: __fastfail(7)"],
    );
}

#[test]
fn a_breakpoint_is_reported() {
    stops(
        "a_breakpoint_is_reported",
        EntryAction::Breakpoint,
        &["a breakpoint, and no debugger is attached\n  code:    int3"],
    );
}

#[test]
fn an_access_to_null_is_reported() {
    stops(
        "an_access_to_null_is_reported",
        EntryAction::WriteToNull,
        &["a write to memory at 0x8", "mov [rax+8],ecx"],
    );
}

#[test]
fn a_call_of_data_is_reported() {
    stops(
        "a_call_of_data_is_reported",
        EntryAction::CallData,
        &["the driver has called an address that is no code: sample.sys+0x3"],
    );
}

#[test]
fn a_write_to_code_is_reported() {
    stops(
        "a_write_to_code_is_reported",
        EntryAction::WriteToCode,
        &["a write to memory at 0x", "mov byte ptr [rax],0C3h"],
    );
}

#[test]
fn a_control_register_is_reported() {
    stops("a_control_register_is_reported", EntryAction::ReadControlRegister, &["mov rax,cr3"]);
}

#[test]
fn a_port_is_reported() {
    stops("a_port_is_reported", EntryAction::ReadPort, &["in al,dx"]);
}

#[test]
fn a_report_names_the_place_in_the_image() {
    let test = "a_report_names_the_place_in_the_image";
    let report = run_failing(test, "", |_| {
        // SAFETY: this process runs one test, and its other threads read no variables.
        unsafe { std::env::remove_var("RUST_BACKTRACE") };
        let _entered = Host::new(Config::default()).enter();
        let _ = load(EntryAction::BugCheck);
    });
    let Some(report) = report else { return };
    assert!(report.contains("bug check 0x00001234 (0x1, 0x2, 0x3, 0x4)"), "{report}");
    // The frame of `DriverEntry`, and that of its caller: the image's frames are unwound.
    assert!(report.contains("\n      sample.sys+0x1"), "{report}");
    assert!(report.contains("tests/images/main.rs"), "{report}");
}

/// The sample, which makes a bug check, with another function table or unwind information.
fn with_unwind(offset: usize, changed: &[u8]) -> Vec<u8> {
    let mut bytes = sample::with_mode(EntryAction::BugCheck);
    let place = sample::UNWIND.start + offset;
    assert!(place + changed.len() <= sample::UNWIND.end);
    bytes[place..place + changed.len()].copy_from_slice(changed);
    bytes
}

/// Wrong unwind data: defects that lead an unwinder astray, and random ones.
fn wrong_unwind_data() -> Vec<Vec<u8>> {
    /// The offset of the unwind information, behind an entry of the function table.
    const INFORMATION: usize = 12;
    let codes = |codes: &[u8]| with_unwind(INFORMATION + 4, codes);
    let header = |byte: usize, value: u8| with_unwind(INFORMATION + byte, &[value]);
    let mut images = vec![
        // The frame is 512 KiB large, 4 GiB, or 8 bytes.
        codes(&[7, 0x01, 0xFF, 0xFF, 2, 0x60, 1, 0x30]),
        codes(&[7, 0x11, 0xF8, 0xFF, 0xFF, 0xFF, 1, 0x30]),
        codes(&[7, 0x02, 3, 0x02, 2, 0x02, 1, 0x02]),
        // RBX, the driver's object, is a frame pointer.
        {
            let mut image = codes(&[7, 0xD2, 3, 0x03, 2, 0x60, 1, 0x30]);
            image[sample::UNWIND.start + INFORMATION + 3] = 3;
            image
        },
        // RBP was saved where another number is.
        codes(&[7, 0xD2, 3, 0x50, 2, 0x50, 1, 0x50]),
        codes(&[7, 0x54, 0, 0, 2, 0x60, 1, 0x30]),
        // A chain to itself, a future version, more codes than there are.
        header(0, 0x21),
        header(0, 0x07),
        header(2, 0xFF),
        // The end before the beginning, no size, a size that overflows, information outside of the image.
        with_unwind(0, &[0xFF, 0x1F]),
        with_unwind(4, &[0, 0x10]),
        with_unwind(4, &[0xFF; 4]),
        with_unwind(8, &[0xFF; 4]),
        with_unwind(8, &[0xFE, 0x4F, 0, 0]),
    ];
    let mut state = 17_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        usize::try_from(state >> 33).unwrap() % below
    };
    for _ in 0..50 {
        let mut bytes = sample::with_mode(EntryAction::BugCheck);
        for _ in 0..=random(3) {
            let place = sample::UNWIND.start + random(sample::UNWIND.len());
            bytes[place] = random(256).to_le_bytes()[0];
        }
        images.push(bytes);
    }
    images
}

#[test]
fn wrong_unwind_data_does_not_disturb_a_report() {
    let test = "wrong_unwind_data_does_not_disturb_a_report";
    for (number, image) in wrong_unwind_data().into_iter().enumerate() {
        let report = run_failing(test, &number.to_string(), |number| {
            let image = &wrong_unwind_data()[number.parse::<usize>().unwrap()];
            let _entered = Host::new(Config::default()).enter();
            let _ = load_file(&sample::write("unwind", image));
        });
        let Some(report) = report else { return };
        let unwind = &image[sample::UNWIND];
        assert!(report.contains("bug check 0x00001234"), "{number}: {unwind:02X?}: {report}");
    }
}

#[test]
fn a_timer_that_is_left_is_reported() {
    stops(
        "a_timer_that_is_left_is_reported",
        EntryAction::LeaveTimer,
        &["INV-18", "a set timer is in it when the driver is unloaded"],
    );
}

#[test]
fn a_thread_that_is_left_is_reported() {
    stops("a_thread_that_is_left_is_reported", EntryAction::LeaveThread, &["INV-18"]);
}
