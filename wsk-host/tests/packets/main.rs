//! Captures of packets: what sockets carry, as other programs read it from the file.
//!
//! The tests that are ignored run `tshark`: `cargo xtask test packets`.

#![cfg(not(miri))] // Miri has no files here, and no network.
#![allow(clippy::large_futures, reason = "a test's stack is a process's")]

mod parsed;
mod scenario;
mod tshark;

use std::path::PathBuf;
use std::{fs, process};

use scenario::{Carried, carry, carry_elsewhere};
use wsk_host::{Config, Host, Timing};

/// A file that is deleted at the end of a test that passes.
struct CaptureFile(PathBuf);

impl CaptureFile {
    fn new(name: &str) -> Self {
        let name = format!("wsk-host-{}-{name}.pcapng", process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn delete(self) {
        fs::remove_file(self.0).unwrap();
    }
}

/// Captures the scenario with several timings, and on the machine's network, there with a peer of another program, too.
fn on_every_host(name: &str, check: impl Fn(&CaptureFile, &Carried)) {
    let timings = [Timing::Inline, Timing::Deferred].into_iter().chain((0..8).map(Timing::Mixed));
    let simulated = timings.map(|timing| Config::default().timing(timing));
    let scenarios = simulated.map(|config| (config, carry as fn(&Host) -> Carried));
    let real = [(Config::real(), carry as _), (Config::real(), carry_elsewhere as _)];
    for (number, (config, scenario)) in scenarios.chain(real).enumerate() {
        let file = CaptureFile::new(&format!("{name}-{number}"));
        let host = Host::new(config);
        host.capture_packets(&file.0).unwrap();
        let carried = scenario(&host);
        drop(host);
        check(&file, &carried);
        file.delete();
    }
}

/// Each direction of each connection, put together by sequence numbers, and each datagram.
#[test]
fn the_packets_carry_what_was_sent() {
    on_every_host("carried", |file, carried| {
        let packets = parsed::read(&file.0);
        for (addresses, bytes) in &carried.streams {
            assert!(packets.stream(addresses) == *bytes, "{addresses:?}");
        }
        assert_eq!(packets.datagrams, carried.datagrams);
        assert_eq!(packets.errors.len(), carried.reported.len());
        for (error, bytes) in packets.errors.iter().zip(&carried.reported) {
            assert!(error.quotes(bytes), "{error:?}");
        }
    });
}

#[test]
fn a_file_that_cannot_be_created_is_an_error() {
    let host = Host::new(Config::default());
    let path = std::env::temp_dir().join("no such folder").join("run.pcapng");
    let error = host.capture_packets(path).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    // The host works as before.
    assert!(!carry(&host).streams.is_empty());
}

/// Wireshark's own dissectors find no fault in the packets, and no wrong checksum.
#[test]
#[ignore = "runs tshark"]
fn no_packet_is_malformed() {
    on_every_host("malformed", |file, _| {
        let faults = "_ws.malformed || _ws.expert.severity == error || ip.checksum.status == Bad \
                      || tcp.checksum.status == Bad || udp.checksum.status == Bad \
                      || icmp.checksum.status == Bad || icmpv6.checksum.status == Bad";
        assert_eq!(tshark::lines(&file.0, faults), "");
        // The checksums were looked at.
        let right = tshark::lines(&file.0, "tcp.checksum.status == Good");
        assert!(right.lines().count() > 10, "{right}");
    });
}

/// Nothing looks lost, doubled or out of order.
#[test]
#[ignore = "runs tshark"]
fn the_analysis_of_connections_finds_nothing() {
    on_every_host("analysis", |file, _| {
        let found = "tcp.analysis.flags && !tcp.analysis.window_update && !tcp.connection.rst";
        assert_eq!(tshark::lines(&file.0, found), "");
    });
}

#[test]
#[ignore = "runs tshark"]
fn the_streams_that_wireshark_follows_are_those_that_were_sent() {
    on_every_host("streams", |file, carried| {
        let followed = tshark::streams(&file.0);
        for (addresses, bytes) in &carried.streams {
            assert!(followed[addresses] == *bytes, "{addresses:?}");
        }
    });
}
