//! The server on a host with the machine's network: the checks that also run in Wine.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};

use wsk::irql::Passive;
use wsk::{Registration, Result, Runtime, TcpListener, rt};
use wsk_host::{Config, Host, Network, Timing};

/// Runs clients of `std::net` against a server, stops the server, and checks that all memory was freed. The clients'
/// result is dropped after the server has stopped.
fn serving<T>(clients: impl Fn(SocketAddr) -> anyhow::Result<T>) -> Vec<T> {
    [Timing::Inline, Timing::Deferred, Timing::Mixed(1), Timing::Mixed(2)]
        .map(|timing| {
            let host = Host::new(Config { network: Network::Real, timing, ..Config::default() });
            let entered = host.enter();
            let result = on_host(&clients)
                .and_then(|result| result)
                .unwrap_or_else(|error| panic!("{timing:?}: {error:#}"));
            host.settle();
            assert_eq!(host.outstanding_allocations(), 0, "{timing:?}: not all memory was freed");
            drop(entered);
            result
        })
        .into()
}

fn on_host<T>(
    clients: impl FnOnce(SocketAddr) -> anyhow::Result<T>,
) -> anyhow::Result<anyhow::Result<T>> {
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
    runtime
        .spawner()
        .spawn(async move { echo::serve(listener, spawner, complain).await.unwrap() })?;
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

#[test]
fn passes_the_checks_that_also_run_in_wine() {
    serving(|server| {
        for (name, check) in echo_checks::CHECKS {
            check(server).map_err(|error| error.context(name))?;
        }
        echo_checks::one_after_another(server, 1000)
    });
}

#[test]
fn stops_with_open_connections() {
    for open in serving(|server| echo_checks::open(server, 32)) {
        for (number, client) in open.into_iter().enumerate() {
            echo_checks::has_ended(client)
                .unwrap_or_else(|error| panic!("connection {number}: {error:#}"));
        }
    }
}
