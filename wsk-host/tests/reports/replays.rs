//! A failing run is replayed by its line, and shrunk to the choices that matter.

use std::cell::UnsafeCell;
use std::process::Output;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use wsk_host::{Config, Host, Schedule, testing};
use wsk_sys::{
    HANDLE, KEVENT, KeInitializeEvent, KeSetEvent, NTSTATUS, NotificationEvent, PVOID,
    PsCreateSystemThread, ZwClose, ZwWaitForSingleObject,
};

use super::{current_test, is_scenario, require};

/// A counter without a lock.
struct Counter {
    value: AtomicU32,
    event: UnsafeCell<KEVENT>,
}

/// Adds one. A thread that runs between the load and the store loses its addition.
unsafe extern "C" fn adds(context: PVOID) {
    // SAFETY: the counter outlives its threads.
    let counter = unsafe { &*context.cast::<Counter>() };
    let value = counter.value.load(Ordering::Relaxed);
    // SAFETY: the event is initialized, and its threads share it.
    unsafe { KeSetEvent(counter.event.get(), 0, 0) };
    counter.value.store(value + 1, Ordering::Relaxed);
}

fn start(counter: &Counter) -> HANDLE {
    let mut handle: HANDLE = ptr::null_mut();
    let null: PVOID = ptr::null_mut();
    // SAFETY: the threads are awaited before the counter ends.
    let status: NTSTATUS = unsafe {
        PsCreateSystemThread(
            &raw mut handle,
            0,
            null.cast(),
            null,
            null.cast(),
            Some(adds),
            ptr::from_ref(counter).cast_mut().cast(),
        )
    };
    assert_eq!(status, 0);
    handle
}

/// Two threads, and the race between them.
fn counts_to_two(_: Host) {
    // SAFETY: an event is plain data, and initialized next.
    let event: UnsafeCell<KEVENT> = unsafe { std::mem::zeroed() };
    let counter = Counter { value: AtomicU32::new(0), event };
    // SAFETY: the event is this function's.
    unsafe { KeInitializeEvent(counter.event.get(), NotificationEvent, 0) };
    for handle in [start(&counter), start(&counter)] {
        // SAFETY: the handle is a thread's.
        unsafe { ZwWaitForSingleObject(handle, 0, ptr::null_mut()) };
        // SAFETY: as above; it is closed once.
        unsafe { ZwClose(handle) };
    }
    assert_eq!(counter.value.load(Ordering::Relaxed), 2, "an addition was lost");
}

fn run(variables: &[(&str, &str)]) -> (bool, String) {
    let variables = variables.iter().copied();
    let Output { status, stderr, .. } =
        current_test().arg("--nocapture").envs(variables).output().expect("the test binary starts");
    (status.success(), String::from_utf8_lossy(&stderr).into_owned())
}

/// The line of a report.
#[track_caller]
fn line_of(said: &str) -> String {
    let line = said.lines().filter_map(|line| line.strip_prefix("WSK_HOST_REPLAY=")).next_back();
    let line = line.unwrap_or_else(|| panic!("there is no line in:\n{said}"));
    line.split(' ').next().unwrap_or_default().to_owned()
}

/// The trace, without what differs from process to process.
fn trace_of(said: &str) -> String {
    let lines = said.lines().filter(|line| line.contains(" ms  "));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_race_is_found_replayed_and_shrunk() {
    if is_scenario() {
        testing::run(Config::default(), 0..200, counts_to_two);
        return;
    }
    let (_, found) = run(&[]);
    let line = line_of(&found);
    assert!(line.starts_with("1:uniform-"), "{line}");
    let (_, again) = run(&[("WSK_HOST_REPLAY", &line)]);
    assert_eq!(trace_of(&found), trace_of(&again));

    let (passed, shrunk) = run(&[("WSK_HOST_REPLAY", &line), ("WSK_HOST_SHRINK", "1")]);
    assert!(!passed);
    let small = line_of(&shrunk);
    assert!(small.starts_with("1:plain:"), "{shrunk}");
    // One preemption between the load and the store.
    assert_eq!(small.matches('=').count(), 1, "{shrunk}");
    let told = [
        "CHOICE p",
        "the thread is preempted, in adds at ./tests/reports/replays.rs",
        "has the turn",
    ];
    require(&shrunk, &told);
    let (passed, first) = run(&[("WSK_HOST_REPLAY", &small)]);
    let (_, second) = run(&[("WSK_HOST_REPLAY", &small)]);
    assert!(!passed);
    require(&first, &["an addition was lost", "CHOICE p"]);
    assert_eq!(trace_of(&first), trace_of(&second));
}

#[test]
fn a_search_fails_first_with_the_fewest_differences() {
    if is_scenario() {
        let schedule = Schedule::Exhaustive { differences: 2, choices: 100 };
        testing::run(Config::default().schedule(schedule), 0..1, counts_to_two);
        return;
    }
    let (passed, said) = run(&[]);
    assert!(!passed);
    assert_eq!(line_of(&said).matches('=').count(), 1, "{said}");
}

#[test]
fn priorities_find_it_and_their_line_replays_it() {
    if is_scenario() {
        let config = Config::default().schedule(Schedule::Pct { depth: 2 });
        testing::run(config, 0..200, counts_to_two);
        return;
    }
    let (passed, said) = run(&[]);
    assert!(!passed);
    let line = line_of(&said);
    assert!(line.starts_with("1:pct2-"), "{line}");
    let (_, again) = run(&[("WSK_HOST_REPLAY", &line)]);
    assert_eq!(trace_of(&said), trace_of(&again));
}

#[test]
fn lines_that_cannot_be_replayed_are_refused_in_words() {
    if is_scenario() {
        testing::run(Config::default(), 0..1, |_| {});
        return;
    }
    for (line, words) in [
        ("2:plain", "is of version 2, and this wsk-host reads version 1"),
        ("1:plain:t1", "`t1` is no choice and value"),
        ("@/no/file", "names the file `/no/file`, which cannot be read"),
        ("1:plain:p0=1:900-0000", "makes other choices than the recorded run: the line is stale"),
    ] {
        let (passed, said) = run(&[("WSK_HOST_REPLAY", line)]);
        assert!(!passed && said.contains(words), "{line}: {said}");
    }
    let (passed, said) = run(&[("WSK_HOST_SHRINK", "1")]);
    assert!(!passed);
    require(&said, &["the test passes, and there is nothing to shrink"]);
}

#[test]
fn a_value_that_a_choice_does_not_have_is_refused() {
    if is_scenario() {
        testing::run(Config::default(), 0..1, counts_to_two);
        return;
    }
    let (passed, said) = run(&[("WSK_HOST_REPLAY", "1:plain:p0=7")]);
    assert!(!passed);
    require(
        &said,
        &["stale, or of another test: it has the value 7 for the choice p0, which has 2"],
    );
}

#[test]
fn bytes_choose_a_run_and_their_line_replays_it() {
    if is_scenario() {
        // As a fuzzer would: every string of a few bytes.
        if std::env::var_os("WSK_HOST_REPLAY").is_some() {
            testing::run(Config::default(), 0..1, counts_to_two);
            return;
        }
        for number in 0..=u32::MAX {
            testing::run_bytes(Config::default(), &number.to_le_bytes(), counts_to_two);
        }
    }
    let (passed, said) = run(&[]);
    assert!(!passed);
    let line = line_of(&said);
    assert!(line.starts_with("1:bytes-"), "{line}");
    let (passed, again) = run(&[("WSK_HOST_REPLAY", &line)]);
    assert!(!passed);
    assert_eq!(trace_of(&said), trace_of(&again));
}
