//! Third-party executors: embassy's in a driver, and those of async-executor and tokio, which run on a host only.

use std::net::{Ipv4Addr, SocketAddr};
use std::thread;

use anyhow::{Context as _, Result};
use async_executor::Executor;
use crates::{Error, executor};
use futures_lite::future;
use tokio::task::JoinSet;
use wsk::net::Compat;
use wsk::sync::CancellationToken;
use wsk::{Provider, TcpListener, TcpStream, rt};

use crate::driver::{self, Driver};
use crate::http::{CURLED, Origin, curl};

fn listen(driver: &Driver) -> Result<(TcpListener, SocketAddr)> {
    let wsk = driver.wsk.clone();
    let bound = async move { TcpListener::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await };
    let listener = driver.join(driver.spawner.spawn(bound)?)??;
    let address = rt::block_on(driver.passive, listener.local_addr())??;
    Ok((listener, address))
}

/// Tasks of embassy-executor serve curl. They end when they are stopped, or when the task that polls them is dropped.
#[test]
fn embassy_executor_serves() -> Result<()> {
    for is_stopped in [true, false] {
        driver::load_with_embassy(|driver| {
            let (listener, address) = listen(driver)?;
            let stop = CancellationToken::new()?;
            let token = stop.clone();
            let serving = driver.spawner.spawn_pinned(move |_| executor::serve(listener, token))?;
            assert_eq!(curl(address)?, CURLED);

            let (second, _) = listen(driver)?;
            let token = CancellationToken::new()?;
            let second = driver.spawner.spawn_pinned(move |_| executor::serve(second, token))?;
            let result = driver.join(second)?;
            assert!(matches!(result, Err(Error::Busy)), "{result:?}");

            if is_stopped {
                stop.cancel();
                driver.join(serving)??;
            }
            Ok(())
        })?;
    }
    Ok(())
}

const REQUEST: &[u8] = b"GET /page.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// The page of a response.
fn page(response: &str) -> Result<&str> {
    let (_, page) = response.split_once("\r\n\r\n").context("no page")?;
    Ok(page)
}

async fn connect(wsk: &Provider, server: SocketAddr) -> Result<Compat> {
    Ok(Compat::from(TcpStream::connect(wsk, server).await?))
}

async fn fetch_by_tokio(wsk: Provider, server: SocketAddr) -> Result<String> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let mut stream = connect(&wsk, server).await?;
    stream.write_all(REQUEST).await?;
    stream.flush().await?;
    let mut response = String::new();
    stream.read_to_string(&mut response).await?;
    Ok(page(&response)?.to_owned())
}

async fn fetch_by_futures(wsk: Provider, server: SocketAddr) -> Result<String> {
    use futures_lite::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let mut stream = connect(&wsk, server).await?;
    stream.write_all(REQUEST).await?;
    stream.flush().await?;
    let mut response = String::new();
    stream.read_to_string(&mut response).await?;
    Ok(page(&response)?.to_owned())
}

/// Tasks of tokio, on the thread of a test, which has entered the host.
#[test]
fn tokio_drives_sockets() -> Result<()> {
    let origin = Origin::start("a page")?;
    let pages = driver::load(|driver| {
        let tokio = tokio::runtime::Builder::new_current_thread().build()?;
        let (wsk, server) = (&driver.wsk, origin.address);
        tokio.block_on(async {
            let mut tasks = JoinSet::new();
            for _ in 0..4 {
                tasks.spawn(fetch_by_tokio(wsk.clone(), server));
            }
            tasks.join_all().await.into_iter().collect::<Result<Vec<_>>>()
        })
    })?;
    assert_eq!(pages, ["a page"; 4]);
    Ok(())
}

/// Tasks of async-executor, on two threads that have entered the host.
#[test]
fn async_executor_drives_sockets() -> Result<()> {
    let origin = Origin::start("a page")?;
    let pages = driver::load(|driver| {
        let (executor, stop) = (Executor::new(), CancellationToken::new()?);
        thread::scope(|scope| {
            let (host, executor, stop) = (driver.host.clone(), &executor, &stop);
            scope.spawn(move || {
                let _entered = host.enter();
                future::block_on(executor.run(stop.cancelled()));
            });
            let tasks = [(); 4]
                .map(|()| executor.spawn(fetch_by_futures(driver.wsk.clone(), origin.address)));
            let pages = future::block_on(executor.run(async {
                let mut pages = Vec::new();
                for task in tasks {
                    pages.push(task.await);
                }
                pages
            }));
            stop.cancel();
            pages.into_iter().collect::<Result<Vec<_>>>()
        })
    })?;
    assert_eq!(pages, ["a page"; 4]);
    Ok(())
}
