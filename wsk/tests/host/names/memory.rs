//! What look-ups allocate.

use test_support::scenario::{each_allocation, last_under_miri, on_host};
use wsk::flags::NameInfoFlags;
use wsk::resolve::Hints;
use wsk::{ErrorKind, net};
use wsk_host::{Config, Timing};

use super::{V4, host, with};

/// A warm client allocates what the look-up itself needs, once, and nothing else.
#[test]
fn a_look_up_allocates_once() {
    for timing in last_under_miri([Timing::Inline, Timing::Deferred, Timing::Mixed(1)]) {
        with(Config::default().timing(timing), async |wsk, host| {
            for round in 0..5 {
                let before = host.allocations();
                drop(wsk.resolve("server.example", 80, Hints::stream()).await?);
                let between = host.allocations();
                drop(wsk.name_of((V4, 80), NameInfoFlags::empty()).await?);
                let counts = (between - before, host.allocations() - between);
                // The first one makes the request, too.
                assert_eq!(counts, (if round == 0 { 2 } else { 1 }, 1), "{timing:?}");
            }
            Ok(())
        });
    }
}

/// Every single allocation fails in turn: an error comes back, and nothing is leaked.
#[test]
fn every_allocation_may_fail() {
    for timing in last_under_miri([Timing::Inline, Timing::Deferred, Timing::Mixed(2)]) {
        let mut failures = 0;
        for number in each_allocation() {
            assert!(number < 100, "the scenario never gets through");
            let host = host(Config { timing, ..Config::default() });
            host.fail_allocation(number);
            let result = on_host(&host, async |wsk| {
                let list = wsk.resolve("server.example", 80, Hints::stream()).await?;
                assert_eq!(list.addresses().count(), 2);
                let names = wsk.name_of((V4, 80), NameInfoFlags::empty()).await?;
                assert_eq!(names.host(), "server.example");
                assert_eq!(net::lookup_host(&wsk, "server.example:80").await?.count(), 2);
                Ok(())
            });
            assert_eq!(host.outstanding_allocations(), 0, "{timing:?}, allocation {number}");
            match result {
                Ok(()) => break,
                Err(error) => assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}"),
            }
            failures += 1;
        }
        // Registration, provider, waker, request, and one for each of three look-ups.
        assert!(cfg!(miri) || failures >= 7, "only {failures} allocations were made to fail");
    }
}
