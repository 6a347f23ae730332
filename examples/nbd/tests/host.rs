//! The disk on a host, with a server of the test's own in the same network.

mod model;
mod owner;
mod server;

use std::net::Ipv4Addr;
use std::time::Duration;

use nbd::{Disk, Error, ExportName, Request, Service, Settings};
use test_support::scenario::{on_host, passive};
use wsk::{ErrorKind, Provider, Runtime, time};
use wsk_host::{Config, Faults, Host};

use crate::model::Workload;
use crate::owner::{Answers, TestOwner, lend, lend_bytes};
use crate::server::{Behaviour, Server, shown};

const SIZE: usize = 64 << 10;

fn settings(port: u16) -> Settings {
    Settings {
        server: (Ipv4Addr::LOCALHOST, port).into(),
        export: ExportName::try_from("disk").unwrap(),
        patience: Duration::from_secs(5),
        outage: Duration::from_secs(60),
        log: |message| println!("{message}"),
    }
}

/// A server, a disk of it, and a runtime for both.
async fn with_disk(
    wsk: &Provider,
    behaviour: Behaviour,
    test: impl AsyncFnOnce(&Disk<TestOwner>, &Server) -> wsk::Result<()>,
) -> wsk::Result<()> {
    let runtime = Runtime::new(passive(), 2)?;
    let server = Server::start(wsk, &runtime.spawner(), SIZE, behaviour).await?;
    let (disk, service): (_, Service<TestOwner>) = loop {
        match Disk::connect(wsk, settings(server.port)).await {
            Ok(connected) => break connected,
            // A fault of the network.
            Err(Error::Network(error)) if error.kind().is_disconnect() => {}
            Err(error) => panic!("{error}"),
        }
    };
    let task = runtime.spawner().spawn(service.run())?;
    test(&disk, &server).await?;
    drop(disk);
    task.await?;
    server.stop();
    runtime.shutdown(passive());
    Ok(())
}

#[test]
fn reads_what_was_written() {
    let host = Host::new(Config::default());
    on_host(&host, async |wsk| {
        with_disk(&wsk, Behaviour::default(), async |disk, server| {
            let answers = Answers::new();
            assert_eq!(disk.export().size, SIZE as u64);
            disk.submit(Request::write(512, true, lend_bytes(&answers, 1, &[7; 1024])));
            assert_eq!(answers.of(1).await, Ok(1024));
            disk.submit(Request::flush(answers.owner(2)));
            assert_eq!(answers.of(2).await, Ok(0));
            disk.submit(Request::read(0, lend(&answers, 3, 2048)));
            assert_eq!(answers.of(3).await, Ok(2048));
            let read = answers.bytes(3);
            assert_eq!(read, [vec![0; 512], vec![7; 1024], vec![0; 512]].concat());
            disk.submit(Request::trim(512, 512, answers.owner(4)));
            assert_eq!(answers.of(4).await, Ok(0));
            disk.submit(Request::write_zeroes(1024, 512, answers.owner(5)));
            assert_eq!(answers.of(5).await, Ok(0));
            assert_eq!(server.bytes()[1024..1536], [0; 512]);
            assert_eq!(shown(&server.commands()), "W+ F R T Z");
            Ok(())
        })
        .await
    })
    .unwrap();
    assert_eq!(host.outstanding_allocations(), 0);
}

#[test]
fn requests_that_the_export_does_not_have_are_refused_at_once() {
    let host = Host::new(Config::default());
    on_host(&host, async |wsk| {
        let behaviour =
            Behaviour { read_only: true, longest: 4096, block: 512, ..Behaviour::default() };
        with_disk(&wsk, behaviour, async |disk, server| {
            let answers = Answers::new();
            let end = SIZE as u64;
            disk.submit(Request::read(end - 511, lend(&answers, 0, 512)));
            disk.submit(Request::read(u64::MAX, lend(&answers, 1, 512)));
            disk.submit(Request::read(0, lend(&answers, 2, 4097)));
            disk.submit(Request::read(1, lend(&answers, 5, 512)));
            disk.submit(Request::read(0, lend(&answers, 6, 511)));
            for number in [0, 1, 2, 5, 6] {
                assert_eq!(answers.of(number).await.unwrap_err().kind(), ErrorKind::InvalidInput);
            }
            disk.submit(Request::write(0, false, lend(&answers, 3, 512)));
            disk.submit(Request::write_zeroes(0, 512, answers.owner(4)));
            for number in 3..5 {
                let error = answers.of(number).await.unwrap_err();
                assert_eq!(error.status().cast_unsigned(), 0xC000_00A2, "{error}");
            }
            assert_eq!(shown(&server.commands()), "");
            Ok(())
        })
        .await
    })
    .unwrap();
}

/// Servers that are none, or do not serve the export: each is an error in words.
#[test]
fn a_server_that_cannot_be_used_is_an_error_in_words() {
    let cases: [(&[u8], Error); 6] = [
        (b"220 mail.test ESMTP ready for you\r\n", Error::NotNbd),
        (b"NBDMAGIC\x00\x00\x42\x02\x81\x86\x12\x53", Error::NotNbd),
        (b"NBDMAGICIHAVEOPT\x00\x00", Error::NotNbd),
        (
            b"NBDMAGICIHAVEOPT\x00\x03\x00\x03\xe8\x89\x04\x55\x65\xa9\0\0\0\x07\x80\0\0\x06\0\0\0\0",
            Error::Refused(0x8000_0006),
        ),
        (
            b"NBDMAGICIHAVEOPT\x00\x03\x00\x03\xe8\x89\x04\x55\x65\xa9\0\0\0\x07\0\0\0\x01\0\0\0\0",
            Error::Unexpected("no size of the export"),
        ),
        (
            b"NBDMAGICIHAVEOPT\x00\x03\x00\x03\xe8\x89\x04\x55\x65\xa9\0\0\0\x07\0\0\0\x03\xff\xff\xff\xff",
            Error::Unexpected("a reply that is too long"),
        ),
    ];
    for (greeting, expected) in cases {
        let host = Host::new(Config::default());
        on_host(&host, async |wsk| {
            let runtime = Runtime::new(passive(), 1)?;
            let port = server::greet(&wsk, &runtime.spawner(), greeting).await?;
            let connected = Disk::<TestOwner>::connect(&wsk, settings(port)).await;
            assert_eq!(connected.err(), Some(expected));
            runtime.shutdown(passive());
            Ok(())
        })
        .unwrap();
    }
}

/// An older server knows only the option `EXPORT_NAME`, and may send 124 zeroes.
#[test]
fn older_servers_are_served_too() {
    for zeroes in [false, true] {
        let host = Host::new(Config::default());
        on_host(&host, async |wsk| {
            let behaviour = Behaviour { old: true, zeroes, ..Behaviour::default() };
            with_disk(&wsk, behaviour, async |disk, _| {
                let answers = Answers::new();
                disk.submit(Request::write(0, false, lend_bytes(&answers, 0, b"old")));
                assert_eq!(answers.of(0).await, Ok(3));
                Ok(())
            })
            .await
        })
        .unwrap();
    }
}

/// The seeds of the tests with random requests.
fn seeds() -> std::ops::Range<u64> {
    0..if std::env::var_os("WSK_ALL_SEEDS").is_some() { 1000 } else { 8 }
}

/// Random requests to a server that resets, falls silent, answers slowly and out of order. Every request completes once, and
/// reads return what a disk could have at that time.
#[test]
fn requests_survive_servers_that_fail() {
    let mut connections = 0;
    for seed in seeds() {
        let faults = Faults { reset: if seed % 3 == 0 { 10 } else { 0 }, ..Faults::default() };
        let host = Host::new(Config::default().seed(seed).faults(faults));
        on_host(&host, async |wsk| {
            let behaviour = Behaviour::failing(seed);
            with_disk(&wsk, behaviour, async |disk, server| {
                let mut workload = Workload::new(seed, SIZE);
                workload.run(disk, 120).await?;
                connections += server.connections();
                Ok(())
            })
            .await
        })
        .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!(host.outstanding_allocations(), 0, "seed {seed}");
    }
    assert!(connections > seeds().end.try_into().unwrap(), "no connection has failed");
}

/// The driver unloads, or the disk is removed, with requests in flight: each is ended once.
#[test]
fn every_request_ends_when_the_service_is_dropped() {
    for seed in seeds() {
        let host = Host::new(Config::default().seed(seed));
        on_host(&host, async |wsk| {
            let runtime = Runtime::new(passive(), 2)?;
            let behaviour = Behaviour { answers: seed % 10, ..Behaviour::failing(seed) };
            let server = Server::start(&wsk, &runtime.spawner(), SIZE, behaviour).await?;
            let (disk, service) = Disk::connect(&wsk, settings(server.port)).await.unwrap();
            let task = runtime.spawner().spawn(service.run())?;
            let answers = Answers::new();
            for number in 0..50 {
                let offset = u64::try_from(number % 16 * 4096).unwrap();
                match number % 3 {
                    0 => disk.submit(Request::read(offset, lend(&answers, number, 4096))),
                    1 => disk.submit(Request::write(offset, false, lend(&answers, number, 512))),
                    _ => disk.submit(Request::flush(answers.owner(number))),
                }
            }
            time::sleep(Duration::from_millis(seed % 7 * 300)).await?;
            task.abort();
            let _ = task.await;
            for number in 0..50 {
                let answer = answers.of(number).await;
                let is_expected = answer.is_ok()
                    || answer.is_err_and(|error| error.kind() == ErrorKind::Cancelled);
                assert!(is_expected, "{number}: {answer:?}");
            }
            disk.submit(Request::flush(answers.owner(50)));
            assert!(answers.of(50).await.is_err());
            server.stop();
            runtime.shutdown(passive());
            Ok(())
        })
        .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!(host.outstanding_allocations(), 0, "seed {seed}");
    }
}

/// A cancelled request ends although the server is silent, and is not sent again.
#[test]
fn a_cancelled_request_ends_and_is_not_sent_again() {
    let host = Host::new(Config::default());
    on_host(&host, async |wsk| {
        let behaviour = Behaviour { answers: 0, ..Behaviour::default() };
        with_disk(&wsk, behaviour, async |disk, server| {
            let answers = Answers::new();
            disk.submit(Request::read(0, lend(&answers, 0, 512)));
            disk.submit(Request::write(512, false, lend(&answers, 1, 512)));
            disk.submit(Request::flush(answers.owner(2)));
            while server.commands().len() < 3 {
                time::sleep(Duration::from_millis(10)).await?;
            }
            for number in 0..3 {
                answers.cancel(number);
            }
            for number in 0..3 {
                assert_eq!(answers.of(number).await.unwrap_err().kind(), ErrorKind::Cancelled);
            }
            assert_eq!(shown(&server.commands()), "R W F");
            Ok(())
        })
        .await
    })
    .unwrap();
}

/// A write that was cancelled may still be done by the server. It overwrites nothing that was written later.
#[test]
fn a_cancelled_write_overwrites_nothing_newer() {
    let host = Host::new(Config::default());
    on_host(&host, async |wsk| {
        let holds_write = Some(Duration::from_millis(3500));
        let behaviour = Behaviour { holds_write, ..Behaviour::default() };
        with_disk(&wsk, behaviour, async |disk, server| {
            let answers = Answers::new();
            disk.submit(Request::write(0, false, lend_bytes(&answers, 0, &[1; 512])));
            while server.commands().is_empty() {
                time::sleep(Duration::from_millis(10)).await?;
            }
            answers.cancel(0);
            assert_eq!(answers.of(0).await.unwrap_err().kind(), ErrorKind::Cancelled);
            assert!(host.elapsed() < Duration::from_secs(3), "it has waited for the server");
            disk.submit(Request::write(0, false, lend_bytes(&answers, 1, &[2; 512])));
            assert_eq!(answers.of(1).await, Ok(512));
            time::sleep(Duration::from_secs(4)).await?;
            disk.submit(Request::read(0, lend(&answers, 2, 512)));
            assert_eq!(answers.of(2).await, Ok(512));
            assert_eq!(answers.bytes(2), [2; 512]);
            assert_eq!(server.connections(), 1);
            Ok(())
        })
        .await
    })
    .unwrap();
}

/// The system sends and receives the memory of the requests themselves.
#[test]
fn no_payload_is_copied() {
    let host = Host::new(Config::default());
    on_host(&host, async |wsk| {
        with_disk(&wsk, Behaviour::default(), async |disk, _| {
            let answers = Answers::new();
            for (number, function) in ["WskSend", "WskReceive"].into_iter().enumerate() {
                let memory = lend_bytes(&answers, number, &[5; 3000]);
                host.record_memory();
                disk.submit(match number {
                    0 => Request::write(0, false, memory),
                    _ => Request::read(0, memory),
                });
                assert_eq!(answers.of(number).await, Ok(3000));
                let passed = host.recorded_memory();
                for (address, length) in answers.pieces(number) {
                    let mut all = passed.iter().filter(|passed| passed.function == function);
                    let is_passed = all.any(|one| {
                        one.address <= address && address + length <= one.address + one.length
                    });
                    assert!(
                        is_passed,
                        "{function} without {length} bytes at {address:#x}: {passed:?}"
                    );
                }
            }
            Ok(())
        })
        .await
    })
    .unwrap();
}

/// Without a server, requests fail after the time that the settings give.
#[test]
fn requests_fail_after_an_outage() {
    let host = Host::new(Config::default());
    on_host(&host, async |wsk| {
        with_disk(&wsk, Behaviour::default(), async |disk, server| {
            let answers = Answers::new();
            server.leave();
            disk.submit(Request::read(0, lend(&answers, 0, 512)));
            let start = host.elapsed();
            let error = answers.of(0).await.unwrap_err();
            assert_eq!(error.status().cast_unsigned(), 0xC000_020C, "{error}");
            assert!(host.elapsed() >= start + Duration::from_secs(60), "{:?}", host.elapsed());
            Ok(())
        })
        .await
    })
    .unwrap();
}
