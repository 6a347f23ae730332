//! The checks of the metrics driver: scrapes.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use cargo_wsk::wine::{Channels, Prefix, WineLog};

use super::PORT;
use super::test::LoadableDriver;
use crate::project;

pub(super) fn checks(image: &Path, log: &WineLog) -> Result<()> {
    let prefix = Prefix::create(&project::scratch()?, log, Channels::Messages)?;
    let run = LoadableDriver { prefix: &prefix, name: "metrics", port: PORT, image, log };
    let driver = run.load()?;
    let server = driver.server;
    run.check("two scrapes, the second of which counts the first", move || two_scrapes(server))?;
    run.check("100 scrapes", move || (0..100).try_for_each(|_| scrape(server).map(drop)))?;
    run.check("a path that does not exist", move || {
        let answer = ask(server, "/")?;
        ensure!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
        Ok(())
    })?;
    let silent = TcpStream::connect(server)?;
    run.check("unload with a client that is silent", || driver.unload().map(drop))?;
    drop(silent);
    run.check("load fails when the port is in use", || run.load_on_a_used_port())?;
    prefix.remove()
}

fn two_scrapes(server: SocketAddr) -> Result<()> {
    const SENT: &str = "wsk_sent_bytes_total";
    let (first, second) = (scrape(server)?, scrape(server)?);
    let (before, after) = (value(&first, SENT)?, value(&second, SENT)?);
    let size = u64::try_from(first.len())?;
    ensure!(after == before + size, "{SENT}: {before}, then {after} after {size} bytes");
    Ok(())
}

/// The whole answer.
fn scrape(server: SocketAddr) -> Result<String> {
    let answer = ask(server, "/metrics")?;
    ensure!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    Ok(answer)
}

fn ask(server: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(server).context("cannot connect")?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: wsk\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).context("cannot read the answer")?;
    Ok(answer)
}

fn value(answer: &str, name: &str) -> Result<u64> {
    let line = answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(line.with_context(|| format!("no {name} in:\n{answer}"))?.parse()?)
}
