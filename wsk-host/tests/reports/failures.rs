//! Panics, errors and broken rules: the report is not lost, and names the command that repeats the run.

use wsk_host::{Config, Host, TestError, Timing, testing};
use wsk_sys::{ExFreePoolWithTag, HANDLE, PVOID, PsCreateSystemThread, ZwWaitForSingleObject};

use super::{is_scenario, require, run_failing};

/// The report of a rule's violation comes out although the harness captures the output of a test that is aborted.
#[test]
fn a_violation_is_not_captured() {
    if is_scenario() {
        testing::run(Config::default(), 7..8, |_| {
            // SAFETY: the memory is none of the pool's, which is what is tested: the host stops before it is used.
            unsafe { ExFreePoolWithTag(std::ptr::without_provenance_mut(64), 0) };
        });
        return;
    }
    let said = run_failing();
    require(
        &said.error,
        &["wsk-host: ExFreePoolWithTag", "  with:    Config", "Mixed(7)", "\n  again:\n"],
    );
    require_command(&said.error);
}

/// The command is on its own line.
#[track_caller]
fn require_command(said: &str) {
    let name = std::thread::current().name().map(str::to_owned).unwrap_or_default();
    let command =
        said.lines().find(|line| line.starts_with("WSK_HOST_REPLAY=1:uniform-7 cargo test"));
    let command = command.unwrap_or_else(|| panic!("there is no command in:\n{said}"));
    assert!(command.ends_with(&format!(" {name} -- --exact")), "{command}");
}

unsafe extern "C" fn panics(_context: PVOID) {
    panic!("a thread's reason");
}

/// A panic in a system thread ends the process, since it cannot unwind into the kernel.
#[test]
fn a_panic_in_a_system_thread_is_reported_with_its_seed() {
    if is_scenario() {
        testing::run(Config::default(), 7..8, |_| {
            let mut handle: HANDLE = std::ptr::null_mut();
            let null: PVOID = std::ptr::null_mut();
            // SAFETY: the routine needs no context.
            unsafe {
                PsCreateSystemThread(
                    &raw mut handle,
                    0,
                    null.cast(),
                    null,
                    null.cast(),
                    Some(panics),
                    null,
                );
            }
            // SAFETY: the handle is the new thread's.
            unsafe { ZwWaitForSingleObject(handle, 0, null.cast()) };
        });
        return;
    }
    let said = run_failing();
    require(
        &said.error,
        &[
            "wsk-host: the thread `system thread` has panicked at wsk-host/tests/reports/failures.rs:",
            "\n  a thread's reason\n",
            "Mixed(7)",
        ],
    );
    assert_eq!(said.error.matches("wsk-host: ").count(), 1, "{}", said.error);
    require_command(&said.error);
}

/// An error is shown as it displays itself, with the place of its `?`, and then the command.
#[wsk_host::test(seeds = 7..8)]
async fn an_error_has_its_place() -> Result<(), TestError> {
    if is_scenario() {
        std::future::ready("x".parse::<u8>()).await?;
        return Ok(());
    }
    let said = run_failing();
    require(
        &said.output,
        &[
            "the test has returned an error: invalid digit found in string\n  returned at wsk-host/tests/reports/failures.rs:",
        ],
    );
    require_command(&said.output);
    Ok(())
}

#[derive(Debug)]
struct Undisplayable;

#[wsk_host::test(seeds = 0..1)]
#[should_panic(expected = "the test has returned an error: Undisplayable")]
fn an_error_that_cannot_be_displayed_is_shown_by_debug() -> Result<(), Undisplayable> {
    Err(Undisplayable)
}

/// The environment's seed replaces those of a test.
#[test]
fn the_environment_selects_the_seed() {
    if is_scenario() {
        // SAFETY: this is the process's only test, and no other thread reads the environment.
        unsafe { std::env::set_var("WSK_HOST_SEED", "41") };
        testing::run(Config::default(), 0..3, |host: Host| {
            assert!(host.config().timing != Timing::Mixed(41), "seed 41 runs");
        });
        return;
    }
    let said = run_failing();
    require(&said.output, &["seed 41 runs", "\nWSK_HOST_REPLAY=1:uniform-41 cargo test"]);
}
