//! The checks of the syslog driver: its control port. Wine has no UDP, so it runs without a server, and drops messages.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use cargo_wsk::wine::{Channels, Prefix, RegistryValue, ServiceParameter, WineLog};

use super::CONTROL;
use super::test::LoadableDriver;
use crate::project;

pub(super) fn checks(image: &Path, log: &WineLog) -> Result<()> {
    let prefix = Prefix::create(&project::scratch()?, log, Channels::Messages)?;
    let run = LoadableDriver { prefix: &prefix, name: "syslog", port: CONTROL, image, log };
    let server = |text: &str| ("Server".to_owned(), RegistryValue::Text(text.to_owned()));
    let unwatched: ServiceParameter = ("Watch".to_owned(), RegistryValue::Number(0));

    let driver = run.load_with(std::slice::from_ref(&unwatched))?;
    let address = driver.server;
    run.check("commands", move || commands(address))?;
    run.check("100 connections one after another", move || {
        (0..100).try_for_each(|_| CommandConnection::connect(address)?.ask("log again", "ok"))
    })?;
    run.check("a client that closes in a line", move || {
        CommandConnection::connect(address)?.0.get_mut().write_all(b"log unfin")?;
        CommandConnection::connect(address)?.ask("log finished", "ok")
    })?;
    run.check("dropped messages are counted", move || {
        // This includes the message of the unfinished line.
        CommandConnection::connect(address)?.ask("stats", "sent 0 dropped 103 failed 0")
    })?;
    let client = run.check("a connection is open", move || {
        let mut client = CommandConnection::connect(address)?;
        client.ask("log open", "ok")?;
        Ok(client)
    })?;
    run.check("unload with it", || driver.unload().map(drop))?;
    run.check("the client sees the end", move || client.has_ended())?;
    run.check("load fails when the port is in use", || run.load_on_a_used_port())?;
    run.check("load fails if Server is no address", || {
        run.refuses_to_start(&[server("localhost")], "the parameter Server is no address")
    })?;
    run.check("load fails for want of UDP", || {
        run.refuses_to_start(&[server("[::1]:514"), unwatched.clone()], "cannot send to [::1]:514")
    })?;
    prefix.remove()
}

fn commands(server: SocketAddr) -> Result<()> {
    let mut client = CommandConnection::connect(server)?;
    client.ask("log gr\u{fc}\u{df}e", "ok")?;
    client.ask("reboot", "unknown command: use `log TEXT` or `stats`")?;
    client.ask("stats", "sent 0 dropped 1 failed 0")
}

struct CommandConnection(BufReader<TcpStream>);

impl CommandConnection {
    fn connect(server: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(server).context("cannot connect")?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self(BufReader::new(stream)))
    }

    fn ask(&mut self, command: &str, expected: &str) -> Result<()> {
        self.0.get_mut().write_all(format!("{command}\n").as_bytes())?;
        let mut answer = String::new();
        self.0.read_line(&mut answer).with_context(|| format!("no answer to `{command}`"))?;
        ensure!(answer.trim_end() == expected, "`{command}`: `{answer}` instead of `{expected}`");
        Ok(())
    }

    fn has_ended(mut self) -> Result<()> {
        let read = self.0.read_line(&mut String::new());
        ensure!(matches!(read, Ok(0) | Err(_)), "the connection is still open");
        Ok(())
    }
}
