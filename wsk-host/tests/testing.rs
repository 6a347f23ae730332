//! `#[wsk_host::test]`.

use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::sync::Mutex;

use wsk_host::{Config, Host, Timing, testing};
use wsk_sys::{ExAllocatePoolWithTag, ExFreePoolWithTag, NonPagedPoolNx};

const TAG: u32 = u32::from_le_bytes(*b"leak");

#[wsk_host::test]
async fn an_async_test_has_a_host(host: Host) {
    // SAFETY: the memory is freed once.
    let memory = unsafe { ExAllocatePoolWithTag(NonPagedPoolNx, 10, TAG) };
    assert_eq!(host.outstanding_allocations(), 1);
    std::future::ready(()).await;
    // SAFETY: it was allocated above.
    unsafe { ExFreePoolWithTag(memory, TAG) };
}

#[wsk_host::test(seeds = 0..1)]
fn a_test_may_return_a_result() -> Result<(), std::num::ParseIntError> {
    assert_eq!("7".parse::<u8>()?, 7);
    Ok(())
}

#[wsk_host::test(seeds = 0..1)]
#[should_panic(expected = "the test has returned an error: reason")]
fn an_error_fails_the_test() -> Result<(), &'static str> {
    Err("reason")
}

#[wsk_host::test(config = Config { timing: Timing::Inline, ..Config::default() })]
#[should_panic(expected = "memory was not freed, by tag:\n  leak: 2 of 30 bytes")]
fn a_leak_fails_the_test_and_is_named_by_tag() {
    for size in [10, 20] {
        // SAFETY: the allocation leaks, as the test intends.
        unsafe { ExAllocatePoolWithTag(NonPagedPoolNx, size, TAG) };
    }
}

#[wsk_host::test(seeds = 0..0)]
#[should_panic(expected = "a test needs at least one seed")]
fn a_test_without_seeds_fails() {}

#[test]
fn each_seed_runs_once_and_seedless_timings_run_once() {
    let hosts = Mutex::new(Vec::new());
    let scenario = |host: Host| hosts.lock().unwrap().push(format!("{host:?}"));
    testing::run(Config::default(), 3..6, scenario);
    testing::run(Config { timing: Timing::Deferred, ..Config::default() }, 0..100, scenario);
    let hosts = hosts.into_inner().unwrap();
    assert_eq!(hosts.len(), 4);
    for (host, timing) in hosts.iter().zip(["Mixed(3)", "Mixed(4)", "Mixed(5)", "Deferred"]) {
        assert!(host.contains(timing), "{host}");
    }
    assert_eq!(hosts.iter().collect::<BTreeSet<_>>().len(), 4);
}

#[test]
fn a_failure_ends_the_seeds() {
    let runs = Mutex::new(0);
    let panic = catch_unwind(|| {
        testing::run(Config::default(), 0..10, |_| {
            let mut runs = runs.lock().unwrap();
            *runs += 1;
            let run = *runs;
            drop(runs);
            assert!(run < 4, "the fourth");
        });
    });
    assert!(panic.is_err());
    assert_eq!(*runs.lock().unwrap(), 4);
}

/// A failing test reports its seed and the host's last events.
#[cfg(not(miri))]
#[test]
fn a_failure_prints_the_seed_and_the_trace() {
    const FAILS: &str = "WSK_HOST_FAILS";
    if std::env::var_os(FAILS).is_some() {
        testing::run(Config::default(), 0..10, |host| {
            // SAFETY: the memory is freed once.
            unsafe {
                host.fail_allocation(1);
                assert!(ExAllocatePoolWithTag(NonPagedPoolNx, 10, TAG).is_null());
            }
            assert!(host.config() != Config::default().seed(7), "the seventh");
        });
        return;
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["a_failure_prints_the_seed_and_the_trace", "--exact", "--nocapture"])
        .env(FAILS, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    for text in ["the seventh", "failed with Config", "Mixed(7)", "allocation 1 fails"] {
        assert!(said.contains(text), "`{text}` is not said in:\n{said}");
    }
}

/// Names that the attribute's expansion could meet, in a module that takes all of another one.
#[allow(dead_code, reason = "names that are not used")]
mod unusual {
    mod core {}
    mod std {}
    mod test {}
    struct Result;
    struct Default;
    fn run() {}
    fn output() {}

    mod inner {
        use super::*;

        fn uses(_: Result) {}

        /// Documented.
        #[wsk_host::test(seeds = 0..1)]
        #[should_panic(expected = "as intended")]
        fn output() -> ! {
            panic!("as intended")
        }
    }

    #[wsk_host::test(seeds = 0..1)]
    #[allow(clippy::toplevel_ref_arg, clippy::needless_pass_by_value, reason = "a shape to accept")]
    fn host(ref host: wsk_host::Host) {
        host.settle();
    }

    #[wsk_host::test(seeds = 0..1)]
    #[allow(clippy::unused_async, reason = "a shape to accept")]
    async fn r#try(mut run: wsk_host::Host) -> ::core::result::Result<(), String> {
        run.settle();
        run = run.clone();
        run.settle();
        Ok(())
    }
}
