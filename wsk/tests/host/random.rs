//! Random bytes, which the host draws from its seed.

use test_support::scenario::{on_host, timings};
use wsk::{ErrorKind, Provider, random};
use wsk_host::{Config, Host, Timing};

use crate::sync::at_dispatch_level;

fn drawn(timing: Timing, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    let host = Host::new(Config::default().timing(timing));
    let fill = async |_: Provider| random::fill(&mut bytes);
    on_host(&host, fill).unwrap();
    bytes
}

#[test]
fn every_byte_is_filled_and_a_seed_repeats_them() {
    for timing in timings() {
        let bytes = drawn(timing, 1000);
        assert_eq!(bytes, drawn(timing, 1000));
        // A byte is zero once in 256; a part that was left out would be zero in whole.
        assert!(bytes.windows(8).all(|part| part != [0; 8]), "{timing:?}");
    }
    assert_ne!(drawn(Timing::Mixed(1), 32), drawn(Timing::Mixed(2), 32));
    assert_eq!(drawn(Timing::Inline, 0), b"");
}

/// The system's generator cannot be called there.
#[test]
fn random_bytes_are_refused_at_dispatch_level() {
    let refused = on_host(&Host::new(Config::default()), async |_: Provider| {
        Ok(at_dispatch_level(|| random::fill(&mut [0; 4])))
    });
    assert_eq!(refused.unwrap().unwrap_err().kind(), ErrorKind::InvalidInput);
}
