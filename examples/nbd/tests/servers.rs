//! The disk on a host with the machine's network, and servers of others: their files have what was written.

mod model;
#[allow(dead_code, reason = "the other tests use all of it")]
mod owner;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use nbd::{Disk, Error, ExportName, Request, Service, Settings};
use test_support::scenario::{on_host, passive};
use wsk::{ErrorKind, Runtime, time};
use wsk_host::{Config, Host, Timing};

use crate::model::{Random, Workload};
use crate::owner::{Answers, TestOwner, lend, lend_bytes};

const SIZE: usize = 4 << 20;

/// A server, until it is dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // If the server has ended by itself, the test has failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a disk against a server, and compares what was written with the server's file.
fn check(server: impl Fn(&Path, SocketAddr) -> Command) {
    for timing in [Timing::Inline, Timing::Deferred, Timing::Mixed(1)] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("disk");
        fs::write(&file, vec![0; SIZE]).unwrap();
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let _server = Server(server(&file, address).spawn().unwrap());
        let host = Host::new(Config::real().timing(timing));
        on_host(&host, async |wsk| {
            let runtime = Runtime::new(passive(), 2)?;
            let settings = Settings {
                server: address,
                export: ExportName::try_from("disk").unwrap(),
                patience: Duration::from_secs(20),
                outage: Duration::ZERO,
                log: |message| panic!("{message}"),
            };
            let (disk, service): (_, Service<TestOwner>) = loop {
                match Disk::connect(&wsk, settings.clone()).await {
                    Ok(connected) => break connected,
                    // Nothing announces that the server listens.
                    Err(Error::Network(error))
                        if error.kind() == ErrorKind::ConnectionRefused
                            && host.elapsed() < Duration::from_secs(20) =>
                    {
                        time::sleep(Duration::from_millis(20)).await?;
                    }
                    Err(error) => panic!("{error}"),
                }
            };
            let task = runtime.spawner().spawn(service.run())?;
            assert_eq!(disk.export().size, SIZE as u64);
            Workload::new(7, SIZE).run(&disk, 300).await?;
            let written = large(&disk).await;
            drop(disk);
            task.await?;
            runtime.shutdown(passive());
            assert!(
                fs::read(&file).unwrap()[SIZE - written.len()..] == written,
                "the file differs"
            );
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{timing:?}: {error}"));
        assert_eq!(host.outstanding_allocations(), 0, "{timing:?}");
    }
}

/// Writes the last three MiB, each with one request, reads them, and makes a hole. Returns what is there then.
async fn large(disk: &Disk<TestOwner>) -> Vec<u8> {
    const MIB: usize = 1 << 20;
    let mut random = Random::new(1);
    let mut bytes: Vec<u8> = (0..3 * MIB).map(|_| random.below(256).to_le_bytes()[0]).collect();
    let answers = Answers::new();
    let start = u64::try_from(SIZE - bytes.len()).unwrap();
    let offset = |number: usize| start + u64::try_from(number * MIB).unwrap();
    for (number, part) in bytes.chunks(MIB).enumerate() {
        disk.submit(Request::write(
            offset(number),
            number == 1,
            lend_bytes(&answers, number, part),
        ));
    }
    for number in 0..3 {
        assert_eq!(answers.of(number).await, Ok(MIB));
        disk.submit(Request::read(offset(number), lend(&answers, 10 + number, MIB)));
    }
    for (number, part) in bytes.chunks(MIB).enumerate() {
        assert_eq!(answers.of(10 + number).await, Ok(MIB));
        assert!(answers.bytes(10 + number) == part, "MiB {number} differs");
    }
    disk.submit(Request::write_zeroes(offset(1) + 4096, 8192, answers.owner(20)));
    // Not every server knows it.
    if answers.of(20).await.is_ok() {
        bytes[MIB + 4096..][..8192].fill(0);
    }
    disk.submit(Request::flush(answers.owner(21)));
    assert_eq!(answers.of(21).await, Ok(0));
    bytes
}

#[test]
#[ignore = "needs nbd-server: cargo xtask test nbd --setup"]
fn nbd_server() {
    check(|file, address| {
        let config = file.with_file_name("config");
        let text = format!(
            "[generic]\nlistenaddr = {}\nport = {}\n[disk]\nexportname = {}\nflush = true\nfua = true\ntrim = true\n",
            address.ip(),
            address.port(),
            file.display()
        );
        fs::write(&config, text).unwrap();
        let mut command = Command::new("nbd-server");
        // In the foreground, for one connection.
        command.arg("-d").arg("-C").arg(config);
        command
    });
}

#[test]
#[ignore = "needs qemu-nbd: cargo xtask test nbd --setup"]
fn qemu_nbd() {
    check(|file, address| {
        let mut command = Command::new("qemu-nbd");
        command
            .args(["--format=raw", "--export-name=disk", "--persistent", "--shared=0"])
            .arg(format!("--bind={}", address.ip()))
            .arg(format!("--port={}", address.port()))
            .arg(file);
        command
    });
}
