//! Prometheus reads the metrics: its linter finds no fault, and its server scrapes them over the machine's network.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use wsk::irql::Passive;
use wsk::{Registration, Result, Runtime, TcpListener, rt};
use wsk_host::{Config, Host};

/// Runs a test with the address of an exporter on the machine's network.
fn with_exporter(test: impl FnOnce(SocketAddr)) -> Result<()> {
    let host = Host::new(Config::real());
    let _kernel = host.enter();
    // SAFETY: on a host, a test's thread runs at PASSIVE_LEVEL.
    let passive = unsafe { Passive::assume() };
    let registration = Registration::register(passive)?;
    let wsk = registration.try_capture()?;
    let runtime = Runtime::new(passive, 1)?;
    let address = rt::block_on(passive, async {
        let listener = TcpListener::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr().await?;
        let log = |message: std::fmt::Arguments<'_>| panic!("{message}");
        runtime.spawner().spawn(metrics::serve(listener, runtime.spawner(), log))?;
        Ok::<_, wsk::Error>(address)
    })??;
    host.blocking(|| test(address));
    runtime.shutdown(passive);
    drop(wsk);
    registration.deregister(passive);
    wsk::unload(passive);
    Ok(())
}

#[test]
#[ignore = "needs Prometheus: cargo xtask test metrics --setup"]
fn the_linter_of_prometheus_finds_no_fault() -> Result<()> {
    with_exporter(|address| {
        let mut stream = StdStream::connect(address).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: wsk\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();

        let mut linter = Command::new("promtool");
        linter.args(["check", "metrics"]).stdin(Stdio::piped());
        let mut linter = linter.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        linter.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
        let output = linter.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?} of:\n{body}");
    })
}

/// The server of Prometheus, until it is dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // If the server has ended by itself, the test has failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "needs Prometheus: cargo xtask test metrics --setup"]
fn the_server_of_prometheus_scrapes_them() -> Result<()> {
    with_exporter(|exporter| {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("prometheus.yml");
        let text = format!(
            "scrape_configs:\n  - job_name: wsk\n    scrape_interval: 1s\n    static_configs:\n      - targets: ['{exporter}']\n"
        );
        fs::write(&config, text).unwrap();
        let address = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .args(["--log.level=error"]);
        let _server = Server(command.spawn().unwrap());

        assert_eq!(eventually(address, "up"), "1");
        // The exporter's own answer to an earlier scrape, of more than 1,000 bytes.
        eventually(address, "wsk_sent_bytes_total > 1000");
        eventually(address, "rate(wsk_requests_total[10s]) > 0");
        // The listener, and the connection of the scrape.
        assert_eq!(eventually(address, "wsk_sockets"), "2");
    })
}

/// The first value of a query. Nothing announces the value, so the query is repeated until it has one.
fn eventually(server: SocketAddr, query: &str) -> String {
    let started = Instant::now();
    loop {
        let url = format!("http://{server}");
        let mut command = Command::new("promtool");
        command.args(["query", "instant", "--format=json", &url, query]);
        let output = command.output().unwrap();
        let values: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        // A time and a value, as text.
        if let Some(value) = values[0]["value"][1].as_str() {
            return value.to_owned();
        }
        assert!(started.elapsed() < Duration::from_secs(60), "no value of {query}: {output:?}");
        thread::sleep(Duration::from_millis(200));
    }
}
