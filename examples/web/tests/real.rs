//! The server on a host with the machine's network: the checks that also run in Wine.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use web::{Site, Url};
use web_checks::{CHECKS, Origin};
use wsk::irql::Passive;
use wsk::{Registration, Result, Runtime, TcpListener, rt};
use wsk_host::{Config, Host, Network, Timing};

/// Runs clients against a server, stops the server, and checks that it freed all memory.
fn serving(page: Option<&str>, log: web::Log, clients: impl Fn(SocketAddr) -> anyhow::Result<()>) {
    for timing in [Timing::Inline, Timing::Deferred, Timing::Mixed(1)] {
        let host = Host::new(Config { network: Network::Real, timing, ..Config::default() });
        let entered = host.enter();
        on_host(page, log, &clients)
            .and_then(|result| result)
            .unwrap_or_else(|error| panic!("{timing:?}: {error:#}"));
        host.settle();
        assert_eq!(host.outstanding_allocations(), 0, "{timing:?}: not all memory was freed");
        drop(entered);
    }
}

fn on_host(
    page: Option<&str>,
    log: web::Log,
    clients: impl FnOnce(SocketAddr) -> anyhow::Result<()>,
) -> anyhow::Result<anyhow::Result<()>> {
    // SAFETY: on a host, a test's thread runs at PASSIVE_LEVEL, outside any callback.
    let passive = unsafe { Passive::assume() };
    let registration = Registration::register(passive)?;
    let wsk = registration.try_capture()?;
    let bind = async || {
        let listener = TcpListener::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr().await?;
        Result::Ok((listener, address))
    };
    let (listener, address) = rt::block_on(passive, bind())??;
    let runtime = Runtime::new(passive, 2)?;
    let spawner = runtime.spawner();
    let page = page.map(|page| Url::try_from(page).unwrap());
    let site = Site { wsk: wsk.clone(), page, log };
    runtime.spawner().spawn(async move { web::serve(listener, spawner, site).await.unwrap() })?;
    let result = clients(address);
    runtime.shutdown(passive);
    drop(wsk);
    registration.deregister(passive);
    wsk::unload(passive);
    Ok(result)
}

/// Fails the test: no client causes the server to report a failure.
fn complain(message: fmt::Arguments<'_>) {
    panic!("{message}");
}

/// Ignores messages: failures of the other server are expected.
fn ignore(_message: fmt::Arguments<'_>) {}

#[test]
#[ignore = "needs curl and Python 3: cargo test --package web --test real -- --ignored"]
fn passes_the_checks_that_also_run_in_wine() {
    let origin = Origin::start(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap();
    serving(Some(&origin.url()), complain, |server| {
        for (name, check) in CHECKS {
            check(server).map_err(|error| error.context(name))?;
        }
        Ok(())
    });
}

#[test]
#[ignore = "needs curl and Python 3: cargo test --package web --test real -- --ignored"]
fn failures_of_the_other_server_are_reported_to_the_client() {
    let origin = Origin::start(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap();
    let missing = origin.url_without_page();
    serving(Some(&missing), complain, |server| web_checks::not_fetched(server, "404"));
    drop(origin);
    serving(Some(&missing), ignore, |server| web_checks::not_fetched(server, "502"));
    serving(Some("no URL"), ignore, |server| web_checks::not_fetched(server, "502"));
    serving(None, complain, |server| web_checks::not_fetched(server, "404"));
}

/// Runs the example `fetch` as the README shows it.
#[test]
#[ignore = "needs curl and Python 3: cargo test --package web --test real -- --ignored"]
fn the_client_prints_the_page() {
    let origin = Origin::start(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap();
    let fetch = |url: &str| {
        let examples = std::env::current_exe().unwrap();
        let program = examples.parent().unwrap().parent().unwrap().join("examples").join("fetch");
        Command::new(program).arg(url).output().unwrap()
    };
    let fetched = fetch(&origin.url());
    assert!(fetched.status.success(), "{}", String::from_utf8_lossy(&fetched.stderr));
    assert_eq!(fetched.stderr, b"200, 100000 bytes\n");
    assert!(web_checks::is_page(&fetched.stdout));
    drop(origin);
    assert!(!fetch("http://127.0.0.1:1/").status.success());
}
