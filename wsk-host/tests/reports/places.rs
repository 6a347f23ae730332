//! The places of objects: reports name the client's lines that made them, without `RUST_BACKTRACE`.

use test_support::kernel::TAG;
use test_support::raw::{Client, PoolBuffer, receive};
use wsk_host::{Config, Timing, testing};
use wsk_sys::{ExAllocatePoolWithTag, IoFreeIrp, NonPagedPoolNx};

use super::{is_scenario, require, run_failing};

fn inline() -> Config {
    Config::default().timing(Timing::Inline)
}

/// A block of the pool that is never freed, and the line that made it.
fn leaks() -> u32 {
    // SAFETY: the IRQL is PASSIVE_LEVEL.
    unsafe { ExAllocatePoolWithTag(NonPagedPoolNx, 24, TAG) };
    line!() - 1
}

/// Each place that has made a leaked block is named: `leaks`, and its two callers.
#[test]
fn a_leak_names_where_each_block_was_made() {
    let (mut lines, mut made) = ([0; 2], 0);
    let mut scenario = || {
        for _ in 0..3 {
            (lines[0], made) = (line!(), leaks());
        }
        (lines[1], made) = (line!(), leaks());
    };
    if is_scenario() {
        let scenario = std::sync::Mutex::new(scenario);
        testing::run(inline(), 0..1, |_| scenario.lock().unwrap()());
        return;
    }
    let said = run_failing().output;
    let host = wsk_host::Host::new(inline());
    let entered = host.enter();
    scenario();
    drop(entered);
    require(
        &said,
        &[
            "\n  4 times the block of 24 bytes with the tag `test`, made by ExAllocatePoolWithTag in ",
        ],
    );
    for (line, count) in [(lines[0], 3), (lines[1], 1)] {
        let place = format!(
            "\n    {count} of them at\n      reports::places::leaks at ./tests/reports/places.rs:{made}:"
        );
        let places: Vec<&str> = said.matches(&place).collect();
        assert_eq!(places.len(), 1, "`{place}` is missing in:\n{said}");
        let (_, after) = said.split_once(&place).unwrap_or_default();
        let caller = after.lines().nth(1).unwrap_or_default();
        assert!(
            caller.contains(&format!("at ./tests/reports/places.rs:{line}:")),
            "{caller}\n{said}"
        );
    }
}

/// A violation names the line of the client that made the call, and the one that made the object.
#[test]
fn a_violation_names_both_of_its_places() {
    if is_scenario() {
        let client = Client::new(inline());
        let buffer = PoolBuffer::new(10);
        let request = receive(client.connections()[1], &buffer, 0);
        // SAFETY: breaks INV-14.
        unsafe { IoFreeIrp(request.irp) };
        return;
    }
    let said = run_failing().error;
    let (made, broken) = (line!() - 6, line!() - 4);
    let created =
        said.split_once("\n  created: by WskReceive in the thread `").unwrap_or_default().1;
    let (created, here) = created.split_once("\n  here:").unwrap_or_default();
    require(created, &[&format!("at ./tests/reports/places.rs:{made}:")]);
    let first = here.lines().nth(1).unwrap_or_default();
    assert!(first.contains(&format!("at ./tests/reports/places.rs:{broken}:")), "{said}");
}
